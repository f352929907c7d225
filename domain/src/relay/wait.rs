//! Who waits for supply to follow the money: meters that should be off and are on, and those that wait to be restored.

use jiff::{SignedDuration, Timestamp};

use super::{
    RelayState,
    decide::{AccountFacts, Decision, Guard, MeterFacts, Verdict},
};
use crate::{account::State, calendar::shift};

/// What supply should be and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What it should be.
    pub wanted: RelayState,
    /// What holds it, where something does.
    pub guards: Vec<Guard>,
}

/// Whether a meter waits, as it was decided over just now. A relay that was never read counts as on.
#[must_use]
pub fn waiting(account: &AccountFacts, meter: &MeterFacts, decision: &Decision) -> Option<Wait> {
    if account.state != State::Active {
        return None;
    }
    let is_off = meter.relay.is_some_and(|relay| relay.relay == RelayState::Disconnected);
    let mut guards = match &decision.verdict {
        Verdict::Held { guards, .. } => guards.clone(),
        Verdict::Reported => vec![Guard::SiteSwitch],
        _ => Vec::new(),
    };
    let wanted = if account.limits.disconnect_due(account.available) {
        // It may be held after it was ordered, when it was to be sent.
        if meter.quarantined && !guards.contains(&Guard::Quarantine) {
            guards.push(Guard::Quarantine);
        }
        let waits_for_button = meter.relay.is_some_and(|relay| relay.awaits_customer());
        (!is_off || waits_for_button).then_some(RelayState::Disconnected)
    } else {
        (is_off && account.limits.restore_due(account.available)).then_some(RelayState::Connected)
    };
    wanted.map(|wanted| Wait { wanted, guards })
}

/// Since when it waits: a wait for the same goes on.
#[must_use]
pub fn since(before: Option<(RelayState, Timestamp)>, wanted: RelayState, now: Timestamp) -> Timestamp {
    before.filter(|(same, _)| *same == wanted).map_or(now, |(_, since)| since.min(now))
}

/// Whether a cut that waits since `since` has been kept for longer than `longest` by nothing being known of the meter: its last good
/// reading is no evidence any more, and no other came.
#[must_use]
pub fn is_unread_too_long(
    wait: &Wait,
    since: Timestamp,
    meter: &MeterFacts,
    longest: SignedDuration,
    now: Timestamp,
) -> bool {
    if wait.wanted != RelayState::Disconnected || !wait.guards.contains(&Guard::StaleReading) {
        return false;
    }
    // A reading of the future was taken by a clock that was wrong, and never was evidence.
    let last = meter.last_good_reading_at.filter(|as_of| *as_of <= now);
    let unread_since = last.map_or(since, |as_of| shift(as_of, meter.reading_freshness).max(since));
    now >= shift(unread_since, longest)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::{
        account::Limits,
        fixtures::{at, hours, limits, minutes, policy, zone},
        money::Money,
        relay::{
            Action, Cause,
            decide::{
                decide,
                tests::{DISCONNECTED, PERMITTED, account, meter, order},
            },
        },
        site::{AutomaticDisconnection, Policy, Site},
    };

    const NOON: &str = "2026-05-01T12:00:00+08:00";

    fn wait_of(account: &AccountFacts, meter: &MeterFacts, policy: &Policy) -> Option<(RelayState, Vec<Guard>)> {
        let zone = zone("Asia/Shanghai");
        let decision = decide(account, meter, Site { policy, zone: &zone }, at(NOON));
        waiting(account, meter, &decision).map(|wait| (wait.wanted, wait.guards))
    }

    #[test]
    fn what_came_in_a_cuts_way_after_it_was_ordered_is_told_at_once() {
        let (off, site) = (RelayState::Disconnected, policy());
        let causes = [Cause::Credit].into_iter().collect();
        let ordered = MeterFacts { causes, order: Some(order(Action::Disconnect, Cause::Credit)), ..meter() };
        assert_eq!(wait_of(&account(0), &ordered, &site), Some((off, vec![])), "nothing holds it");
        let guarded = MeterFacts { supply_guard: true, ..ordered.clone() };
        assert_eq!(wait_of(&account(0), &guarded, &site), Some((off, vec![Guard::SupplyGuard])));
        let mut reporting = policy();
        reporting.disconnection.automatic = AutomaticDisconnection::ReportOnly;
        assert_eq!(wait_of(&account(0), &ordered, &reporting), Some((off, vec![Guard::SiteSwitch])));
        let held = AccountFacts { hold_until: Some(shift(at(NOON), hours(5))), ..account(0) };
        assert_eq!(wait_of(&held, &ordered, &site), Some((off, vec![Guard::Hold])));
    }

    #[test]
    fn who_should_be_off_waits_while_on_with_what_holds_it() {
        let (off, site) = (RelayState::Disconnected, policy());
        assert_eq!(wait_of(&account(0), &meter(), &site), Some((off, vec![])), "ordered just now");
        let guarded = MeterFacts { supply_guard: true, ..meter() };
        assert_eq!(wait_of(&account(0), &guarded, &site), Some((off, vec![Guard::SupplyGuard])));
        let unread = MeterFacts { relay: None, supply_guard: true, ..meter() };
        assert_eq!(wait_of(&account(0), &unread, &site).unwrap().0, off, "never read: it counts as on");
        let permitted = MeterFacts { relay: Some(PERMITTED), ..meter() };
        assert_eq!(wait_of(&account(0), &permitted, &site).unwrap().0, off, "a button away from on");
        let mut reporting = policy();
        reporting.disconnection.automatic = AutomaticDisconnection::ReportOnly;
        assert_eq!(wait_of(&account(0), &meter(), &reporting), Some((off, vec![Guard::SiteSwitch])));
        let quarantined = MeterFacts { quarantined: true, ..meter() };
        assert_eq!(wait_of(&account(0), &quarantined, &site), Some((off, vec![Guard::Quarantine])));
        assert_eq!(wait_of(&account(0), &MeterFacts { relay: Some(DISCONNECTED), ..meter() }, &site), None);
        assert_eq!(wait_of(&account(1), &meter(), &site), None);
    }

    #[test]
    fn who_has_paid_waits_while_off_whatever_keeps_it_off() {
        let (on, site) = (RelayState::Connected, policy());
        let dark = MeterFacts { relay: Some(DISCONNECTED), ..meter() };
        assert_eq!(wait_of(&account(1), &dark, &site), Some((on, vec![])));
        let blocked = MeterFacts { blocked: true, ..dark.clone() };
        assert_eq!(wait_of(&account(1), &blocked, &site), Some((on, vec![Guard::RelayBlocked])));
        let permitted = MeterFacts { relay: Some(PERMITTED), ..meter() };
        assert_eq!(wait_of(&account(1), &permitted, &site), Some((on, vec![])), "for the customer's button");
        let short = AccountFacts { limits: Limits { restore_margin: Money::new(5), ..limits() }, ..account(4) };
        assert_eq!(wait_of(&short, &dark, &site), None, "it has not paid enough");
        let suspended = AccountFacts { state: State::Suspended, ..account(1) };
        assert_eq!(wait_of(&suspended, &dark, &site), None);
    }

    #[test]
    fn a_cut_that_waits_for_a_reading_is_told_a_day_after_the_last_one_ceased_to_be_evidence() {
        let (due, zone) = (at("2026-04-29T12:00:00+08:00"), zone("Asia/Shanghai"));
        let told = |read: Option<&str>, freshness, now: &str| {
            let meter = MeterFacts { last_good_reading_at: read.map(at), reading_freshness: freshness, ..meter() };
            let (policy, now) = (policy(), at(now));
            let decision = decide(&account(0), &meter, Site { policy: &policy, zone: &zone }, now);
            let wait = waiting(&account(0), &meter, &decision).unwrap();
            is_unread_too_long(&wait, due, &meter, policy.disconnection.unread_alarm_after, now)
        };
        for (read, freshness, last, first) in [
            (None, 2, "2026-04-30T11:59:59+08:00", "2026-04-30T12:00:00+08:00"),
            (Some("2026-04-29T08:00:00+08:00"), 2, "2026-04-30T11:59:59+08:00", "2026-04-30T12:00:00+08:00"),
            (Some("2026-04-30T08:00:00+08:00"), 2, "2026-05-01T09:59:59+08:00", "2026-05-01T10:00:00+08:00"),
            (Some("2026-04-30T00:00:00+08:00"), 30, "2026-05-02T05:59:59+08:00", "2026-05-02T06:00:00+08:00"),
            // Read by a clock that was years ahead.
            (Some("2029-01-01T00:00:00+08:00"), 2, "2026-04-30T11:59:59+08:00", "2026-04-30T12:00:00+08:00"),
        ] {
            assert!(!told(read, hours(freshness), last) && told(read, hours(freshness), first), "{read:?} {freshness}");
        }
    }

    #[test]
    fn only_a_cut_that_waits_for_a_reading_is_told() {
        let unread = MeterFacts { last_good_reading_at: None, ..meter() };
        let told = |wanted, guards| {
            let wait = Wait { wanted, guards };
            is_unread_too_long(&wait, at("2026-04-01T00:00:00Z"), &unread, hours(24), at(NOON))
        };
        assert!(told(RelayState::Disconnected, vec![Guard::FriendlyHours, Guard::StaleReading]));
        assert!(!told(RelayState::Disconnected, vec![Guard::FriendlyHours]));
        assert!(!told(RelayState::Connected, vec![Guard::StaleReading]));
    }

    proptest! {
        #[test]
        fn whoever_is_read_is_not_told_before_a_day_without_evidence(
            (waited, ago) in (0_i64..10_000, 0_i64..10_000), freshness in 1_i64..40,
        ) {
            let (now, hold) = (at(NOON), vec![Guard::StaleReading]);
            let (since, read) = (shift(now, -minutes(waited)), shift(now, -minutes(ago)));
            let meter =
                MeterFacts { last_good_reading_at: Some(read), reading_freshness: hours(freshness), ..meter() };
            let wait = Wait { wanted: RelayState::Disconnected, guards: hold };
            let told = is_unread_too_long(&wait, since, &meter, hours(24), now);
            prop_assert_eq!(told, waited >= 24 * 60 && ago >= (freshness + 24) * 60);
        }
    }

    #[test]
    fn a_wait_for_the_same_goes_on_and_never_began_in_the_future() {
        let (noon, later) = (at(NOON), at("2026-05-01T13:00:00+08:00"));
        let off = RelayState::Disconnected;
        assert_eq!(since(None, off, noon), noon);
        assert_eq!(since(Some((off, noon)), off, later), noon);
        assert_eq!(since(Some((RelayState::Connected, noon)), off, later), later);
        assert_eq!(since(Some((off, later)), off, noon), noon);
    }
}
