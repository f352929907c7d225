//! What a concentrator says to a head end.

use super::{
    Afn, AnswerHeader, ArchiveRecord, Confirmation, Control, DailyFreeze, EventClass, EventCounters, Events, Forwarded,
    Frame, MessageError, PointEnergy, Sequence, archive,
    frame::function,
    function::{forward, history, link, parameter, realtime},
    unit::{Head, encode_units, unit},
};
use crate::{
    EncodeError,
    formats::{self, WireTime},
};

/// What a concentrator sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uplink {
    /// AFN02: about the link, by itself.
    Link(LinkReport),
    /// AFN00: the answer to what was set, and the refusal of anything.
    Confirm(Confirmation),
    /// AFN0A F10: records of the archive.
    Archive(Vec<ArchiveRecord>),
    /// AFN0C F2: its clock, local time.
    Clock(WireTime),
    /// AFN0C F7: how many events there were.
    EventCounters(EventCounters),
    /// AFN0C F129: the measuring points it has; fewer than asked is no failure.
    Energy(Vec<PointEnergy>),
    /// AFN0D F161: the measuring points and days it has.
    DailyFreeze(Vec<DailyFreeze>),
    /// AFN0E F1 and F2: records of events.
    Events(Events),
    /// AFN10 F1: a meter's frame.
    Forwarded(Forwarded),
    /// The answer to an enquiry, as it came. No frame decodes as one: whoever asked knows that it is.
    Other(Frame),
}

/// AFN02.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkReport {
    /// F1.
    Login,
    /// F2.
    Logout,
    /// F3.
    Heartbeat,
}

impl Uplink {
    /// The AFN.
    #[must_use]
    pub const fn afn(&self) -> Afn {
        match self {
            Self::Link(_) => Afn::Link,
            Self::Confirm(_) => Afn::Confirm,
            Self::Archive(_) => Afn::Query,
            Self::Clock(_) | Self::EventCounters(_) | Self::Energy(_) => Afn::Realtime,
            Self::DailyFreeze(_) => Afn::History,
            Self::Events(_) => Afn::Events,
            Self::Forwarded(_) => Afn::Forward,
            Self::Other(frame) => frame.afn,
        }
    }

    /// The frame that says it.
    pub fn frame(&self, header: &AnswerHeader) -> Result<Frame, EncodeError> {
        let (primary, function) = match self {
            Self::Link(_) => (true, function::LINK_TEST),
            Self::Confirm(Confirmation::Denied) => (false, function::NO_DATA),
            Self::Confirm(_) => (false, function::ACKNOWLEDGE),
            _ => (false, function::USER_DATA),
        };
        Ok(Frame {
            control: Control { uplink: true, primary, fcb: false, fcv: false, function },
            address: header.address,
            afn: self.afn(),
            sequence: Sequence::single(header.number, primary),
            data: self.data()?,
            password: None,
            events: header.events,
            time_tag: header.time_tag,
        })
    }

    fn data(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Link(report) => Ok(unit(0, report.function())?.to_vec()),
            Self::Confirm(confirmation) => confirmation.encode(),
            Self::Archive(records) => archive::encode(records),
            Self::Clock(time) => {
                let clock = (*time)?.map_or(Ok([0xEE; 6]), formats::encode_clock_1)?;
                Ok([&unit(0, realtime::CLOCK)?[..], &clock].concat())
            }
            Self::EventCounters(EventCounters { important, general }) => {
                Ok([&unit(0, realtime::EVENT_COUNTERS)?[..], &[*important, *general]].concat())
            }
            Self::Energy(points) => encode_units(points, realtime::ENERGY, PointEnergy::encode),
            Self::DailyFreeze(freezes) => encode_units(freezes, history::DAILY_FREEZE, DailyFreeze::encode),
            Self::Events(events) => Ok([&unit(0, events.range.class.function())?[..], &events.encode()?].concat()),
            Self::Forwarded(forwarded) => Ok([&unit(0, forward::TRANSPARENT)?[..], &forwarded.encode()?].concat()),
            Self::Other(frame) => Ok(frame.data.clone()),
        }
    }

    /// The message inside a frame: the head end's side.
    pub fn decode(frame: &Frame) -> Result<Self, MessageError> {
        if !frame.control.uplink {
            return Err(MessageError::Direction);
        }
        let head = Head::decode(frame)?;
        match (frame.afn, head.function) {
            // Some terminals append their clock or signal to a heartbeat; it is not looked at.
            (Afn::Link, link::LOGIN) => Ok(Self::Link(LinkReport::Login)),
            (Afn::Link, link::LOGOUT) => Ok(Self::Link(LinkReport::Logout)),
            (Afn::Link, link::HEARTBEAT) => Ok(Self::Link(LinkReport::Heartbeat)),
            (Afn::Confirm, _) => Ok(Self::Confirm(Confirmation::decode(&head)?)),
            (Afn::Query, parameter::ARCHIVE) => Ok(Self::Archive(archive::decode(head.single()?)?)),
            (Afn::Realtime, realtime::CLOCK) => Ok(Self::Clock(formats::decode_clock_1(head.single()?.array()?))),
            (Afn::Realtime, realtime::EVENT_COUNTERS) => {
                let [important, general] = head.single()?.array()?;
                Ok(Self::EventCounters(EventCounters { important, general }))
            }
            (Afn::Realtime, realtime::ENERGY) => Ok(Self::Energy(head.all(PointEnergy::decode)?)),
            (Afn::History, history::DAILY_FREEZE) => Ok(Self::DailyFreeze(head.all(DailyFreeze::decode)?)),
            (Afn::Events, function) => {
                let class = EventClass::from_function(function).ok_or(head.unknown())?;
                Ok(Self::Events(Events::decode(class, &mut head.single()?)?))
            }
            (Afn::Forward, forward::TRANSPARENT) => Ok(Self::Forwarded(Forwarded::decode(&mut head.single()?)?)),
            _ => Err(head.unknown()),
        }
    }
}

impl LinkReport {
    const fn function(self) -> u16 {
        match self {
            Self::Login => link::LOGIN,
            Self::Logout => link::LOGOUT,
            Self::Heartbeat => link::HEARTBEAT,
        }
    }
}
