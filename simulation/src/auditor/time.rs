//! The head end's wall clock, which may be off: its rows tell its time, not the true one.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::Rules;

/// What the head end's clock showed, and when.
#[derive(Debug, Clone)]
pub struct HeadEndClock {
    /// From which true time on it was ahead by how much.
    offsets: Vec<(Timestamp, SignedDuration)>,
    /// Until when times that it wrote lie in its future: what it put off waits for longer than it should.
    ahead_until: Timestamp,
}

impl Default for HeadEndClock {
    fn default() -> Self {
        Self { offsets: vec![(Timestamp::MIN, SignedDuration::ZERO)], ahead_until: Timestamp::MIN }
    }
}

impl HeadEndClock {
    /// From `at` on it is ahead by `offset`.
    pub fn set(&mut self, at: Timestamp, offset: SignedDuration) {
        let back = self.offset() - offset;
        if back.is_positive() {
            self.ahead_until = self.ahead_until.max(shift(at, back));
        }
        self.offsets.push((at, offset));
    }

    fn offset(&self) -> SignedDuration {
        self.offsets.last().map(|(_, offset)| *offset).unwrap_or_default()
    }

    /// Whether it is right.
    pub fn is_right(&self) -> bool {
        self.offset().is_zero()
    }

    /// From when on what it put off waits no longer than it should: its last change, or later.
    pub fn steady_since(&self) -> Timestamp {
        self.offsets.last().map_or(Timestamp::MIN, |(from, _)| *from).max(self.ahead_until)
    }

    /// What it shows at `now`, the present true time.
    pub fn shown(&self, now: Timestamp) -> Timestamp {
        shift(now, self.offset())
    }

    /// The first and the last true moment until `now` at which it may have shown `shown`.
    pub fn moments(&self, shown: Timestamp, now: Timestamp) -> (Timestamp, Timestamp) {
        let ends = self.offsets.iter().skip(1).map(|(from, _)| *from).chain([now]);
        let candidates = self.offsets.iter().zip(ends).filter_map(|((from, offset), end)| {
            let moment = shift(shown, -*offset);
            (*from <= moment && moment <= end).then_some(moment)
        });
        let all: Vec<Timestamp> = candidates.collect();
        // It never showed that: it was read just before it was turned, and what was read is told with another offset.
        let otherwise = shift(shown, -self.offset()).min(now);
        (all.iter().min().copied().unwrap_or(otherwise), all.iter().max().copied().unwrap_or(otherwise))
    }
}

/// `at` moved by `by`, within the calendar.
pub fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// What a local clock shows.
pub fn local(at: Timestamp, zone: &TimeZone) -> DateTime {
    zone.to_datetime(at)
}

/// Why nobody is cut while the head end's clock shows `shown`: friendly hours, a protected day.
pub fn mercy(shown: Timestamp, rules: &Rules) -> Option<&'static str> {
    let local = local(shown, &rules.zone);
    let friendly = rules.friendly_hours.iter().any(|(from, to)| {
        let (after, before) = (local.time() >= *from, local.time() < *to);
        if from < to { after && before } else { after || before }
    });
    if friendly {
        Some("friendly hours")
    } else if rules.protected_weekdays.contains(&local.date().weekday()) {
        Some("a protected day of the week")
    } else {
        rules.holidays.contains(&local.date()).then_some("a holiday")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use jiff::civil::{Weekday, date, time};

    use super::*;
    use crate::auditor::fixtures::rules;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_that_was_turned_back_showed_a_time_twice() {
        let mut clock = HeadEndClock::default();
        assert_eq!(clock.moments(at(50), at(60)), (at(50), at(50)));
        clock.set(at(100), SignedDuration::from_secs(-30));
        assert_eq!(clock.moments(at(80), at(200)), (at(80), at(110)));
        assert_eq!(clock.moments(at(90), at(115)), (at(90), at(90)));
        assert_eq!(clock.shown(at(120)), at(90));
        assert!(!clock.is_right());
        assert_eq!(clock.steady_since(), at(130));
    }

    #[test]
    fn a_time_it_never_showed_is_told_with_its_last_offset() {
        let mut clock = HeadEndClock::default();
        clock.set(at(100), SignedDuration::from_secs(50));
        assert_eq!(clock.moments(at(120), at(200)), (at(70), at(70)));
    }

    #[test]
    fn mercy_is_told_by_local_time() {
        let mut rules = rules();
        let zone = rules.zone.clone();
        let noon = date(2026, 5, 1).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
        assert_eq!(mercy(noon, &rules), None);
        rules.friendly_hours = vec![(time(18, 0, 0, 0), time(9, 0, 0, 0))];
        assert_eq!(mercy(noon, &rules), None);
        let evening = shift(noon, SignedDuration::from_hours(6));
        assert_eq!(mercy(evening, &rules), Some("friendly hours"));
        rules.protected_weekdays = vec![Weekday::Friday];
        assert_eq!(mercy(noon, &rules), Some("a protected day of the week"));
        rules.protected_weekdays.clear();
        rules.holidays = vec![date(2026, 5, 1)];
        assert_eq!(mercy(noon, &rules), Some("a holiday"));
    }
}
