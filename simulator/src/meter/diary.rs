//! What stood at the midnights of a clock, day by day.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, Zoned, civil::Date, tz::TimeZone};

/// One value for each of the last days, taken at the midnight that ended the day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Diary<T> {
    zone: TimeZone,
    /// How far the clock whose midnights count is ahead of the true time.
    offset: SignedDuration,
    kept: usize,
    /// The true instant of the next midnight and the day that ends then; `None` at the end of the calendar.
    next: Option<(Timestamp, Date)>,
    days: BTreeMap<Date, T>,
}

impl<T> Diary<T> {
    /// An empty diary that begins at `at` and keeps so many days.
    pub(super) fn new(at: Timestamp, zone: TimeZone, offset: SignedDuration, kept: usize) -> Self {
        let next = midnight_after(at, &zone, offset);
        Self { zone, offset, kept, next, days: BTreeMap::new() }
    }

    /// The true instant at which its clock next shows midnight.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.next.map(|(instant, _)| instant)
    }

    /// Writes down what stands at `at` if that is the midnight it waits for.
    pub(super) fn write(&mut self, at: Timestamp, value: T) {
        let Some((_, ended)) = self.next.filter(|(instant, _)| *instant == at) else { return };
        self.days.insert(ended, value);
        if self.days.len() > self.kept {
            self.days.pop_first();
        }
        self.next = midnight_after(at, &self.zone, self.offset);
    }

    /// What stood when `day` ended; `None` when that is yet to come, or forgotten.
    pub(super) fn get(&self, day: Date) -> Option<&T> {
        self.days.get(&day)
    }
}

fn midnight_after(at: Timestamp, zone: &TimeZone, offset: SignedDuration) -> Option<(Timestamp, Date)> {
    let clock = Zoned::new(at.checked_add(offset).ok()?, zone.clone());
    let midnight = clock.tomorrow().ok()?.start_of_day().ok()?;
    Some((midnight.timestamp().checked_sub(offset).ok()?, clock.date()))
}
