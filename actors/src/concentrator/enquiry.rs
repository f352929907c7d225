//! Enquiries: what an operator wants to know now, of a meter or of the concentrator itself. Nothing here looks at the answer;
//! whoever asked gets it as it came, a long item of a meter put together.

use std::collections::BTreeMap;

use protocols::{
    dlt645::{self, Pieces},
    qgdw376::{self, Forwarded, Frame, Uplink},
};

use super::{
    answer,
    exchange::Flight,
    state::{Alarm, Effect, State},
};
use crate::{
    fleet::{Enquiry, EnquiryError, Told},
    job::{Job, Outcome, Task},
    seams::Moment,
};

/// Enquiries under way, by their number.
#[derive(Debug, Default)]
pub(crate) struct Enquiries {
    all: BTreeMap<u64, Asked>,
}

/// What one of them asks for next.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A piece of an item of a meter, on this port.
    Item(domain::ids::MeterId, Pieces),
    Functions(qgdw376::Enquiry),
    Parameter(qgdw376::Parameter),
    Clock,
    /// The clocks of the meters on a port.
    MeterClocks(u8),
}

impl Enquiries {
    pub(crate) fn get(&self, number: u64) -> Option<&Asked> {
        self.all.get(&number)
    }
}

impl State {
    /// Takes an enquiry in; [`Effect::Told`] with its number comes of it, once.
    pub(super) fn enquire(&mut self, number: u64, enquiry: Enquiry, now: Moment, effects: &mut Vec<Effect>) {
        let on_port = |port| self.plan.iter().flat_map(|plan| &plan.meters).any(|meter| meter.port == port);
        let asked = match enquiry {
            Enquiry::Item { meter, id } => {
                self.meter_plan(meter).map(|plan| Asked::Item(meter, Pieces::of(plan.address, id)))
            }
            Enquiry::Functions(functions) => Some(Asked::Functions(functions)),
            Enquiry::SetParameter(parameter) => Some(Asked::Parameter(parameter)),
            Enquiry::SetClock => Some(Asked::Clock),
            Enquiry::SetMeterClocks { port } => on_port(port).then_some(Asked::MeterClocks(port)),
        };
        let Some(asked) = asked else {
            return effects.push(Effect::Told(number, Err(EnquiryError::UnknownMeter)));
        };
        self.enquiries.all.insert(number, asked);
        self.enqueue(None, Task::Enquire(number), now, effects);
    }

    /// A frame of the concentrator, as the message that it is; the answer to an enquiry is not looked into.
    pub(super) fn message_of(&self, frame: &Frame) -> Result<Uplink, qgdw376::MessageError> {
        match self.stage.enquiry() {
            Some(enquiry) if enquiry.afn == frame.afn && !frame.control.primary => Ok(Uplink::Other(frame.clone())),
            _ => Uplink::decode(frame),
        }
    }

    /// The answer to an enquiry is complete, or a piece of a long one.
    pub(super) fn enquired(
        &mut self,
        flight: Flight,
        number: u64,
        parts: Vec<Uplink>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = flight.jobs.into_iter().next() else { return };
        let told = match self.enquiries.all.get_mut(&number) {
            Some(Asked::Item(_, pieces)) => match take(pieces, parts.into_iter().find_map(answer::forwarded)) {
                Ok(None) => return self.queue.put(Job { attempts: 0, not_before: now.mono, ..job }),
                Ok(Some(whole)) => Told::Meter(whole),
                Err(detail) => {
                    effects.push(Effect::Useless { reason: "meter_frame", detail });
                    return self.done(&job, Outcome::NoAnswer, effects);
                }
            },
            Some(Asked::Functions(_)) => Told::Concentrator(parts.into_iter().filter_map(frame).collect()),
            Some(Asked::MeterClocks(_)) => Told::Done,
            // They are answered by a confirmation.
            Some(Asked::Parameter(_) | Asked::Clock) | None => return self.done(&job, Outcome::NoAnswer, effects),
        };
        self.enquiries.all.remove(&number);
        effects.push(Effect::Told(number, Ok(told)));
    }

    /// An enquiry came to nothing.
    pub(super) fn not_told(&mut self, number: u64, outcome: &Outcome, effects: &mut Vec<Effect>) {
        let error = match outcome {
            Outcome::Offline => EnquiryError::Offline,
            Outcome::QueueFull => EnquiryError::Full,
            Outcome::NotAvailable => EnquiryError::Denied,
            _ => EnquiryError::NoAnswer,
        };
        if self.enquiries.all.remove(&number).is_some() {
            effects.push(Effect::Told(number, Err(error)));
        }
    }

    /// AFN00 came in place of an answer, or as the answer to what was set.
    pub(super) fn enquiry_confirmed(
        &mut self,
        number: u64,
        job: &Job,
        done: bool,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let done = match self.enquiries.get(number) {
            // A denial means that the meter is silent.
            Some(Asked::Item(..)) => return self.done(job, Outcome::NoAnswer, effects),
            // No meter answers a broadcast, so that a denial is what comes of it.
            Some(Asked::MeterClocks(_)) => true,
            Some(Asked::Parameter(_) | Asked::Clock) => done,
            Some(Asked::Functions(_)) | None => false,
        };
        if !done {
            return self.done(job, Outcome::NotAvailable, effects);
        }
        if let Some(Asked::Clock) = self.enquiries.all.remove(&number) {
            self.wheel.set(Alarm::Clock, now.mono);
        }
        effects.push(Effect::Told(number, Ok(Told::Done)));
    }
}

/// Takes a meter's frame in: the whole answer, or nothing where more of it is missing.
fn take(pieces: &mut Pieces, forwarded: Option<Forwarded>) -> Result<Option<dlt645::Frame>, String> {
    let Some(Forwarded { bytes, .. }) = forwarded else { return Err("no frame in it".to_owned()) };
    let frame = dlt645::Frame::decode(&bytes).map_err(|error| error.to_string())?;
    pieces.take(&frame).map_err(|error| error.to_string())
}

fn frame(part: Uplink) -> Option<Frame> {
    match part {
        Uplink::Other(frame) => Some(frame),
        _ => None,
    }
}
