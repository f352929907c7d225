//! What is shipped: a head end that is started without a setting of its own cuts nobody by itself, and keeps the rules of
//! [docs/rules.md] with these numbers. Whoever changes one of them changes what a site that says nothing gets.

use domain::{
    calendar::Weekday,
    money::Money,
    site::{AutomaticDisconnection, Policy},
};
use jiff::{SignedDuration, civil::time};
use wattgate::settings;

fn policy() -> Policy {
    settings::read(None, None).unwrap().policy
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn nobody_is_cut_unless_the_site_says_so_and_then_by_day_and_with_every_guard() {
    let cut = policy().disconnection;
    assert_eq!(cut.automatic, AutomaticDisconnection::ReportOnly);
    let friendly: Vec<_> = cut.friendly_hours.iter().map(|hours| (hours.from, hours.to)).collect();
    assert_eq!(friendly, [(time(18, 0, 0, 0), time(9, 0, 0, 0))]);
    assert_eq!(cut.protected_weekdays, [Weekday::Saturday, Weekday::Sunday]);
    assert_eq!(cut.reading_freshness, hours(2));
    assert_eq!(cut.unread_alarm_after, hours(24));
    assert_eq!((cut.seen_again_grace, cut.seen_again_gap_slots), (minutes(10), 2));
    assert_eq!(cut.seen_again_grace_per_day, hours(2));
    assert_eq!(cut.clock_tolerance, minutes(5));
    assert_eq!(cut.held_recheck, hours(1));
    assert_eq!((cut.payment_longest, cut.payments_per_episode), (minutes(15), minutes(30)));
    assert_eq!((cut.mass_cut.per_day, cut.mass_cut.per_day_percent), (20, 5));
}

#[test]
fn a_cut_is_warned_of_a_day_before_and_commands_are_read_back() {
    let Policy { credit, relay, .. } = policy();
    assert_eq!((credit.warning_lead, credit.warning_spacing), (hours(24), hours(24)));
    assert_eq!(credit.warning_repeat_after, hours(7 * 24));
    assert_eq!((credit.forecast_window, credit.forecast_minimum), (hours(7 * 24), hours(24)));
    assert_eq!((credit.limits.restore_margin, credit.limits.overdraft), (Money::new(1), Money::ZERO));
    assert_eq!(credit.limits.emergency_credit, Money::ZERO, "not offered");
    assert_eq!((relay.disconnect_expiry, relay.retry_cap), (hours(24), minutes(10)));
    assert_eq!(relay.read_back_window, SignedDuration::from_secs(60));
    assert!(relay.proven_before_opening);
}

#[test]
fn readings_are_doubted_and_days_settled_by_these() {
    let Policy { reading, settlement, polling, .. } = policy();
    assert_eq!((reading.future_tolerance, reading.cross_clock_tolerance), (minutes(10), minutes(6)));
    assert_eq!((reading.overload_percent, reading.period_tolerance.to_string().as_str()), (120, "0.0200"));
    assert_eq!(settlement.interpolate_from, time(12, 0, 0, 0));
    assert_eq!(settlement.correction_horizon, hours(35 * 24));
    assert_eq!((polling.slot, polling.silent_cap, polling.freeze_retry), (minutes(15), hours(6), hours(1)));
    assert_eq!((polling.freeze_from, polling.freeze_until), (time(0, 5, 0, 0), time(12, 0, 0, 0)));
    assert_eq!((polling.backfill_days, polling.round_limit_percent), (3, 80));
}
