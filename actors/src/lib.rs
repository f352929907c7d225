//! Time: sessions, exchanges, retries and supervision, one actor per concentrator and per meter.
//!
//! Fleet supervisor -> one actor per concentrator -> one per meter, each a thin shell around a pure
//! `step(state, event, now) -> effects`. What they are given instead of reaching for it is in [`seams`]; the one door to
//! the world is [`ports::Port`].
//!
//! | to change | go to |
//! |---|---|
//! | what the world is asked and told | [`ports`] |
//! | a limit or an interval | [`settings`] |
//! | what a meter wants, and when | `meter/state.rs`, its relay order in `meter/hand.rs` |
//! | what goes over a link, and when | `concentrator/` (its own map is in `mod.rs`) |
//! | who may dial in | `fleet/accept.rs` |
//! | restarts and quarantine | [`supervise`] |

mod concentrator;
mod deliver;
pub mod fleet;
mod job;
pub mod link;
mod messages;
mod meter;
mod metrics;
pub mod ports;
pub mod seams;
pub mod settings;
pub mod supervise;
mod trace;
mod wheel;

pub use fleet::{DecodeLevel, Enquiry, EnquiryError, Fleet, LinkState, ReadNowError, StartError, SyncError, Told};
pub use link::Link;
pub use ports::Port;
pub use seams::{Clock, PausedClock, Seams, SystemClock};
pub use settings::FleetSettings;
pub use trace::Traced;

// The fixtures are shared with the dialogues, which see this crate from outside.
#[cfg(test)]
extern crate self as actors;
#[cfg(test)]
#[path = "../tests/dialogues/fixtures.rs"]
#[expect(clippy::unwrap_used, reason = "tests")]
mod fixtures;
