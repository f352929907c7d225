//! Who is spoken to, and on whose behalf.

use std::{fmt, str::FromStr};

use crate::bcd;

/// A concentrator's address: region code (A1) and terminal number (A2). Shown as `2105-41394`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalAddress {
    /// A1: four BCD digits of the region, one per nibble (2105H is region 2105). Not checked on receipt, because
    /// broadcasts (FFFFH) and some devices send other nibbles.
    pub region: u16,
    /// A2: the terminal's number within its region, 1..=65534; 65535 with the group flag is a broadcast.
    pub terminal: u16,
}

/// The text is not `region-terminal`, four digits and a number of 1..=65534.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a concentrator address is written region-terminal, four digits and a number of 1 to 65534")]
pub struct BadTerminalAddress;

impl fmt::Display for TerminalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}-{:05}", self.region, self.terminal)
    }
}

impl FromStr for TerminalAddress {
    type Err = BadTerminalAddress;

    fn from_str(text: &str) -> Result<Self, BadTerminalAddress> {
        let (region, terminal) = text.split_once('-').ok_or(BadTerminalAddress)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if region.len() != 4 || !digits(region) || !digits(terminal) {
            return Err(BadTerminalAddress);
        }
        let region = region.parse().map_err(|_| BadTerminalAddress)?;
        let region = u16::from_le_bytes(bcd::encode(region, "region").map_err(|_| BadTerminalAddress)?);
        match terminal.parse() {
            Ok(terminal @ 1..=65_534) => Ok(Self { region, terminal }),
            _ => Err(BadTerminalAddress),
        }
    }
}

/// The address field A1 A2 A3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The concentrator.
    pub terminal: TerminalAddress,
    /// A3 D0: `terminal` names a group.
    pub group: bool,
    /// A3 D7-D1: the master's address, 0..=127, which the concentrator copies into its answer; 0 where it speaks first.
    pub master: u8,
}

impl Address {
    /// One concentrator, addressed by the master `master` (0..=127; a higher number loses its top bit).
    #[must_use]
    pub const fn new(terminal: TerminalAddress, master: u8) -> Self {
        Self { terminal, group: false, master: master & 0x7F }
    }

    #[inline]
    pub(super) const fn from_wire(bytes: [u8; 5]) -> Self {
        let [a1_low, a1_high, a2_low, a2_high, a3] = bytes;
        let terminal = TerminalAddress {
            region: u16::from_le_bytes([a1_low, a1_high]),
            terminal: u16::from_le_bytes([a2_low, a2_high]),
        };
        Self { terminal, group: a3 & 1 != 0, master: a3 >> 1 }
    }

    pub(super) fn to_wire(self) -> [u8; 5] {
        let [a1_low, a1_high] = self.terminal.region.to_le_bytes();
        let [a2_low, a2_high] = self.terminal.terminal.to_le_bytes();
        [a1_low, a1_high, a2_low, a2_high, self.master << 1 | u8::from(self.group)]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_is_written_as_region_and_terminal() {
        let address: TerminalAddress = "2105-41394".parse().unwrap();
        assert_eq!(address, TerminalAddress { region: 0x2105, terminal: 41_394 });
        assert_eq!(address.to_string(), "2105-41394");
        assert_eq!("0200-7".parse::<TerminalAddress>().unwrap().to_string(), "0200-00007");
        assert_eq!(Address::new(address, 1).to_wire(), [0x05, 0x21, 0xB2, 0xA1, 0x02]);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "2105", "21A5-1", "210-1", "2105-0", "2105-65535", "2105-+1", "2105-"] {
            assert_eq!(text.parse::<TerminalAddress>(), Err(BadTerminalAddress), "{text}");
        }
    }
}
