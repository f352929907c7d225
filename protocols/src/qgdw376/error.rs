//! Why a sound frame is not understood.

use super::Afn;
use crate::DecodeError;

/// Why a sound frame is not a message that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A frame of the other direction.
    #[error("sent in the wrong direction")]
    Direction,
    /// An AFN that is not spoken here in this direction.
    #[error("unknown {0}")]
    UnknownAfn(Afn),
    /// An Fn that is not spoken here in this direction.
    #[error("unknown {afn} F{function}")]
    UnknownFunction {
        /// Its AFN.
        afn: Afn,
        /// Fn.
        function: u16,
    },
    /// Units of different functions in one message, or several where there can be only one.
    #[error("{0} carries units that do not go together")]
    Mixed(Afn),
    /// A DA that names no measuring points, or all at once.
    #[error("DA {0:02X?} names no measuring points")]
    BadPoints([u8; 2]),
    /// A DT that names no functions.
    #[error("DT {0:02X?} names no functions")]
    BadFunctions([u8; 2]),
    /// A field makes no sense.
    #[error(transparent)]
    Field(#[from] DecodeError),
}
