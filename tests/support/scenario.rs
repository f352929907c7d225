//! Scenarios: dialogues with a whole program, each played on both databases.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Database;

/// Within this, whatever a scenario waits for has happened: seconds in truth, more on a machine with other work.
pub const SOON: Duration = Duration::from_secs(40);
/// No scenario takes longer.
const LIMIT: Duration = Duration::from_secs(150);
/// Pause between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(25);

/// Two tests, `name::sqlite` and `name::postgres`, that play the `async fn(Database)` of this name on a fresh database.
/// PostgreSQL comes with hot balances in Redis, SQLite with those in the process.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                crate::support::play(crate::support::Database::sqlite(), super::$name);
            }

            #[test]
            fn postgres() {
                crate::support::play(crate::support::Database::postgres(), super::$name);
            }
        }
    )+};
}
pub(crate) use on_both;

/// Plays a scenario inside an actix system of its own.
pub fn play<F: Future<Output = ()>>(database: Database, scenario: impl FnOnce(Database) -> F) {
    let played = actix::System::new().block_on(async { timeout(LIMIT, scenario(database)).await });
    assert!(played.is_ok(), "the scenario was not over within {LIMIT:?}");
}

/// Looks again and again until `look` finds what is waited for, or `within` is over.
pub async fn eventually<T>(within: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(LOOK).await;
    }
}
