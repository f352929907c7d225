//! What shall happen to a meter later, in order of time.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Things with the moments they are due; those of the same moment keep the order in which they came.
#[derive(Debug)]
pub(super) struct Agenda<T>(VecDeque<(Timestamp, T)>);

impl<T> Agenda<T> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn put(&mut self, due: Timestamp, thing: T) {
        let place = self.0.partition_point(|(earlier, _)| *earlier <= due);
        self.0.insert(place, (due, thing));
    }

    /// When the next thing is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.0.front().map(|(due, _)| *due)
    }

    /// The next thing, if it is due by `now`.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<T> {
        self.0.pop_front_if(|(due, _)| *due <= now).map(|(_, thing)| thing)
    }
}
