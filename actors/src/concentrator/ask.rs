//! From a job to the request that carries it, and from the answer back to what it says about each job.

use std::time::Duration;

use domain::relay::{Action, order::Order};
use jiff::{civil::DateTime, civil::date};
use protocols::{
    EncodeError,
    dlt645::{self, Answer, Item, MeterAddress, RelayCommand, RelayControl, Value},
    qgdw376::{ArchiveRecord, Confirmation, Downlink, Forward, FreezeRequest, MeterProtocol, Timeout, Uplink},
};

use super::enquiry::{self, Enquiries};
use crate::{
    job::{Job, Task},
    ports::{ConcentratorPlan, MeterPlan},
    settings::FleetSettings,
};

/// How long a meter may take a disconnect after it was sent, by its own clock, in minutes.
const DISCONNECT_EXPIRY_MIN: i64 = 5;

/// A request, what it forwards, and how long its answer may take.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) downlink: Downlink,
    pub(crate) forwarded: Option<(MeterAddress, dlt645::Request)>,
    pub(crate) deadline: Duration,
}

/// Makes requests of one concentrator.
pub(crate) struct Asking<'a> {
    pub(crate) plan: &'a ConcentratorPlan,
    pub(crate) settings: &'a FleetSettings,
    pub(crate) enquiries: &'a Enquiries,
    /// The site's local time.
    pub(crate) now: DateTime,
}

impl Asking<'_> {
    /// The request that carries `jobs`, all of one task; `order` where the task is its command. `None`: a meter is no
    /// longer in the plan.
    pub(crate) fn request(&self, jobs: &[Job], order: Option<&Order>) -> Result<Option<Asked>, EncodeError> {
        let Some(first) = jobs.first() else { return Ok(None) };
        let meter = first.meter.and_then(|id| self.meter(id));
        let urgent = self.plan.profile.order_forward_timeout_s;
        match (&first.task, meter) {
            (Task::Clock, _) => Ok(Some(self.of_memory(Downlink::QueryClock))),
            (Task::EventCounters, _) => Ok(Some(self.of_memory(Downlink::QueryEventCounters))),
            (Task::Events(range), _) => Ok(Some(self.of_memory(Downlink::QueryEvents(*range)))),
            (Task::ReadArchive(serials), _) => Ok(Some(self.of_memory(Downlink::QueryArchive(serials.clone())))),
            (Task::WriteArchive(serials), _) => {
                let records = self.plan.meters.iter().filter(|meter| serials.contains(&meter.serial)).map(record);
                Ok(Some(self.of_memory(Downlink::SetArchive(records.collect()))))
            }
            (Task::Instant, _) => Ok(Some(self.of_memory(Downlink::QueryEnergy(self.points(jobs))))),
            (Task::Freeze(day), _) => {
                let points = self.points(jobs).into_iter().map(|point| FreezeRequest { point, day: *day });
                Ok(Some(self.of_memory(Downlink::QueryDailyFreeze(points.collect()))))
            }
            (Task::Enquire(number), _) => self.enquiry(*number, urgent),
            (_, None) => Ok(None),
            (Task::Command(_), Some(meter)) => match order {
                Some(order) => {
                    self.forward(meter, dlt645::Request::Relay(self.control(meter, order)), urgent).map(Some)
                }
                None => Ok(None),
            },
            (Task::ReadBack, Some(meter)) => self.forward(meter, dlt645::Request::Read(Item::Relay), urgent).map(Some),
            (Task::ReadNow { block }, Some(meter)) => {
                let item = if *block { Item::ForwardActiveBlock } else { Item::ForwardActiveTotal };
                self.forward(meter, dlt645::Request::Read(item), urgent).map(Some)
            }
            (Task::RelayCheck, Some(meter)) => {
                let patience = self.plan.profile.poll_forward_timeout_s;
                self.forward(meter, dlt645::Request::Read(Item::Relay), patience).map(Some)
            }
        }
    }

    fn meter(&self, id: domain::ids::MeterId) -> Option<&MeterPlan> {
        self.plan.meters.iter().find(|meter| meter.id == id)
    }

    fn points(&self, jobs: &[Job]) -> Vec<u16> {
        jobs.iter().filter_map(|job| self.meter(job.meter?)).map(|meter| meter.point).collect()
    }

    fn of_memory(&self, downlink: Downlink) -> Asked {
        Asked { downlink, forwarded: None, deadline: Duration::from_millis(self.settings.answer_deadline_ms) }
    }

    fn forward(&self, meter: &MeterPlan, request: dlt645::Request, patience_s: u8) -> Result<Asked, EncodeError> {
        let carried = self.carry(meter, &request.frame(meter.address)?, patience_s)?;
        Ok(Asked { forwarded: Some((meter.address, request)), ..carried })
    }

    fn carry(&self, meter: &MeterPlan, frame: &dlt645::Frame, patience_s: u8) -> Result<Asked, EncodeError> {
        let downlink = Downlink::Forward(Forward {
            port: meter.port,
            line: meter.line,
            frame_timeout: Timeout::Seconds(patience_s),
            byte_timeout: self.plan.profile.byte_timeout_10ms,
            bytes: frame.encode()?,
        });
        let margin = Duration::from_millis(self.settings.forward_margin_ms);
        let deadline = Duration::from_secs(patience_s.into()).saturating_add(margin);
        Ok(Asked { downlink, forwarded: None, deadline })
    }

    fn enquiry(&self, number: u64, patience_s: u8) -> Result<Option<Asked>, EncodeError> {
        match self.enquiries.get(number) {
            Some(enquiry::Asked::Functions(functions)) => {
                Ok(Some(self.of_memory(Downlink::Enquiry(functions.clone()))))
            }
            Some(enquiry::Asked::Item(meter, pieces)) => {
                self.meter(*meter).map(|meter| self.carry(meter, &pieces.request(), patience_s)).transpose()
            }
            Some(enquiry::Asked::Parameter(parameter)) => {
                Ok(Some(self.of_memory(Downlink::SetParameter(parameter.clone()))))
            }
            Some(enquiry::Asked::Clock) => Ok(Some(self.of_memory(Downlink::SetClock(self.now)))),
            Some(enquiry::Asked::MeterClocks(port)) => {
                let on_port = self.plan.meters.iter().find(|meter| meter.port == *port);
                let frame = dlt645::broadcast_time(self.now)?;
                on_port.map(|meter| self.carry(meter, &frame, self.settings.broadcast_wait_s)).transpose()
            }
            None => Ok(None),
        }
    }

    fn control(&self, meter: &MeterPlan, order: &Order) -> RelayControl {
        let (command, expiry) = match (order.action, order.permit) {
            (Action::Disconnect, _) => {
                let expiry = self.now.saturating_add(jiff::SignedDuration::from_mins(DISCONNECT_EXPIRY_MIN));
                (RelayCommand::Disconnect, expiry)
            }
            (Action::Reconnect, false) => (RelayCommand::Reconnect, never()),
            (Action::Reconnect, true) => (RelayCommand::PermitReconnect, never()),
        };
        let (password, operator) = (meter.profile.relay_password, meter.profile.relay_operator);
        RelayControl { command, password, operator, expiry: Some(expiry) }
    }
}

/// A reconnect must not fail because a meter's clock is off, so it is sent with the far expiry seen in captures
/// (docs/protocols/dlt645.md section 6).
fn never() -> DateTime {
    date(2099, 12, 30).at(0, 0, 0, 0)
}

/// A meter's archive record (F10).
pub(crate) fn record(meter: &MeterPlan) -> ArchiveRecord {
    ArchiveRecord {
        serial: meter.serial,
        point: meter.point,
        rate: meter.rate,
        port: meter.port,
        protocol: MeterProtocol::Dlt645Of2007,
        meter: meter.address,
        password: meter.profile.archive_password,
        periods: meter.profile.tariffs,
        integer_digits: 6,
        decimals: 2,
        collector: MeterAddress::NONE,
        class: 0,
    }
}

/// What a meter answered to a forwarded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeterSaid {
    Answer(Answer),
    /// A broken frame, or one that answers something else.
    Nonsense(String),
}

impl Asked {
    /// Whether a message of the concentrator answers this request, and not an earlier one.
    pub(crate) fn is_answered_by(&self, message: &Uplink) -> bool {
        if let (Downlink::QueryEvents(asked), Uplink::Events(events)) = (&self.downlink, message) {
            return asked.class == events.range.class;
        }
        matches!(
            (&self.downlink, message),
            (_, Uplink::Confirm(_))
                | (Downlink::QueryArchive(_), Uplink::Archive(_))
                | (Downlink::QueryClock, Uplink::Clock(_))
                | (Downlink::QueryEventCounters, Uplink::EventCounters(_))
                | (Downlink::QueryEnergy(_), Uplink::Energy(_))
                | (Downlink::QueryDailyFreeze(_), Uplink::DailyFreeze(_))
                | (Downlink::Forward(_), Uplink::Forwarded(_))
                | (Downlink::Enquiry(_), Uplink::Other(_))
        )
    }

    /// The meter's answer inside a forwarded frame: address, control and identifier must be those asked for.
    pub(crate) fn said_by_meter(&self, bytes: &[u8]) -> MeterSaid {
        let Some((address, request)) = &self.forwarded else {
            return MeterSaid::Nonsense("nothing was forwarded".into());
        };
        let frame = match dlt645::Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return MeterSaid::Nonsense(error.to_string()),
        };
        match request.answer(*address, &frame) {
            Ok(answer) => MeterSaid::Answer(answer),
            Err(error) => MeterSaid::Nonsense(error.to_string()),
        }
    }
}

/// Whether a confirmation says that all was done.
pub(crate) fn is_done(confirmation: &Confirmation) -> bool {
    match confirmation {
        Confirmation::All => true,
        Confirmation::Denied => false,
        Confirmation::OneByOne { results, .. } => results.iter().all(|result| result.error == 0),
    }
}

/// The relay in a meter's answer.
pub(crate) fn relay_of(answer: &Answer) -> Option<domain::relay::RelayReading> {
    match answer {
        Answer::Value(Value::Relay(reading)) => Some(*reading),
        _ => None,
    }
}
