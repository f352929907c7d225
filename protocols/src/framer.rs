//! Cuts frames out of a stream of bytes, whatever the stream does.
//!
//! One framer per link and per direction. It waits for a start byte, takes as many bytes as the candidate declares,
//! and hands out the frame; when the candidate turns out to be none it gives up **one byte** and looks again, so a
//! start byte inside garbage, an address or data costs no good frame. It never holds more than its limit.

use std::marker::PhantomData;

use crate::FrameError;

/// The byte that begins the frames of all protocols here.
const START: u8 = 0x68;

/// The byte that ends the frames of all protocols here.
pub(crate) const END: u8 = 0x16;

/// The shape of a protocol's frames, as far as a [`Framer`] needs it. All frames begin with 68H.
pub trait FrameFormat: Sized {
    /// A byte that senders may put before a frame to wake the receiver up, and that is no noise.
    const PREAMBLE: Option<u8>;
    /// Bytes from the first 68H on that are enough to know the frame's length.
    const HEADER: usize;

    /// The whole frame's length in bytes, from a header of at least [`Self::HEADER`] bytes.
    fn length(header: &[u8]) -> Result<usize, FrameError>;

    /// A frame that is read where it stands.
    type View<'a>;

    /// The frame, from exactly its bytes.
    fn view(bytes: &[u8]) -> Result<Self::View<'_>, FrameError>;

    /// The frame with bytes of its own.
    fn owned(view: Self::View<'_>) -> Self;

    /// Both at once.
    fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        Self::view(bytes).map(Self::owned)
    }
}

/// What a framer threw away since it was made, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Bytes thrown away for any reason, wake-up preambles excepted.
    pub bytes: u64,
    /// Bytes that could not begin a frame.
    pub noise: u64,
    /// Candidates without a second 68H.
    pub second_start: u64,
    /// Candidates with an impossible length: copies differ, too short, above the limit.
    pub length: u64,
    /// Candidates that do not end with 16H.
    pub end: u64,
    /// Candidates with a wrong checksum.
    pub checksum: u64,
    /// Candidates whose rest never came.
    pub cut: u64,
    /// Sound frames that are refused: another edition, or flags that promise missing fields.
    pub refused: u64,
}

impl Discarded {
    fn count(&mut self, error: &FrameError) {
        let counter = match error {
            FrameError::Start(_) => &mut self.noise,
            FrameError::SecondStart(_) => &mut self.second_start,
            FrameError::LengthsDiffer(..) | FrameError::TooShort(_) | FrameError::TooLong { .. } => &mut self.length,
            FrameError::End(_) => &mut self.end,
            FrameError::Checksum { .. } => &mut self.checksum,
            FrameError::Cut | FrameError::Trailing(_) => &mut self.cut,
            FrameError::Edition(_) | FrameError::Auxiliary => &mut self.refused,
        };
        *counter += 1;
    }
}

/// Finds frames of format `F` in a stream.
///
/// ```
/// use protocols::{Framer, dlt645};
///
/// let mut framer = Framer::<dlt645::Frame>::new(268);
/// let mut received: &[u8] = &[0xFE, 0xFE, 0x68, 0x01, 0, 0, 0, 0, 0, 0x68, 0x13, 0, 0xE4, 0x16, 0x68];
/// assert!(framer.next(&mut received).unwrap().is_some());
/// assert!(framer.next(&mut received).unwrap().is_none(), "the second frame has only begun");
/// assert_eq!(framer.pending(), 1);
/// ```
#[derive(Debug)]
pub struct Framer<F> {
    buffer: Vec<u8>,
    limit: usize,
    discarded: Discarded,
    format: PhantomData<fn() -> F>,
}

/// What the buffer's front is.
enum Front<R> {
    Frame(R),
    Rejected(FrameError),
    Needs(usize),
}

impl<F: FrameFormat> Framer<F> {
    /// A framer that refuses frames of more than `limit` bytes and never holds more than `limit` or the header's bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit, discarded: Discarded::default(), format: PhantomData }
    }

    /// Takes bytes off the front of `input` until there is something to tell: a frame, or a candidate that was
    /// rejected (already counted; for the log). `Ok(None)` when all of `input` is taken and more is needed.
    ///
    /// Call it again until it returns `Ok(None)`.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<F>, FrameError> {
        self.visit(input, F::owned)
    }

    /// The same, and `seen` looks at the frame where it stands: nothing is copied.
    pub fn visit<R>(
        &mut self,
        input: &mut &[u8],
        mut seen: impl FnMut(F::View<'_>) -> R,
    ) -> Result<Option<R>, FrameError> {
        if let Some(frame) = self.whole(input, &mut seen) {
            return Ok(Some(frame));
        }
        loop {
            match self.front(&mut seen) {
                Front::Frame(frame) => return Ok(Some(frame)),
                Front::Rejected(error) => return Err(error),
                Front::Needs(_) if input.is_empty() => return Ok(None),
                Front::Needs(missing) => {
                    let (taken, rest) = input.split_at(missing.min(input.len()));
                    self.buffer.extend_from_slice(taken);
                    *input = rest;
                }
            }
        }
    }

    /// A sound frame that stands whole at the front of `input`, with nothing before it, needs no buffer.
    fn whole<R>(&self, input: &mut &[u8], seen: &mut impl FnMut(F::View<'_>) -> R) -> Option<R> {
        if !self.buffer.is_empty() || input.first() != Some(&START) {
            return None;
        }
        let length = F::length(input.get(..F::HEADER)?).ok().filter(|length| *length <= self.limit)?;
        let (frame, rest) = input.split_at_checked(length)?;
        let seen = seen(F::view(frame).ok()?);
        *input = rest;
        Some(seen)
    }

    /// To be called when the line was silent for longer than a pause inside a frame may be: what is pending will never
    /// be completed. Gives up its start and looks behind it; frames that were held up by it come out.
    ///
    /// Call it again until it returns `Ok(None)`; then nothing is pending.
    pub fn flush(&mut self) -> Result<Option<F>, FrameError> {
        loop {
            match self.front(&mut F::owned) {
                Front::Frame(frame) => return Ok(Some(frame)),
                Front::Rejected(error) => return Err(error),
                Front::Needs(_) if self.buffer.is_empty() => return Ok(None),
                Front::Needs(_) => self.reject(&FrameError::Cut, 1),
            }
        }
    }

    /// Bytes held of a frame that is not complete.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// What was thrown away so far.
    #[must_use]
    pub const fn discarded(&self) -> &Discarded {
        &self.discarded
    }

    fn front<R>(&mut self, seen: &mut impl FnMut(F::View<'_>) -> R) -> Front<R> {
        self.skip_noise();
        let Some(header) = self.buffer.get(..F::HEADER) else {
            return Front::Needs(F::HEADER - self.buffer.len());
        };
        let length = match F::length(header) {
            Ok(length) if length > self.limit => Err(FrameError::TooLong { length, limit: self.limit }),
            other => other,
        };
        let result = match length {
            Ok(length) => match self.buffer.get(..length) {
                Some(bytes) => F::view(bytes).map(|view| (seen(view), length)).map_err(|error| (error, length)),
                None => return Front::Needs(length - self.buffer.len()),
            },
            Err(error) => Err((error, 1)),
        };
        match result {
            Ok((frame, length)) => {
                self.buffer.drain(..length);
                Front::Frame(frame)
            }
            Err((error, length)) => {
                self.reject(&error, if error.is_sound() { length } else { 1 });
                Front::Rejected(error)
            }
        }
    }

    fn skip_noise(&mut self) {
        let noise = self.buffer.iter().position(|byte| *byte == START).unwrap_or(self.buffer.len());
        for byte in self.buffer.drain(..noise) {
            if Some(byte) != F::PREAMBLE {
                self.discarded.bytes += 1;
                self.discarded.noise += 1;
            }
        }
    }

    fn reject(&mut self, error: &FrameError, length: usize) {
        self.discarded.count(error);
        self.discarded.bytes += u64::try_from(self.buffer.drain(..length).count()).unwrap_or(u64::MAX);
    }
}

/// The sum of the bytes modulo 256, the checksum of all protocols here.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Checks that a candidate is exactly `length` bytes long.
#[inline]
pub(crate) const fn check_length(bytes: &[u8], length: usize) -> Result<(), FrameError> {
    if bytes.len() < length {
        Err(FrameError::Cut)
    } else if bytes.len() > length {
        Err(FrameError::Trailing(bytes.len() - length))
    } else {
        Ok(())
    }
}

/// Checks the last two bytes of a frame, checksum and end, the sum being over `summed`.
#[inline]
pub(crate) fn check_tail(found: u8, end: u8, summed: &[u8]) -> Result<(), FrameError> {
    let computed = checksum(summed);
    if end != END {
        Err(FrameError::End(end))
    } else if computed != found {
        Err(FrameError::Checksum { computed, found })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
