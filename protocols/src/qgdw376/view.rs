//! A frame that is read where it stands: checked, its auxiliary fields peeled off the end of its data, nothing copied.
//!
//! Source: docs/protocols/qgdw376.md section 1.

use super::{
    Address, Afn, Control, Edition, EventCounters, Frame, MessageError, PointReading, Sequence, TimeTag,
    frame::{MIN_BODY, UNIT_ID},
    function::realtime,
    unit::Head,
};
use crate::{
    FrameError, FrameFormat, Secret,
    framer::{check_length, check_tail},
};

/// A [`Frame`] that is read where it stands.
#[derive(Debug, Clone)]
pub struct FrameView<'a> {
    /// C.
    pub control: Control,
    /// A.
    pub address: Address,
    /// AFN.
    pub afn: Afn,
    /// SEQ.
    pub sequence: Sequence,
    /// The units with their data, without auxiliary fields.
    pub data: &'a [u8],
    /// PW.
    pub password: Option<Secret<16>>,
    /// EC.
    pub events: Option<EventCounters>,
    /// Tp.
    pub time_tag: Option<TimeTag>,
}

impl<'a> FrameView<'a> {
    /// The frame, from exactly its bytes.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        match bytes.first() {
            Some(0x68) => check_length(bytes, Frame::length(bytes)?)?,
            Some(other) => return Err(FrameError::Start(*other)),
            None => return Err(FrameError::Cut),
        }
        let (Some(([_, low, high, ..], rest)), Some((_, [found, end]))) =
            (bytes.split_first_chunk::<6>(), bytes.split_last_chunk::<2>())
        else {
            return Err(FrameError::Cut);
        };
        let (body, _) = rest.split_last_chunk::<2>().ok_or(FrameError::Cut)?;
        check_tail(*found, *end, body)?;
        match Edition::from_length(u16::from_le_bytes([*low, *high])) {
            Edition::Qgdw376 => Self::peel(body),
            other => Err(FrameError::Edition(other)),
        }
    }

    #[inline]
    fn peel(body: &'a [u8]) -> Result<Self, FrameError> {
        let ([control, a0, a1, a2, a3, a4, afn, seq], mut data) =
            body.split_first_chunk::<MIN_BODY>().ok_or(FrameError::Cut)?;
        let (acd, time_tagged) = (control & 0xA0 == 0xA0, seq & 0x80 != 0);
        let (control, afn) = (Control::from_byte(*control), Afn::from_byte(*afn));

        let mut time_tag = None;
        if time_tagged {
            let (rest, tag) = data.split_last_chunk().ok_or(FrameError::Auxiliary)?;
            (data, time_tag) = (rest, Some(TimeTag::from_wire(*tag)));
        }
        let mut events = None;
        if acd {
            let (rest, [important, general]) = data.split_last_chunk().ok_or(FrameError::Auxiliary)?;
            (data, events) = (rest, Some(EventCounters { important: *important, general: *general }));
        }
        let mut password = None;
        if !control.uplink && afn.has_password() {
            // Some terminals are set up without passwords, so a short request is taken as one without.
            if let Some((rest, bytes)) = data.split_last_chunk().filter(|(rest, _)| rest.len() >= UNIT_ID) {
                (data, password) = (rest, Some(Secret::new(*bytes)));
            }
        }
        Ok(Self {
            control,
            address: Address::from_wire([*a0, *a1, *a2, *a3, *a4]),
            afn,
            sequence: Sequence::from_byte(*seq),
            data,
            password,
            events,
            time_tag,
        })
    }

    /// The frame with data of its own.
    #[must_use]
    pub fn into_owned(self) -> Frame {
        let Self { control, address, afn, sequence, data, password, events, time_tag } = self;
        Frame { control, address, afn, sequence, data: data.to_vec(), password, events, time_tag }
    }

    /// The answers to F129 in it, one after the other; nothing is copied.
    ///
    /// # Errors
    /// It is no such answer.
    #[inline]
    pub fn energies(
        &self,
    ) -> Result<impl Iterator<Item = Result<PointReading<'a>, MessageError>> + use<'a>, MessageError> {
        let head = Head::of(self.afn, self.data)?;
        match (self.control.uplink, self.afn, head.function) {
            (true, Afn::Realtime, realtime::ENERGY) => Ok(head.each(PointReading::decode)),
            (false, ..) => Err(MessageError::Direction),
            _ => Err(head.unknown()),
        }
    }
}
