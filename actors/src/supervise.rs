//! Supervision: how a parent learns that a child ended, and what it does then.
//!
//! A child holds an [`ExitGuard`]; however the child ends, dropping the guard tells the parent, because a panicking
//! actor's state is dropped like any other. (`actix::Supervisor` does not restart an actor that panicked, and
//! `Actor::stopped` runs on a panic as well, so neither can tell the cases apart.)
//!
//! | child ended by | restarts left in the window | no restarts left |
//! |---|---|---|
//! | panic (handler, future or `started`) | started again after the back-off | quarantined: reported, counted, left out until `reload` |
//! | error (stopped without a word) | the same | the same |
//! | clean (told to stop, and said so) | not started again | not started again |
//!
//! The back-off doubles from `restart_back_off_ms` up to `restart_back_off_max_ms` with each restart in the window.

use std::{collections::VecDeque, time::Duration};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It panicked.
    Panic,
    /// It stopped without having been told to.
    Error,
    /// It was told to stop and did.
    Clean,
}

/// What the parent does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this pause.
    RestartAfter(Duration),
    /// It failed too often: leave it out and say so.
    Quarantine {
        /// Restarts within the window.
        restarts: u32,
    },
    /// It is done.
    Forget,
}

/// Limits of supervision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Pause before the first restart in a window.
    pub back_off: Duration,
    /// Longest pause.
    pub back_off_max: Duration,
    /// Restarts allowed within a window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
}

/// The restarts of one child.
#[derive(Debug, Default)]
pub struct Restarts {
    recent: VecDeque<Duration>,
}

impl Restarts {
    /// What to do about a child that ended at `now` (any monotonic time).
    pub fn on_exit(&mut self, exit: Exit, policy: &RestartPolicy, now: Duration) -> Verdict {
        if exit == Exit::Clean {
            return Verdict::Forget;
        }
        while self.recent.front().is_some_and(|then| now.saturating_sub(*then) >= policy.window) {
            self.recent.pop_front();
        }
        let restarts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if restarts >= policy.limit {
            return Verdict::Quarantine { restarts };
        }
        self.recent.push_back(now);
        let factor = 2_u32.saturating_pow(restarts);
        Verdict::RestartAfter(policy.back_off.saturating_mul(factor).min(policy.back_off_max))
    }
}

/// Tells the parent when its holder is dropped.
pub struct ExitGuard {
    tell: Option<Box<dyn FnOnce(Exit)>>,
    clean: bool,
}

impl ExitGuard {
    /// A guard that calls `tell` once, when dropped.
    pub fn new(tell: impl FnOnce(Exit) + 'static) -> Self {
        Self { tell: Some(Box::new(tell)), clean: false }
    }

    /// The holder was told to stop: its end is no failure.
    pub fn stopped_as_told(&mut self) {
        self.clean = true;
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let exit = match (std::thread::panicking(), self.clean) {
            (true, _) => Exit::Panic,
            (false, true) => Exit::Clean,
            (false, false) => Exit::Error,
        };
        if let Some(tell) = self.tell.take() {
            tell(exit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, panic::AssertUnwindSafe, rc::Rc};

    use proptest::prelude::*;

    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        back_off: Duration::from_secs(1),
        back_off_max: Duration::from_secs(4),
        limit: 4,
        window: Duration::from_secs(60),
    };

    fn seen_by_parent(child: impl FnOnce(ExitGuard)) -> Option<Exit> {
        let seen = Rc::new(Cell::new(None));
        let parent = Rc::clone(&seen);
        let guard = ExitGuard::new(move |exit| parent.set(Some(exit)));
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| child(guard)));
        seen.get()
    }

    #[test]
    fn the_guard_tells_panic_error_and_clean_apart() {
        assert_eq!(seen_by_parent(|_guard| panic!("on purpose")), Some(Exit::Panic));
        assert_eq!(seen_by_parent(drop), Some(Exit::Error));
        assert_eq!(seen_by_parent(|mut guard| guard.stopped_as_told()), Some(Exit::Clean));
    }

    #[test]
    fn the_truth_table() {
        for exit in [Exit::Panic, Exit::Error] {
            let mut restarts = Restarts::default();
            let verdicts: Vec<_> = (0..5).map(|_| restarts.on_exit(exit, &POLICY, Duration::ZERO)).collect();
            let after = |seconds| Verdict::RestartAfter(Duration::from_secs(seconds));
            assert_eq!(verdicts, [after(1), after(2), after(4), after(4), Verdict::Quarantine { restarts: 4 }]);
        }
        assert_eq!(Restarts::default().on_exit(Exit::Clean, &POLICY, Duration::ZERO), Verdict::Forget);
    }

    #[test]
    fn failures_a_window_apart_are_forgiven() {
        let mut restarts = Restarts::default();
        for minute in 0..100 {
            let verdict = restarts.on_exit(Exit::Panic, &POLICY, Duration::from_secs(60 * minute));
            assert_eq!(verdict, Verdict::RestartAfter(POLICY.back_off));
        }
    }

    proptest! {
        #[test]
        fn never_more_restarts_than_the_limit_in_any_window(gaps in prop::collection::vec(0_u64..40, 1..80)) {
            let mut restarts = Restarts::default();
            let mut now = Duration::ZERO;
            let mut restarted = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                if matches!(restarts.on_exit(Exit::Panic, &POLICY, now), Verdict::RestartAfter(_)) {
                    restarted.push(now);
                }
            }
            for first in &restarted {
                let inside = restarted.iter().filter(|at| *at >= first && **at < *first + POLICY.window).count();
                prop_assert!(inside <= 4);
            }
        }
    }
}
