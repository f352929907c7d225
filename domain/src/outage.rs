//! Outages of the program: which days it should have looked at while it was down.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

use crate::calendar::{at, day_before, day_of, midnight, next_day};

/// The days that ended, and were to be read and settled, while the program was down: those whose midnight was over when it came
/// up, and until `asked_until` of the day after could still have been asked for when it went down. At most the last `most` of
/// them, in order.
#[must_use]
pub fn days_missed(down_from: Timestamp, up_at: Timestamp, asked_until: Time, most: u32, zone: &TimeZone) -> Vec<Date> {
    let mut days = Vec::new();
    let mut day = day_before(day_of(up_at, zone));
    for _ in 0..most {
        if at(next_day(day), asked_until, zone) <= down_from {
            break;
        }
        days.push(day);
        day = day_before(day);
    }
    days.reverse();
    days
}

/// The days that began while the program was down, at most the last `most` of them, in order: those whose fixed charges were
/// to be posted then.
#[must_use]
pub fn days_begun(down_from: Timestamp, up_at: Timestamp, most: u32, zone: &TimeZone) -> Vec<Date> {
    let mut days = Vec::new();
    let mut day = day_of(up_at, zone);
    for _ in 0..most {
        if midnight(day, zone) <= down_from {
            break;
        }
        days.push(day);
        day = day_before(day);
    }
    days.reverse();
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, day, zone};

    fn missed(down_from: &str, up_at: &str) -> (Vec<Date>, Vec<Date>) {
        let instant = |text: &str| at(&format!("2026-05-{}:00+08:00", text.replace(' ', "T")));
        let (down_from, up_at, zone) = (instant(down_from), instant(up_at), zone("Asia/Shanghai"));
        let noon = "12:00".parse().unwrap_or_default();
        (days_missed(down_from, up_at, noon, 3, &zone), days_begun(down_from, up_at, 3, &zone))
    }

    fn days(all: &[&str]) -> Vec<Date> {
        all.iter().map(|text| day(&format!("2026-05-{text}"))).collect()
    }

    #[test]
    fn a_day_is_missed_that_could_have_been_read_while_it_was_down() {
        for (down_from, up_at, ended, begun) in [
            // After noon until the evening: nothing was to be asked for.
            ("05 12:00", "05 20:00", &[][..], &[][..]),
            // In the morning: yesterday's freezes may still have been open.
            ("05 09:00", "05 10:00", &["04"], &[]),
            ("05 20:00", "07 09:00", &["05", "06"], &["06", "07"]),
            ("05 23:59", "06 00:00", &["05"], &["06"]),
            ("06 00:00", "06 00:00", &["05"], &[]),
            // At most three.
            ("01 20:00", "09 09:00", &["06", "07", "08"], &["07", "08", "09"]),
            // Up before it went down: a clock that was ahead.
            ("09 20:00", "05 09:00", &[], &[]),
        ] {
            assert_eq!(missed(down_from, up_at), (days(ended), days(begun)), "{down_from} {up_at}");
        }
    }
}
