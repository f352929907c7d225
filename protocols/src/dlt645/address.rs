//! The twelve digits that name a meter.

use std::{fmt, str::FromStr};

/// A meter's address: 12 digits as printed on its plate, sent low byte first. Shown and parsed as printed.
///
/// On the wire the digits AAH and 99H.. have meanings of their own ([`Self::WILDCARD`], [`Self::BROADCAST`]), and
/// devices send others still; so any six bytes are an address, while parsing accepts decimal digits only.
/// Source: docs/protocols/dlt645.md section 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterAddress([u8; 6]);

/// The text is not 12 decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a meter address has 12 decimal digits")]
pub struct BadMeterAddress;

impl MeterAddress {
    /// "Whoever is there": a single meter answers with its own address.
    pub const WILDCARD: Self = Self([0xAA; 6]);
    /// All meters; nobody answers.
    pub const BROADCAST: Self = Self([0x99; 6]);
    /// Twelve zeros: no address, where one may be missing (a collector in the archive).
    pub const NONE: Self = Self([0; 6]);

    /// From the six bytes as sent, low byte first.
    #[must_use]
    #[inline]
    pub const fn from_wire(bytes: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = bytes;
        Self([f, e, d, c, b, a])
    }

    /// The six bytes as sent, low byte first.
    #[must_use]
    pub const fn to_wire(self) -> [u8; 6] {
        let [f, e, d, c, b, a] = self.0;
        [a, b, c, d, e, f]
    }
}

impl fmt::Display for MeterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for MeterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MeterAddress {
    type Err = BadMeterAddress;

    fn from_str(text: &str) -> Result<Self, BadMeterAddress> {
        let digits: &[u8; 12] = text.as_bytes().try_into().map_err(|_| BadMeterAddress)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(BadMeterAddress);
        }
        let mut address = [0; 6];
        for (byte, pair) in address.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | (digit - b'0'));
        }
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_is_printed_as_on_the_plate_and_sent_low_byte_first() {
        let address: MeterAddress = "201905241006".parse().unwrap();
        assert_eq!(address.to_wire(), [0x06, 0x10, 0x24, 0x05, 0x19, 0x20]);
        assert_eq!(MeterAddress::from_wire(address.to_wire()), address);
        assert_eq!(address.to_string(), "201905241006");
    }

    #[test]
    fn only_twelve_decimal_digits_parse() {
        for text in ["", "12345678901", "1234567890123", "12345678901A", "１２３４"] {
            assert_eq!(text.parse::<MeterAddress>(), Err(BadMeterAddress), "{text}");
        }
        assert_eq!(MeterAddress::WILDCARD.to_string(), "AAAAAAAAAAAA");
    }
}
