//! Supply by a calendar (定时遥控): on which local days it is cut, and when it comes back.

use std::collections::BTreeSet;

use jiff::{
    Span, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::Action;
use crate::calendar::{Weekday, at, day_before, day_of, next_day};

/// How many days are looked through for the next switching. A weekday comes back within 7; only holidays put it off.
const LOOK_AHEAD_DAYS: i64 = 366;

/// A calendar of disconnects, each with its reconnect. On each day that is meant, supply is cut at `off_at` and comes back at
/// `on_at`: of the same day where that is later, of the next day where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Local time of the disconnect.
    pub off_at: Time,
    /// Local time of the reconnect.
    pub on_at: Time,
    /// The days of the week that are meant.
    pub weekdays: BTreeSet<Weekday>,
    /// Whether holidays are left out.
    pub except_holidays: bool,
    /// The first day that may be meant.
    pub from: Date,
    /// The last day that may be meant; its reconnect may be on the day after. None: there is no last day.
    pub until: Option<Date>,
}

/// What makes a calendar none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// The reconnect is at the time of the disconnect.
    #[error("the reconnect must be at another time than the disconnect")]
    SameTime,
    /// No day of the week is meant.
    #[error("name at least one day of the week")]
    NoWeekday,
    /// It ends before it begins.
    #[error("the last day is before the first")]
    EndsBeforeItBegins,
}

impl BadSchedule {
    /// The field at fault.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::SameTime => "on_at",
            Self::NoWeekday => "weekdays",
            Self::EndsBeforeItBegins => "until",
        }
    }
}

/// A time without supply: from its disconnect to its reconnect.
type Cut = (Timestamp, Timestamp);

impl Schedule {
    /// Whether it is a calendar.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), BadSchedule> {
        if self.off_at == self.on_at {
            return Err(BadSchedule::SameTime);
        }
        if self.weekdays.is_empty() {
            return Err(BadSchedule::NoWeekday);
        }
        if self.until.is_some_and(|until| until < self.from) {
            return Err(BadSchedule::EndsBeforeItBegins);
        }
        Ok(())
    }

    /// The first switching after an instant, and what it does; none where nothing follows within a year. After a disconnect
    /// follows its reconnect.
    #[must_use]
    pub fn next(&self, after: Timestamp, holidays: &[Date], zone: &TimeZone) -> Option<(Timestamp, Action)> {
        let today = day_of(after, zone);
        // What began the day before may not be over yet; a clock that jumps moves it by less than another day.
        let first = self.from.max(day_before(day_before(today)));
        let last = self.from.max(today).checked_add(Span::new().days(LOOK_AHEAD_DAYS)).unwrap_or(Date::MAX);
        self.cuts(first, last, holidays, zone).find_map(|(off, on)| {
            let switchings = [(off, Action::Disconnect), (on, Action::Reconnect)];
            switchings.into_iter().find(|(switched, _)| *switched > after)
        })
    }

    /// The first disconnect after an instant; none where none follows within a year.
    #[must_use]
    pub fn next_disconnect(&self, after: Timestamp, holidays: &[Date], zone: &TimeZone) -> Option<Timestamp> {
        match self.next(after, holidays, zone)? {
            (off, Action::Disconnect) => Some(off),
            (on, Action::Reconnect) => self.next(on, holidays, zone).map(|(off, _)| off),
        }
    }

    /// Whether its calendar cuts supply at an instant.
    #[must_use]
    pub fn cuts_at(&self, now: Timestamp, holidays: &[Date], zone: &TimeZone) -> bool {
        matches!(self.next(now, holidays, zone), Some((_, Action::Reconnect)))
    }

    /// The times without supply that begin on the days from `first` to `last`, in order. Where a clock that jumps makes one
    /// run into the next they are one, and where it leaves nothing of one there is none.
    fn cuts(&self, first: Date, last: Date, holidays: &[Date], zone: &TimeZone) -> impl Iterator<Item = Cut> {
        let days = std::iter::successors(Some(first), |day| Some(next_day(*day)).filter(|next| next > day))
            .take_while(move |day| *day <= last && self.until.is_none_or(|until| *day <= until));
        let mut cuts = days
            .filter(move |day| self.means(*day, holidays))
            .map(move |day| {
                let back = if self.on_at > self.off_at { day } else { next_day(day) };
                (at(day, self.off_at, zone), at(back, self.on_at, zone))
            })
            .filter(|(off, on)| off < on)
            .peekable();
        std::iter::from_fn(move || {
            let (off, mut on) = cuts.next()?;
            while let Some((_, later)) = cuts.next_if(|(next, _)| *next <= on) {
                on = on.max(later);
            }
            Some((off, on))
        })
    }

    fn means(&self, day: Date, holidays: &[Date]) -> bool {
        self.from <= day
            && self.weekdays.contains(&day.weekday().into())
            && !(self.except_holidays && holidays.contains(&day))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        calendar::shift,
        fixtures::{at as instant, day, hours, zone},
    };

    fn schedule(off_at: &str, on_at: &str) -> Schedule {
        let time = |text: &str| text.parse().unwrap_or_default();
        Schedule {
            off_at: time(off_at),
            on_at: time(on_at),
            weekdays: Weekday::ALL.iter().copied().collect(),
            except_holidays: false,
            from: day("2026-01-01"),
            until: None,
        }
    }

    /// So many switchings after an instant.
    fn switchings(
        schedule: &Schedule,
        after: &str,
        holidays: &[Date],
        name: &str,
        most: usize,
    ) -> Vec<(Timestamp, Action)> {
        let zone = zone(name);
        let mut after = instant(after);
        let next = || {
            let next = schedule.next(after, holidays, &zone)?;
            after = next.0;
            Some(next)
        };
        std::iter::from_fn(next).take(most).collect()
    }

    fn off(at: &str) -> (Timestamp, Action) {
        (instant(at), Action::Disconnect)
    }

    fn on(at: &str) -> (Timestamp, Action) {
        (instant(at), Action::Reconnect)
    }

    #[test]
    fn supply_comes_back_on_the_same_day_or_on_the_next() {
        let noon = schedule("12:00", "14:00");
        assert_eq!(
            switchings(&noon, "2026-05-04T12:00:00+08:00", &[], "Asia/Shanghai", 2),
            [on("2026-05-04T14:00:00+08:00"), off("2026-05-05T12:00:00+08:00")]
        );
        let night = schedule("23:00", "06:00");
        assert_eq!(
            switchings(&night, "2026-05-04T12:00:00+08:00", &[], "Asia/Shanghai", 2),
            [off("2026-05-04T23:00:00+08:00"), on("2026-05-05T06:00:00+08:00")]
        );
        let in_the_night = instant("2026-05-05T01:00:00+08:00");
        let shanghai = zone("Asia/Shanghai");
        assert!(night.cuts_at(in_the_night, &[], &shanghai));
        let next = night.next_disconnect(in_the_night, &[], &shanghai);
        assert_eq!(next, Some(instant("2026-05-05T23:00:00+08:00")), "a night that has begun is not cut into");
    }

    #[test]
    fn days_that_are_not_meant_keep_supply_and_the_last_night_ends_in_its_morning() {
        // 2026-05-01 is a Friday.
        let workdays = Schedule {
            weekdays: [Weekday::Thursday, Weekday::Friday, Weekday::Monday].into(),
            except_holidays: true,
            from: day("2026-04-30"),
            until: Some(day("2026-05-04")),
            ..schedule("23:00", "06:00")
        };
        assert_eq!(
            switchings(&workdays, "2026-01-01T00:00:00+08:00", &[day("2026-05-01")], "Asia/Shanghai", 9),
            [
                off("2026-04-30T23:00:00+08:00"),
                on("2026-05-01T06:00:00+08:00"),
                off("2026-05-04T23:00:00+08:00"),
                on("2026-05-05T06:00:00+08:00"),
            ]
        );
        let with_holidays = Schedule { except_holidays: false, ..workdays };
        assert_eq!(
            switchings(&with_holidays, "2026-05-01T12:00:00+08:00", &[day("2026-05-01")], "Asia/Shanghai", 1),
            [off("2026-05-01T23:00:00+08:00")]
        );
    }

    #[test]
    fn a_first_day_that_is_years_ahead_is_found() {
        let later = Schedule { from: day("2031-01-01"), ..schedule("23:00", "06:00") };
        assert_eq!(
            switchings(&later, "2026-05-01T12:00:00+08:00", &[], "Asia/Shanghai", 1),
            [off("2031-01-01T23:00:00+08:00")]
        );
    }

    #[test]
    fn nothing_follows_where_every_day_is_a_holiday() {
        let schedule = Schedule { except_holidays: true, ..schedule("23:00", "06:00") };
        let days = std::iter::successors(Some(day("2026-05-01")), |day| Some(next_day(*day)));
        let holidays: Vec<Date> = days.take(400).collect();
        assert_eq!(switchings(&schedule, "2026-05-01T12:00:00+08:00", &holidays, "Asia/Shanghai", 1), []);
    }

    #[test]
    fn a_clock_that_jumps_moves_a_switching_and_never_turns_it_round() {
        // Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
        let early = schedule("01:30", "02:30");
        assert_eq!(
            switchings(&early, "2026-03-29T00:00:00+01:00", &[], "Europe/Berlin", 2),
            [off("2026-03-29T01:30:00+01:00"), on("2026-03-29T03:30:00+02:00")]
        );
        assert_eq!(
            switchings(&early, "2026-10-25T00:00:00+02:00", &[], "Europe/Berlin", 2),
            [off("2026-10-25T01:30:00+02:00"), on("2026-10-25T02:30:00+02:00")]
        );
        let nothing_left = schedule("02:30", "03:15");
        assert_eq!(
            switchings(&nothing_left, "2026-03-29T00:00:00+01:00", &[], "Europe/Berlin", 1),
            [off("2026-03-30T02:30:00+02:00")]
        );
        let run_together = schedule("03:15", "02:30");
        assert_eq!(
            switchings(&run_together, "2026-03-28T03:00:00+01:00", &[], "Europe/Berlin", 2),
            [off("2026-03-28T03:15:00+01:00"), on("2026-03-30T02:30:00+02:00")]
        );
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        let good = schedule("23:00", "06:00");
        assert_eq!(good.check(), Ok(()));
        assert_eq!(schedule("06:00", "06:00").check(), Err(BadSchedule::SameTime));
        assert_eq!(Schedule { weekdays: [].into(), ..good.clone() }.check(), Err(BadSchedule::NoWeekday));
        let backwards = Schedule { until: Some(day("2025-12-31")), ..good };
        assert_eq!(backwards.check(), Err(BadSchedule::EndsBeforeItBegins));
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let time = || (0_i8..24, 0_i8..60).prop_map(|(hour, minute)| Time::constant(hour, minute, 0, 0));
        let weekdays = prop::collection::btree_set(prop::sample::select(Weekday::ALL), 1..8);
        (time(), time(), weekdays, prop::bool::ANY, prop::option::of(0_i64..60))
            .prop_filter("times differ", |(off_at, on_at, ..)| off_at != on_at)
            .prop_map(|(off_at, on_at, weekdays, except_holidays, days)| {
                let from = day("2026-03-01");
                let until = days.and_then(|days| from.checked_add(Span::new().days(days)).ok());
                Schedule { off_at, on_at, weekdays, except_holidays, from, until }
            })
    }

    proptest! {
        #[test]
        fn disconnects_and_reconnects_take_turns_and_no_cut_is_longer_than_two_days(
            schedule in any_schedule(), start in 0_i64..3_000,
            name in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "America/Havana"]),
        ) {
            let (zone, holidays) = (zone(name), [day("2026-03-28"), day("2026-03-30")]);
            let mut after = shift(instant("2026-02-20T00:00:00Z"), hours(start));
            let mut before: Option<(Timestamp, Action)> = None;
            for _ in 0..40 {
                let Some((at, action)) = schedule.next(after, &holidays, &zone) else {
                    let ends = before.is_none_or(|(_, last)| last == Action::Reconnect);
                    prop_assert!(ends && schedule.until.is_some(), "it ends with supply");
                    break;
                };
                prop_assert!(at > after);
                if let Some((last_at, last)) = before {
                    prop_assert_ne!(last, action);
                    let longest = hours(49);
                    prop_assert!(last == Action::Reconnect || at.duration_since(last_at) <= longest);
                }
                prop_assert_eq!(schedule.cuts_at(at, &holidays, &zone), action == Action::Disconnect);
                (before, after) = (Some((at, action)), at);
            }
        }

        #[test]
        fn the_next_switching_is_the_same_until_it_comes(schedule in any_schedule(), start in 0_i64..2_000, part in 0_i64..100) {
            let zone = zone("Europe/Berlin");
            let after = shift(instant("2026-02-20T00:00:00Z"), hours(start));
            if let Some((at, action)) = schedule.next(after, &[], &zone) {
                let between = shift(after, at.duration_since(after) * i32::try_from(part).unwrap_or(0) / 100);
                prop_assert_eq!(schedule.next(between, &[], &zone), Some((at, action)));
            }
        }
    }
}
