//! A site's local days: a day begins at its first instant, whatever its clocks do there.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

words! {
    /// A day of the week.
    pub enum Weekday {
        /// 星期一
        Monday = "monday",
        /// 星期二
        Tuesday = "tuesday",
        /// 星期三
        Wednesday = "wednesday",
        /// 星期四
        Thursday = "thursday",
        /// 星期五
        Friday = "friday",
        /// 星期六
        Saturday = "saturday",
        /// 星期日
        Sunday = "sunday",
    }
}

impl From<jiff::civil::Weekday> for Weekday {
    fn from(day: jiff::civil::Weekday) -> Self {
        match day {
            jiff::civil::Weekday::Monday => Self::Monday,
            jiff::civil::Weekday::Tuesday => Self::Tuesday,
            jiff::civil::Weekday::Wednesday => Self::Wednesday,
            jiff::civil::Weekday::Thursday => Self::Thursday,
            jiff::civil::Weekday::Friday => Self::Friday,
            jiff::civil::Weekday::Saturday => Self::Saturday,
            jiff::civil::Weekday::Sunday => Self::Sunday,
        }
    }
}

/// The first instant of `date`; where that cannot be told any more (after the year 9999), the end of time.
#[must_use]
pub fn midnight(date: Date, zone: &TimeZone) -> Timestamp {
    date.to_zoned(zone.clone()).and_then(|day| day.start_of_day()).map_or(Timestamp::MAX, |day| day.timestamp())
}

/// The local day that holds `instant`.
#[must_use]
pub fn day_of(instant: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(instant).date()
}

/// The day after `date`; the last day there is follows itself.
#[must_use]
pub fn next_day(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

/// The day before `date`; the first day there is precedes itself.
#[must_use]
pub fn day_before(date: Date) -> Date {
    date.yesterday().unwrap_or(Date::MIN)
}

/// The Monday on or before `date`, with which its week begins.
#[must_use]
pub fn monday(date: Date) -> Date {
    let days = date.weekday().to_monday_zero_offset();
    date.checked_sub(jiff::Span::new().days(days)).unwrap_or(Date::MIN)
}

/// The instant at which a local clock on `date` shows `time`: the first where it does so twice, and the instant as long
/// after the jump as `time` is after its beginning where it never does.
#[must_use]
pub fn at(date: Date, time: Time, zone: &TimeZone) -> Timestamp {
    zone.to_timestamp(date.to_datetime(time)).unwrap_or(Timestamp::MAX)
}

/// The first instant after `now` at which a local clock shows `time`.
#[must_use]
pub fn next_at(now: Timestamp, time: Time, zone: &TimeZone) -> Timestamp {
    let today = day_of(now, zone);
    let same_day = at(today, time, zone);
    if same_day > now { same_day } else { at(next_day(today), time, zone) }
}

/// `instant` moved by `by`, stopping at the ends of time.
#[must_use]
pub fn shift(instant: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    instant.checked_add(by).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{at as instant, day, zone};

    fn hours_of(date: &str, name: &str) -> i64 {
        let (date, zone) = (day(date), zone(name));
        midnight(next_day(date), &zone).duration_since(midnight(date, &zone)).as_hours()
    }

    #[test]
    fn days_have_23_24_and_25_hours() {
        assert_eq!(hours_of("2026-03-29", "Europe/Berlin"), 23);
        assert_eq!(hours_of("2026-10-25", "Europe/Berlin"), 25);
        assert_eq!(hours_of("2026-10-25", "Asia/Shanghai"), 24);
    }

    #[test]
    fn a_day_without_midnight_begins_at_its_first_instant() {
        let begins = midnight(day("2018-11-04"), &zone("America/Sao_Paulo"));
        assert_eq!(begins, instant("2018-11-04T01:00:00-02:00"));
        assert_eq!(hours_of("2018-11-04", "America/Sao_Paulo"), 23);
    }

    #[test]
    fn a_day_that_a_zone_skipped_has_no_hours() {
        assert_eq!(hours_of("2011-12-30", "Pacific/Apia"), 0);
    }

    #[test]
    fn the_next_time_of_day_is_today_or_tomorrow() {
        let zone = zone("Asia/Shanghai");
        let nine = "09:00".parse().unwrap_or_default();
        let morning = instant("2026-05-01T08:59:59+08:00");
        assert_eq!(next_at(morning, nine, &zone), instant("2026-05-01T09:00:00+08:00"));
        assert_eq!(next_at(instant("2026-05-01T09:00:00+08:00"), nine, &zone), instant("2026-05-02T09:00:00+08:00"));
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_its_day(second in 946_684_800_i64..1_900_000_000, name in prop::sample::select(vec![
            "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo",
        ])) {
            let zone = zone(name);
            let instant = Timestamp::from_second(second).unwrap_or_default();
            let date = day_of(instant, &zone);
            prop_assert!(midnight(date, &zone) <= instant);
            prop_assert!(instant < midnight(next_day(date), &zone));
        }
    }
}
