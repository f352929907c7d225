//! What a meter wants next: its polls, freezes, relay checks, its live relay order and read nows. Pure: events and the
//! present moment go in, effects come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{
    ids::OrderId,
    polling::{self, PlannedPoll},
    relay::{
        RelayControl,
        order::{Event as OrderEvent, Order},
    },
    site::Site,
};
use jiff::{Timestamp, civil::Date};

use super::hand::Hand;
use crate::{
    fleet::ReadNowError,
    job::{Outcome, Task},
    messages::Surroundings,
    ports::{Ack, MeterPlan, PortError, Report},
    seams::Moment,
};

/// What happens to a meter.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Its record or its concentrator's rules are these from now on.
    Planned(MeterPlan, Arc<Surroundings>),
    /// Its concentrator can be asked.
    Online,
    /// It cannot any more.
    Offline,
    /// The moment it asked to be woken at.
    Wake,
    /// A live relay order whose next move is due.
    Order(Order),
    /// What became of an order's event.
    Recorded(Result<Order, PortError>),
    /// Its concentrator saw its relay's state word change.
    RelayInDoubt,
    /// Somebody wants a reading now; the number is the asker's.
    ReadNow(u64),
    /// What came of a task it asked for.
    Done(Task, Outcome),
}

/// What a meter wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Put this into the concentrator's queue; one [`Event::Done`] comes back.
    Enqueue(Task),
    /// Send [`Event::Wake`] then, instead of any earlier wish.
    WakeAt(Duration),
    /// Store what happened to the order; [`Event::Recorded`] comes back.
    Record(OrderId, OrderEvent),
    Report(Report),
    /// Report that the meter answers again, then ask for its due orders.
    ReportReachable(Timestamp),
    /// Ask for due orders: one has ended.
    AskDue,
    /// The answer to a read now.
    Answer(u64, Result<Vec<Ack>, ReadNowError>),
    /// A poll slot was kept, or not.
    Polled {
        on_time: bool,
    },
}

/// A meter.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) plan: MeterPlan,
    pub(super) around: Arc<Surroundings>,
    pub(super) online: bool,
    /// Tasks that are with the concentrator.
    pub(super) asked: BTreeSet<Task>,
    /// Polls without an answer in a row.
    pub(super) silences: u32,
    /// The last exchange for an order had no answer.
    pub(super) order_unanswered: bool,
    pub(super) next_poll: PlannedPoll,
    /// When a missing freeze was last asked for in vain.
    pub(super) freezes_asked: BTreeMap<Date, Timestamp>,
    pub(super) next_relay_check: Duration,
    /// Until then a command that was sent earlier may still take effect; none: not looked at yet.
    pub(super) relay_doubt: Option<Duration>,
    pub(super) hand: Option<Hand>,
    pub(super) read_nows: Vec<u64>,
    /// The meter has no block of registers: ask for the total alone.
    pub(super) single_reads: bool,
}

impl State {
    pub(crate) fn new(plan: MeterPlan, around: Arc<Surroundings>) -> Self {
        Self {
            plan,
            around,
            online: false,
            asked: BTreeSet::new(),
            silences: 0,
            order_unanswered: false,
            next_poll: PlannedPoll { at: Timestamp::MIN, planned_at: Timestamp::MIN },
            freezes_asked: BTreeMap::new(),
            next_relay_check: Duration::ZERO,
            relay_doubt: None,
            hand: None,
            read_nows: Vec::new(),
            single_reads: false,
        }
    }

    /// The one way in.
    pub(crate) fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Planned(plan, around) => (self.plan, self.around) = (plan, around),
            Event::Online => self.online(now.wall),
            Event::Offline => self.offline(&mut effects),
            Event::Wake => {}
            Event::Order(order) => self.take_in_hand(order),
            Event::Recorded(outcome) => self.recorded(outcome, now, &mut effects),
            Event::RelayInDoubt => self.next_relay_check = Duration::ZERO,
            Event::ReadNow(asker) => self.read_now(asker, &mut effects),
            Event::Done(task, outcome) => self.done(&task, outcome, now, &mut effects),
        }
        if self.online {
            self.ask_what_is_due(now, &mut effects);
        }
        effects
    }

    fn site(&self) -> Site<'_> {
        Site { zone: &self.around.zone, policy: &self.around.policy }
    }

    fn online(&mut self, now: Timestamp) {
        self.online = true;
        let slot = self.around.policy.polling.slot;
        // Whatever was planned: a meter that was silent before the break gets a new chance.
        let at = polling::first_poll(self.plan.last_reading_at, now, slot, self.around.jitter);
        self.next_poll = PlannedPoll { at, planned_at: now };
    }

    fn offline(&mut self, effects: &mut Vec<Effect>) {
        self.online = false;
        // Orders are rows: they come back with the next login. What is in an exchange has its outcome still to come.
        if !self.is_order_under_way() {
            self.hand = None;
        }
        if !self.asked.iter().any(|task| matches!(task, Task::ReadNow { .. })) {
            self.answer_read_nows(&Err(ReadNowError::Offline), effects);
        }
    }

    fn read_now(&mut self, asker: u64, effects: &mut Vec<Effect>) {
        if !self.online {
            effects.push(Effect::Answer(asker, Err(ReadNowError::Offline)));
        } else if self.read_nows.len() >= self.around.settings.read_now_waiting {
            effects.push(Effect::Answer(asker, Err(ReadNowError::Full)));
        } else {
            self.read_nows.push(asker);
        }
    }

    fn answer_read_nows(&mut self, answer: &Result<Vec<Ack>, ReadNowError>, effects: &mut Vec<Effect>) {
        effects.extend(self.read_nows.drain(..).map(|asker| Effect::Answer(asker, answer.clone())));
    }

    // --- what is due -------------------------------------------------------------------------------------------------

    fn ask_what_is_due(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let mut wake = Duration::MAX;
        self.poll(now, &mut wake, effects);
        self.ask_freezes(now, &mut wake, effects);
        self.check_relay(now, &mut wake, effects);
        self.move_order(now, &mut wake, effects);
        if !self.read_nows.is_empty() {
            let block = self.plan.profile.tariffs > 1 && !self.single_reads;
            self.ask(Task::ReadNow { block }, effects);
        }
        effects.push(Effect::WakeAt(wake));
    }

    pub(super) fn ask(&mut self, task: Task, effects: &mut Vec<Effect>) {
        if self.asked.insert(task.clone()) {
            effects.push(Effect::Enqueue(task));
        }
    }

    fn poll(&mut self, now: Moment, wake: &mut Duration, effects: &mut Vec<Effect>) {
        if self.next_poll.is_due(now.wall) {
            self.ask(Task::Instant, effects);
        } else {
            *wake = now.mono_at(self.next_poll.at).min(*wake);
        }
    }

    fn ask_freezes(&mut self, now: Moment, wake: &mut Duration, effects: &mut Vec<Effect>) {
        let plan =
            polling::freezes(now.wall, self.plan.since, &self.plan.freezes_held, &self.freezes_asked, self.site());
        for day in plan.due {
            self.ask(Task::Freeze(day), effects);
        }
        *wake = now.mono_at(plan.next).min(*wake);
    }

    fn check_relay(&mut self, now: Moment, wake: &mut Duration, effects: &mut Vec<Effect>) {
        if self.plan.profile.relay_control == RelayControl::None || self.around.settings.relay_check_s == 0 {
            return;
        }
        if self.next_relay_check <= now.mono {
            self.ask(Task::RelayCheck, effects);
        } else {
            *wake = self.next_relay_check.min(*wake);
        }
    }

    // --- answers -----------------------------------------------------------------------------------------------------

    fn done(&mut self, task: &Task, outcome: Outcome, now: Moment, effects: &mut Vec<Effect>) {
        if !self.asked.remove(task) {
            return;
        }
        if (self.silences > 0 || self.order_unanswered) && is_sign_of_life(&outcome) {
            (self.silences, self.order_unanswered) = (0, false);
            effects.push(Effect::ReportReachable(now.wall));
        }
        match task {
            Task::Instant => self.polled(&outcome, now.wall, effects),
            Task::Freeze(day) => self.freeze_asked(*day, &outcome, now.wall),
            Task::RelayCheck => self.relay_checked(&outcome, now, effects),
            Task::ReadNow { block } => self.read(*block, outcome, effects),
            Task::Command(_) | Task::ReadBack => self.order_done(&outcome, now.wall, effects),
            Task::ReadArchive(_)
            | Task::WriteArchive(_)
            | Task::Enquire(_)
            | Task::Clock
            | Task::EventCounters
            | Task::Events(_) => {}
        }
    }

    fn polled(&mut self, outcome: &Outcome, now: Timestamp, effects: &mut Vec<Effect>) {
        let policy = &self.around.policy.polling;
        match outcome {
            Outcome::Offline => return,
            Outcome::Stored(ack) => {
                let slot_end = self.next_poll.at.saturating_add(policy.slot).unwrap_or(Timestamp::MAX);
                effects.push(Effect::Polled { on_time: now < slot_end });
                self.plan.last_reading_at = self.plan.last_reading_at.max(Some(ack.as_of));
            }
            Outcome::NoAnswer | Outcome::NotAvailable | Outcome::Refused(_) => {
                self.silences = self.silences.saturating_add(1);
                effects.push(Effect::Polled { on_time: false });
            }
            _ => effects.push(Effect::Polled { on_time: false }),
        }
        let at = polling::next_poll(now, self.silences, self.around.jitter, self.site());
        self.next_poll = PlannedPoll { at, planned_at: now };
    }

    fn freeze_asked(&mut self, day: Date, outcome: &Outcome, now: Timestamp) {
        match outcome {
            Outcome::Stored(ack) if ack.is_done_with() => {
                self.plan.freezes_held.insert(day);
                self.freezes_asked.remove(&day);
            }
            Outcome::Offline => {}
            _ => {
                self.freezes_asked.insert(day, now);
            }
        }
        let oldest = polling::oldest_freeze(now, self.site());
        self.plan.freezes_held = self.plan.freezes_held.split_off(&oldest);
        self.freezes_asked = self.freezes_asked.split_off(&oldest);
    }

    /// An order ended: its command, or that of the one it superseded, may yet take effect.
    pub(super) fn doubt_relay(&mut self, now: Moment) {
        let doubt = after(now, self.around.settings.relay_doubt_s);
        self.relay_doubt = Some(doubt);
        self.next_relay_check = self.next_relay_check.min(doubt);
    }

    fn relay_checked(&mut self, outcome: &Outcome, now: Moment, effects: &mut Vec<Effect>) {
        let doubt = *self.relay_doubt.get_or_insert(after(now, self.around.settings.relay_doubt_s));
        let settings = &self.around.settings;
        let pause_s = match outcome {
            Outcome::Relay(reading) => {
                effects.push(Effect::Report(Report::RelaySeen {
                    meter: self.plan.id,
                    reading: *reading,
                    at: now.wall,
                }));
                settings.relay_check_s
            }
            Outcome::Offline => return,
            _ => settings.check_retry_s,
        };
        let next = after(now, pause_s);
        self.next_relay_check = if doubt > now.mono { next.min(doubt) } else { next };
    }

    fn read(&mut self, block: bool, outcome: Outcome, effects: &mut Vec<Effect>) {
        let answer = match outcome {
            Outcome::Stored(ack) => Ok(vec![ack]),
            // Not every meter has the block; asked again for the total alone.
            Outcome::Refused(error) if block && error.no_data() && self.online => {
                self.single_reads = true;
                return;
            }
            Outcome::Refused(_) => Err(ReadNowError::Refused),
            Outcome::NotStored => Err(ReadNowError::NotStored),
            Outcome::Offline => Err(ReadNowError::Offline),
            Outcome::QueueFull => Err(ReadNowError::Full),
            _ => Err(ReadNowError::NoAnswer),
        };
        self.answer_read_nows(&answer, effects);
    }
}

/// So many seconds later, whatever happens to the wall clock.
const fn after(now: Moment, seconds: u64) -> Duration {
    now.mono.saturating_add(Duration::from_secs(seconds))
}

/// Whether the meter itself must have answered. A value that was known before may come from the concentrator's memory.
fn is_sign_of_life(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Stored(ack) => !ack.duplicate,
        Outcome::Relay(_) | Outcome::Taken | Outcome::Refused(_) => true,
        _ => false,
    }
}
