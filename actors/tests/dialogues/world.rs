//! The world of the tests: a [`Port`] in memory that applies the real rules of relay orders, and its settings.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
};

use actors::{
    Clock, Fleet, FleetSettings, PausedClock, Port, Seams,
    ports::{Ack, Answer, Authorization, ConcentratorPlan, DueOrder, PortError, Report, SessionEvent},
};
use domain::{
    ids::{ConcentratorId, MeterId, OrderId},
    reading::{Observation, Quality},
    relay::{
        Action, Cause,
        order::{self, Event, Move, Order, State, Wish},
    },
};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use prometheus::Registry;
use protocols::qgdw376::TerminalAddress;

pub use crate::fixtures::*;

/// 10:07 in Shanghai, in the middle of a poll slot.
pub const MORNING: &str = "2026-03-02T02:07:00Z";

/// A second concentrator, of which tests need only that it goes on.
pub fn neighbour() -> ConcentratorId {
    ConcentratorId::new(site(), 2).unwrap()
}

pub fn neighbour_terminal() -> TerminalAddress {
    "2105-00008".parse().unwrap()
}

/// Meters at points 151 and 152.
fn neighbour_plan() -> ConcentratorPlan {
    let meters = [51, 52].map(|number| meter_plan(number, Date::MAX)).to_vec();
    ConcentratorPlan { id: neighbour(), terminal: neighbour_terminal(), meters, ..plan(0, Date::MAX) }
}

/// What the world knows and was told.
#[derive(Default)]
pub struct Memory {
    pub plan: Option<ConcentratorPlan>,
    pub orders: BTreeMap<OrderId, Order>,
    pub events: Vec<(OrderId, Event)>,
    pub observations: Vec<Observation>,
    pub reports: Vec<Report>,
    pub sessions: Vec<SessionEvent>,
    /// Calls of `identify`.
    pub identified: usize,
    /// Readings cannot be stored.
    pub full: bool,
    /// Reports are lost.
    pub deaf: bool,
    /// Commits are held back until released.
    pub slow: Option<Arc<tokio::sync::Notify>>,
}

/// The head end's clock: it goes with tokio's, and shows what a test sets it to.
pub struct WallClock {
    right: PausedClock,
    ahead_us: AtomicI64,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.right.now() + SignedDuration::from_micros(self.ahead_us.load(Ordering::Relaxed))
    }
}

/// The world.
pub struct World {
    clock: Arc<WallClock>,
    memory: Mutex<Memory>,
    known: BTreeMap<TerminalAddress, ConcentratorId>,
}

impl World {
    /// A world with this many meters behind one concentrator.
    pub fn with_meters(meters: u16) -> Arc<Self> {
        Self::at(MORNING, meters)
    }

    pub fn at(now: &str, meters: u16) -> Arc<Self> {
        let right = PausedClock::starting_at(now.parse().unwrap());
        let today = TimeZone::get("Asia/Shanghai").unwrap().to_datetime(right.now()).date();
        let memory = Memory { plan: Some(plan(meters, today)), ..Memory::default() };
        Arc::new(Self {
            clock: Arc::new(WallClock { right, ahead_us: AtomicI64::new(0) }),
            memory: Mutex::new(memory),
            known: BTreeMap::from([(terminal(), concentrator()), (neighbour_terminal(), neighbour())]),
        })
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// What the head end's clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The true time, by which the field lives.
    pub fn true_time(&self) -> Timestamp {
        self.clock.right.now()
    }

    /// From now on the head end's clock is ahead of the true time by this.
    pub fn set_clock_ahead(&self, by: SignedDuration) {
        self.clock.ahead_us.store(i64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// A fleet in this world, and its figures.
    pub fn fleet(self: &Arc<Self>, settings: FleetSettings) -> (Fleet, Registry) {
        let registry = Registry::new();
        let seams = Seams { clock: self.clock.clone(), seed: 7, port: self.clone() };
        (Fleet::start(settings, seams, &registry).unwrap(), registry)
    }

    /// Stores a new order.
    pub fn order(&self, number: i64, meter: MeterId, action: Action, permit: bool) -> OrderId {
        let id = OrderId::new(site(), number).unwrap();
        let wish = Wish { action, cause: Cause::Credit, permit };
        let order = Order::new(id, meter, None, wish, self.now(), &policy().relay);
        self.memory().orders.insert(id, order);
        id
    }

    pub fn state(&self, order: OrderId) -> State {
        self.memory().orders[&order].state
    }

    /// Another order has taken its place.
    pub fn supersede(&self, order: OrderId) {
        self.apply(order, Event::Superseded).unwrap();
    }

    fn apply(&self, order: OrderId, event: Event) -> Result<Order, PortError> {
        let now = self.now();
        let mut memory = self.memory();
        let row = memory.orders.get(&order).ok_or_else(|| PortError::Refused("no such order".into()))?;
        let next =
            order::apply(row, event, now, &policy().relay).map_err(|error| PortError::Refused(error.to_string()))?;
        memory.orders.insert(order, next.order.clone());
        memory.events.push((order, event));
        Ok(next.order)
    }

    fn reachable(&self, which: impl Fn(&Order) -> bool) {
        let live: Vec<OrderId> = {
            let memory = self.memory();
            memory.orders.values().filter(|order| !order.state.is_end() && which(order)).map(|order| order.id).collect()
        };
        for order in live {
            self.apply(order, Event::Reachable).unwrap();
        }
    }

    fn due_orders(&self) -> Vec<DueOrder> {
        let now = self.now();
        let due = |order: &Order| match order::next_move(order, now, &policy().relay) {
            Move::Send | Move::Expire => true,
            Move::ReadBack { not_before } => not_before <= now,
            Move::Wait { .. } | Move::Ended => false,
        };
        let memory = self.memory();
        let orders = memory.orders.values().filter(|order| due(order)).cloned();
        orders.map(|order| DueOrder { concentrator: concentrator(), order }).collect()
    }

    fn store(&self, observations: Vec<Observation>) -> Result<Vec<Ack>, PortError> {
        let mut memory = self.memory();
        if memory.full {
            return Err(PortError::Unavailable("full".into()));
        }
        let ack = |seen: &Observation| Ack {
            meter: seen.meter,
            as_of: seen.as_of,
            kind: seen.kind,
            registers: seen.registers,
            quality: if seen.identity_verified { Quality::Good } else { Quality::Suspect },
            duplicate: false,
        };
        let acks = observations.iter().map(ack).collect();
        memory.observations.extend(observations);
        Ok(acks)
    }
}

/// The world as a port: it answers at once, except for commits that are held back.
impl Port for World {
    fn identify(&self, terminal: TerminalAddress, _peer: String) -> Answer<Option<ConcentratorId>> {
        self.memory().identified += 1;
        let known = self.known.get(&terminal).copied();
        async move { Ok(known) }.boxed()
    }

    fn load(&self, of: ConcentratorId) -> Answer<ConcentratorPlan> {
        let plan = if of == concentrator() { self.memory().plan.clone() } else { Some(neighbour_plan()) };
        let plan = plan.ok_or_else(|| PortError::Unavailable("away".into()));
        async move { plan }.boxed()
    }

    fn session(&self, _concentrator: ConcentratorId, event: SessionEvent) -> Answer<()> {
        if matches!(event, SessionEvent::Login { .. }) {
            self.reachable(|_| true);
        }
        self.memory().sessions.push(event);
        async { Ok(()) }.boxed()
    }

    fn ingest(&self, observations: Vec<Observation>, _urgent: bool) -> Answer<Vec<Ack>> {
        let slow = self.memory().slow.clone();
        let stored = self.store(observations);
        async move {
            if let Some(slow) = slow {
                slow.notified().await;
            }
            stored
        }
        .boxed()
    }

    fn due(&self, _of: Option<ConcentratorId>) -> Answer<Vec<DueOrder>> {
        let due = self.due_orders();
        async move { Ok(due) }.boxed()
    }

    fn authorize(&self, order: OrderId) -> Answer<Authorization> {
        let row = self.memory().orders[&order].clone();
        let word = if row.state.is_end() {
            Ok(Authorization::Ended(row))
        } else {
            self.apply(order, Event::Authorized).map(Authorization::Send)
        };
        async move { word }.boxed()
    }

    fn record(&self, order: OrderId, event: Event) -> Answer<Order> {
        let row = self.apply(order, event);
        async move { row }.boxed()
    }

    fn report(&self, report: Report) -> Answer<()> {
        if let Report::Reachable { meter, .. } = report {
            self.reachable(|order| order.meter == meter);
        }
        if self.memory().deaf {
            return async { Err(PortError::Unavailable("deaf".to_owned())) }.boxed();
        }
        self.memory().reports.push(report);
        async { Ok(()) }.boxed()
    }
}
