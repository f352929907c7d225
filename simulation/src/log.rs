//! What happened in a run, line by line: the same seed gives the same lines, byte for byte.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use jiff::Timestamp;

/// Lines kept of a run that is not written out, to be shown where it fails.
const KEPT: usize = 40;

/// The log of a run.
#[derive(Debug, Default)]
pub struct Log {
    whole: bool,
    lines: VecDeque<String>,
    count: u64,
    digest: DefaultHasher,
}

impl Log {
    /// An empty log that keeps all lines, or the last ones.
    #[must_use]
    pub fn new(whole: bool) -> Self {
        Self { whole, ..Self::default() }
    }

    /// One more line.
    pub fn note(&mut self, at: Timestamp, what: &str) {
        let line = format!("{at} {what}");
        line.hash(&mut self.digest);
        self.count += 1;
        self.lines.push_back(line);
        if !self.whole && self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// The lines that were kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// How many lines there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Two runs with the same digest had the same lines.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }
}
