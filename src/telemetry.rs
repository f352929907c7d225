//! What the program says of itself: log lines on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. `RUST_LOG` chooses what is shown; by default information and worse, in the demo only errors, since
/// the story is told on standard output. A file or a collector of logs gets no colours.
pub fn start(quiet: bool) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(if quiet { "error" } else { "info" }));
    let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(lines).init();
}
