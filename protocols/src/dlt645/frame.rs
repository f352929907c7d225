//! The envelope: `68 A0..A5 68 C L DATA CS 16`, the same in both editions.

use super::{Answer, MessageError, MeterAddress, Request};
use crate::{
    EncodeError, FrameError, FrameFormat,
    framer::{END, check_length, check_tail, checksum},
};

/// The longest frame in bytes: 12 around up to 255 of data.
pub const MAX_FRAME: usize = 12 + 255;

/// What every data byte is raised by on the wire.
const OFFSET: u8 = 0x33;

/// Data of nearly all answers, in bytes.
const SHORT: usize = 32;

/// The control byte. Source: docs/protocols/dlt645.md section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// D7: sent by the meter.
    pub from_meter: bool,
    /// D6: the meter refuses, or could not.
    pub abnormal: bool,
    /// D5: more of the answer is to be fetched.
    pub follow_up: bool,
    /// D4-D0: what is asked for.
    pub function: u8,
}

impl Control {
    /// A request of a function (only its low five bits are sent).
    #[must_use]
    pub const fn request(function: u8) -> Self {
        Self { from_meter: false, abnormal: false, follow_up: false, function }
    }

    /// The byte's meaning; every byte has one.
    #[must_use]
    #[inline]
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            from_meter: byte & 0x80 != 0,
            abnormal: byte & 0x40 != 0,
            follow_up: byte & 0x20 != 0,
            function: byte & 0x1F,
        }
    }

    /// The byte.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        u8::from(self.from_meter) << 7
            | u8::from(self.abnormal) << 6
            | u8::from(self.follow_up) << 5
            | self.function & 0x1F
    }
}

/// A DL/T 645 frame of either edition, in either direction. Data of requests that change something holds a password:
/// log [`super::Request`] rather than the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The meter asked, or answering.
    pub address: MeterAddress,
    /// Direction, outcome and function.
    pub control: Control,
    /// The data as meant, without the 33H that is added on the wire. At most 255 bytes.
    pub data: Vec<u8>,
}

impl Frame {
    /// The bytes to send, from the first 68H on (no FEH before it).
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let length = u8::try_from(self.data.len()).map_err(|_| EncodeError::OutOfRange("data length"))?;
        let mut bytes = vec![0x68];
        bytes.extend(self.address.to_wire());
        bytes.extend([0x68, self.control.to_byte(), length]);
        bytes.extend(self.data.iter().map(|byte| byte.wrapping_add(OFFSET)));
        bytes.extend([checksum(&bytes), END]);
        Ok(bytes)
    }

    /// The frame, from exactly its bytes; FEH before it is skipped.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        FrameView::decode(bytes).map(FrameView::into_owned)
    }
}

/// A [`Frame`] that is read where it stands.
#[derive(Debug, Clone)]
pub struct FrameView<'a> {
    /// The meter asked, or answering.
    pub address: MeterAddress,
    /// Direction, outcome and function.
    pub control: Control,
    /// The data with the 33H that is added on the wire.
    raised: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// The frame, from exactly its bytes; FEH before it is skipped.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let start = bytes.iter().position(|byte| Some(*byte) != Frame::PREAMBLE).unwrap_or(bytes.len());
        let bytes = bytes.get(start..).unwrap_or_default();
        match bytes.first() {
            Some(0x68) => check_length(bytes, Frame::length(bytes)?)?,
            Some(other) => return Err(FrameError::Start(*other)),
            None => return Err(FrameError::Cut),
        }
        let (Some((summed, [found, end])), Some(([_, a0, a1, a2, a3, a4, a5, _, control, _], rest))) =
            (bytes.split_last_chunk(), bytes.split_first_chunk())
        else {
            return Err(FrameError::Cut);
        };
        check_tail(*found, *end, summed)?;
        Ok(Self {
            address: MeterAddress::from_wire([*a0, *a1, *a2, *a3, *a4, *a5]),
            control: Control::from_byte(*control),
            raised: rest.split_last_chunk::<2>().map_or(&[][..], |(data, _)| data),
        })
    }

    /// The data as meant.
    pub fn data(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.raised.iter().map(|byte| byte.wrapping_sub(OFFSET))
    }

    /// The frame with data of its own.
    #[must_use]
    pub fn into_owned(self) -> Frame {
        Frame { address: self.address, control: self.control, data: self.data().collect() }
    }

    /// What [`Request::answer`] says of it; nothing is copied but onto the stack.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn answers(&self, request: &Request, meter: MeterAddress) -> Result<Answer, MessageError> {
        // Nearly all answers are short.
        if self.raised.len() <= SHORT {
            self.answers_in::<SHORT>(request, meter)
        } else {
            self.answers_in::<255>(request, meter)
        }
    }

    #[inline]
    fn answers_in<const MOST: usize>(&self, request: &Request, meter: MeterAddress) -> Result<Answer, MessageError> {
        let mut data = [0; MOST];
        let data = data.get_mut(..self.raised.len()).unwrap_or_default();
        for (place, byte) in data.iter_mut().zip(self.raised) {
            *place = byte.wrapping_sub(OFFSET);
        }
        request.answer_in(meter, self.address, self.control, data)
    }
}

impl Frame {
    /// The same frame with zeros for the passwords in it: levels and digits of both editions. Source: docs/protocols/dlt645.md,
    /// sections 2 and 8.
    #[must_use]
    pub fn blanked(&self) -> Self {
        let secret = match (self.control.function, self.control.from_meter) {
            (0x14, false) => 4..8,
            (0x18, false) => 4..12,
            (0x18, true) | (0x19..=0x1C, false) => 0..4,
            (0x04, false) => 2..6,
            (0x0F, _) => 0..self.data.len(),
            _ => 0..0,
        };
        let data = self.data.iter().enumerate().map(|(at, byte)| if secret.contains(&at) { 0 } else { *byte });
        Self { data: data.collect(), ..self.clone() }
    }
}

impl FrameFormat for Frame {
    type View<'a> = FrameView<'a>;
    const PREAMBLE: Option<u8> = Some(0xFE);
    const HEADER: usize = 10;

    #[inline]
    fn length(header: &[u8]) -> Result<usize, FrameError> {
        match header {
            [_, _, _, _, _, _, _, 0x68, _, length, ..] => Ok(12 + usize::from(*length)),
            [_, _, _, _, _, _, _, other, _, _, ..] => Err(FrameError::SecondStart(*other)),
            _ => Err(FrameError::Cut),
        }
    }

    #[inline]
    fn view(bytes: &[u8]) -> Result<FrameView<'_>, FrameError> {
        FrameView::decode(bytes)
    }

    fn owned(view: FrameView<'_>) -> Self {
        view.into_owned()
    }
}
