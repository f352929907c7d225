//! What a meter can be asked for: one line per data identifier.

use std::fmt;

use domain::relay::{RelayReading, RelayState};

use crate::{
    DecodeError, EncodeError,
    formats::{Register, decode_energy_11, encode_energy_11},
    wire::Reader,
};

/// A data identifier, written DI3 DI2 DI1 DI0 as in the standard; DI0 is sent first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataId(pub u32);

impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

impl fmt::Debug for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The items that are spoken here. Source: docs/protocols/dlt645.md section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// 00010000: forward active energy, total.
    ForwardActiveTotal,
    /// 0001FF00: forward active energy, total and every period the meter keeps.
    ForwardActiveBlock,
    /// 04000503: status word 3, for the relay.
    Relay,
}

impl Item {
    /// All items.
    pub const ALL: [Self; 3] = [Self::ForwardActiveTotal, Self::ForwardActiveBlock, Self::Relay];

    /// The identifier.
    #[must_use]
    #[inline]
    pub const fn id(self) -> DataId {
        DataId(match self {
            Self::ForwardActiveTotal => 0x0001_0000,
            Self::ForwardActiveBlock => 0x0001_FF00,
            Self::Relay => 0x0400_0503,
        })
    }

    /// The item of an identifier, if it is spoken here.
    #[must_use]
    pub fn from_id(id: DataId) -> Option<Self> {
        Self::ALL.into_iter().find(|item| item.id() == id)
    }

    /// The value from an answer's data behind the identifier. One byte more than the layout has is tolerated, as
    /// section 2 of the notes tells of real devices.
    #[inline]
    pub(super) fn decode(self, data: &[u8]) -> Result<Value, DecodeError> {
        let mut reader = Reader::new(data);
        let value = match self {
            Self::ForwardActiveTotal => Value::ForwardActiveTotal(decode_energy_11(reader.array()?)),
            Self::ForwardActiveBlock => {
                let total = decode_energy_11(reader.array()?);
                let mut periods = Vec::new();
                while reader.left() >= 4 {
                    periods.push(decode_energy_11(reader.array()?));
                }
                Value::ForwardActiveBlock { total, periods }
            }
            Self::Relay => Value::Relay(relay_reading(reader.u16()?)?),
        };
        match reader.left() {
            0 | 1 => Ok(value),
            more => Err(DecodeError::Trailing(more)),
        }
    }
}

/// An item's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// 00010000, in steps of 0.01 kWh.
    ForwardActiveTotal(Register),
    /// 0001FF00, in steps of 0.01 kWh.
    ForwardActiveBlock {
        /// The total.
        total: Register,
        /// The periods in the meter's order: sharp, peak, flat, valley, ..
        periods: Vec<Register>,
    },
    /// 04000503, bits 4, 6 and 8-9.
    Relay(RelayReading),
}

impl Value {
    /// Which item this is a value of.
    #[must_use]
    pub const fn item(&self) -> Item {
        match self {
            Self::ForwardActiveTotal(_) => Item::ForwardActiveTotal,
            Self::ForwardActiveBlock { .. } => Item::ForwardActiveBlock,
            Self::Relay(_) => Item::Relay,
        }
    }

    /// The data behind the identifier.
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::ForwardActiveTotal(total) => Ok(encode_energy_11(*total)?.to_vec()),
            Self::ForwardActiveBlock { total, periods } => {
                let mut data = encode_energy_11(*total)?.to_vec();
                for period in periods {
                    data.extend(encode_energy_11(*period)?);
                }
                Ok(data)
            }
            Self::Relay(reading) => Ok(status_word_3(*reading).to_le_bytes().to_vec()),
        }
    }
}

const RELAY_BIT: u16 = 1 << 4;
const COMMAND_BIT: u16 = 1 << 6;
const PREPAY_BITS: u16 = 0b11 << 8;
const PREPAY_MONEY: u16 = 0b10 << 8;

/// Status word 3 (docs/protocols/dlt645.md section 3.5): bits 4 and 6 are 1 where supply is cut.
fn relay_reading(word: u16) -> Result<RelayReading, DecodeError> {
    if word == 0xFFFF {
        // Taken as bits it would read as a confirmed cut.
        return Err(DecodeError::NotAvailable);
    }
    let state = |bit| if word & bit == 0 { RelayState::Connected } else { RelayState::Disconnected };
    Ok(RelayReading { relay: state(RELAY_BIT), command: state(COMMAND_BIT), local_prepay: word & PREPAY_BITS != 0 })
}

fn status_word_3(reading: RelayReading) -> u16 {
    let bit = |state, bit| if state == RelayState::Disconnected { bit } else { 0 };
    bit(reading.relay, RELAY_BIT)
        | bit(reading.command, COMMAND_BIT)
        | if reading.local_prepay { PREPAY_MONEY } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: RelayReading =
        RelayReading { relay: RelayState::Disconnected, command: RelayState::Disconnected, local_prepay: false };

    #[test]
    fn the_relay_is_bit_4_and_its_command_bit_6() {
        // 0050 after a cut and 0000 after a reconnection, as a real meter answered (section 3.5 of the notes).
        assert_eq!(relay_reading(0x0050), Ok(CUT));
        let connected = RelayReading { relay: RelayState::Connected, command: RelayState::Connected, ..CUT };
        assert_eq!(relay_reading(0x0000), Ok(connected));
        assert_eq!(relay_reading(0x0010), Ok(RelayReading { command: RelayState::Connected, ..CUT }));
        assert_eq!(relay_reading(0x0040), Ok(RelayReading { relay: RelayState::Connected, ..CUT }));
    }

    #[test]
    fn a_meter_that_sells_by_itself_is_seen() {
        for word in [0x0100, 0x0200, 0x0300] {
            assert_eq!(relay_reading(word).map(|reading| reading.local_prepay), Ok(true), "{word:04X}");
        }
        assert_eq!(relay_reading(0xFC0F).map(|reading| reading.local_prepay), Ok(false));
    }

    #[test]
    fn a_status_word_that_is_not_available_is_no_cut() {
        assert_eq!(Item::Relay.decode(&[0xFF, 0xFF]), Err(DecodeError::NotAvailable));
    }

    #[test]
    fn a_block_has_as_many_periods_as_its_length_says() {
        let zero = Ok(Some(domain::energy::Energy::ZERO));
        for periods in 0..=8 {
            let data = vec![0; 4 + 4 * periods];
            let value = Value::ForwardActiveBlock { total: zero, periods: vec![zero; periods] };
            assert_eq!(Item::ForwardActiveBlock.decode(&data), Ok(value));
        }
    }

    #[test]
    fn one_byte_too_many_is_tolerated_and_two_are_not() {
        assert!(Item::ForwardActiveTotal.decode(&[0; 5]).is_ok());
        assert_eq!(Item::ForwardActiveTotal.decode(&[0; 6]), Err(DecodeError::Trailing(2)));
        assert_eq!(Item::ForwardActiveTotal.decode(&[0; 3]), Err(DecodeError::Truncated { wanted: 4, left: 3 }));
        assert_eq!(Item::Relay.decode(&[0]), Err(DecodeError::Truncated { wanted: 2, left: 1 }));
    }
}
