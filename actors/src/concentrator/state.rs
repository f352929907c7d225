//! What a concentrator does next. Pure: events and the present moment go in, effects come out. The session is in
//! `session.rs`, the exchange in `exchange.rs`, the meaning of answers in `answer.rs`; here they meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{
    ids::{MeterId, OrderId},
    reading::Observation,
    relay::order::Order,
};
use jiff::SignedDuration;
use protocols::{FrameError, qgdw376::Frame};
use rand::rngs::SmallRng;

use super::{
    archive::Check, enquiry::Enquiries, events::Lists, exchange::Stage, plan::Loading, queue::Queue, session::Session,
};
use crate::{
    fleet::{Enquiry, EnquiryError, Told},
    job::{Job, Outcome, Task},
    messages::Surroundings,
    meter,
    ports::{Ack, Authorization, ConcentratorPlan, MeterPlan, PortError, Report, SessionEvent},
    seams::Moment,
    settings::FleetSettings,
    wheel::Wheel,
};

/// What happens to a concentrator.
#[derive(Debug)]
pub(crate) enum Event {
    /// Its archive and rules.
    Loaded(Result<ConcentratorPlan, PortError>),
    /// A terminal dialled in on this link, from there.
    Attached { link: u64, peer: String },
    /// A sound frame.
    Frame { link: u64, frame: Frame },
    /// Bytes that were no frame.
    Bad { link: u64, error: FrameError },
    /// A link is gone, and why.
    Closed { link: u64, why: String },
    /// The moment of the earliest deadline.
    Tick,
    /// A meter wants this asked.
    Enqueue(MeterId, Task),
    /// An operator wants to know something; [`Effect::Told`] with this number comes of it.
    Enquire(u64, Enquiry),
    /// A meter wants to be woken then.
    WakeAt(MeterId, Duration),
    /// A meter's actor is gone; what it wanted is void.
    MeterGone(MeterId),
    /// A meter's actor started again.
    MeterStarted(MeterId),
    /// The word on the order at the head of the queue.
    Authorized(Result<Authorization, PortError>),
    /// What became of a batch of readings.
    Ingested(u64, Result<Vec<Ack>, PortError>),
    /// These orders are due.
    Due(Vec<Order>),
    /// An operator orders that foreign archive records be overwritten.
    SyncArchive,
    /// What was found out by a look at the clock or the archive did not reach the world.
    NotReported(Alarm),
    /// The plan changed.
    Reload,
    /// Finish what is under way and take on nothing new.
    Drain,
}

/// What a concentrator wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Write a frame to this link.
    Send {
        link: u64,
        frame: Vec<u8>,
    },
    /// Write what is queued for this link, then close it.
    Close {
        link: u64,
    },
    /// Fetch the plan; [`Event::Loaded`] comes back.
    Load,
    /// Start, change and end meter actors so that they are these.
    Meters(Vec<MeterPlan>, Arc<Surroundings>),
    Tell(MeterId, meter::Event),
    /// [`Event::Authorized`] comes back.
    Authorize(OrderId),
    /// [`Event::Ingested`] comes back with the same number.
    Ingest {
        batch: u64,
        observations: Vec<Observation>,
        urgent: bool,
    },
    Session(SessionEvent),
    Report(Report),
    /// [`Event::Due`] comes back.
    AskDue,
    /// For the figures: an exchange ended.
    Exchanged {
        kind: &'static str,
        outcome: &'static str,
        took: Duration,
    },
    /// For the figures and the log: something came in that was no use.
    Useless {
        reason: &'static str,
        detail: String,
    },
    /// What came of an enquiry.
    Told(u64, Result<Told, EnquiryError>),
    /// For the figures: the queue refused a job.
    Refused,
    /// For the figures: readings that the world did not take.
    NotStored(usize),
    /// Everything under way is finished.
    Drained,
}

/// A deadline of a concentrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// The answer to the request under way is overdue.
    Answer,
    /// Nothing was heard for too long.
    Idle,
    /// A waiting job's turn comes.
    Queue,
    /// The archive is to be checked.
    Archive,
    /// The clock is to be read.
    Clock,
    /// Events that nobody told of are to be asked for again.
    Events,
    /// The plan is to be fetched again, because it could not be.
    Load,
    /// A meter wants to be woken.
    Meter(MeterId),
}

/// A concentrator.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) settings: Arc<FleetSettings>,
    pub(super) random: SmallRng,
    pub(super) plan: Option<ConcentratorPlan>,
    pub(super) loading: Loading,
    /// What all its meters share.
    pub(super) around: Option<Arc<Surroundings>>,
    pub(super) session: Option<Session>,
    /// When the last session ended.
    pub(super) offline_since: Option<Duration>,
    pub(super) wheel: Wheel<Alarm>,
    pub(super) queue: Queue,
    pub(super) stage: Stage,
    /// PFC of the next request.
    pub(super) counter: u8,
    pub(super) fcb: bool,
    /// Points of one request, as far as the concentrator bears it.
    pub(super) points: u32,
    pub(super) check: Option<Check>,
    /// When the next check is due, online or not.
    pub(super) check_at: Duration,
    /// An operator ordered that foreign records be overwritten, and no check has come to its end since.
    pub(super) overwrite: bool,
    pub(super) verified: BTreeSet<MeterId>,
    /// The concentrator's clock minus ours, as last read.
    pub(super) drift: SignedDuration,
    pub(super) enquiries: Enquiries,
    pub(super) lists: Lists,
    /// Until then no events are asked for, because nobody answered.
    pub(super) events_rest_until: Duration,
    /// Batches that wait for their commit.
    pub(super) uncommitted: BTreeMap<u64, Vec<Job>>,
    pub(super) batches: u64,
    pub(super) draining: bool,
}

impl State {
    pub(crate) fn new(settings: Arc<FleetSettings>, random: SmallRng) -> Self {
        Self {
            queue: Queue::new(settings.queue_jobs),
            settings,
            random,
            plan: None,
            loading: Loading::No,
            around: None,
            session: None,
            offline_since: None,
            wheel: Wheel::new(),
            stage: Stage::Idle,
            counter: 0,
            fcb: false,
            points: 1,
            check: None,
            check_at: Duration::ZERO,
            overwrite: false,
            verified: BTreeSet::new(),
            drift: SignedDuration::ZERO,
            enquiries: Enquiries::default(),
            lists: Lists::default(),
            events_rest_until: Duration::ZERO,
            uncommitted: BTreeMap::new(),
            batches: 0,
            draining: false,
        }
    }

    /// The one way in.
    pub(crate) fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Loaded(plan) => self.loaded(plan, now, &mut effects),
            Event::Attached { link, peer } => self.attached(link, peer, now, &mut effects),
            Event::Frame { link, frame } => self.frame(link, &frame, now, &mut effects),
            Event::Bad { link, error } => self.bad(link, &error, &mut effects),
            Event::Closed { link, why } => self.closed(link, why, now, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
            Event::Enqueue(meter, task) => self.enqueue(Some(meter), task, now, &mut effects),
            Event::Enquire(number, enquiry) => self.enquire(number, enquiry, now, &mut effects),
            Event::WakeAt(meter, at) => self.wheel.set(Alarm::Meter(meter), at),
            Event::MeterGone(meter) => self.meter_gone(meter),
            Event::MeterStarted(meter) => self.meter_started(meter, &mut effects),
            Event::Authorized(word) => self.authorized(word, now, &mut effects),
            Event::Ingested(batch, outcome) => self.ingested(batch, outcome, &mut effects),
            Event::Due(orders) => {
                effects.extend(orders.into_iter().map(|order| Effect::Tell(order.meter, meter::Event::Order(order))));
            }
            Event::SyncArchive => {
                self.overwrite = true;
                self.begin_check(now, &mut effects);
            }
            Event::NotReported(alarm) => self.look_again(alarm, now, &mut effects),
            Event::Reload => self.load(&mut effects),
            Event::Drain => self.drain(&mut effects),
        }
        self.next_exchange(now, &mut effects);
        if self.draining && self.stage.is_idle() && self.uncommitted.is_empty() {
            effects.push(Effect::Drained);
        }
        effects
    }

    /// The earliest deadline; [`Event::Tick`] is due then.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.wheel.next()
    }

    pub(crate) const fn is_online(&self) -> bool {
        self.session.is_some()
    }

    /// Whether its archive can be asked for.
    pub(crate) const fn can_check(&self) -> bool {
        self.session.is_some() && self.plan.is_some()
    }

    /// Jobs in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn tick(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        while let Some(alarm) = self.wheel.pop_due(now.mono) {
            match alarm {
                Alarm::Answer => self.overdue(now, effects),
                Alarm::Idle => self.idle(now, effects),
                Alarm::Queue => {}
                Alarm::Archive => self.begin_check(now, effects),
                Alarm::Clock => {
                    self.enqueue(None, Task::Clock, now, effects);
                    // What was told while nobody here lived is announced no more.
                    self.enqueue(None, Task::EventCounters, now, effects);
                }
                Alarm::Events => self.ask_for_events(now, effects),
                Alarm::Load => self.load(effects),
                Alarm::Meter(meter) => effects.push(Effect::Tell(meter, meter::Event::Wake)),
            }
        }
    }

    pub(super) fn tell_all(&self, event: &meter::Event, effects: &mut Vec<Effect>) {
        let meters = self.plan.iter().flat_map(|plan| &plan.meters);
        effects.extend(meters.map(|meter| Effect::Tell(meter.id, event.clone())));
    }

    // --- readings ----------------------------------------------------------------------------------------------------

    /// Hands readings over to the world; nothing acts on them before they are committed.
    pub(super) fn ingest(&mut self, jobs: Vec<Job>, observations: Vec<Observation>, effects: &mut Vec<Effect>) {
        if observations.is_empty() {
            return;
        }
        let urgent = jobs.iter().any(|job| matches!(job.task, Task::ReadNow { .. }));
        self.batches = self.batches.wrapping_add(1);
        self.uncommitted.insert(self.batches, jobs);
        effects.push(Effect::Ingest { batch: self.batches, observations, urgent });
    }

    fn ingested(&mut self, batch: u64, outcome: Result<Vec<Ack>, PortError>, effects: &mut Vec<Effect>) {
        let Some(jobs) = self.uncommitted.remove(&batch) else { return };
        let acks = match outcome {
            Ok(acks) if acks.len() == jobs.len() => acks.into_iter().map(Some).collect(),
            _ => {
                effects.push(Effect::NotStored(jobs.len()));
                vec![None; jobs.len()]
            }
        };
        for (job, ack) in jobs.into_iter().zip(acks) {
            if let Some(ack) = &ack {
                self.remember(ack, &job);
            }
            self.done(&job, ack.map_or(Outcome::NotStored, Outcome::Stored), effects);
        }
    }

    fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        self.check = None;
        for job in self.queue.drain(|_| true) {
            self.done(&job, Outcome::Offline, effects);
        }
        self.tell_all(&meter::Event::Offline, effects);
    }
}
