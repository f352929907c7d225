//! A meter asks for each thing once at a time, answers every read now, and moves an order only as its row says.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use domain::{
    ids::OrderId,
    relay::{
        Action, Cause, RelayReading, RelayState,
        order::{self, Order, State as OrderState, Wish},
    },
};
use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};
use proptest::prelude::*;

use super::{Effect, Event, State};
use crate::{
    fixtures::{meter_plan, policy, settings, site},
    job::{Outcome, Task},
    messages::Surroundings,
    ports::PortError,
    seams::Moment,
};

fn surroundings() -> Arc<Surroundings> {
    Arc::new(Surroundings {
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        policy: Arc::new(policy()),
        settings: Arc::new(settings()),
        jitter: SignedDuration::ZERO,
    })
}

fn moment(millis: u64) -> Moment {
    let start: Timestamp = "2026-03-02T02:07:00Z".parse().unwrap();
    let mono = Duration::from_millis(millis);
    Moment { wall: start + SignedDuration::try_from(mono).unwrap(), mono }
}

fn new_order(now: Timestamp) -> Order {
    let wish = Wish { action: Action::Disconnect, cause: Cause::Credit, permit: false };
    Order::new(OrderId::new(site(), 1).unwrap(), crate::fixtures::meter(1), None, wish, now, &policy().relay)
}

/// A thing that may happen next.
#[derive(Debug, Clone)]
enum Happening {
    Online,
    Offline,
    Passes(u64),
    ReadNow,
    Ordered,
    Done(usize, u8),
    Recorded(bool),
}

fn happenings() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => Just(Happening::Online),
        1 => Just(Happening::Offline),
        4 => (1_u64..3_600_000).prop_map(Happening::Passes),
        2 => Just(Happening::ReadNow),
        2 => Just(Happening::Ordered),
        6 => (0_usize..4, 0_u8..5).prop_map(|(which, outcome)| Happening::Done(which, outcome)),
        3 => any::<bool>().prop_map(Happening::Recorded),
    ]
}

/// The meter, and the order's row as the world keeps it.
struct Bench {
    state: State,
    now: u64,
    asked: Vec<Task>,
    /// Read nows without an answer.
    waiting: BTreeSet<u64>,
    askers: u64,
    row: Order,
    recording: Option<order::Event>,
    commands: usize,
}

impl Bench {
    fn step(&mut self, event: Event) {
        for effect in self.state.step(event, moment(self.now)) {
            match effect {
                Effect::Enqueue(task) => {
                    assert!(!self.asked.contains(&task), "asked twice: {task:?}");
                    self.commands += usize::from(matches!(task, Task::Command(_)));
                    self.asked.push(task);
                }
                Effect::Record(_, event) => assert_eq!(self.recording.replace(event), None, "two records at a time"),
                Effect::Answer(asker, _) => assert!(self.waiting.remove(&asker), "answered twice"),
                Effect::WakeAt(at) => assert!(at > Duration::from_millis(self.now), "woken without end"),
                _ => {}
            }
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Online => self.step(Event::Online),
            // As a lost link does it: first what was asked, then the news.
            Happening::Offline => {
                for task in std::mem::take(&mut self.asked) {
                    self.step(Event::Done(task, Outcome::Offline));
                }
                self.step(Event::Offline);
            }
            Happening::Passes(millis) => {
                self.now += millis;
                self.step(Event::Wake);
            }
            Happening::ReadNow => {
                self.askers += 1;
                self.waiting.insert(self.askers);
                self.step(Event::ReadNow(self.askers));
            }
            Happening::Ordered => {
                if self.row.state.is_end() {
                    self.row = new_order(moment(self.now).wall);
                }
                self.step(Event::Order(self.row.clone()));
            }
            Happening::Done(which, outcome) => self.done(*which, *outcome),
            Happening::Recorded(answered) => self.recorded(*answered),
        }
    }

    fn done(&mut self, which: usize, outcome: u8) {
        if which >= self.asked.len() {
            return;
        }
        let task = self.asked.remove(which);
        let cut = RelayState::Disconnected;
        let outcome = match (&task, outcome) {
            (_, 0) => Outcome::NoAnswer,
            (_, 1) => Outcome::QueueFull,
            (Task::Command(_), _) => {
                // The world marked it as sent before the bytes left.
                self.apply(order::Event::Authorized);
                Outcome::Taken
            }
            (Task::ReadBack | Task::RelayCheck, _) => {
                Outcome::Relay(RelayReading { relay: cut, command: cut, local_prepay: false })
            }
            (_, 2) => Outcome::NotStored,
            _ => Outcome::NotAvailable,
        };
        if matches!((&task, &outcome), (Task::Command(_), Outcome::NoAnswer)) {
            self.apply(order::Event::Authorized);
        }
        self.step(Event::Done(task, outcome));
    }

    fn apply(&mut self, event: order::Event) -> bool {
        match order::apply(&self.row, event, moment(self.now).wall, &policy().relay) {
            Ok(transition) => {
                self.row = transition.order;
                true
            }
            Err(_) => false,
        }
    }

    fn recorded(&mut self, answered: bool) {
        let Some(event) = self.recording.take() else { return };
        let outcome = match answered && self.apply(event) {
            true => Ok(self.row.clone()),
            false => Err(PortError::Unavailable("away".into())),
        };
        self.step(Event::Recorded(outcome));
    }
}

fn bench() -> Bench {
    let today = date(2026, 3, 2);
    Bench {
        state: State::new(meter_plan(1, today), surroundings()),
        now: 0,
        asked: Vec::new(),
        waiting: BTreeSet::new(),
        askers: 0,
        row: new_order(moment(0).wall),
        recording: None,
        commands: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_asked_twice_and_every_read_now_is_answered(story in prop::collection::vec(happenings(), 1..120)) {
        let mut bench = bench();
        for happening in &story {
            bench.happen(happening);
        }
        bench.happen(&Happening::Offline);
        prop_assert!(bench.waiting.is_empty());
    }
}

#[test]
fn a_sent_order_is_read_back_and_not_sent_again() {
    let mut bench = bench();
    bench.happen(&Happening::Online);
    bench.asked.clear();
    bench.apply(order::Event::Authorized);
    bench.happen(&Happening::Ordered);
    bench.happen(&Happening::Passes(6_000));
    assert_eq!((bench.commands, bench.asked.contains(&Task::ReadBack)), (0, true));
    let place = bench.asked.iter().position(|task| *task == Task::ReadBack).unwrap();
    bench.happen(&Happening::Done(place, 2));
    bench.happen(&Happening::Recorded(true));
    assert_eq!(bench.row.state, OrderState::Confirmed);
}

#[test]
fn an_offline_meter_asks_for_nothing() {
    let mut bench = bench();
    bench.happen(&Happening::Ordered);
    bench.happen(&Happening::Passes(86_400_000));
    assert_eq!(bench.asked, []);
}

#[test]
fn the_relay_is_read_once_more_when_a_late_command_can_have_taken_effect() {
    let mut around = Arc::into_inner(surroundings()).unwrap();
    around.settings = Arc::new(crate::settings::FleetSettings { relay_check_s: 86_400, ..settings() });
    let mut state = State::new(meter_plan(1, date(2026, 3, 2)), Arc::new(around));
    let connected = RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
    let checked_at = |state: &mut State, event: Event, second: u64| {
        let effects = state.step(event, moment(1_000 * second));
        effects.contains(&Effect::Enqueue(Task::RelayCheck))
    };
    let seen = || Event::Done(Task::RelayCheck, Outcome::Relay(connected));
    assert!(checked_at(&mut state, Event::Online, 0), "at first");
    assert!(!checked_at(&mut state, seen(), 1));
    assert!(!checked_at(&mut state, Event::Wake, 400));
    assert!(checked_at(&mut state, Event::Wake, 401), "what was sent before this program began to look");
    assert!(!checked_at(&mut state, seen(), 402));
    let now = moment(1_000_000).wall;
    let mut ended = new_order(now);
    assert!(!checked_at(&mut state, Event::Order(ended.clone()), 1_000));
    (ended.state, ended.ended_at) = (OrderState::Superseded, Some(now));
    assert!(!checked_at(&mut state, Event::Done(Task::Command(ended.id), Outcome::NoAnswer), 1_001));
    assert!(!checked_at(&mut state, Event::Recorded(Ok(ended)), 1_002));
    assert!(!checked_at(&mut state, Event::Wake, 1_401));
    assert!(checked_at(&mut state, Event::Wake, 1_402), "the order that ended");
    assert!(!checked_at(&mut state, seen(), 1_403));
    assert!(!checked_at(&mut state, Event::Wake, 80_000), "daily from then on");
}

#[test]
fn the_relay_is_read_daily_whatever_the_wall_clock_shows() {
    let mut around = Arc::into_inner(surroundings()).unwrap();
    around.settings = Arc::new(crate::settings::FleetSettings { relay_check_s: 86_400, ..settings() });
    let mut state = State::new(meter_plan(1, date(2026, 3, 2)), Arc::new(around));
    let connected = RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
    let mut read_at = Vec::new();
    // A year ahead on the first day, right on the second, a year behind on the third.
    for hour in 0..72_u64 {
        let right = moment(3_600_000 * hour);
        let days_ahead = [365, 0, -365].get(usize::try_from(hour / 24).unwrap()).copied().unwrap();
        let now = Moment { wall: right.wall + SignedDuration::from_hours(24 * days_ahead), ..right };
        let event = if hour == 0 { Event::Online } else { Event::Wake };
        if state.step(event, now).contains(&Effect::Enqueue(Task::RelayCheck)) {
            read_at.push(hour);
            state.step(Event::Done(Task::RelayCheck, Outcome::Relay(connected)), now);
        }
    }
    assert_eq!(read_at, [0, 1, 25, 49], "at first, once more for a late command, then daily");
}
