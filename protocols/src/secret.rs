//! Passwords inside frames: carried, compared, never printed.

use std::fmt;

/// A password of `N` bytes as it stands on the wire. Its `Debug` form is masked, so that no trace shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// All bytes zero, the usual factory setting.
    pub const ZERO: Self = Self([0; N]);

    /// From the bytes as they stand on the wire.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on the wire.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
