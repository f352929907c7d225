//! Meters that are removed and replaced: what they counted is charged once, and the account goes on as if nothing had been.

use super::*;

const REMOVED: &str = "2026-05-03T09:00:00+08:00";

fn removed(value: &str) -> Installation {
    Installation { end: Some((instant(REMOVED), kwh(value))), ..from(START, "100") }
}

#[test]
fn a_removed_meter_settles_at_once_to_its_last_reading() {
    let readings = [known(1, "2026-05-01T20:00:00+08:00", "104"), known(2, REMOVED, "178")];
    // Two midnights without a reading, interpolated between the two there are: 2 kWh an hour.
    let days = planned(&removed("178"), &[], &readings, REMOVED);
    let expected = [
        settled("2026-05-01", "112", &[1, 2]),
        settled("2026-05-02", "160", &[1, 2]),
        settled("2026-05-03", "178", &[2]),
    ];
    assert_eq!(days, expected);
    assert_eq!(planned(&removed("178"), &days, &readings, "2026-05-09T12:00:00+08:00"), []);
}

#[test]
fn a_late_reading_of_its_time_moves_a_midnight_but_never_the_end() {
    let readings = [known(1, "2026-05-01T20:00:00+08:00", "104"), known(2, REMOVED, "178")];
    let days = planned(&removed("178"), &[], &readings, REMOVED);
    let late = [readings[0], freeze(3, "2026-05-02T00:00:00+08:00", "110"), readings[1]];
    let corrected = planned(&removed("178"), &days, &late, "2026-05-04T09:00:00+08:00");
    let moved: Vec<(Date, Energy)> = corrected.iter().map(|day| (day.day, day.end_value)).collect();
    assert_eq!(moved, [(day("2026-05-01"), kwh("110")), (day("2026-05-02"), kwh("159.4545"))]);
    // One that shows more than the last reading, by a clock that was a little off, or later.
    let more = [
        readings[0],
        readings[1],
        known(4, "2026-05-03T08:58:00+08:00", "178.3"),
        known(5, "2026-05-03T09:01:00+08:00", "179"),
    ];
    let end = planned(&removed("178"), &days, &more, "2026-05-04T09:00:00+08:00");
    assert!(end.iter().all(|one| one.day != day("2026-05-03")), "{end:?}");
}

#[test]
fn what_it_showed_before_with_more_digits_stands() {
    let readings = [known(1, "2026-05-03T08:00:00+08:00", "177.9987"), known(2, REMOVED, "177.99")];
    let days = planned(&removed("177.9987"), &[], &readings, REMOVED);
    assert_eq!(days.last().map(|last| (last.day, last.end_value)), Some((day("2026-05-03"), kwh("177.9987"))));
}

#[test]
fn a_meter_removed_at_a_midnight_has_no_day_after_it() {
    let midnight = "2026-05-02T00:00:00+08:00";
    let installation = Installation { end: Some((instant(midnight), kwh("105"))), ..from(START, "100") };
    let days = planned(&installation, &[], &[known(1, midnight, "105")], "2026-05-09T12:00:00+08:00");
    assert_eq!(days, [settled("2026-05-01", "105", &[1])]);
}

/// What all days of an installation used.
fn used(installation: &Installation, readings: &[Known], now: Timestamp, site: Site<'_>) -> Usage {
    let days = plan(installation, &[], readings, &tiered(), now, site).unwrap();
    usage_change(installation, &[], &days, &tiered(), site.zone)
}

proptest! {
    /// F12: energy, blocks and money are continuous over a replacement at any reading, whatever the new register shows.
    #[test]
    fn a_meter_that_was_replaced_costs_what_one_that_was_not_does(
        arrivals in arrivals(instant(BERLIN_SPRING), zone("Europe/Berlin")),
        cut in any::<prop::sample::Index>(),
        shows in 0_i64..2_000_000,
    ) {
        let (policy, zone, start) = (policy(), zone("Europe/Berlin"), instant(BERLIN_SPRING));
        let site = Site { policy: &policy, zone: &zone };
        let mut highest = Energy::new(1_000_000);
        // A register does not step back where it is read twice.
        let mut readings: Vec<Known> = arrivals.iter().map(|arrival| arrival.known).collect();
        readings.sort_by_key(|known| known.as_of);
        for known in &mut readings {
            highest = highest.max(known.total);
            known.total = highest;
        }
        // Everything is settled in the end: the last midnight is known.
        let end = midnight(next_day(day_of(readings.last().map_or(start, |last| last.as_of), &zone)), &zone);
        let mut all = readings.clone();
        all.push(Known { id: reading_id(999), as_of: end, kind: Kind::DailyFreeze, total: highest });
        let now = shift(end, hours(48));
        let one = Installation { start_at: start, start_value: Energy::new(1_000_000), multiplier: 3, end: None };
        let last = *cut.get(&readings);
        prop_assume!(last.as_of > start);
        let old = Installation { end: Some((last.as_of, last.total)), ..one };
        let moved = Energy::new(shows) - last.total;
        let new = Installation { start_at: last.as_of, start_value: Energy::new(shows), ..one };
        let on_new: Vec<Known> = all.iter().filter(|known| known.as_of > last.as_of)
            .map(|known| Known { total: known.total + moved, ..*known }).collect();

        let whole = used(&one, &all, now, site);
        let parts = used(&old, &all, now, site).plus(&used(&new, &on_new, now, site));
        prop_assert_eq!(settle(&Usage::none(), &parts, Carry::ZERO, &tiered()), settle(&Usage::none(), &whole, Carry::ZERO, &tiered()));
        prop_assert_eq!(parts, whole);
    }
}
