//! Taking fields off the front of a slice.

use crate::DecodeError;

/// The bytes of a message that are not read yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn left(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (field, rest) =
            self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated { wanted: N, left: self.0.len() })?;
        self.0 = rest;
        Ok(*field)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, wanted: usize) -> Result<&'a [u8], DecodeError> {
        let (field, rest) =
            self.0.split_at_checked(wanted).ok_or(DecodeError::Truncated { wanted, left: self.0.len() })?;
        self.0 = rest;
        Ok(field)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Low byte first, as everywhere in both standards.
    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) const fn end(&self) -> Result<(), DecodeError> {
        match self.0.len() {
            0 => Ok(()),
            more => Err(DecodeError::Trailing(more)),
        }
    }
}
