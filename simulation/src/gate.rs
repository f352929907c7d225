//! What a database does to a program besides storing rows: it is slow, refuses, loses the answer to a commit; and the
//! moment at which a process dies is most telling just before or just after it.

use std::{
    future::pending,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use store::Passing;
use tokio::{sync::Notify, time::sleep};

use crate::coverage::Counts;

/// How often, per mille of all passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateRates {
    /// Work waits for a moment, others go first.
    pub slow: u16,
    /// The longest such wait, in milliseconds.
    pub slow_ms: u64,
    /// Work is refused, and nothing was done.
    pub refused: u16,
    /// The answer to a commit is lost.
    pub answer_lost: u16,
}

impl GateRates {
    /// A database at its best.
    pub const NONE: Self = Self { slow: 0, slow_ms: 0, refused: 0, answer_lost: 0 };
}

/// The gate of a run's database.
#[derive(Debug)]
pub struct FaultyGate {
    state: Mutex<State>,
    /// Rings when the process is to die.
    pub death: Notify,
}

#[derive(Debug)]
struct State {
    rates: GateRates,
    random: Xoshiro256PlusPlus,
    /// Passages until one takes very long.
    stalls_in: Option<u32>,
    /// Passages until the process dies.
    dies_in: Option<u32>,
    dead: bool,
    /// The auditor reads: its looks are not part of the run.
    aside: bool,
    counts: Counts,
}

impl FaultyGate {
    /// A gate without faults as yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (counts, rates) = (Counts::default(), GateRates::NONE);
        let state = State { rates, random, stalls_in: None, dies_in: None, dead: false, aside: false, counts };
        Self { state: Mutex::new(state), death: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other rates from now on.
    pub fn set_rates(&self, rates: GateRates) {
        self.lock().rates = rates;
    }

    /// The process dies at the `passages`th passage from now: before or after some work.
    pub fn die_in(&self, passages: u32) {
        self.lock().dies_in = Some(passages);
    }

    /// The `passages`th passage from now takes so long that a client may lose patience.
    pub fn stall_in(&self, passages: u32) {
        self.lock().stalls_in = Some(passages);
    }

    /// A new process.
    pub fn reborn(&self) {
        let mut state = self.lock();
        (state.dead, state.dies_in, state.stalls_in) = (false, None, None);
    }

    /// Whether the process died here.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Reads beside the run: whatever is asked meanwhile passes at once.
    pub fn aside<T>(&self, read: impl FnOnce() -> T) -> T {
        self.lock().aside = true;
        let outcome = read();
        self.lock().aside = false;
        outcome
    }

    /// What happened here.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    fn decide(&self, passing: Passing) -> Passage {
        let mut state = self.lock();
        if state.aside {
            return Passage::Open;
        }
        if let Some(left) = state.dies_in.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.dies_in = None;
                state.dead = true;
                state.counts.add(if passing.done { "crash after work" } else { "crash before work" });
                self.death.notify_one();
            }
        }
        if state.dead {
            return Passage::Never;
        }
        if let Some(left) = state.stalls_in.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.stalls_in = None;
                return Passage::Wait(STALL);
            }
        }
        let rates = state.rates;
        let lot: u16 = state.random.random_range(0..1000);
        let refused = if passing.done { 0 } else { rates.refused };
        let lost = if passing.done && passing.writes { rates.answer_lost } else { 0 };
        if lot < refused {
            state.counts.add("work refused");
            Passage::Refused
        } else if lot < refused + lost {
            state.counts.add("commit answer lost");
            Passage::Refused
        } else if lot < refused + lost + rates.slow {
            state.counts.add("slow work");
            let wait = state.random.random_range(0..=rates.slow_ms);
            Passage::Wait(Duration::from_millis(wait))
        } else {
            Passage::Open
        }
    }
}

/// Longer than an impatient client waits, and shorter than what the actors give the database.
const STALL: Duration = Duration::from_secs(5);

enum Passage {
    Open,
    Wait(Duration),
    Refused,
    Never,
}

impl store::Gate for FaultyGate {
    fn pass(&self, passing: Passing) -> Pin<Box<dyn Future<Output = store::Result<()>> + Send>> {
        match self.decide(passing) {
            Passage::Open => Box::pin(async { Ok(()) }),
            Passage::Wait(wait) => Box::pin(async move {
                sleep(wait).await;
                Ok(())
            }),
            Passage::Refused => Box::pin(async { Err(store::Error::Busy) }),
            Passage::Never => Box::pin(pending()),
        }
    }
}
