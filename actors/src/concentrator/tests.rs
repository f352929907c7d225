//! Whatever happens in whatever order: one exchange at a time, one outcome per job, nothing on a lost link.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{sync::Arc, time::Duration};

use domain::ids::{MeterId, OrderId};
use domain::relay::{
    Action, Cause,
    order::{Order, Wish},
};
use jiff::{SignedDuration, Timestamp, civil::date};
use proptest::prelude::*;
use protocols::dlt645;
use protocols::qgdw376::{Address, AnswerHeader, Confirmation, Downlink, Frame, LinkReport, PointEnergy, Uplink};
use rand::{SeedableRng, rngs::SmallRng};

use super::{
    ask::Asking,
    state::{Effect, Event, State},
};
use crate::{
    fixtures::{meter, plan, policy, settings, site, terminal},
    job::{Job, Outcome, Task},
    meter,
    ports::{Ack, Authorization, PortError},
    seams::Moment,
};

/// A thing that may happen next.
#[derive(Debug, Clone)]
enum Happening {
    Wants(u16, Task),
    Answered,
    AnsweredInPart,
    Denied,
    AnsweredWithAnotherNumber,
    Passes(u64),
    Drops,
    DialsIn,
    Authorized(u8),
    Committed,
    NotCommitted,
    Changed,
    Loaded,
    MeterDies(u16),
}

fn order_id() -> OrderId {
    OrderId::new(site(), 1).unwrap()
}

fn tasks() -> impl Strategy<Value = Task> {
    prop_oneof![
        3 => Just(Task::Instant),
        1 => Just(Task::Freeze(date(2026, 3, 1))),
        1 => Just(Task::ReadNow { block: false }),
        1 => Just(Task::RelayCheck),
        1 => Just(Task::Command(order_id())),
        1 => Just(Task::ReadBack),
    ]
}

fn happenings() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_u16..6, tasks()).prop_map(|(number, task)| Happening::Wants(number, task)),
        4 => Just(Happening::Answered),
        1 => Just(Happening::AnsweredInPart),
        1 => Just(Happening::Denied),
        1 => Just(Happening::AnsweredWithAnotherNumber),
        4 => (1_u64..90_000).prop_map(Happening::Passes),
        1 => Just(Happening::Drops),
        2 => Just(Happening::DialsIn),
        2 => (0_u8..4).prop_map(Happening::Authorized),
        2 => Just(Happening::Committed),
        1 => Just(Happening::NotCommitted),
        1 => Just(Happening::Changed),
        2 => Just(Happening::Loaded),
        1 => (1_u16..6).prop_map(Happening::MeterDies),
    ]
}

/// The state and everything around it, kept as simply as can be.
struct Bench {
    state: State,
    now: Duration,
    links: u64,
    online: bool,
    /// What meters wait for.
    open: Vec<(MeterId, Task)>,
    in_flight: Option<Frame>,
    authorizing: bool,
    loading: bool,
    /// An order that the world marked as sent goes out, whatever changes meanwhile.
    was_authorized: bool,
    batches: Vec<(u64, Vec<MeterId>)>,
}

impl Bench {
    fn new() -> Self {
        let state = State::new(Arc::new(settings()), SmallRng::seed_from_u64(1));
        let mut bench = Self {
            state,
            now: Duration::ZERO,
            links: 0,
            online: false,
            open: Vec::new(),
            in_flight: None,
            authorizing: false,
            loading: false,
            was_authorized: false,
            batches: Vec::new(),
        };
        bench.step(Event::Reload);
        bench.loaded();
        bench
    }

    fn moment(&self) -> Moment {
        let start: Timestamp = "2026-03-02T02:07:00Z".parse().unwrap();
        Moment { wall: start + SignedDuration::try_from(self.now).unwrap(), mono: self.now }
    }

    fn step(&mut self, event: Event) {
        for effect in self.state.step(event, self.moment()) {
            match effect {
                Effect::Send { link, frame } => {
                    assert!(self.online && link == self.links, "written to a lost link");
                    let frame = Frame::decode(&frame).unwrap();
                    if !matches!(Downlink::decode(&frame).unwrap(), Downlink::Confirm(_)) {
                        assert!(self.in_flight.is_none(), "two exchanges at a time");
                        assert!(!self.loading || self.was_authorized, "asked with a plan that changed");
                        self.in_flight = Some(frame);
                    }
                }
                Effect::Exchanged { .. } => assert!(self.in_flight.take().is_some()),
                Effect::Authorize(_) => {
                    assert!(!self.loading, "an order's word with a plan that changed");
                    self.authorizing = true;
                }
                Effect::Load => assert!(!std::mem::replace(&mut self.loading, true), "two loads at a time"),
                Effect::Ingest { batch, observations, .. } => {
                    self.batches.push((batch, observations.iter().map(|seen| seen.meter).collect()));
                }
                Effect::Tell(meter, meter::Event::Done(task, outcome)) => self.outcome(meter, &task, &outcome),
                _ => {}
            }
        }
    }

    fn outcome(&mut self, meter: MeterId, task: &Task, outcome: &Outcome) {
        let place = self.open.iter().position(|open| *open == (meter, task.clone()));
        let place = place.unwrap_or_else(|| panic!("a second outcome of {task:?}: {outcome:?}"));
        self.open.swap_remove(place);
    }

    fn dial_in(&mut self) {
        self.links += 1;
        self.online = true;
        self.step(Event::Attached { link: self.links, peer: "peer".into() });
        let header = AnswerHeader { address: Address::new(terminal(), 0), number: 3, events: None, time_tag: None };
        let frame = Uplink::Link(LinkReport::Login).frame(&header).unwrap();
        self.step(Event::Frame { link: self.links, frame });
    }

    fn drop_link(&mut self) {
        self.online = false;
        self.step(Event::Closed { link: self.links, why: "dropped".into() });
    }

    /// Answers what is in flight; `points` of the points asked for.
    fn answer(&mut self, points: usize, denied: bool, off_by: u8) {
        let Some(request) = self.in_flight.clone() else { return };
        let number = (request.sequence.number + off_by) & 0x0F;
        let header = AnswerHeader { address: request.address, number, events: None, time_tag: None };
        let answer = match Downlink::decode(&request).unwrap() {
            _ if denied => Uplink::Confirm(Confirmation::Denied),
            Downlink::QueryEnergy(asked) => {
                let values = asked.into_iter().take(points).map(|point| PointEnergy {
                    point,
                    read_at: Ok(Some(date(2026, 3, 2).at(10, 0, 0, 0))),
                    total: Ok(Some(domain::energy::Energy::new(5))),
                    periods: Vec::new(),
                });
                Uplink::Energy(values.collect())
            }
            Downlink::QueryArchive(_) => Uplink::Archive(Vec::new()),
            Downlink::QueryClock => Uplink::Clock(Ok(Some(date(2026, 3, 2).at(10, 7, 0, 0)))),
            _ => Uplink::Confirm(Confirmation::All),
        };
        self.step(Event::Frame { link: self.links, frame: answer.frame(&header).unwrap() });
    }

    fn loaded(&mut self) {
        if std::mem::take(&mut self.loading) {
            self.step(Event::Loaded(Ok(plan(5, date(2026, 3, 2)))));
        }
    }

    fn authorize(&mut self, word: u8) {
        if !std::mem::take(&mut self.authorizing) {
            return;
        }
        let now = self.moment().wall;
        let wish = Wish { action: Action::Disconnect, cause: Cause::Credit, permit: false };
        let order = Order::new(order_id(), meter(1), None, wish, now, &policy().relay);
        self.was_authorized = true;
        self.step(Event::Authorized(match word {
            0 => Err(PortError::Unavailable("away".into())),
            1 => Ok(Authorization::Held { until: now }),
            2 => Ok(Authorization::Ended(order)),
            _ => Ok(Authorization::Send(order)),
        }));
        self.was_authorized = false;
    }

    fn commit(&mut self, stored: bool) {
        let Some((batch, meters)) = self.batches.pop() else { return };
        let ack = |meter| Ack {
            meter,
            as_of: self.moment().wall,
            kind: domain::reading::Kind::Instant,
            registers: domain::reading::Registers::default(),
            quality: domain::reading::Quality::Good,
            duplicate: false,
        };
        let outcome =
            if stored { Ok(meters.into_iter().map(ack).collect()) } else { Err(PortError::Unavailable("full".into())) };
        self.step(Event::Ingested(batch, outcome));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wants(number, task) => {
                let wish = (meter(number), task.clone());
                if !self.open.contains(&wish) {
                    self.open.push(wish);
                    self.step(Event::Enqueue(meter(number), task));
                }
            }
            Happening::Answered => self.answer(usize::MAX, false, 0),
            Happening::AnsweredInPart => self.answer(1, false, 0),
            Happening::Denied => self.answer(0, true, 0),
            Happening::AnsweredWithAnotherNumber => self.answer(usize::MAX, false, 5),
            Happening::Passes(millis) => {
                self.now += Duration::from_millis(millis);
                self.step(Event::Tick);
                self.online = self.state.is_online();
            }
            Happening::Drops if self.online => self.drop_link(),
            Happening::Drops => {}
            Happening::DialsIn => self.dial_in(),
            Happening::Authorized(word) => self.authorize(word),
            Happening::Committed => self.commit(true),
            Happening::NotCommitted => self.commit(false),
            Happening::Changed => self.step(Event::Reload),
            Happening::Loaded => self.loaded(),
            Happening::MeterDies(number) => self.meter_dies(meter(number)),
        }
    }

    /// A dead meter waits for nothing; what is under way for it still ends, and nobody listens.
    fn meter_dies(&mut self, meter: MeterId) {
        if self.in_flight.is_none() && !self.authorizing && self.batches.is_empty() {
            self.open.retain(|(open, _)| *open != meter);
            self.step(Event::MeterGone(meter));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_job_has_one_outcome_and_there_is_one_exchange_at_a_time(
        story in prop::collection::vec(happenings(), 1..80),
    ) {
        let mut bench = Bench::new();
        for happening in story {
            bench.happen(happening);
        }
        // The end: the world answers what it was asked, and the link goes.
        while bench.authorizing || bench.loading || !bench.batches.is_empty() {
            bench.loaded();
            bench.authorize(1);
            bench.commit(true);
        }
        if bench.online {
            bench.drop_link();
        }
        while !bench.batches.is_empty() {
            bench.commit(true);
        }
        prop_assert!(bench.open.is_empty(), "without an outcome: {:?}", bench.open);
        prop_assert_eq!(bench.state.waiting(), 0);
    }

    #[test]
    fn a_quiet_concentrator_with_answers_finishes_everything(
        wishes in prop::collection::btree_set((1_u16..6, 0_usize..3), 1..12),
    ) {
        let mut bench = Bench::new();
        bench.dial_in();
        let tasks = [Task::Instant, Task::Freeze(date(2026, 3, 1)), Task::ReadBack];
        for (number, task) in wishes {
            bench.happen(Happening::Wants(number, tasks.get(task).unwrap().clone()));
        }
        // Bounded: each job is asked for at most `attempts` times, each time with a pause and an answer.
        for _ in 0..400 {
            bench.happen(Happening::Answered);
            bench.happen(Happening::Committed);
            bench.happen(Happening::Passes(500));
        }
        prop_assert!(bench.open.is_empty(), "{:?}", bench.open);
    }
}

#[test]
fn a_disconnect_expires_after_five_minutes_of_local_time_and_a_reconnect_never_does() {
    let (plan, settings, now) = (plan(1, date(2026, 3, 1)), settings(), date(2026, 3, 1).at(23, 57, 30, 0));
    let enquiries = super::enquiry::Enquiries::default();
    let asking = Asking { plan: &plan, settings: &settings, enquiries: &enquiries, now };
    let expiry = |action, permit| {
        let wish = Wish { action, cause: Cause::Credit, permit };
        let order = Order::new(order_id(), meter(1), None, wish, Timestamp::UNIX_EPOCH, &policy().relay);
        let job = Job::new(Some(meter(1)), Task::Command(order_id()), Duration::ZERO);
        match asking.request(&[job], Some(&order)).unwrap().unwrap().forwarded {
            Some((_, dlt645::Request::Relay(control))) => control.expiry.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(expiry(Action::Disconnect, false), date(2026, 3, 2).at(0, 2, 30, 0));
    assert_eq!(expiry(Action::Reconnect, false), date(2099, 12, 30).at(0, 0, 0, 0));
    assert_eq!(expiry(Action::Reconnect, true), date(2099, 12, 30).at(0, 0, 0, 0));
}
