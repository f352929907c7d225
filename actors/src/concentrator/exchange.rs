//! The exchange: one request in flight per terminal, its answer matched by number, AFN and content, its deadline, and
//! what is asked next.
//!
//! A retry is a new request with a new number: on TCP an answer is lost only with its link, and a terminal that sees a
//! number twice gives the stored answer of the first (docs/protocols/qgdw376.md section 1).

use std::time::Duration;

use domain::{ids::MeterId, polling};
use protocols::{
    EncodeError,
    qgdw376::{Address, Downlink, Enquiry, Frame, RequestHeader, Uplink},
};
use rand::RngExt;

use super::{
    ask::{Asked, Asking},
    plan::Loading,
    queue::{Choice, Turn},
    state::{Alarm, Effect, State},
};
use crate::{
    job::{Job, Outcome, Task},
    meter,
    ports::{Authorization, PortError},
    seams::Moment,
};

/// Frames of one answer; a longer one is no answer.
const MAX_PARTS: usize = 255;

/// What the port is doing.
#[derive(Debug)]
pub(crate) enum Stage {
    Idle,
    /// The world is asked whether this order's command may be sent.
    Authorizing(Job),
    /// An answer is awaited.
    Waiting(Box<Flight>),
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) jobs: Vec<Job>,
    pub(crate) asked: Asked,
    pub(crate) sent: Moment,
    pub(crate) parts: Vec<Uplink>,
    /// RSEQ of the next frame of the answer.
    number: u8,
}

impl Stage {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// The enquiry under way.
    pub(super) fn enquiry(&self) -> Option<&Enquiry> {
        match self {
            Self::Waiting(flight) => match &flight.asked.downlink {
                Downlink::Enquiry(enquiry) => Some(enquiry),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Flight {
    /// The figures of its end.
    pub(crate) fn ended(&self, outcome: &'static str, now: Moment) -> Effect {
        let kind = self.jobs.first().map_or("none", |job| job.task.kind());
        Effect::Exchanged { kind, outcome, took: now.mono.saturating_sub(self.sent.mono) }
    }
}

impl State {
    // --- the queue ---------------------------------------------------------------------------------------------------

    pub(super) fn enqueue(&mut self, meter: Option<MeterId>, task: Task, now: Moment, effects: &mut Vec<Effect>) {
        let job = Job::new(meter, task, now.mono);
        if self.session.is_none() || self.draining {
            return self.done(&job, Outcome::Offline, effects);
        }
        if let Err(job) = self.queue.push(job) {
            effects.push(Effect::Refused);
            self.not_done(&job, Outcome::QueueFull, now, effects);
        }
    }

    /// Starts what can be started. Nothing is asked with a plan that changed: a meter locks after some wrong passwords.
    pub(super) fn next_exchange(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let planned = self.plan.is_some() && self.loading == Loading::No;
        while self.stage.is_idle() && self.is_greeted() && planned && !self.draining {
            let choice = Choice {
                now: now.mono,
                most: usize::try_from(self.points).unwrap_or(usize::MAX),
                linger: Duration::from_millis(self.settings.batch_linger_ms),
                readings: self.uncommitted.len() < self.settings.uncommitted_batches,
            };
            match self.queue.take(&choice) {
                Turn::Now(jobs) => self.begin(jobs, now, effects),
                Turn::NotBefore(at) => return self.wheel.set(Alarm::Queue, at),
                Turn::None => return self.wheel.clear(Alarm::Queue),
            }
        }
    }

    fn begin(&mut self, mut jobs: Vec<Job>, now: Moment, effects: &mut Vec<Effect>) {
        // Whoever asked was told that nothing came of it: nothing must be set afterwards.
        let patience = Duration::from_millis(self.settings.read_now_deadline_ms);
        if let [job @ Job { task: Task::Enquire(_), .. }] = jobs.as_slice()
            && now.mono.saturating_sub(job.since) >= patience
        {
            return self.done(job, Outcome::NoAnswer, effects);
        }
        if let [Job { task: Task::Command(order), .. }] = jobs.as_slice() {
            effects.push(Effect::Authorize(*order));
            if let Some(job) = jobs.pop() {
                self.stage = Stage::Authorizing(job);
            }
            return;
        }
        self.request(jobs, None, now, effects);
    }

    /// The world has decided again. Whatever it marked as sent counts as sent, even if the link has gone meanwhile.
    pub(super) fn authorized(
        &mut self,
        word: Result<Authorization, PortError>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Stage::Authorizing(job) = std::mem::replace(&mut self.stage, Stage::Idle) else { return };
        match word {
            Ok(Authorization::Send(order)) if self.session.is_some() && self.plan.is_some() => {
                self.request(vec![job], Some(order), now, effects);
            }
            Ok(Authorization::Send(_)) => self.done(&job, Outcome::NoAnswer, effects),
            Ok(Authorization::Held { until }) => self.done(&job, Outcome::Held(until), effects),
            Ok(Authorization::Ended(_)) => self.done(&job, Outcome::Superseded, effects),
            Err(_) => self.done(&job, Outcome::NotAuthorized, effects),
        }
    }

    fn request(
        &mut self,
        jobs: Vec<Job>,
        order: Option<domain::relay::order::Order>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        match self.encode(&jobs, order.as_ref(), now) {
            Ok(Some((asked, frame, link))) => {
                let number = self.counter & 0x0F;
                self.counter = self.counter.wrapping_add(1);
                self.fcb = !self.fcb;
                self.wheel.set(Alarm::Answer, now.mono.saturating_add(asked.deadline));
                let jobs = jobs.into_iter().map(|job| Job { attempts: job.attempts.saturating_add(1), ..job });
                let flight = Flight { jobs: jobs.collect(), asked, sent: now, parts: Vec::new(), number };
                self.stage = Stage::Waiting(Box::new(flight));
                effects.push(Effect::Send { link, frame });
            }
            Ok(None) => self.fail_all(&jobs, now, effects),
            Err(error) => {
                tracing::error!(%error, ?jobs, "a request cannot be encoded: its plan is out of range");
                self.fail_all(&jobs, now, effects);
            }
        }
    }

    fn encode(
        &self,
        jobs: &[Job],
        order: Option<&domain::relay::order::Order>,
        now: Moment,
    ) -> Result<Option<(Asked, Vec<u8>, u64)>, EncodeError> {
        let (Some(plan), Some(session)) = (&self.plan, &self.session) else { return Ok(None) };
        let now = plan.zone.to_datetime(now.wall);
        let asking = Asking { plan, settings: &self.settings, enquiries: &self.enquiries, now };
        let Some(asked) = asking.request(jobs, order)? else { return Ok(None) };
        let header = RequestHeader {
            address: Address::new(plan.terminal, plan.profile.msa),
            counter: self.counter,
            fcb: Some(self.fcb),
            password: plan.profile.password,
            time_tag: None,
        };
        let frame = asked.downlink.frame(&header)?.encode()?;
        Ok(Some((asked, frame, session.link)))
    }

    fn fail_all(&mut self, jobs: &[Job], now: Moment, effects: &mut Vec<Effect>) {
        for job in jobs {
            self.not_done(job, Outcome::NoAnswer, now, effects);
        }
    }

    // --- the answer --------------------------------------------------------------------------------------------------

    /// A message that is no report: the answer to the request under way, or a late one to an earlier.
    pub(super) fn answer(&mut self, frame: &Frame, message: Uplink, now: Moment, effects: &mut Vec<Effect>) {
        let Stage::Waiting(flight) = &mut self.stage else { return effects.push(stale(frame)) };
        let expected = frame.sequence.number == flight.number
            && frame.sequence.first == flight.parts.is_empty()
            && flight.asked.is_answered_by(&message)
            && flight.parts.len() < MAX_PARTS;
        if !expected {
            return effects.push(stale(frame));
        }
        flight.parts.push(message);
        flight.number = (flight.number + 1) & 0x0F;
        if frame.sequence.last {
            self.finish(now, effects);
        } else {
            self.wheel.set(Alarm::Answer, now.mono.saturating_add(flight.asked.deadline));
        }
    }

    /// The answer to the request under way makes no sense: as good as none, but at once.
    pub(super) fn answered_nonsense(&mut self, frame: &Frame, now: Moment, effects: &mut Vec<Effect>) {
        if matches!(&self.stage, Stage::Waiting(flight) if flight.number == frame.sequence.number) {
            self.unanswered("nonsense", now, effects);
        }
    }

    pub(super) fn overdue(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.unanswered("timeout", now, effects);
    }

    fn unanswered(&mut self, how: &'static str, now: Moment, effects: &mut Vec<Effect>) {
        let Some(flight) = self.land() else { return };
        effects.push(flight.ended(how, now));
        self.again(flight.jobs, now, effects);
    }

    fn finish(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Some(flight) = self.land() else { return };
        self.answered(flight, now, effects);
    }

    fn land(&mut self) -> Option<Flight> {
        self.wheel.clear(Alarm::Answer);
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Waiting(flight) => Some(*flight),
            other => {
                self.stage = other;
                None
            }
        }
    }

    // --- afterwards --------------------------------------------------------------------------------------------------

    /// Asks again after a pause, the same for all so that they go on sharing a request, or gives up.
    pub(super) fn again(&mut self, jobs: Vec<Job>, now: Moment, effects: &mut Vec<Effect>) {
        let tried = jobs.iter().map(|job| job.attempts).max().unwrap_or(0);
        let pause = self.settings.retry_back_off(tried.saturating_add(1));
        let jitter = self.random.random_range(Duration::ZERO..=pause / 2);
        let not_before = now.mono.saturating_add(pause).saturating_add(jitter);
        for job in jobs {
            if !job.task.is_repeated() || job.attempts >= self.settings.attempts || self.draining {
                self.not_done(&job, Outcome::NoAnswer, now, effects);
            } else {
                self.queue.put(Job { not_before, ..job });
            }
        }
    }

    /// Fewer points from now on, until the next login: the concentrator refused some or left some out.
    pub(super) fn ask_for_fewer(&mut self, asked: usize) {
        let asked = u32::try_from(asked).unwrap_or(u32::MAX);
        self.points = polling::fewer_points(asked.min(self.points));
    }

    /// A job's outcome: the one place where a meter hears of it.
    pub(super) fn done(&mut self, job: &Job, outcome: Outcome, effects: &mut Vec<Effect>) {
        if let Task::Enquire(number) = job.task {
            self.not_told(number, &outcome, effects);
        } else if let Some(meter) = job.meter {
            effects.push(Effect::Tell(meter, meter::Event::Done(job.task.clone(), outcome)));
        }
    }

    /// A job that came to nothing while online; the concentrator's own are tried again later.
    pub(super) fn not_done(&mut self, job: &Job, outcome: Outcome, now: Moment, effects: &mut Vec<Effect>) {
        match &job.task {
            Task::Clock => {
                let pause = Duration::from_secs(self.settings.check_retry_s);
                self.wheel.set(Alarm::Clock, now.mono.saturating_add(pause));
            }
            Task::Events(range) => self.events_unanswered(range.class, now),
            task if self.check.as_ref().is_some_and(|check| check.awaits(task)) => self.give_up_checking(now),
            _ => {}
        }
        self.done(job, outcome, effects);
    }
}

fn stale(frame: &Frame) -> Effect {
    let detail = format!("{} number {} answers nothing that was asked", frame.afn, frame.sequence.number);
    Effect::Useless { reason: "stale", detail }
}
