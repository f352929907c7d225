//! Named fail points, and one setting made wrong, for tests that kill the program and its database. They exist with the
//! feature `faults` only, which no release has; without it a point is nothing.

/// A place where the program is killed by tests. With the feature `faults`, where the environment variable
/// `WATTGATE_FAULT_POINT` is `NAME` or `NAME:N`, the N-th pass of the point `NAME` says so on standard error and never
/// goes on: whatever was begun stays as it is until the process is killed.
#[inline]
pub fn point(name: &'static str) {
    armed::pass(name);
}

/// What PostgreSQL is told about commits: `on`. With the feature `faults` and `WATTGATE_FAULT_ASYNC_COMMIT` it is `off`,
/// which loses what was acknowledged: a checker of such losses must find that.
pub(crate) fn synchronous_commit() -> &'static str {
    armed::synchronous_commit()
}

#[cfg(not(feature = "faults"))]
mod armed {
    pub(super) const fn pass(_name: &'static str) {}

    pub(super) const fn synchronous_commit() -> &'static str {
        "on"
    }
}

#[cfg(feature = "faults")]
mod armed {
    use std::{
        env,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
    };

    /// The point that was asked for.
    struct Armed {
        name: String,
        /// The pass that ends it all, from 1.
        pass: u64,
        passed: AtomicU64,
    }

    impl Armed {
        fn parse(text: &str) -> Option<Self> {
            let (name, pass) = match text.split_once(':') {
                Some((name, pass)) => (name, pass.parse().ok()?),
                None => (text, 1),
            };
            Some(Self { name: name.to_owned(), pass, passed: AtomicU64::new(0) })
        }
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn pass(name: &'static str) {
        let armed = ARMED.get_or_init(|| Armed::parse(&env::var("WATTGATE_FAULT_POINT").ok()?));
        let Some(armed) = armed.as_ref().filter(|armed| armed.name == name) else { return };
        if armed.passed.fetch_add(1, Ordering::Relaxed) + 1 == armed.pass {
            eprintln!("fault point {name} reached");
            loop {
                thread::park();
            }
        }
    }

    pub(super) fn synchronous_commit() -> &'static str {
        if env::var_os("WATTGATE_FAULT_ASYNC_COMMIT").is_some() { "off" } else { "on" }
    }
}
