//! Quiet hours: a notice that can wait for the morning is not handed over at night.

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use super::Kind;
use crate::{
    calendar::shift,
    site::{FriendlyHours, NoticePolicy},
};

impl Kind {
    /// Whether it is handed over at any hour: a receipt answers somebody at the counter, a warning's lead time runs from its
    /// service, and who is to press the button stands before a dark meter.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::VendReceipt | Self::DisconnectWarning | Self::PressButton)
    }
}

/// Where a notice of this kind would break quiet hours at `now`: the instant at which they end.
#[must_use]
pub fn quiet_until(kind: Kind, now: Timestamp, policy: &NoticePolicy, zone: &TimeZone) -> Option<Timestamp> {
    let hours = policy.quiet_hours().filter(|_| !kind.is_urgent())?;
    Some(end(hours, now, zone)).filter(|end| *end > now)
}

/// The first instant from `now` on at which a local clock is outside of these hours. Clocks that jump are followed from jump
/// to jump, so that neither a skipped nor a repeated hour makes a night longer than the clock shows.
fn end(hours: FriendlyHours, now: Timestamp, zone: &TimeZone) -> Timestamp {
    let mut end = now;
    loop {
        let shown = zone.to_datetime(end).time();
        if !hours.cover(shown) {
            return end;
        }
        let reached = shift(end, left(shown, hours.to));
        let jump = zone.following(end).map(|jump| jump.timestamp()).find(|jump| *jump > end);
        let next = jump.map_or(reached, |jump| jump.min(reached));
        // The end of time.
        if next <= end {
            return end;
        }
        end = next;
    }
}

/// How long a clock that shows `shown` takes to show `to`: more than nothing, a day at most.
fn left(shown: Time, to: Time) -> SignedDuration {
    let left = to.duration_since(shown);
    if left > SignedDuration::ZERO { left } else { left + SignedDuration::from_hours(24) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{at, hours, minutes, policy, zone};

    fn quiet(from: &str, to: &str) -> NoticePolicy {
        NoticePolicy { quiet_from: from.parse().ok(), quiet_to: to.parse().ok(), ..policy().notices }
    }

    #[test]
    fn what_can_wait_is_handed_over_when_the_night_ends() {
        let shanghai = zone("Asia/Shanghai");
        let until = |now: &str| quiet_until(Kind::Restored, at(now), &quiet("22:00", "07:00"), &shanghai);
        for (now, end) in [
            ("2026-05-01T21:59:59+08:00", None),
            ("2026-05-01T22:00:00+08:00", Some("2026-05-02T07:00:00+08:00")),
            ("2026-05-02T00:00:00+08:00", Some("2026-05-02T07:00:00+08:00")),
            ("2026-05-02T06:59:59+08:00", Some("2026-05-02T07:00:00+08:00")),
            ("2026-05-02T07:00:00+08:00", None),
        ] {
            assert_eq!(until(now), end.map(at), "{now}");
        }
        let noon = quiet_until(Kind::Restored, at("2026-05-01T12:30:00+08:00"), &quiet("12:00", "14:00"), &shanghai);
        assert_eq!(noon, Some(at("2026-05-01T14:00:00+08:00")));
    }

    #[test]
    fn receipts_warnings_and_the_button_know_no_night() {
        let night = at("2026-05-02T01:00:00+08:00");
        let waits =
            |kind: &&Kind| quiet_until(**kind, night, &quiet("22:00", "07:00"), &zone("Asia/Shanghai")).is_none();
        let at_once: Vec<Kind> = Kind::ALL.iter().filter(waits).copied().collect();
        assert_eq!(at_once, [Kind::DisconnectWarning, Kind::PressButton, Kind::VendReceipt]);
        let none = quiet_until(Kind::Restored, night, &quiet("", ""), &zone("Asia/Shanghai"));
        assert_eq!(none, None, "a site without quiet hours");
    }

    #[test]
    fn a_night_is_as_long_as_the_clock_shows_when_it_jumps() {
        // Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
        let berlin = zone("Europe/Berlin");
        for (from, to, now, end) in [
            ("22:00", "07:00", "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
            ("22:00", "07:00", "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),
            // Its end is skipped: it ends with the jump, which shows a time behind it.
            ("22:00", "02:30", "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
            // Its end comes twice: what is written in the repeated half hour waits for the second one, not for a day.
            ("22:00", "02:30", "2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00"),
            ("22:00", "02:30", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
            // All but a quarter of an hour, which the jump skips: the next day's is found.
            ("02:45", "02:30", "2026-03-29T01:30:00+01:00", "2026-03-30T02:30:00+02:00"),
        ] {
            assert_eq!(quiet_until(Kind::Restored, at(now), &quiet(from, to), &berlin), Some(at(end)), "{from} {now}");
        }
    }

    #[test]
    fn at_the_end_of_time_a_notice_goes() {
        assert_eq!(quiet_until(Kind::Restored, Timestamp::MAX, &quiet("22:00", "21:00"), &TimeZone::UTC), None);
    }

    proptest! {
        #[test]
        fn a_notice_waits_no_longer_than_the_hours_are_and_never_goes_inside_them(
            from in 0_i64..1440, length in 1_i64..1440, second in 1_760_000_000_i64..1_830_000_000,
            name in prop::sample::select(vec![
                "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe",
            ]),
        ) {
            let zone = zone(name);
            let time = |minute: i64| Time::midnight().wrapping_add(minutes(minute));
            let (first, last) = (time(from), time(from + length));
            let policy = NoticePolicy { quiet_from: Some(first), quiet_to: Some(last), ..policy().notices };
            let inside = |at| FriendlyHours { from: first, to: last }.cover(zone.to_datetime(at).time());
            let now = Timestamp::from_second(second).unwrap_or_default();
            let until = quiet_until(Kind::PriceChange, now, &policy, &zone);
            prop_assert_eq!(until.is_some(), inside(now));
            let at = until.unwrap_or(now);
            prop_assert!(at >= now && !inside(at));
            // Every moment before it is quiet.
            let step = at.duration_since(now) / 16;
            prop_assert!((0..16).all(|part| at == now || inside(shift(now, step * part))));
            // A clock that is put back repeats an hour of them; one that skips their end lasts another day.
            let span = minutes(length);
            let skipped = zone.following(shift(now, -hours(1))).map(|jump| jump.timestamp()).next();
            let calm = skipped.is_none_or(|jump| jump > shift(now, hours(49)));
            prop_assert!(!calm || at.duration_since(now) <= span, "{} {}", at, now);
            prop_assert!(at.duration_since(now) <= span + hours(25));
        }
    }
}
