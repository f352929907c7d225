//! Polling: slots, silence, freezes and rounds.

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{at as instant, day, hours, minutes, policy, zone},
    site::Policy,
};

fn in_shanghai<T>(policy: &Policy, ask: impl FnOnce(Site<'_>) -> T) -> T {
    ask(Site { policy, zone: &zone("Asia/Shanghai") })
}

#[test]
fn slots_are_aligned_and_moved_by_the_jitter() {
    let after = instant("2026-05-01T12:07:00Z");
    assert_eq!(next_slot(after, minutes(15), minutes(0)), instant("2026-05-01T12:15:00Z"));
    assert_eq!(next_slot(after, minutes(15), minutes(8)), instant("2026-05-01T12:08:00Z"));
    assert_eq!(next_slot(after, minutes(15), minutes(7)), instant("2026-05-01T12:22:00Z"));
}

#[test]
fn a_silent_meter_is_asked_ever_more_rarely() {
    let polled = instant("2026-05-01T12:00:00+08:00");
    let waits: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7]
        .map(|failures| in_shanghai(&policy(), |site| next_poll(polled, failures, minutes(0), site)))
        .map(|next| next.duration_since(polled).as_mins())
        .to_vec();
    assert_eq!(waits, [15, 15, 30, 60, 120, 240, 360, 360]);
}

#[test]
fn a_silent_meter_is_asked_in_each_freeze_window() {
    let polled = instant("2026-05-01T22:00:00+08:00");
    let next = in_shanghai(&policy(), |site| next_poll(polled, 9, minutes(3), site));
    assert_eq!(next, instant("2026-05-02T00:08:00+08:00"));
}

#[test]
fn a_poll_planned_by_a_clock_that_was_ahead_is_due() {
    let (planned_at, at) = (instant("2026-05-01T16:00:00Z"), instant("2026-05-01T16:15:00Z"));
    let poll = PlannedPoll { at, planned_at };
    let due = |now| poll.is_due(instant(now));
    assert!(due("2026-05-01T12:00:00Z") && due("2026-05-01T15:59:59Z") && due("2026-05-01T16:15:00Z"));
    assert!(!due("2026-05-01T16:00:00Z") && !due("2026-05-01T16:14:59Z"));
}

#[test]
fn a_meter_in_reach_again_is_polled_in_the_first_slot_that_was_not_served() {
    let now = instant("2026-05-01T12:07:00Z");
    let first = |last: Option<&str>| first_poll(last.map(instant), now, minutes(15), minutes(0));
    assert_eq!(first(None), now);
    assert_eq!(first(Some("2026-05-01T11:59:00Z")), now);
    assert_eq!(first(Some("2026-05-01T12:00:00Z")), instant("2026-05-01T12:15:00Z"));
    assert_eq!(first(Some("2026-05-01T12:08:00Z")), now, "a reading from the future serves none");
}

fn planned(now: &str, have: &[&str], asked: &[(&str, &str)]) -> (Vec<Date>, Timestamp) {
    let have = have.iter().map(|date| day(date)).collect();
    let asked = asked.iter().map(|(date, at)| (day(date), instant(at))).collect();
    let plan = in_shanghai(&policy(), |site| freezes(instant(now), day("2026-01-01"), &have, &asked, site));
    (plan.due, plan.next)
}

#[test]
fn yesterdays_freeze_is_asked_for_after_midnight() {
    let before = ["2026-05-01", "2026-05-02"];
    assert_eq!(planned("2026-05-04T00:04:59+08:00", &before, &[]), (vec![], instant("2026-05-04T00:05:00+08:00")));
    let due = planned("2026-05-04T00:05:00+08:00", &before, &[]);
    assert_eq!(due, (vec![day("2026-05-03")], instant("2026-05-05T00:05:00+08:00")));
}

#[test]
fn missing_freezes_of_three_days_are_filled_in() {
    let due = planned("2026-05-04T15:00:00+08:00", &["2026-05-02"], &[("2026-05-01", "2026-05-02T08:00:00+08:00")]).0;
    assert_eq!(due, [day("2026-05-01"), day("2026-05-03")]);
}

#[test]
fn what_is_not_available_is_asked_for_hourly_until_noon() {
    let have = ["2026-05-01", "2026-05-02"];
    let asked = |at| planned("2026-05-04T11:00:00+08:00", &have, &[("2026-05-03", at)]);
    assert_eq!(asked("2026-05-04T10:30:00+08:00"), (vec![], instant("2026-05-04T11:30:00+08:00")));
    assert_eq!(asked("2026-05-04T10:00:00+08:00").0, [day("2026-05-03")]);
    assert_eq!(asked("2026-05-04T11:00:00+08:00"), (vec![], instant("2026-05-05T00:05:00+08:00")));
}

#[test]
fn what_a_clock_ahead_of_time_asked_for_is_asked_for_again() {
    let have = ["2026-05-01", "2026-05-02"];
    let due = planned("2026-05-04T10:00:00+08:00", &have, &[("2026-05-03", "2026-05-04T14:00:00+08:00")]).0;
    assert_eq!(due, [day("2026-05-03")]);
}

#[test]
fn the_oldest_freeze_is_that_of_the_backfills_first_day() {
    let oldest = |days| {
        let mut policy = policy();
        policy.polling.backfill_days = days;
        in_shanghai(&policy, |site| oldest_freeze(instant("2026-05-04T00:01:00+08:00"), site))
    };
    assert_eq!([3, 1, 0].map(oldest), ["2026-05-01", "2026-05-03", "2026-05-04"].map(day));
}

#[test]
fn nothing_is_asked_for_days_before_the_meter_came() {
    let plan = in_shanghai(&policy(), |site| {
        freezes(instant("2026-05-04T00:05:00+08:00"), day("2026-05-03"), &BTreeSet::new(), &BTreeMap::new(), site)
    });
    assert_eq!(plan.due, [day("2026-05-03")]);
}

/// When each meter answers, minutes after noon.
fn seen_at(all: &[i64]) -> Sightings {
    let noon = instant("2026-05-01T12:00:00+08:00");
    let policy = policy();
    all.iter().fold(Sightings::default(), |sightings, minute| {
        in_shanghai(&policy, |site| sightings.seen(shift(noon, minutes(*minute)), site))
    })
}

fn grace(sightings: &Sightings, minute: i64) -> Option<Timestamp> {
    let now = shift(instant("2026-05-01T12:00:00+08:00"), minutes(minute));
    sightings.grace_until(&policy().disconnection, now, &zone("Asia/Shanghai"))
}

#[test]
fn a_gap_is_longer_than_two_slots_and_earns_a_grace() {
    assert_eq!(seen_at(&[0, 30]).seen_again_at, None);
    let back = seen_at(&[0, 31]);
    assert_eq!(grace(&back, 40), Some(instant("2026-05-01T12:41:00+08:00")));
    assert_eq!(grace(&back, 41), None);
}

#[test]
fn a_grace_that_a_clock_ahead_of_time_began_ends_soon_after_the_clock_is_right() {
    let (a_day, wrong) = (24 * 60, 400 * 24 * 60);
    assert_eq!(grace(&seen_at(&[0, wrong]), a_day), Some(instant("2027-06-05T12:10:00+08:00")), "not seen since");
    let right = seen_at(&[0, wrong, 15]);
    assert_eq!(grace(&right, 24), Some(instant("2026-05-01T12:25:00+08:00")));
    assert_eq!(grace(&right, 25), None);
}

#[test]
fn a_meter_that_comes_and_goes_gets_two_hours_of_grace_a_day() {
    let gaps = |count: i64| (0..=count).map(|gap| gap * 31).collect::<Vec<_>>();
    assert!(grace(&seen_at(&gaps(12)), 12 * 31).is_some());
    assert_eq!(grace(&seen_at(&gaps(13)), 13 * 31), None);
    // The next day begins anew.
    assert!(grace(&seen_at(&gaps(24)), 24 * 31).is_some());
}

#[test]
fn a_round_must_leave_a_fifth_of_the_slot_free() {
    let (per_request, per_point) = (SignedDuration::from_millis(500), SignedDuration::from_millis(250));
    let round = Round { meters: 960, points_per_request: 8, per_request, per_point };
    // 120 requests and 960 points.
    assert_eq!(round.time(), minutes(5));
    assert_eq!(round.check(&policy().polling), Ok(()));
    let single = Round { points_per_request: 1, ..round };
    assert_eq!(single.time(), minutes(12));
    assert_eq!(single.check(&policy().polling), Ok(()));
    let slow = Round { meters: 961, ..single };
    let refused = slow.check(&policy().polling).map_err(|slow| slow.allowed);
    assert_eq!(refused, Err(minutes(12)));
}

#[test]
fn points_are_halved_down_to_one() {
    let halved: Vec<_> = std::iter::successors(Some(8), |points| Some(fewer_points(*points))).take(5).collect();
    assert_eq!(halved, [8, 4, 2, 1, 1]);
}

proptest! {
    #[test]
    fn the_next_slot_is_the_first_one_after(second in 0_i64..2_000_000_000, slot in 1_i64..90_000, jitter in 0_i64..90_000) {
        let after = shift(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(second));
        let (slot, jitter) = (SignedDuration::from_secs(slot), SignedDuration::from_secs(jitter % slot));
        let next = next_slot(after, slot, jitter);
        prop_assert!(next > after && next <= shift(after, slot));
        prop_assert_eq!((next.as_second() - jitter.as_secs()).rem_euclid(slot.as_secs()), 0);
    }

    #[test]
    fn a_silent_meter_waits_no_longer_than_the_cap(second in 1_700_000_000_i64..1_900_000_000, failures in 0_u32..99, jitter in 0_i64..15) {
        let polled = shift(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(second));
        let next = in_shanghai(&policy(), |site| next_poll(polled, failures, minutes(jitter), site));
        prop_assert!(next > polled && next <= shift(polled, hours(6)));
    }
}
