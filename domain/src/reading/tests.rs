//! Readings: what is plausible, what a register that goes round means, and what happens to a taken key.

use proptest::prelude::*;

use super::*;
use crate::{
    calendar::shift,
    fixtures::{at, hours, kwh, meter_id, minutes, policy},
};

const INSTALLED: &str = "2026-01-01T00:00:00Z";
const NOON: &str = "2026-05-01T12:00:00Z";

/// 220 V x 60 A, six digits of kWh.
fn meter() -> MeterLimits {
    MeterLimits { maximum_power_w: 13_200, register_modulus: kwh("1000000") }
}

fn observed(as_of: &str, total: &str) -> Observation {
    Observation {
        meter: meter_id(),
        as_of: at(as_of),
        time_source: TimeSource::Meter,
        received_at: at(as_of),
        copied_at: None,
        kind: Kind::Instant,
        registers: Registers { total: kwh(total), ..Registers::default() },
        resolution: kwh("0.01"),
        identity_verified: true,
    }
}

fn neighbour(as_of: &str, total: &str) -> Option<Neighbour> {
    let (time_source, resolution) = (TimeSource::Meter, kwh("0.01"));
    Some(Neighbour { as_of: at(as_of), time_source, total: kwh(total), resolution })
}

fn reasons(observation: &Observation, before: Option<Neighbour>, after: Option<Neighbour>) -> Vec<Reason> {
    let judged = judge(observation, &Neighbours { before, after }, &meter(), at(INSTALLED), &policy().reading);
    assert_eq!(judged.quality == Quality::Good, judged.reasons.is_empty());
    judged.reasons
}

#[test]
fn an_ordinary_reading_is_good() {
    let earlier = neighbour("2026-05-01T11:45:00Z", "100");
    assert_eq!(reasons(&observed(NOON, "103"), earlier, None), []);
    assert_eq!(reasons(&observed(NOON, "103"), earlier, neighbour("2026-05-01T12:15:00Z", "104")), []);
    let alone = judge(&observed(NOON, "103"), &Neighbours::default(), &meter(), at(INSTALLED), &policy().reading);
    assert_eq!((alone.quality, alone.total), (Quality::Good, kwh("103")));
}

#[test]
fn less_than_before_is_suspect_beyond_the_tolerance() {
    let earlier = neighbour("2026-05-01T11:45:00Z", "100");
    assert_eq!(reasons(&observed(NOON, "99.99"), earlier, None), []);
    assert_eq!(reasons(&observed(NOON, "99.9899"), earlier, None), [Reason::BelowEarlier]);
}

#[test]
fn more_than_after_is_suspect_beyond_the_tolerance() {
    let later = neighbour("2026-05-01T12:15:00Z", "100");
    assert_eq!(reasons(&observed(NOON, "100.01"), None, later), []);
    assert_eq!(reasons(&observed(NOON, "100.0101"), None, later), [Reason::AboveLater]);
}

#[test]
fn no_meter_passes_more_than_its_maximum() {
    // 13.2 kW x 1.2 x 0.25 h = 3.96 kWh, and 0.01 kWh of resolution.
    let earlier = neighbour("2026-05-01T11:45:00Z", "100");
    assert_eq!(reasons(&observed(NOON, "103.97"), earlier, None), []);
    assert_eq!(reasons(&observed(NOON, "103.9701"), earlier, None), [Reason::TooFarFromEarlier]);
    let later = neighbour("2026-05-01T12:15:00Z", "110");
    assert_eq!(reasons(&observed(NOON, "106.03"), None, later), []);
    assert_eq!(reasons(&observed(NOON, "106.0299"), None, later), [Reason::TooFarFromLater]);
}

#[test]
fn two_clocks_may_disagree_by_six_minutes() {
    // 13.2 kW x 1.2 x 0.1 h = 1.584 kWh more than with one clock.
    let mut ours = observed(NOON, "105.554");
    ours.time_source = TimeSource::HeadEnd;
    let earlier = neighbour("2026-05-01T11:45:00Z", "100");
    assert_eq!(reasons(&ours, earlier, None), []);
    ours.registers.total = kwh("105.5541");
    assert_eq!(reasons(&ours, earlier, None), [Reason::TooFarFromEarlier]);
    ours.registers.total = kwh("98.41");
    assert_eq!(reasons(&ours, earlier, None), []);
}

#[test]
fn the_future_and_the_time_before_installation_are_suspect() {
    let mut early = observed(NOON, "1");
    early.received_at = shift(early.as_of, -minutes(10));
    assert_eq!(reasons(&early, None, None), []);
    early.received_at = shift(early.as_of, -minutes(11));
    assert_eq!(reasons(&early, None, None), [Reason::InTheFuture]);
    assert_eq!(reasons(&observed("2025-12-31T23:59:59Z", "1"), None, None), [Reason::BeforeInstallation]);
    assert_eq!(reasons(&observed(INSTALLED, "1"), None, None), []);
}

#[test]
fn an_old_as_of_is_valid_evidence_of_that_time() {
    let mut old = observed("2026-02-01T00:00:00Z", "1");
    old.received_at = at(NOON);
    assert_eq!(reasons(&old, None, None), []);
}

#[test]
fn a_foreign_archive_bills_nobody() {
    let mut foreign = observed(NOON, "100");
    foreign.identity_verified = false;
    assert_eq!(reasons(&foreign, None, None), [Reason::IdentityUnverified]);
}

#[test]
fn periods_sum_to_the_total() {
    let mut reading = observed(NOON, "100");
    reading.registers.periods = [Some(kwh("40")), Some(kwh("30")), Some(kwh("20")), Some(kwh("10.08")), None];
    assert_eq!(reasons(&reading, None, None), []);
    reading.registers.periods[3] = Some(kwh("10.0801"));
    assert_eq!(reasons(&reading, None, None), [Reason::PeriodsDoNotSum]);
    // Only the total went round, three times.
    reading.registers.total = kwh("600000");
    reading.registers.periods = [Some(kwh("900000")); 5];
    reading.registers.periods[4] = None;
    assert_eq!(reasons(&reading, None, None), []);
    // Only the total went round.
    reading.registers.total = kwh("5");
    reading.registers.periods = [Some(kwh("900000")), Some(kwh("100005")), None, None, None];
    assert_eq!(reasons(&reading, None, None), []);
}

#[test]
fn what_the_register_cannot_show_is_suspect() {
    assert_eq!(reasons(&observed(NOON, "1000000"), None, None), [Reason::OutOfRange]);
    assert_eq!(reasons(&observed(NOON, "-1"), None, None), [Reason::OutOfRange]);
}

#[test]
fn a_register_that_goes_round_goes_on() {
    let earlier = neighbour("2026-05-01T11:45:00Z", "999999.50");
    let judged = judge(
        &observed(NOON, "0.40"),
        &Neighbours { before: earlier, after: None },
        &meter(),
        at(INSTALLED),
        &policy().reading,
    );
    assert_eq!((judged.quality, judged.total), (Quality::Good, kwh("1000000.40")));
}

#[test]
fn a_register_that_was_set_back_does_not_go_round() {
    let earlier = neighbour("2026-05-01T11:45:00Z", "500");
    assert_eq!(reasons(&observed(NOON, "0"), earlier, None), [Reason::BelowEarlier]);
}

fn existing(quality: Quality, total: &str) -> Existing {
    Existing { quality, registers: Registers { total: kwh(total), ..Registers::default() } }
}

#[test]
fn a_taken_key_keeps_what_is_good() {
    let new = Registers { total: kwh("5"), ..Registers::default() };
    for (stored, total, judged, expected) in [
        (Quality::Good, "5", Quality::Good, Collision::Duplicate),
        (Quality::Good, "5", Quality::Suspect, Collision::Duplicate),
        (Quality::Good, "6", Quality::Good, Collision::Conflict),
        (Quality::Estimated, "6", Quality::Good, Collision::Conflict),
        (Quality::Suspect, "6", Quality::Good, Collision::Supersede),
        (Quality::Suspect, "6", Quality::Suspect, Collision::Supersede),
        (Quality::Suspect, "5", Quality::Suspect, Collision::Duplicate),
        (Quality::Suspect, "5", Quality::Good, Collision::Supersede),
    ] {
        assert_eq!(collide(&existing(stored, total), &new, judged), expected, "{stored} {total} {judged}");
    }
}

#[test]
fn a_register_that_only_one_answer_has_makes_no_conflict() {
    let total = Registers { total: kwh("5"), ..Registers::default() };
    let more = Registers { reverse: Some(kwh("1")), ..total };
    assert!(total.agree(&more));
    assert!(!more.agree(&Registers { reverse: Some(kwh("2")), ..total }));
}

#[test]
fn only_good_readings_and_an_operators_estimate_cost_money() {
    assert!(Quality::Good.counts(Kind::Instant));
    assert!(Quality::Estimated.counts(Kind::Initial));
    assert!(!Quality::Estimated.counts(Kind::Instant));
    assert!(!Quality::Suspect.counts(Kind::Initial));
}

proptest! {
    /// A register of any size over any number of turns: unwrapped, it never falls and misses nothing.
    #[test]
    fn a_true_register_unwraps_to_what_passed(
        modulus in 10_000_i64..10_000_000_000,
        start in 0_i64..20_000_000_000,
        steps in prop::collection::vec((1_i64..48, 0_i64..=1_000), 1..30),
    ) {
        let meter = MeterLimits { maximum_power_w: 100, register_modulus: Energy::new(modulus) };
        let (mut as_of, mut passed) = (at(INSTALLED), start);
        let mut before = Neighbour {
            as_of, time_source: TimeSource::Meter, total: Energy::new(start), resolution: Energy::new(1),
        };
        for (step, share) in steps {
            as_of = shift(as_of, hours(step));
            // At most 100 W, and less than a turn between two readings.
            passed += (step * share).min(modulus / 4);
            let mut seen = observed(INSTALLED, "0");
            (seen.as_of, seen.received_at, seen.resolution) = (as_of, as_of, Energy::new(1));
            seen.registers.total = Energy::new(passed.rem_euclid(modulus));
            let neighbours = Neighbours { before: Some(before), after: None };
            let judged = judge(&seen, &neighbours, &meter, at(INSTALLED), &policy().reading);
            prop_assert_eq!((judged.quality, judged.total), (Quality::Good, Energy::new(passed)));
            before = Neighbour { as_of, total: judged.total, ..before };
        }
    }

    /// Whatever a register shows, a good reading is never below the one before nor beyond what the meter can pass.
    #[test]
    fn nothing_absurd_is_good(shown in any::<i64>(), before in 0_i64..9_000_000_000, minutes_later in 0_i64..10_000) {
        let mut seen = observed(NOON, "0");
        seen.registers.total = Energy::new(shown.rem_euclid(20_000_000_000));
        let earlier = Neighbour {
            as_of: shift(seen.as_of, -minutes(minutes_later)),
            time_source: TimeSource::Meter,
            total: Energy::new(before),
            resolution: kwh("0.01"),
        };
        let neighbours = Neighbours { before: Some(earlier), after: None };
        let judged = judge(&seen, &neighbours, &meter(), at(INSTALLED), &policy().reading);
        let rise = (judged.total - earlier.total).get();
        // 13.2 kW x 1.2 = 15.84 kW: 2,640 units of 0.1 Wh a minute.
        let plausible = (-100..=2_640 * minutes_later + 100).contains(&rise);
        prop_assert!(judged.quality == Quality::Suspect || plausible, "{rise}");
    }
}
