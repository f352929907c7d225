//! The mutation check: each deliberate bug is planted, and seeds are run until the auditor finds it.

use domain::bug::{Bug, plant};

use crate::{
    plan::Size,
    run::{Failure, run},
};

/// Seeds within which each bug must be found.
pub const SEEDS: u64 = 200;

/// How a bug was found.
#[derive(Debug)]
pub struct Found {
    /// After how many seeds.
    pub seeds: u64,
    /// The seed that found it.
    pub seed: u64,
    /// What it broke.
    pub failure: Failure,
}

/// Plants a bug on this thread and runs the seeds from `first` on, at most `most`, until an invariant is broken. A run that
/// fails otherwise found nothing.
#[must_use]
pub fn hunt(bug: Bug, first: u64, most: u64, size: Size) -> Option<Found> {
    let mut seeds = first..first.saturating_add(most);
    let found = seeds.find_map(|seed| {
        plant(Some(bug));
        let failure = run(seed, size, false).outcome.err().filter(Failure::is_violation)?;
        Some(Found { seeds: seed - first + 1, seed, failure })
    });
    plant(None);
    found
}
