//! What may be asked of a relay, by whom, and what it leaves.

use proptest::prelude::*;

use super::*;
use crate::{
    account::{Credit, Limits, State},
    calendar::shift,
    fixtures::{at, hours, meter_id, order_id, policy},
    money::Money,
    polling::Sightings,
    relay::{
        RelayReading, RelayState,
        order::{Order, Wish},
    },
};

fn funded(available: i64) -> AccountFacts {
    let limits = Limits {
        alarm_1: Money::new(20),
        alarm_2: Money::new(5),
        rearm_margin: Money::new(1),
        overdraft: Money::ZERO,
        restore_margin: Money::new(1),
        emergency_credit: Money::ZERO,
    };
    let available = Money::new(available);
    AccountFacts {
        state: State::Active,
        available,
        limits,
        credit: Credit::default(),
        supply_guard: false,
        hold_until: None,
        payment_until: None,
    }
}

fn noon() -> Timestamp {
    at("2026-05-01T12:00:00+08:00")
}

fn meter(causes: Causes, fixed: bool, blocked: bool, supply_guard: bool) -> MeterFacts {
    MeterFacts {
        causes,
        relay: None,
        order: None,
        relay_control: if fixed { RelayControl::None } else { RelayControl::Plain },
        blocked,
        supply_guard,
        quarantined: false,
        last_good_reading_at: None,
        reading_freshness: hours(2),
        sightings: Sightings {
            last_seen_at: Some(at("2026-05-01T12:00:00+08:00")),
            seen_again_at: None,
            gaps_that_day: 0,
        },
        clock_offset: None,
        concentrator_clock_offset: None,
    }
}

fn own_causes() -> impl Strategy<Value = Cause> {
    prop::sample::select(vec![Cause::Operator, Cause::Safety, Cause::Customer, Cause::Schedule])
}

/// Those that a person must ask to be lifted.
fn lasting_causes() -> impl Strategy<Value = Cause> {
    own_causes().prop_filter("it ends by itself", |cause| *cause != Cause::Schedule)
}

/// What a person asks where the customer may switch.
fn asked(action: Action, cause: Cause) -> Ask {
    Ask { action, cause, approved: false, customer_may: true }
}

fn by_schedule(meter: &MeterFacts, account: Option<&AccountFacts>) -> Result<Answer, Refusal> {
    ask(asked(Action::Reconnect, Cause::Schedule), meter, account, noon())
}

fn answer(causes: &[Cause], order: bool) -> Result<Answer, Refusal> {
    Ok(Answer { causes: causes.iter().copied().collect(), order })
}

#[test]
fn a_schedule_lifts_its_cause_whatever_else_stands_and_supply_follows_where_nothing_does() {
    let scheduled = meter([Cause::Schedule].into_iter().collect(), false, false, true);
    let rich = funded(100);
    assert_eq!(by_schedule(&scheduled, Some(&rich)), answer(&[], true), "a guard holds no reconnect");
    assert_eq!(by_schedule(&scheduled, None), answer(&[], true));
    let blocked = MeterFacts { blocked: true, ..scheduled.clone() };
    assert_eq!(by_schedule(&blocked, Some(&rich)), answer(&[], false));
    assert_eq!(by_schedule(&scheduled, Some(&funded(0))), answer(&[], true), "money is decided over by itself");
    let cut = MeterFacts { causes: scheduled.causes.with(Cause::Credit), ..scheduled };
    assert_eq!(by_schedule(&cut, Some(&rich)), answer(&[Cause::Credit], false), "money lifts it, not a calendar");
}

#[test]
fn a_cut_of_a_schedule_that_never_reached_the_relay_leaves_nothing_behind() {
    let supplied = RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
    let scheduled = meter([Cause::Schedule].into_iter().collect(), false, false, false);
    let scheduled = MeterFacts { relay: Some(supplied), ..scheduled };
    assert_eq!(by_schedule(&scheduled, Some(&funded(0))), answer(&[], false));
}

#[test]
fn a_cut_for_credit_that_never_left_is_forgotten_with_its_order() {
    let noon = noon();
    let wish = Wish { action: Action::Disconnect, cause: Cause::Credit, permit: false };
    let order = Order::new(order_id(), meter_id(), None, wish, noon, &policy().relay);
    let cut = meter([Cause::Credit].into_iter().collect(), false, false, false);
    let waits = MeterFacts { order: Some(order.clone()), ..cut.clone() };
    let lock = asked(Action::Disconnect, Cause::Safety);
    assert_eq!(ask(lock, &waits, Some(&funded(-9)), noon), answer(&[Cause::Safety], true));
    let left = MeterFacts { order: Some(Order { attempts: 1, ..order }), ..cut.clone() };
    assert_eq!(ask(lock, &left, Some(&funded(-9)), noon), answer(&[Cause::Credit, Cause::Safety], true));
    assert_eq!(
        ask(lock, &cut, Some(&funded(-9)), noon),
        answer(&[Cause::Credit, Cause::Safety], true),
        "it is dark for it"
    );
}

/// What comes of a reconnect that leaves these causes and may lift no other.
fn ordered_or_refused(left: Causes) -> Result<Answer, Refusal> {
    if left.is_empty() { Ok(Answer { causes: left, order: true }) } else { Err(Refusal::SupplyNotWanted(left)) }
}

fn any_causes() -> impl Strategy<Value = Causes> {
    prop::collection::vec(prop::sample::select(Cause::ALL), 0..4).prop_map(|causes| causes.into_iter().collect())
}

proptest! {
    #[test]
    fn a_schedule_that_ends_adds_nothing_and_touches_no_meter_that_it_did_not_cut(
        causes in any_causes(), available in -5_i64..5, fixed: bool, blocked: bool,
    ) {
        let account = funded(available);
        let asked = by_schedule(&meter(causes.clone(), fixed, blocked, false), Some(&account));
        prop_assert!(asked.is_ok(), "never refused");
        if let Ok(Answer { causes: left, order }) = asked {
            if causes.contains(Cause::Schedule) {
                prop_assert_eq!(&left, &causes.without(Cause::Schedule));
                prop_assert_eq!(order, left.is_empty() && !fixed && !blocked);
            } else {
                prop_assert_eq!((left, order), (causes.clone(), false));
            }
        }
    }

    #[test]
    fn a_disconnect_adds_its_own_cause_and_takes_none(causes in any_causes(), cause in own_causes(), approved: bool, guard: bool) {
        let (meter, account) = (meter(causes.clone(), false, false, guard), funded(1));
        let asked = ask(Ask { approved, ..asked(Action::Disconnect, cause) }, &meter, Some(&account), noon());
        if guard && !approved {
            prop_assert_eq!(asked, Err(Refusal::SupplyGuard), "the customer's as well");
        } else {
            prop_assert_eq!(asked, Ok(Answer { causes: causes.with(cause), order: true }));
        }
    }

    #[test]
    fn a_reconnect_lifts_no_cause_but_its_own(causes in any_causes(), cause in lasting_causes(), approved: bool, guard: bool) {
        let (meter, account) = (meter(causes.clone(), false, false, guard), funded(100));
        let asked = ask(Ask { approved, ..asked(Action::Reconnect, cause) }, &meter, Some(&account), noon());
        let own = causes.without(cause);
        let own = if cause == Cause::Operator { own.without(Cause::Unknown) } else { own };
        match asked {
            Ok(Answer { causes: left, order }) => {
                prop_assert_eq!(&left, &own);
                prop_assert_eq!(order, left.is_empty(), "an approval lifts no cause, and a guard holds no reconnect");
            }
            Err(refused) => prop_assert_eq!(refused, Refusal::SupplyNotWanted(own)),
        }
    }

    #[test]
    fn a_customer_switches_only_where_the_operator_allows_it_and_the_account_is_active(
        causes in any_causes(), action in prop::sample::select(Action::ALL), customer_may: bool, counts: bool,
        state in prop::sample::select(State::ALL), approved: bool,
    ) {
        let (meter, account) = (meter(causes, false, false, false), AccountFacts { state, ..funded(100) });
        let order = Ask { approved, customer_may, ..asked(action, Cause::Customer) };
        let refused = ask(order, &meter, counts.then_some(&account), noon()) == Err(Refusal::CustomerControlNotAllowed);
        prop_assert_eq!(refused, !(customer_may && counts && state == State::Active));
    }

    #[test]
    fn a_customer_never_reconnects_around_credit_safety_or_anybody_else(
        causes in any_causes(), available in -5_i64..5, margin in 1_i64..5,
        hours_left in prop::option::of(-3_i64..3), approved: bool,
    ) {
        let hold_until = hours_left.map(|left| shift(noon(), hours(left)));
        let funded = funded(available);
        let limits = Limits { restore_margin: Money::new(margin), ..funded.limits };
        let (meter, account) = (meter(causes.clone(), false, false, false), AccountFacts { limits, hold_until, ..funded });
        let order = Ask { approved, ..asked(Action::Reconnect, Cause::Customer) };
        let mut left = causes.without(Cause::Customer);
        if available < margin {
            left = left.with(Cause::Credit);
        }
        let expected = ordered_or_refused(left);
        prop_assert_eq!(ask(order, &meter, Some(&account), noon()), expected, "an operator's hold is the operator's to use");
    }

    #[test]
    fn work_that_is_over_lifts_safety_alone_as_a_schedule_lifts_its_own(
        others in any_causes(), available in -5_i64..5, held: bool, fixed: bool, blocked: bool, guard: bool, supplied: bool,
    ) {
        let hold_until = held.then(|| shift(noon(), hours(1)));
        let account = AccountFacts { hold_until, ..funded(available) };
        let relay = if supplied { RelayState::Connected } else { RelayState::Disconnected };
        let relay = Some(RelayReading { relay, command: relay, local_prepay: false });
        let others = others.without(Cause::Safety).without(Cause::Schedule);
        let end = |cause| {
            let meter = MeterFacts { relay, ..meter(others.with(cause), fixed, blocked, guard) };
            ask(asked(Action::Reconnect, cause), &meter, Some(&account), noon())
        };
        let over = end(Cause::Safety);
        prop_assert_eq!(&over, &end(Cause::Schedule), "one rule");
        prop_assert!(over.is_ok(), "lifted whatever else stands");
        if let Ok(Answer { causes: left, order }) = over {
            prop_assert_eq!(&left, &others, "money alone adds and lifts credit");
            prop_assert_eq!(order, left.is_empty() && !fixed && !blocked && !supplied);
        }
    }

    #[test]
    fn without_a_lock_a_safety_reconnect_lifts_nothing(causes in any_causes(), held: bool) {
        let others = causes.without(Cause::Safety);
        let hold_until = held.then(|| shift(noon(), hours(1)));
        let account = AccountFacts { hold_until, ..funded(100) };
        let unlocked = meter(others.clone(), false, false, false);
        let asked = ask(asked(Action::Reconnect, Cause::Safety), &unlocked, Some(&account), noon());
        prop_assert_eq!(asked, ordered_or_refused(others));
    }

    #[test]
    fn no_causes_wait_for_each_other_for_ever(causes in any_causes(), customer_may: bool) {
        // What ends by itself, by money or by an opening is over; whoever may lift something does, again and again.
        let mut left = causes.without(Cause::Schedule).without(Cause::Credit).without(Cause::AccountClosed);
        let account = funded(100);
        for cause in [Cause::Safety, Cause::Operator, Cause::Customer] {
            let order = Ask { customer_may, ..asked(Action::Reconnect, cause) };
            if let Ok(answer) = ask(order, &meter(left.clone(), false, false, false), Some(&account), noon()) {
                left = answer.causes;
            }
        }
        prop_assert!(left.is_empty(), "{left} stays for ever");
    }

    #[test]
    fn without_headroom_an_operators_reconnect_needs_a_hold_that_stands(
        causes in any_causes(), available in -5_i64..5, hours_left in prop::option::of(-3_i64..3), customer_may: bool,
    ) {
        let hold_until = hours_left.map(|left| shift(noon(), hours(left)));
        let account = AccountFacts { hold_until, ..funded(available) };
        let order = Ask { approved: true, customer_may, ..asked(Action::Reconnect, Cause::Operator) };
        let asked = ask(order, &meter(causes.clone(), false, false, false), Some(&account), noon());
        let mut others = causes.without(Cause::Operator).without(Cause::Unknown).without(Cause::Credit);
        if !customer_may {
            others = others.without(Cause::Customer);
        }
        let held = hours_left.is_some_and(|left| left > 0);
        let customers: Causes = [Cause::Customer].into_iter().collect();
        if others == customers && others != causes && (held || available > 0 && !causes.contains(Cause::Credit)) {
            prop_assert_eq!(asked, Ok(Answer { causes: customers, order: false }), "the customer lifts the rest");
        } else if !others.is_empty() {
            let refused = matches!(&asked, Err(Refusal::SupplyNotWanted(left)) if left.without(Cause::Credit) == others);
            prop_assert!(refused, "a hold lifts nobody's cause: {asked:?}");
        } else if held {
            prop_assert_eq!(asked, Ok(Answer { causes: Causes::none(), order: true }));
        } else if available <= 0 {
            prop_assert_eq!(asked, Err(Refusal::HoldNeeded));
        } else {
            prop_assert_eq!(asked.is_ok(), !causes.contains(Cause::Credit), "credit is lifted by money");
        }
    }

    #[test]
    fn what_cannot_be_moved_is_refused_whoever_approves(cause in lasting_causes(), action in prop::sample::select(Action::ALL), approved: bool) {
        let (order, account) = (Ask { approved, ..asked(action, cause) }, funded(100));
        let refusal = |fixed, blocked| ask(order, &meter(Causes::none(), fixed, blocked, false), Some(&account), noon());
        prop_assert_eq!(refusal(true, false), Err(Refusal::NoRelayControl));
        prop_assert_eq!(refusal(false, true), Err(Refusal::RelayBlocked));
    }

    #[test]
    fn a_second_operator_is_needed_for_guards_for_many_and_for_emergencies_of_others(
        meters in 1_usize..100, guarded in 0_usize..3, alone in 0_usize..100, emergency: bool, by_administrator: bool,
    ) {
        let group = Group { action: Action::Disconnect, meters, guarded, emergency, by_administrator };
        let needed = group.reservations(alone);
        prop_assert_eq!(needed.contains(&Reservation::SupplyGuard), guarded > 0);
        prop_assert_eq!(needed.contains(&Reservation::ManyMeters), meters > alone);
        prop_assert_eq!(needed.contains(&Reservation::Emergency), emergency && !by_administrator);
        let back = Group { action: Action::Reconnect, ..group }.reservations(alone);
        prop_assert_eq!(back.is_empty(), !emergency || by_administrator);
    }
}
