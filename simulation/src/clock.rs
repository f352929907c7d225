//! The time of a run: the true time, which goes on over all lives of the head end, and the wall clock that the head end
//! sees, which may be off.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of a run. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct TrueTime {
    /// The true time at an instant of the present life's runtime.
    anchor: Arc<Mutex<(Timestamp, Option<Instant>)>>,
    /// How far the head end's clock is ahead, in microseconds.
    offset_us: Arc<AtomicI64>,
}

impl TrueTime {
    /// A clock that shows `start` and stands still until a life begins.
    #[must_use]
    pub fn standing_at(start: Timestamp) -> Self {
        Self { anchor: Arc::new(Mutex::new((start, None))), offset_us: Arc::default() }
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (base, since) = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = since.map(|since| since.elapsed()).unwrap_or_default();
        shift(base, SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX))
    }

    /// From now on it goes with the runtime it is called in.
    pub fn run(&self) {
        let now = self.now();
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = (now, Some(Instant::now()));
    }

    /// Stands still at `now`, while no runtime runs.
    pub fn stand(&self, now: Timestamp) {
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = (now, None);
    }

    /// The instant of the present runtime at which it will be `then`; now if that is past.
    #[must_use]
    pub fn instant(&self, then: Timestamp) -> Instant {
        let wait = std::time::Duration::try_from(then.duration_since(self.now())).unwrap_or_default();
        Instant::now() + wait
    }

    /// How far the head end's clock is ahead of the true time.
    #[must_use]
    pub fn offset(&self) -> SignedDuration {
        SignedDuration::from_micros(self.offset_us.load(Ordering::Relaxed))
    }

    /// Sets the head end's clock.
    pub fn set_offset(&self, offset: SignedDuration) {
        self.offset_us.store(i64::try_from(offset.as_micros()).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl actors::Clock for TrueTime {
    fn now(&self) -> Timestamp {
        shift(Self::now(self), self.offset())
    }
}

/// `at` moved by `by`, within the calendar.
#[must_use]
pub fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
