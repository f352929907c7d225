//! Relay control, function 1CH: `PA P0-P2, C0-C3, N1, N2, ss mm hh DD MM YY`.

use jiff::civil::DateTime;

use crate::{DecodeError, EncodeError, Secret, bcd, formats, wire::Reader};

/// What the relay shall do (N1). Source: docs/protocols/dlt645.md section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayCommand {
    /// 1AH: cut supply.
    Disconnect,
    /// 1BH: let the customer restore supply by the meter's button.
    PermitReconnect,
    /// 1CH: restore supply at once.
    Reconnect,
}

impl RelayCommand {
    const fn code(self) -> u8 {
        match self {
            Self::Disconnect => 0x1A,
            Self::PermitReconnect => 0x1B,
            Self::Reconnect => 0x1C,
        }
    }

    fn from_code(code: u8) -> Result<Self, DecodeError> {
        [Self::Disconnect, Self::PermitReconnect, Self::Reconnect]
            .into_iter()
            .find(|command| command.code() == code)
            .ok_or(DecodeError::Undefined { field: "relay command N1", value: code.into() })
    }
}

/// A meter's password with its level; relay control needs level 2. The digits are never printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Password {
    /// PA: 2 or 4 for plain passwords.
    pub level: u8,
    digits: Secret<3>,
}

impl Password {
    /// From the level and the six digits as a number.
    pub fn new(level: u8, digits: u32) -> Result<Self, EncodeError> {
        Ok(Self { level, digits: Secret::new(bcd::encode(digits.into(), "password")?) })
    }
}

/// A relay command with all that a meter asks for before it obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayControl {
    /// What to do.
    pub command: RelayCommand,
    /// The password, usually of level 2.
    pub password: Password,
    /// Operator code C0-C3, up to 8 digits.
    pub operator: u32,
    /// The meter refuses the command when its own clock (local time) is past this. `None` is sent as zeros, which some
    /// head ends do and some meters take as "no expiry".
    pub expiry: Option<DateTime>,
}

impl RelayControl {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut data = vec![self.password.level];
        data.extend(self.password.digits.bytes());
        data.extend(bcd::encode::<4>(self.operator.into(), "operator")?);
        data.extend([self.command.code(), 0]);
        data.extend(self.expiry.map_or(Ok([0; 6]), formats::encode_seconds_first)?);
        Ok(data)
    }

    pub(super) fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        let password = Password { level: reader.u8()?, digits: Secret::new(reader.array()?) };
        // Eight digits always fit.
        let operator = u32::try_from(bcd::decode(&reader.array::<4>()?)?).unwrap_or(u32::MAX);
        let command = RelayCommand::from_code(reader.u8()?)?;
        let _reserved = reader.u8()?;
        let expiry = match reader.array()? {
            [0, 0, 0, 0, 0, 0] => None,
            expiry => Some(formats::decode_seconds_first(expiry)?),
        };
        reader.end()?;
        Ok(Self { command, password, operator, expiry })
    }
}
