//! What a complete answer says about each job of its request.

use std::time::Duration;

use jiff::SignedDuration;
use protocols::{
    dlt645::{Answer, Value},
    formats::WireTime,
    qgdw376::{Confirmation, DailyFreeze, EventCounters, Forwarded, PointEnergy, Uplink},
};

use super::{
    ask::{MeterSaid, is_done, relay_of},
    exchange::Flight,
    observe::{self, Circumstances},
    state::{Alarm, Effect, State},
};
use crate::{
    job::{Job, Outcome, Task},
    ports::Report,
    seams::Moment,
};

impl State {
    /// The answer to the request under way is complete.
    pub(super) fn answered(&mut self, mut flight: Flight, now: Moment, effects: &mut Vec<Effect>) {
        let parts = std::mem::take(&mut flight.parts);
        if let Some(confirmation) = parts.iter().find_map(confirmation) {
            return self.confirmed(flight, is_done(confirmation), now, effects);
        }
        effects.push(flight.ended("answered", now));
        match flight.jobs.first().map(|job| job.task.clone()) {
            Some(Task::Instant) => {
                let points: Vec<PointEnergy> = parts.into_iter().flat_map(points).collect();
                self.batch(flight, now, effects, |point, meter, of| {
                    let answer = points.iter().find(|answer| answer.point == point)?;
                    Some(observe::instant(meter, answer, of))
                });
            }
            Some(Task::Freeze(day)) => {
                let freezes: Vec<DailyFreeze> = parts.into_iter().flat_map(freezes).collect();
                self.batch(flight, now, effects, |point, meter, of| {
                    let answer = freezes.iter().find(|answer| answer.energy.point == point && answer.day == day)?;
                    Some(observe::freeze(meter, answer, of))
                });
            }
            Some(Task::ReadArchive(serials)) => {
                let records: Vec<_> = parts.into_iter().flat_map(records).collect();
                let awaited =
                    flight.jobs.iter().any(|job| self.check.as_ref().is_some_and(|check| check.awaits(&job.task)));
                if let (Some(check), Some(plan), true) = (&mut self.check, &self.plan, awaited) {
                    check.answered(&plan.meters, &serials, &records);
                    self.go_on_checking(now, effects);
                }
            }
            Some(Task::EventCounters) => {
                if let Some(counters) = parts.into_iter().find_map(counters) {
                    self.counted(counters, now, effects);
                }
            }
            Some(Task::Events(range)) => self.events_read(range, parts, now, effects),
            Some(Task::Enquire(number)) => self.enquired(flight, number, parts, now, effects),
            Some(Task::Clock) => {
                let clock = parts.into_iter().find_map(clock);
                self.clock_read(flight, clock, now, effects);
            }
            _ => self.forwarded(flight, parts.into_iter().find_map(forwarded).as_ref(), now, effects),
        }
    }

    /// AFN00 came instead of an answer, or as the answer to what was set.
    fn confirmed(&mut self, flight: Flight, done: bool, now: Moment, effects: &mut Vec<Effect>) {
        effects.push(flight.ended(if done { "answered" } else { "denied" }, now));
        let several = flight.jobs.len() > 1;
        if several {
            self.ask_for_fewer(flight.jobs.len());
        }
        for job in flight.jobs {
            match &job.task {
                Task::WriteArchive(_) if done => {
                    if self.check.as_ref().is_some_and(|check| check.awaits(&job.task)) {
                        self.go_on_checking(now, effects);
                    }
                }
                Task::Events(range) => self.events_denied(*range, now, effects),
                Task::Enquire(number) => self.enquiry_confirmed(*number, &job, done, now, effects),
                // The request was too much for it, not the point: asked again at once, with fewer.
                _ if several => self.queue.put(Job { attempts: job.attempts.saturating_sub(1), ..job }),
                // A denied forward means that the meter is silent; a denied question, that there is no answer.
                _ => self.not_done(&job, Outcome::NoAnswer, now, effects),
            }
        }
    }

    /// Readings of several points; those that are left out are asked for again.
    fn batch(
        &mut self,
        flight: Flight,
        now: Moment,
        effects: &mut Vec<Effect>,
        read: impl Fn(u16, domain::ids::MeterId, &Circumstances<'_>) -> Option<Option<domain::reading::Observation>>,
    ) {
        let Some(plan) = self.plan.take() else { return };
        let several = flight.jobs.len();
        let (mut read_jobs, mut observations, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for job in flight.jobs {
            let Some(meter) = plan.meters.iter().find(|meter| Some(meter.id) == job.meter) else { continue };
            let of = Circumstances {
                zone: &plan.zone,
                sent: flight.sent.wall,
                received: now.wall,
                drift: self.drift,
                identity_verified: self.verified.contains(&meter.id),
                utc_offset: meter.profile.utc_offset,
            };
            match read(meter.point, meter.id, &of) {
                Some(Some(observation)) => {
                    observations.push(observation);
                    read_jobs.push(job);
                }
                Some(None) => self.done(&job, Outcome::NotAvailable, effects),
                None => left_out.push(job),
            }
        }
        self.plan = Some(plan);
        if !left_out.is_empty() && several > 1 {
            self.ask_for_fewer(several);
        }
        self.again(left_out, now, effects);
        self.ingest(read_jobs, observations, effects);
    }

    fn clock_read(&mut self, flight: Flight, clock: Option<WireTime>, now: Moment, effects: &mut Vec<Effect>) {
        let theirs = clock.and_then(|time| time.ok().flatten());
        let theirs = theirs.zip(self.plan.as_ref()).and_then(|(time, plan)| observe::local(time, &plan.zone));
        let (Some(theirs), Some(plan)) = (theirs, &self.plan) else {
            for job in flight.jobs {
                self.not_done(&job, Outcome::NotAvailable, now, effects);
            }
            return;
        };
        // It was read somewhere between question and answer, and shows whole seconds.
        let took = SignedDuration::try_from(now.mono.saturating_sub(flight.sent.mono)).unwrap_or(SignedDuration::ZERO);
        self.drift = theirs.duration_since(now.wall).saturating_add(took / 2);
        let drift_s = self.drift.saturating_add(SignedDuration::from_millis(500)).as_secs();
        effects.push(Effect::Report(Report::ConcentratorClock { concentrator: plan.id, drift_s, at: now.wall }));
        // Nobody is cut while it is off, so that its being right again must be noticed soon.
        let off = plan.policy.disconnection.is_off(self.drift);
        let interval = if off { self.settings.check_retry_s } else { self.settings.clock_check_s };
        let interval = Duration::from_secs(interval);
        self.wheel.set(Alarm::Clock, now.mono.saturating_add(interval));
    }

    /// A meter's own answer.
    fn forwarded(&mut self, flight: Flight, forwarded: Option<&Forwarded>, now: Moment, effects: &mut Vec<Effect>) {
        let said = match forwarded {
            Some(forwarded) => flight.asked.said_by_meter(&forwarded.bytes),
            None => MeterSaid::Nonsense("no frame in it".into()),
        };
        let answer = match said {
            MeterSaid::Answer(answer) => Some(answer),
            MeterSaid::Nonsense(detail) => {
                effects.push(Effect::Useless { reason: "meter_frame", detail });
                None
            }
        };
        for job in flight.jobs {
            match (&job.task, &answer) {
                (_, Some(Answer::Refused { error, .. })) => self.done(&job, Outcome::Refused(*error), effects),
                (Task::Command(_), Some(Answer::RelayTaken)) => self.done(&job, Outcome::Taken, effects),
                (Task::ReadNow { .. }, Some(Answer::Value(value))) => self.read_directly(job, value, now, effects),
                (_, Some(answer)) => {
                    let outcome = relay_of(answer).map_or(Outcome::NoAnswer, Outcome::Relay);
                    self.done(&job, outcome, effects);
                }
                (_, None) => self.done(&job, Outcome::NoAnswer, effects),
            }
        }
    }

    fn read_directly(&mut self, job: Job, value: &Value, now: Moment, effects: &mut Vec<Effect>) {
        match job.meter.and_then(|meter| observe::direct(meter, value, now.wall)) {
            Some(observation) => self.ingest(vec![job], vec![observation], effects),
            None => self.done(&job, Outcome::NotAvailable, effects),
        }
    }
}

const fn confirmation(part: &Uplink) -> Option<&Confirmation> {
    match part {
        Uplink::Confirm(confirmation) => Some(confirmation),
        _ => None,
    }
}

fn points(part: Uplink) -> Vec<PointEnergy> {
    match part {
        Uplink::Energy(points) => points,
        _ => Vec::new(),
    }
}

fn freezes(part: Uplink) -> Vec<DailyFreeze> {
    match part {
        Uplink::DailyFreeze(freezes) => freezes,
        _ => Vec::new(),
    }
}

fn records(part: Uplink) -> Vec<protocols::qgdw376::ArchiveRecord> {
    match part {
        Uplink::Archive(records) => records,
        _ => Vec::new(),
    }
}

fn clock(part: Uplink) -> Option<WireTime> {
    match part {
        Uplink::Clock(time) => Some(time),
        _ => None,
    }
}

fn counters(part: Uplink) -> Option<EventCounters> {
    match part {
        Uplink::EventCounters(counters) => Some(counters),
        _ => None,
    }
}

pub(super) fn forwarded(part: Uplink) -> Option<Forwarded> {
    match part {
        Uplink::Forwarded(forwarded) => Some(forwarded),
        _ => None,
    }
}
