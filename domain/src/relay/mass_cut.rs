//! The mass-cut limits: how many automatic disconnects may be sent in a local hour and a local day, and what becomes of the
//! rest. A mistake in a tariff or a clock then darkens a few homes, not a town.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    bug::{Bug, is_planted},
    calendar::{day_of, shift},
    site::MassCutPolicy,
};

/// How many automatic disconnects of a site were marked `sent` in the newest local day and hour with any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The local day.
    pub day: Date,
    /// Disconnects in it.
    pub day_cuts: u32,
    /// When the local hour began.
    pub hour: Timestamp,
    /// Disconnects in it.
    pub hour_cuts: u32,
}

/// Whether one more automatic disconnect may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes; this is the tally with it.
    Send(Tally),
    /// Not in this hour, or others are due for longer: ask again then.
    Wait(Timestamp),
    /// Not without an operator.
    Quarantine,
}

/// One disconnect that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// The site's meters.
    pub meters: u32,
    /// Disconnects of the site that were due before this one, can be sent and were not.
    pub before_it: u32,
    /// Whether an operator released it from quarantine.
    pub released: bool,
}

impl Tally {
    /// One that counted nothing yet at `now`.
    #[must_use]
    pub fn new(now: Timestamp, zone: &TimeZone) -> Self {
        Self { day: day_of(now, zone), day_cuts: 0, hour: hour_of(now, zone), hour_cuts: 0 }
    }

    /// The tally of the day and hour of `now`: another day, and another hour, begin at 0.
    fn at(self, now: Timestamp, zone: &TimeZone) -> Self {
        let new = Self::new(now, zone);
        let day_cuts = if self.day == new.day { self.day_cuts } else { 0 };
        let hour_cuts = if self.hour == new.hour { self.hour_cuts } else { 0 };
        Self { day_cuts, hour_cuts, ..new }
    }
}

/// Decides over one automatic disconnect that nothing else holds. A released one counts, and waits for its hour as well.
#[must_use]
pub fn admit(tally: Tally, asking: Asking, limits: &MassCutPolicy, now: Timestamp, zone: &TimeZone) -> Admission {
    let tally = tally.at(now, zone);
    let Tally { day_cuts, hour_cuts, hour, .. } = tally;
    let next = Tally { day_cuts: day_cuts.saturating_add(1), hour_cuts: hour_cuts.saturating_add(1), ..tally };
    if is_planted(Bug::IgnoreCutLimits) {
        return Admission::Send(next);
    }
    let day_limit = limits.per_day_of(asking.meters);
    if day_cuts >= day_limit && !asking.released {
        return Admission::Quarantine;
    }
    let with_those_before = |cuts: u32| cuts.saturating_add(asking.before_it);
    let day_is_theirs = with_those_before(day_cuts) >= day_limit && !asking.released;
    if day_is_theirs || with_those_before(hour_cuts) >= limits.per_hour {
        return Admission::Wait(shift(hour, SignedDuration::from_hours(1)));
    }
    Admission::Send(next)
}

/// When the local hour of `now` began.
fn hour_of(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let local = zone.to_datetime(now);
    let into = i64::from(local.minute()) * 60 + i64::from(local.second());
    let begun = shift(now, -SignedDuration::from_secs(into));
    Timestamp::from_second(begun.as_second()).unwrap_or(begun)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{at, minutes, zone};

    fn shanghai() -> TimeZone {
        zone("Asia/Shanghai")
    }

    const LIMITS: MassCutPolicy = MassCutPolicy { per_hour: 3, per_day: 5, per_day_percent: 5 };
    const NOON: &str = "2026-05-01T12:00:00+08:00";

    fn asking() -> Asking {
        Asking { meters: 60, before_it: 0, released: false }
    }

    fn counted(day_cuts: u32, hour_cuts: u32) -> Tally {
        Tally { day_cuts, hour_cuts, ..Tally::new(at(NOON), &shanghai()) }
    }

    fn ask(tally: Tally, asking: Asking, now: &str) -> Admission {
        admit(tally, asking, &LIMITS, at(now), &shanghai())
    }

    #[test]
    fn an_hour_has_its_limit_and_the_next_one_begins_at_nothing() {
        let wait = Admission::Wait(at("2026-05-01T13:00:00+08:00"));
        assert_eq!(ask(counted(2, 2), asking(), "2026-05-01T12:59:59+08:00"), Admission::Send(counted(3, 3)));
        assert_eq!(ask(counted(3, 3), asking(), "2026-05-01T12:59:59+08:00"), wait);
        let next = Tally { hour: at("2026-05-01T13:00:00+08:00"), ..counted(4, 1) };
        assert_eq!(ask(counted(3, 3), asking(), "2026-05-01T13:00:00+08:00"), Admission::Send(next));
    }

    #[test]
    fn what_is_above_the_days_limit_is_quarantined_until_an_operator_releases_it() {
        assert_eq!(ask(counted(5, 1), asking(), NOON), Admission::Quarantine);
        let released = Asking { released: true, ..asking() };
        assert_eq!(ask(counted(5, 1), released, NOON), Admission::Send(counted(6, 2)));
        let hour = Admission::Wait(at("2026-05-01T13:00:00+08:00"));
        assert_eq!(ask(counted(5, 3), released, NOON), hour, "an hour's limit holds it as well");
        let tomorrow = Tally::new(at("2026-05-02T12:00:00+08:00"), &shanghai());
        let first = Admission::Send(Tally { day_cuts: 1, hour_cuts: 1, ..tomorrow });
        assert_eq!(ask(counted(5, 3), asking(), "2026-05-02T12:00:00+08:00"), first);
    }

    #[test]
    fn a_large_site_may_cut_a_share_of_its_meters_in_a_day() {
        assert_eq!(LIMITS.per_day_of(60), 5);
        assert_eq!(LIMITS.per_day_of(10_000), 500);
        assert_eq!(LIMITS.per_day_of(u32::MAX), u32::MAX / 20);
    }

    #[test]
    fn who_is_due_for_longer_goes_first() {
        let wait = Admission::Wait(at("2026-05-01T13:00:00+08:00"));
        let behind = |before_it| Asking { before_it, ..asking() };
        assert_eq!(ask(counted(1, 1), behind(1), NOON), Admission::Send(counted(2, 2)));
        assert_eq!(ask(counted(1, 1), behind(2), NOON), wait, "the hour is theirs");
        assert_eq!(ask(counted(3, 0), behind(2), NOON), wait, "the day is theirs, and that is no quarantine");
    }

    proptest! {
        #[test]
        fn whatever_asks_and_when_no_hour_and_no_day_has_more_than_its_limit(
            steps in prop::collection::vec((0_i64..200, 0_u32..4), 1..200),
        ) {
            let (zone, mut now) = (shanghai(), at(NOON));
            let mut tally = Tally::new(now, &zone);
            let mut sent: Vec<(Date, Timestamp)> = Vec::new();
            for (after, before_it) in steps {
                now = shift(now, minutes(after));
                match admit(tally, Asking { before_it, ..asking() }, &LIMITS, now, &zone) {
                    Admission::Send(next) => {
                        tally = next;
                        sent.push((day_of(now, &zone), hour_of(now, &zone)));
                    }
                    Admission::Wait(until) => prop_assert!(now < until && until <= shift(now, minutes(60))),
                    Admission::Quarantine => prop_assert_eq!(tally.day_cuts, 5),
                }
                let today = sent.iter().filter(|(day, _)| *day == day_of(now, &zone)).count();
                let hour = sent.iter().filter(|(_, hour)| *hour == hour_of(now, &zone)).count();
                prop_assert!(today <= 5 && hour <= 3, "{} today, {} in this hour", today, hour);
            }
        }
    }
}
