//! What a head end says to a concentrator.

use super::{
    Afn, ArchiveRecord, Confirmation, Control, EventClass, EventRange, Forward, Frame, FreezeRequest, MessageError,
    Parameter, RequestHeader, Sequence, archive,
    frame::function,
    function::{control, forward, history, parameter, realtime},
    unit::{Head, encode_count, encode_units, function_dt, points_das, unit},
};
use jiff::civil::DateTime;

use crate::{DecodeError, EncodeError, formats};

/// What a head end sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downlink {
    /// AFN00: the answer to login, heartbeat and logout.
    Confirm(Confirmation),
    /// AFN04 F10: write records of the archive.
    SetArchive(Vec<ArchiveRecord>),
    /// AFN04 F1, F3, F9: set a parameter.
    SetParameter(Parameter),
    /// AFN05 F31: set the concentrator's clock, local time.
    SetClock(DateTime),
    /// AFN0A F10: read records of the archive by their serial numbers.
    QueryArchive(Vec<u16>),
    /// AFN0C F2: the concentrator's clock.
    QueryClock,
    /// AFN0C F7: how many events there were.
    QueryEventCounters,
    /// AFN0C F129: present forward active energy of measuring points.
    QueryEnergy(Vec<u16>),
    /// AFN0D F161: forward active energy at the end of days.
    QueryDailyFreeze(Vec<FreezeRequest>),
    /// AFN0E F1 and F2: records of events.
    QueryEvents(EventRange),
    /// AFN10 F1: carry a frame to a meter.
    Forward(Forward),
    /// Any other question.
    Enquiry(Enquiry),
}

/// A question whose content nobody here looks at. It is answered by [`super::Uplink::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enquiry {
    /// Which application function.
    pub afn: Afn,
    /// Everything behind SEQ, without password and time tag.
    pub data: Vec<u8>,
}

impl Enquiry {
    /// Asks one function of measuring points (0: the concentrator itself); each has the same content behind its DA and DT.
    ///
    /// # Errors
    /// A point above 2040, a function outside 1 to 248, or an AFN that is no question.
    pub fn of(afn: Afn, function: u16, points: &[u16], content: &[u8]) -> Result<Self, EncodeError> {
        if !afn.is_question() {
            return Err(EncodeError::OutOfRange("AFN"));
        }
        let mut data = Vec::new();
        for point in points {
            data.extend(unit(*point, function)?);
            data.extend(content);
        }
        Ok(Self { afn, data })
    }
}

impl Downlink {
    /// The AFN.
    #[must_use]
    pub const fn afn(&self) -> Afn {
        match self {
            Self::Confirm(_) => Afn::Confirm,
            Self::SetArchive(_) | Self::SetParameter(_) => Afn::Set,
            Self::SetClock(_) => Afn::Control,
            Self::QueryArchive(_) => Afn::Query,
            Self::QueryClock | Self::QueryEventCounters | Self::QueryEnergy(_) => Afn::Realtime,
            Self::QueryDailyFreeze(_) => Afn::History,
            Self::QueryEvents(_) => Afn::Events,
            Self::Forward(_) => Afn::Forward,
            Self::Enquiry(enquiry) => enquiry.afn,
        }
    }

    /// The frame that says it.
    pub fn frame(&self, header: &RequestHeader) -> Result<Frame, EncodeError> {
        let afn = self.afn();
        let (primary, function, confirm) = match self {
            Self::Confirm(_) => (false, function::LINK_STATE, false),
            Self::SetArchive(_) | Self::SetParameter(_) | Self::SetClock(_) => (true, function::CLASS_1, true),
            _ => (true, function::CLASS_2, false),
        };
        let control = Control {
            uplink: false,
            primary,
            fcb: primary && header.fcb.unwrap_or_default(),
            fcv: primary && header.fcb.is_some(),
            function,
        };
        Ok(Frame {
            control,
            address: header.address,
            afn,
            sequence: Sequence::single(header.counter, confirm),
            data: self.data()?,
            password: afn.has_password().then_some(header.password),
            events: None,
            time_tag: header.time_tag,
        })
    }

    fn data(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Confirm(confirmation) => confirmation.encode(),
            Self::SetArchive(records) => archive::encode(records),
            Self::SetParameter(parameter) => Ok([&unit(0, parameter.function())?[..], &parameter.encode()?].concat()),
            Self::SetClock(time) => {
                Ok([unit(0, control::CLOCK)?.as_slice(), &formats::encode_clock_1(*time)?].concat())
            }
            Self::QueryArchive(serials) => {
                let mut data = unit(0, parameter::ARCHIVE)?.to_vec();
                data.extend(encode_count(serials.len())?);
                data.extend(serials.iter().flat_map(|serial| serial.to_le_bytes()));
                Ok(data)
            }
            Self::QueryClock => Ok(unit(0, realtime::CLOCK)?.to_vec()),
            Self::QueryEventCounters => Ok(unit(0, realtime::EVENT_COUNTERS)?.to_vec()),
            Self::QueryEnergy(points) => {
                let dt = function_dt(realtime::ENERGY)?;
                Ok(points_das(points)?.into_iter().flat_map(|da| [da, dt]).flatten().collect())
            }
            Self::QueryDailyFreeze(requests) => encode_units(requests, history::DAILY_FREEZE, FreezeRequest::encode),
            Self::QueryEvents(range) => Ok([&unit(0, range.class.function())?[..], &[range.from, range.to]].concat()),
            Self::Forward(forward) => Ok([&unit(0, forward::TRANSPARENT)?[..], &forward.encode()?].concat()),
            Self::Enquiry(enquiry) => Ok(enquiry.data.clone()),
        }
    }

    /// The message inside a frame: the concentrator's side.
    pub fn decode(frame: &Frame) -> Result<Self, MessageError> {
        if frame.control.uplink {
            return Err(MessageError::Direction);
        }
        let head = Head::decode(frame)?;
        match (frame.afn, head.function) {
            (Afn::Confirm, _) => Ok(Self::Confirm(Confirmation::decode(&head)?)),
            (Afn::Set, parameter::ARCHIVE) => Ok(Self::SetArchive(archive::decode(head.single()?)?)),
            (Afn::Set, _) => Ok(Self::SetParameter(Parameter::decode(frame)?)),
            (Afn::Control, control::CLOCK) => {
                let mut content = head.single()?;
                let time = formats::decode_clock_1(content.array()?).map_err(DecodeError::from)?;
                content.end()?;
                Ok(Self::SetClock(time.ok_or(DecodeError::NotAvailable)?))
            }
            (Afn::Query, parameter::ARCHIVE) => {
                let mut content = head.single()?;
                let count = content.u16()?;
                let serials = (0..count).map(|_| content.u16()).collect::<Result<_, _>>()?;
                content.end()?;
                Ok(Self::QueryArchive(serials))
            }
            (Afn::Realtime, realtime::CLOCK) => {
                head.single()?.end()?;
                Ok(Self::QueryClock)
            }
            (Afn::Realtime, realtime::EVENT_COUNTERS) => {
                head.single()?.end()?;
                Ok(Self::QueryEventCounters)
            }
            (Afn::Realtime, realtime::ENERGY) => Ok(Self::QueryEnergy(head.all(|point, _| Ok(point))?)),
            (Afn::History, history::DAILY_FREEZE) => Ok(Self::QueryDailyFreeze(head.all(FreezeRequest::decode)?)),
            (Afn::Events, function) => {
                let class = EventClass::from_function(function).ok_or(head.unknown())?;
                let mut content = head.single()?;
                let [from, to] = content.array()?;
                content.end()?;
                Ok(Self::QueryEvents(EventRange { class, from, to }))
            }
            (Afn::Forward, forward::TRANSPARENT) => {
                let mut content = head.single()?;
                let forward = Forward::decode(&mut content)?;
                content.end()?;
                Ok(Self::Forward(forward))
            }
            (afn, _) if afn.is_question() => Ok(Self::Enquiry(Enquiry { afn, data: frame.data.clone() })),
            _ => Err(head.unknown()),
        }
    }
}
