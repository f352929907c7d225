//! AFN10 F1: a meter's frame carried through the concentrator.
//!
//! Source: docs/protocols/qgdw376.md, AFN10 F1.

use crate::{DecodeError, EncodeError, wire::Reader};

/// How the concentrator shall set its port: rate, stop bits, parity and data bits in one byte.
///
/// D7-D5 rate (0 = 300, 1 = 600, 2 = 1200, 3 = 2400, 4 = 4800, 5 = 7200, 6 = 9600, 7 = 19200 baud), D4 two stop bits,
/// D3 parity, D2 odd, D1-D0 data bits less 5. A carrier port does not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSettings(pub u8);

impl LineSettings {
    /// 2400 baud, 8 data bits, even parity, 1 stop bit.
    pub const BAUD_2400_8E1: Self = Self(0x6B);
    /// 9600 baud, 8 data bits, even parity, 1 stop bit.
    pub const BAUD_9600_8E1: Self = Self(0xCB);
}

/// How long the concentrator waits for the meter's frame, 0..=127 of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// In seconds.
    Seconds(u8),
    /// In units of 10 ms.
    Centiseconds(u8),
}

impl Timeout {
    const SECONDS: u8 = 0x80;

    fn encode(self) -> Result<u8, EncodeError> {
        let (unit, value) = match self {
            Self::Seconds(value) => (Self::SECONDS, value),
            Self::Centiseconds(value) => (0, value),
        };
        if value < 0x80 { Ok(unit | value) } else { Err(EncodeError::OutOfRange("frame timeout")) }
    }

    const fn decode(byte: u8) -> Self {
        if byte & Self::SECONDS == 0 { Self::Centiseconds(byte) } else { Self::Seconds(byte & 0x7F) }
    }
}

/// A frame for a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The concentrator's port: 2-4 RS-485, 31 carrier.
    pub port: u8,
    /// How that port shall be set.
    pub line: LineSettings,
    /// How long to wait for the meter's answer.
    pub frame_timeout: Timeout,
    /// The longest pause inside the meter's answer, in units of 10 ms.
    pub byte_timeout: u8,
    /// The meter's frame, whole and as it goes over the line.
    pub bytes: Vec<u8>,
}

/// A meter's answer to a [`Forward`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The port it came from.
    pub port: u8,
    /// The meter's frame as it came.
    pub bytes: Vec<u8>,
}

impl Forward {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = vec![self.port, self.line.0, self.frame_timeout.encode()?, self.byte_timeout];
        put_counted(&mut bytes, &self.bytes)?;
        Ok(bytes)
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [port, line, frame_timeout, byte_timeout] = reader.array()?;
        let bytes = take_counted(reader)?;
        let frame_timeout = Timeout::decode(frame_timeout);
        Ok(Self { port, line: LineSettings(line), frame_timeout, byte_timeout, bytes })
    }
}

impl Forwarded {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = vec![self.port];
        put_counted(&mut bytes, &self.bytes)?;
        Ok(bytes)
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { port: reader.u8()?, bytes: take_counted(reader)? })
    }
}

fn put_counted(bytes: &mut Vec<u8>, content: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(content.len()).map_err(|_| EncodeError::OutOfRange("forwarded length"))?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(content);
    Ok(())
}

fn take_counted(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let length = reader.u16()?;
    Ok(reader.bytes(length.into())?.to_vec())
}
