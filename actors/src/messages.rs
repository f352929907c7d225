//! The messages between the actors, and what their replies carry.

use std::sync::Arc;

use actix::prelude::*;
use domain::{
    ids::{ConcentratorId, MeterId},
    relay::order::Order,
    site::Policy,
};
use jiff::{SignedDuration, tz::TimeZone};
use tokio::sync::oneshot;

use crate::{
    fleet::{DecodeLevel, Enquiry, EnquiryError, LinkState, ReadNowError, Seat, SyncError, Told},
    job::Task,
    link::{Detached, Incoming},
    meter,
    ports::Ack,
    settings::FleetSettings,
    supervise::Exit,
    trace::Traced,
};

/// What all meters of a concentrator share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) zone: TimeZone,
    pub(crate) policy: Arc<Policy>,
    pub(crate) settings: Arc<FleetSettings>,
    /// How far this concentrator's poll slots lie behind the full ones; one for all its meters, so that they share
    /// requests.
    pub(crate) jitter: SignedDuration,
}

/// The answer to a read now. Dropping it unanswered answers [`ReadNowError::Gone`] at the other end.
pub(crate) type ReadNowReply = oneshot::Sender<Result<Vec<Ack>, ReadNowError>>;

/// The answer to an enquiry. Dropping it unanswered answers [`EnquiryError::Gone`] at the other end.
pub(crate) type EnquiryReply = oneshot::Sender<Result<Told, EnquiryError>>;

/// Concentrator to meter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum ToMeter {
    Event(Box<meter::Event>),
    ReadNow(ReadNowReply),
    /// Its concentrator does not want it any more.
    Stop,
    #[cfg(feature = "faults")]
    Poison(crate::fleet::Where),
}

/// Meter to concentrator.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct FromMeter {
    pub(crate) meter: MeterId,
    /// Which life of the meter's actor speaks: a dead one's wishes are void.
    pub(crate) life: u64,
    pub(crate) wish: Wish,
}

/// What a meter wants of its concentrator.
#[derive(Debug)]
pub(crate) enum Wish {
    Enqueue(Task),
    WakeAt(std::time::Duration),
    AskDue,
}

/// A meter's actor ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct MeterExit {
    pub(crate) meter: MeterId,
    pub(crate) life: u64,
    pub(crate) exit: Exit,
}

/// Fleet to concentrator.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum ToConcentrator {
    /// A terminal dialled in; its first frame is still in `incoming`.
    Attach {
        link: Detached,
        incoming: Box<Incoming>,
        peer: String,
        seat: Seat,
    },
    /// Orders may be due.
    Wake,
    /// These orders are due.
    Orders(Vec<Order>),
    /// The plan changed.
    Reload,
    ReadNow(MeterId, ReadNowReply),
    Enquire(Enquiry, EnquiryReply),
    SyncArchive(oneshot::Sender<Result<(), SyncError>>),
    State(oneshot::Sender<LinkState>),
    SetDecodeLevel(DecodeLevel),
    Trace(oneshot::Sender<(DecodeLevel, Vec<Traced>)>),
    /// Finish what is under way, then stop.
    Stop,
    /// Stop now.
    CutOff,
    #[cfg(feature = "faults")]
    Poison(MeterId, Option<crate::fleet::Where>),
    #[cfg(feature = "faults")]
    PoisonYou,
}

/// A concentrator's actor ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ConcentratorExit {
    pub(crate) concentrator: ConcentratorId,
    pub(crate) life: u64,
    pub(crate) exit: Exit,
}
