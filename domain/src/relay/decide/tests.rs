//! The decision: each guard by name, and what holds whatever the facts are.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    account::Episode,
    calendar::Weekday,
    fixtures::{at, day, hours, limits, meter_id, minutes, order_id, policy, zone},
    relay::{RelayState, order::Wish},
    site::Policy,
};

/// A Friday noon in Shanghai, outside of the friendly hours.
const NOON: &str = "2026-05-01T12:00:00+08:00";

pub(in crate::relay) const CONNECTED: RelayReading =
    RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
pub(in crate::relay) const DISCONNECTED: RelayReading =
    RelayReading { relay: RelayState::Disconnected, command: RelayState::Disconnected, local_prepay: false };
pub(in crate::relay) const PERMITTED: RelayReading = RelayReading { command: RelayState::Connected, ..DISCONNECTED };

/// An account with this much available, warned two days ago.
pub(in crate::relay) fn account(available: i64) -> AccountFacts {
    let warned = at("2026-04-29T12:00:00+08:00");
    let episode =
        Episode { began_at: warned, forecast: false, warning_served_at: Some(warned), warned: true, emergency: None };
    let credit = Credit { episode: Some(episode), last_warning_at: Some(warned), ..Credit::default() };
    let available = Money::new(available);
    let (hold_until, payment_until) = (None, None);
    AccountFacts {
        state: State::Active,
        available,
        limits: limits(),
        credit,
        supply_guard: false,
        hold_until,
        payment_until,
    }
}

/// A connected meter that was read a quarter of an hour ago.
pub(in crate::relay) fn meter() -> MeterFacts {
    let read = at("2026-05-01T11:45:00+08:00");
    MeterFacts {
        causes: Causes::none(),
        relay: Some(CONNECTED),
        order: None,
        relay_control: RelayControl::Plain,
        blocked: false,
        supply_guard: false,
        quarantined: false,
        last_good_reading_at: Some(read),
        reading_freshness: hours(2),
        sightings: Sightings { last_seen_at: Some(read), ..Sightings::default() },
        clock_offset: Some(minutes(5)),
        concentrator_clock_offset: Some(-minutes(5)),
    }
}

fn cut_off(causes: &[Cause]) -> MeterFacts {
    MeterFacts { causes: causes.iter().copied().collect(), relay: Some(DISCONNECTED), ..meter() }
}

pub(in crate::relay) fn order(action: Action, cause: Cause) -> Order {
    let wish = Wish { action, cause, permit: false };
    Order::new(order_id(), meter_id(), None, wish, at(NOON), &policy().relay)
}

pub(super) fn sent(action: Action, cause: Cause) -> Order {
    Order { state: OrderState::Sent, attempts: 1, sent_at: Some(at(NOON)), ..order(action, cause) }
}

fn decided(account: &AccountFacts, meter: &MeterFacts, policy: &Policy, now: &str) -> Decision {
    decide(account, meter, Site { policy, zone: &zone("Asia/Shanghai") }, at(now))
}

fn verdict(account: &AccountFacts, meter: &MeterFacts) -> Verdict {
    decided(account, meter, &policy(), NOON).verdict
}

fn held_by(account: &AccountFacts, meter: &MeterFacts, policy: &Policy, now: &str) -> (Vec<Guard>, Timestamp) {
    match decided(account, meter, policy, now).verdict {
        Verdict::Held { guards, until } => (guards, until),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_without_headroom_is_cut_and_one_with_it_is_not() {
    let cut = decided(&account(0), &meter(), &policy(), NOON);
    let causes = Causes::none().with(Cause::Credit);
    assert_eq!(cut, Decision { verdict: Verdict::Disconnect, causes });
    assert_eq!(verdict(&account(1), &meter()), Verdict::Nothing);
    let overdrawn = AccountFacts { limits: Limits { overdraft: Money::new(50), ..limits() }, ..account(-49) };
    assert_eq!(verdict(&overdrawn, &meter()), Verdict::Nothing);
}

#[test]
fn an_account_that_is_not_active_is_left_alone() {
    let pending = AccountFacts { state: State::Pending, ..account(-100) };
    assert_eq!(verdict(&pending, &meter()), Verdict::Nothing);
    assert_eq!(verdict(&AccountFacts { available: Money::new(9), ..pending }, &cut_off(&[])), Verdict::Nothing);
}

#[test]
fn each_guard_holds_a_cut() {
    type Change = fn(&mut AccountFacts, &mut MeterFacts, &mut Policy);
    let cases: [(Guard, Change); 19] = [
        (Guard::SiteSwitch, |_, _, policy| policy.disconnection.automatic = AutomaticDisconnection::Off),
        (Guard::SupplyGuard, |account, _, _| account.supply_guard = true),
        (Guard::SupplyGuard, |_, meter, _| meter.supply_guard = true),
        (Guard::Hold, |account, _, _| account.hold_until = Some(at("2026-05-01T12:00:01+08:00"))),
        (Guard::PaymentInFlight, |account, _, _| {
            account.payment_until = Some(at("2026-05-01T12:00:01+08:00"));
        }),
        (Guard::FriendlyHours, |_, _, policy| {
            policy.disconnection.friendly_hours.iter_mut().for_each(|hours| hours.from = "12:00".parse().unwrap());
        }),
        (Guard::ProtectedWeekday, |_, _, policy| policy.disconnection.protected_weekdays.push(Weekday::Friday)),
        (Guard::Holiday, |_, _, policy| policy.disconnection.holidays.push(day("2026-05-01"))),
        (Guard::WarningNotServed, |account, _, _| account.credit.episode = None),
        (Guard::WarningNotServed, |account, _, _| {
            account.credit.episode.as_mut().unwrap().warning_served_at = Some(at("2026-04-30T12:00:01+08:00"));
        }),
        (Guard::StaleReading, |_, meter, _| meter.last_good_reading_at = None),
        (Guard::StaleReading, |_, meter, _| {
            meter.last_good_reading_at = Some(at("2026-05-01T09:59:59+08:00"));
        }),
        (Guard::StaleReading, |_, meter, _| {
            meter.last_good_reading_at = Some(at("2026-05-01T12:10:01+08:00"));
        }),
        (Guard::SeenAgain, |_, meter, _| {
            meter.sightings.seen_again_at = Some(at("2026-05-01T11:50:01+08:00"));
            meter.sightings.gaps_that_day = 1;
        }),
        (Guard::ClockOff, |_, meter, _| meter.clock_offset = Some(-minutes(6))),
        (Guard::ClockOff, |_, meter, _| meter.concentrator_clock_offset = Some(minutes(6))),
        (Guard::RelayBlocked, |_, meter, _| meter.blocked = true),
        (Guard::Quarantine, |_, meter, _| meter.quarantined = true),
        (Guard::NoRelayControl, |_, meter, _| meter.relay_control = RelayControl::None),
    ];
    for (guard, change) in cases {
        let (mut account, mut meter, mut policy) = (account(0), meter(), policy());
        change(&mut account, &mut meter, &mut policy);
        let (guards, until) = held_by(&account, &meter, &policy, NOON);
        assert_eq!(guards, [guard]);
        assert!(at(NOON) < until && until <= at("2026-05-01T13:00:00+08:00"), "{guard} until {until}");
        assert_eq!(decided(&account, &meter, &policy, NOON).causes, meter.causes);
    }
}

#[test]
fn how_old_a_reading_may_be_is_the_meters_own() {
    let read = at("2026-05-01T00:00:00+08:00");
    let daily = MeterFacts { last_good_reading_at: Some(read), reading_freshness: hours(30), ..meter() };
    assert_eq!(verdict(&account(0), &daily), Verdict::Disconnect);
    let live = MeterFacts { reading_freshness: hours(2), ..daily.clone() };
    assert_eq!(held_by(&account(0), &live, &policy(), NOON).0, [Guard::StaleReading]);
    let next_day = "2026-05-02T12:00:00+08:00";
    assert_eq!(held_by(&account(0), &daily, &policy(), next_day).0, [Guard::StaleReading]);
}

#[test]
fn a_held_cut_is_decided_again_at_the_latest_known_end() {
    let mut lately = meter();
    lately.last_good_reading_at = Some(at("2026-05-01T08:40:00+08:00"));
    let (guards, until) = held_by(&account(0), &lately, &policy(), "2026-05-01T08:45:00+08:00");
    assert_eq!((guards, until), (vec![Guard::FriendlyHours], at("2026-05-01T09:00:00+08:00")));
}

#[test]
fn a_site_that_only_reports_reports() {
    let mut policy = policy();
    policy.disconnection.automatic = AutomaticDisconnection::ReportOnly;
    let reported = decided(&account(0), &meter(), &policy, NOON);
    assert_eq!(reported, Decision { verdict: Verdict::Reported, causes: Causes::none() });
    let guarded = MeterFacts { supply_guard: true, ..meter() };
    assert_eq!(held_by(&account(0), &guarded, &policy, NOON).0, [Guard::SupplyGuard]);
}

#[test]
fn a_permit_that_waits_counts_as_connected() {
    let waiting = MeterFacts { relay: Some(PERMITTED), ..meter() };
    assert_eq!(verdict(&account(0), &waiting), Verdict::Disconnect);
    let order = Order { state: OrderState::AwaitingCustomer, ..sent(Action::Reconnect, Cause::Credit) };
    assert_eq!(
        verdict(&account(0), &MeterFacts { order: Some(order.clone()), ..waiting.clone() }),
        Verdict::Disconnect
    );
    assert_eq!(verdict(&account(10), &MeterFacts { order: Some(order), ..waiting }), Verdict::Nothing);
}

#[test]
fn what_is_cut_already_only_gets_its_cause() {
    let cut = decided(&account(0), &cut_off(&[Cause::Operator]), &policy(), NOON);
    let causes = [Cause::Credit, Cause::Operator].into_iter().collect();
    assert_eq!(cut, Decision { verdict: Verdict::Nothing, causes });
    let going = MeterFacts { order: Some(order(Action::Disconnect, Cause::Credit)), ..meter() };
    let going = MeterFacts { causes: Causes::none().with(Cause::Credit), ..going };
    assert_eq!(verdict(&account(0), &going), Verdict::Nothing);
}

#[test]
fn a_vend_restores_what_credit_cut() {
    let restored = decided(&account(1), &cut_off(&[Cause::Credit]), &policy(), NOON);
    assert_eq!(restored, Decision { verdict: Verdict::Reconnect, causes: Causes::none() });
    let unread = MeterFacts { relay: None, ..cut_off(&[Cause::Credit]) };
    assert_eq!(verdict(&account(1), &unread), Verdict::Reconnect);
    let going = MeterFacts { order: Some(order(Action::Reconnect, Cause::Credit)), ..cut_off(&[]) };
    assert_eq!(verdict(&account(1), &going), Verdict::Nothing);
}

#[test]
fn a_vend_short_of_the_restore_margin_restores_nothing() {
    let margin = AccountFacts { limits: Limits { restore_margin: Money::new(100), ..limits() }, ..account(99) };
    let kept = decided(&margin, &cut_off(&[Cause::Credit]), &policy(), NOON);
    assert_eq!(kept, Decision { verdict: Verdict::Nothing, causes: Causes::none().with(Cause::Credit) });
}

#[test]
fn a_cut_that_was_never_sent_needs_no_restore_margin_to_be_withdrawn() {
    let margin = AccountFacts { limits: Limits { restore_margin: Money::new(100), ..limits() }, ..account(1) };
    let cutting = MeterFacts { causes: Causes::none().with(Cause::Credit), ..meter() };
    let unsent = MeterFacts { order: Some(order(Action::Disconnect, Cause::Credit)), ..cutting.clone() };
    let withdrawn = decided(&margin, &unsent, &policy(), NOON);
    assert_eq!(withdrawn, Decision { verdict: Verdict::Withdraw, causes: Causes::none() });
    let on_its_way = MeterFacts { order: Some(sent(Action::Disconnect, Cause::Credit)), ..cutting };
    assert_eq!(verdict(&margin, &on_its_way), Verdict::Nothing);
}

#[test]
fn a_reconnect_under_way_is_no_disconnection() {
    let restoring = MeterFacts { order: Some(sent(Action::Reconnect, Cause::Credit)), ..cut_off(&[]) };
    let cut = decided(&account(0), &restoring, &policy(), NOON);
    assert_eq!(cut, Decision { verdict: Verdict::Disconnect, causes: Causes::none().with(Cause::Credit) });
}

#[test]
fn a_vend_while_a_disconnect_is_under_way_orders_a_reconnect_at_once() {
    let cutting = MeterFacts { causes: Causes::none().with(Cause::Credit), ..meter() };
    let on_its_way = MeterFacts { order: Some(sent(Action::Disconnect, Cause::Credit)), ..cutting.clone() };
    assert_eq!(verdict(&account(1), &on_its_way), Verdict::Reconnect);
    let unsent = MeterFacts { order: Some(order(Action::Disconnect, Cause::Credit)), ..cutting };
    let withdrawn = decided(&account(1), &unsent, &policy(), NOON);
    assert_eq!(withdrawn, Decision { verdict: Verdict::Withdraw, causes: Causes::none() });
}

#[test]
fn nothing_holds_a_reconnect_but_a_meter_that_cannot_be_moved() {
    let mut policy = policy();
    policy.disconnection.automatic = AutomaticDisconnection::Off;
    policy.disconnection.holidays.push(day("2026-05-01"));
    let unwell = MeterFacts {
        supply_guard: true,
        last_good_reading_at: None,
        clock_offset: Some(hours(100)),
        ..cut_off(&[Cause::Credit])
    };
    let account = AccountFacts { supply_guard: true, credit: Credit::default(), ..account(1) };
    assert_eq!(decided(&account, &unwell, &policy, "2026-05-01T03:00:00+08:00").verdict, Verdict::Reconnect);
    let blocked = MeterFacts { blocked: true, ..unwell };
    assert_eq!(held_by(&account, &blocked, &policy, NOON).0, [Guard::RelayBlocked]);
}

#[test]
fn a_safety_lock_keeps_supply_cut() {
    let locked = decided(&account(100), &cut_off(&[Cause::Credit, Cause::Safety]), &policy(), NOON);
    assert_eq!(locked, Decision { verdict: Verdict::Nothing, causes: Causes::none().with(Cause::Safety) });
}

#[test]
fn a_lifted_cause_leaves_credit_where_the_money_is_short() {
    let operator = Causes::none().with(Cause::Operator);
    assert_eq!(lift(&operator, Cause::Operator, Some(&account(1))), Causes::none());
    assert_eq!(lift(&operator, Cause::Operator, Some(&account(0))), Causes::none().with(Cause::Credit));
    assert_eq!(lift(&operator, Cause::Operator, None), Causes::none());
}

fn authorized(order: &Order, account: Option<&AccountFacts>, meter: &MeterFacts, policy: &Policy) -> Authorization {
    authorize(order, account, meter, Site { policy, zone: &zone("Asia/Shanghai") }, at(NOON))
}

#[test]
fn what_is_no_longer_wanted_is_not_sent() {
    let credit = MeterFacts { causes: Causes::none().with(Cause::Credit), ..meter() };
    let cut = order(Action::Disconnect, Cause::Credit);
    assert_eq!(authorized(&cut, Some(&account(0)), &credit, &policy()), Authorization::Send);
    assert_eq!(authorized(&cut, Some(&account(1)), &credit, &policy()), Authorization::Superseded);
    assert_eq!(authorized(&cut, None, &credit, &policy()), Authorization::Superseded);
    let restore = order(Action::Reconnect, Cause::Credit);
    assert_eq!(authorized(&restore, Some(&account(0)), &meter(), &policy()), Authorization::Send);
    assert_eq!(
        authorized(&restore, Some(&account(1)), &cut_off(&[Cause::Safety]), &policy()),
        Authorization::Superseded
    );
}

#[test]
fn an_operators_disconnect_needs_no_credit_guard() {
    let mut policy = policy();
    policy.disconnection.automatic = AutomaticDisconnection::Off;
    let wanted = MeterFacts { causes: Causes::none().with(Cause::Operator), last_good_reading_at: None, ..meter() };
    let cut = order(Action::Disconnect, Cause::Operator);
    assert_eq!(authorized(&cut, Some(&account(100)), &wanted, &policy), Authorization::Send);
    assert_eq!(authorized(&cut, Some(&account(100)), &meter(), &policy), Authorization::Superseded);
}

#[test]
fn the_stop_button_holds_an_unsent_cut() {
    let mut policy = policy();
    policy.disconnection.automatic = AutomaticDisconnection::ReportOnly;
    let cut = order(Action::Disconnect, Cause::Credit);
    let held = authorized(&cut, Some(&account(0)), &meter(), &policy);
    let until = at("2026-05-01T13:00:00+08:00");
    assert_eq!(held, Authorization::Held { guards: vec![Guard::SiteSwitch], until });
}
