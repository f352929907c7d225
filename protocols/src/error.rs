//! Why bytes were refused, or could not be made.

use crate::{bcd::BadBcd, formats::BadTime, qgdw376::Edition};

/// Why a candidate for a frame is none, or none of ours. Always the peer's or the line's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FrameError {
    /// The first byte is not 68H (only where a whole frame was expected at once).
    #[error("starts with {0:02X}H instead of 68H")]
    Start(u8),
    /// The second 68H is missing.
    #[error("second start byte is {0:02X}H instead of 68H")]
    SecondStart(u8),
    /// The two copies of the length differ (Q/GDW 376.1).
    #[error("the two lengths differ: {0} and {1}")]
    LengthsDiffer(u16, u16),
    /// The declared length, in bytes of the whole frame, is below the smallest frame's.
    #[error("declared length of {0} bytes is too short for a frame")]
    TooShort(usize),
    /// The declared length, in bytes of the whole frame, is above the link's limit.
    #[error("declared length of {length} bytes is above the limit of {limit}")]
    TooLong {
        /// Bytes of the whole frame.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Bytes are missing at the end.
    #[error("cut short")]
    Cut,
    /// Bytes follow the end (only where a whole frame was expected at once).
    #[error("{0} bytes after the end")]
    Trailing(usize),
    /// The last byte is not 16H.
    #[error("ends with {0:02X}H instead of 16H")]
    End(u8),
    /// The sum of the bytes is not the one sent.
    #[error("checksum is {computed:02X}H, {found:02X}H was sent")]
    Checksum {
        /// What the bytes add up to.
        computed: u8,
        /// What was sent.
        found: u8,
    },
    /// A sound frame of an edition that is not spoken here.
    #[error("frame of another edition: {0}")]
    Edition(Edition),
    /// A sound frame whose flags promise event counters or a time tag that are not there (Q/GDW 376.1).
    #[error("the event counters or time tag that the flags promise are missing")]
    Auxiliary,
}

impl FrameError {
    /// A short stable word for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::SecondStart(_) => "second_start",
            Self::LengthsDiffer(..) | Self::TooShort(_) | Self::TooLong { .. } => "length",
            Self::Cut => "cut",
            Self::Trailing(_) => "trailing",
            Self::End(_) => "end",
            Self::Checksum { .. } => "checksum",
            Self::Edition(_) => "edition",
            Self::Auxiliary => "auxiliary",
        }
    }

    /// Whether the frame was whole and sound, so that all of it may be skipped.
    pub(crate) const fn is_sound(&self) -> bool {
        matches!(self, Self::Edition(_) | Self::Auxiliary)
    }
}

/// Why a field of a sound frame makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame's data ends inside a field.
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated {
        /// Bytes the field needs.
        wanted: usize,
        /// Bytes there are.
        left: usize,
    },
    /// More data than the layout has.
    #[error("{0} bytes more than the layout has")]
    Trailing(usize),
    /// A field that must be BCD is not.
    #[error(transparent)]
    Bcd(#[from] BadBcd),
    /// A field that must be a time is none.
    #[error(transparent)]
    Time(#[from] BadTime),
    /// The sender marks a field as not available (EEH or FFH) that the message is worth nothing without.
    #[error("marked as not available")]
    NotAvailable,
    /// A field has a value that its layout does not define.
    #[error("{field} cannot be {value}")]
    Undefined {
        /// The field's name.
        field: &'static str,
        /// What was found.
        value: u32,
    },
}

/// Why a value cannot be put into bytes. Always our own fault: the value is outside what the field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The value does not fit into its field.
    #[error("{0} does not fit into its field")]
    OutOfRange(&'static str),
    /// A register that was received broken is not passed on.
    #[error(transparent)]
    Bcd(#[from] BadBcd),
    /// A time that was received broken is not passed on.
    #[error(transparent)]
    Time(#[from] BadTime),
}
