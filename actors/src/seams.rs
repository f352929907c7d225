//! What the actors are given instead of reaching for it: the clock, random numbers and the world.
//!
//! Waiting is always `tokio::time`, so that a paused runtime runs a day in a moment; reading the wall clock is [`Clock`].

use std::{sync::Arc, time::Duration};

use domain::ids::ConcentratorId;
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::SmallRng};
use tokio::time::Instant;

use crate::ports::Port;

/// Reads the wall clock.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Databases keep microseconds; what is finer would be one instant here and another one there.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// A clock that began at a chosen moment and goes on with tokio's, paused or not.
#[derive(Debug, Clone, Copy)]
pub struct PausedClock {
    start: Timestamp,
    origin: Instant,
}

impl PausedClock {
    /// Shows `start` now. Call it inside the runtime whose time it shall follow.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// The seams of one head end: give each its own and it is a world of its own.
#[derive(Clone)]
pub struct Seams {
    /// Reads the wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where all random numbers (jitter) come from: the same seed gives the same run.
    pub seed: u64,
    /// The way to the world.
    pub port: Arc<dyn Port>,
}

impl Seams {
    /// The random numbers of one concentrator: independent of the order in which concentrators start.
    pub(crate) fn random(&self, concentrator: ConcentratorId) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ concentrator.get().unsigned_abs())
    }

    /// A stopwatch that starts now.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        Stopwatch { clock: Arc::clone(&self.clock), origin: Instant::now() }
    }
}

/// An instant by both clocks. Deadlines use `mono`, which never jumps; slots and days use `wall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since the actor started.
    pub mono: Duration,
}

impl Moment {
    /// The monotonic time at which the wall clock will show `wall` if it does not jump; now if that is past.
    #[must_use]
    pub fn mono_at(&self, wall: Timestamp) -> Duration {
        let wait = Duration::try_from(wall.duration_since(self.wall)).unwrap_or(Duration::ZERO);
        self.mono.saturating_add(wait)
    }
}

/// Makes [`Moment`]s for one actor.
#[derive(Clone)]
pub(crate) struct Stopwatch {
    clock: Arc<dyn Clock>,
    origin: Instant,
}

impl Stopwatch {
    pub(crate) fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), mono: self.origin.elapsed() }
    }

    /// The tokio instant of a monotonic time of ours.
    pub(crate) fn instant(&self, mono: Duration) -> Instant {
        self.origin.checked_add(mono).unwrap_or_else(|| self.origin + Duration::from_secs(FAR_FUTURE_S))
    }
}

/// Where a deadline that tokio cannot represent is put instead (about 30 years), in seconds.
const FAR_FUTURE_S: u64 = 1_000_000_000;
