//! What a person may ask of a relay: what stands against it, what it leaves of the causes, and when a second operator must
//! approve.

use std::collections::BTreeSet;

use super::{
    Action, Cause, Causes, RelayControl,
    decide::{AccountFacts, MeterFacts, lift},
};
use crate::bug::{Bug, is_planted};
use jiff::Timestamp;

/// What is asked of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What its relay is to do.
    pub action: Action,
    /// Whose cause a disconnect adds and a reconnect lifts.
    pub cause: Cause,
    /// Whether a second operator approved it.
    pub approved: bool,
}

/// What stands against it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The meter's profile has no relay that can be moved.
    #[error("the meter's profile does not let its relay be moved")]
    NoRelayControl,
    /// The meter refused a password.
    #[error("the meter refused a password; clear that first")]
    RelayBlocked,
    /// The meter or its account is guarded, and no second operator approved.
    #[error(
        "the supply is guarded and must not be cut, unless a second operator approves: ask for it as a relay order group"
    )]
    SupplyGuard,
    /// Other causes keep supply cut.
    #[error("supply stays cut for {0}{hint}", hint = hint(.0))]
    SupplyNotWanted(Causes),
    /// Nothing but money keeps supply cut, and no operator's hold stands.
    #[error("there is no headroom: vend first, or give the account a hold with an end date")]
    HoldNeeded,
}

/// What helps where money is among the causes.
fn hint(causes: &Causes) -> &'static str {
    if causes.contains(Cause::Credit) {
        ": vend until the headroom reaches the restore margin, then order again"
    } else {
        ""
    }
}

impl Refusal {
    /// Stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRelayControl => "no_relay_control",
            Self::RelayBlocked => "relay_blocked",
            Self::SupplyGuard => "supply_guard",
            Self::SupplyNotWanted(_) => "supply_not_wanted",
            Self::HoldNeeded => "hold_needed",
        }
    }
}

/// What an ask comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The meter's causes from now on.
    pub causes: Causes,
    /// Whether an order is to be given.
    pub order: bool,
}

/// What is to become of the meter. An operator's hold that stands at `now` lets supply back without money.
///
/// # Errors
/// The rule that stands against it; then nothing is ordered and the causes stay.
pub fn ask(ask: Ask, meter: &MeterFacts, account: Option<&AccountFacts>, now: Timestamp) -> Result<Answer, Refusal> {
    if ask.action == Action::Reconnect && ask.cause == Cause::Schedule {
        return Ok(end_of(ask.cause, meter, account, now));
    }
    if meter.relay_control == RelayControl::None {
        return Err(Refusal::NoRelayControl);
    }
    if meter.blocked {
        return Err(Refusal::RelayBlocked);
    }
    match ask.action {
        Action::Disconnect if !ask.approved && is_guarded(meter, account) => Err(Refusal::SupplyGuard),
        Action::Disconnect => Ok(Answer { causes: meter.causes.with(ask.cause), order: true }),
        Action::Reconnect => {
            let mut left = lift(&meter.causes, ask.cause, account);
            if ask.cause == Cause::Operator {
                left = lift(&left, Cause::Unknown, account);
            }
            let without_money = left.without(Cause::Credit);
            if account.is_some_and(|account| account.held_until(now).is_some()) {
                left = without_money.clone();
            }
            let used_up = account.is_some_and(|account| account.limits.disconnect_due(account.available));
            if left.is_empty() {
                Ok(Answer { causes: left, order: true })
            } else if without_money.is_empty() && used_up {
                Err(Refusal::HoldNeeded)
            } else {
                Err(Refusal::SupplyNotWanted(left))
            }
        }
    }
}

/// What the end of a cause comes to that ends by itself: it is lifted whatever else stands, and supply comes back where nothing
/// else keeps it off. A meter without that cause was not cut for it, and stays as it is.
fn end_of(cause: Cause, meter: &MeterFacts, account: Option<&AccountFacts>, now: Timestamp) -> Answer {
    if !meter.causes.contains(cause) {
        return Answer { causes: meter.causes.clone(), order: false };
    }
    let held = account.is_some_and(|account| account.held_until(now).is_some());
    // Where the cut never reached the relay, supply was not interrupted: then it needs no order, and no restore margin either.
    let sent = meter.order.as_ref().is_some_and(|order| order.action == Action::Disconnect && order.attempts > 0);
    let supplied = !sent && meter.relay.is_some_and(|relay| !relay.is_disconnected());
    let causes = if held || supplied { meter.causes.without(cause) } else { lift(&meter.causes, cause, account) };
    let movable = meter.relay_control != RelayControl::None && !meter.blocked;
    let movable = movable && !is_planted(Bug::ForgetScheduleReconnect);
    Answer { order: causes.is_empty() && movable && !supplied, causes }
}

/// Whether the meter, its building or its account must not be cut (保电).
#[must_use]
pub fn is_guarded(meter: &MeterFacts, account: Option<&AccountFacts>) -> bool {
    let guarded = meter.supply_guard || account.is_some_and(|account| account.supply_guard);
    guarded && !is_planted(Bug::CutGuardedByOperator)
}

words! {
    /// Why an order needs a second operator.
    pub enum Reservation {
        /// A guarded supply is to be cut.
        SupplyGuard = "supply_guard",
        /// More meters are to be cut than one operator may cut.
        ManyMeters = "many_meters",
        /// It is an emergency, and who asks is no administrator.
        Emergency = "emergency",
    }
}

/// An order to several meters at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// What their relays are to do.
    pub action: Action,
    /// How many there are.
    pub meters: usize,
    /// How many of them are guarded.
    pub guarded: usize,
    /// Whether it goes before all else, for safety.
    pub emergency: bool,
    /// Whether an administrator asks.
    pub by_administrator: bool,
}

impl Group {
    /// Why a second operator must approve it; empty where none needs to. `alone`: most meters that one operator may cut.
    #[must_use]
    pub fn reservations(&self, alone: usize) -> BTreeSet<Reservation> {
        let cuts = self.action == Action::Disconnect;
        [
            (Reservation::SupplyGuard, cuts && self.guarded > 0),
            (Reservation::ManyMeters, cuts && self.meters > alone),
            (Reservation::Emergency, self.emergency && !self.by_administrator),
        ]
        .into_iter()
        .filter_map(|(reservation, stands)| stands.then_some(reservation))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        account::{Credit, Limits, State},
        calendar::shift,
        fixtures::{at, hours},
        money::Money,
        polling::Sightings,
        relay::{RelayReading, RelayState},
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

    fn by_schedule(meter: &MeterFacts, account: Option<&AccountFacts>) -> Result<Answer, Refusal> {
        ask(Ask { action: Action::Reconnect, cause: Cause::Schedule, approved: false }, meter, account, noon())
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
        assert_eq!(by_schedule(&scheduled, Some(&funded(0))), answer(&[Cause::Credit], false));
        let held = AccountFacts { hold_until: Some(shift(noon(), hours(1))), ..funded(0) };
        assert_eq!(by_schedule(&scheduled, Some(&held)), answer(&[], true));
    }

    #[test]
    fn a_cut_of_a_schedule_that_never_reached_the_relay_leaves_nothing_behind() {
        let supplied =
            RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
        let scheduled = meter([Cause::Schedule].into_iter().collect(), false, false, false);
        let scheduled = MeterFacts { relay: Some(supplied), ..scheduled };
        assert_eq!(by_schedule(&scheduled, Some(&funded(0))), answer(&[], false));
    }

    fn any_causes() -> impl Strategy<Value = Causes> {
        prop::collection::vec(prop::sample::select(Cause::ALL), 0..4).prop_map(|causes| causes.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_schedule_that_ends_adds_nothing_but_credit_and_touches_no_meter_that_it_did_not_cut(
            causes in any_causes(), available in -5_i64..5, fixed: bool, blocked: bool,
        ) {
            let account = funded(available);
            let asked = by_schedule(&meter(causes.clone(), fixed, blocked, false), Some(&account));
            prop_assert!(asked.is_ok(), "never refused");
            if let Ok(Answer { causes: left, order }) = asked {
                if causes.contains(Cause::Schedule) {
                    prop_assert_eq!(left.without(Cause::Credit), causes.without(Cause::Schedule).without(Cause::Credit));
                    prop_assert_eq!(order, left.is_empty() && !fixed && !blocked);
                } else {
                    prop_assert_eq!((left, order), (causes.clone(), false));
                }
            }
        }

        #[test]
        fn a_disconnect_adds_its_own_cause_and_takes_none(causes in any_causes(), cause in own_causes(), approved: bool, guard: bool) {
            let meter = meter(causes.clone(), false, false, guard);
            let asked = ask(Ask { action: Action::Disconnect, cause, approved }, &meter, None, noon());
            if guard && !approved {
                prop_assert_eq!(asked, Err(Refusal::SupplyGuard));
            } else {
                prop_assert_eq!(asked, Ok(Answer { causes: causes.with(cause), order: true }));
            }
        }

        #[test]
        fn a_reconnect_lifts_no_cause_but_its_own(causes in any_causes(), cause in lasting_causes(), approved: bool, guard: bool) {
            let meter = meter(causes.clone(), false, false, guard);
            let others = causes.iter().any(|other| other != cause && !(cause == Cause::Operator && other == Cause::Unknown));
            let asked = ask(Ask { action: Action::Reconnect, cause, approved }, &meter, None, noon());
            prop_assert_eq!(asked.is_err(), others, "an approval lifts no cause, and a guard holds no reconnect");
        }

        #[test]
        fn without_headroom_a_reconnect_needs_a_hold_that_stands(
            causes in any_causes(), cause in lasting_causes(), available in -5_i64..5, hours_left in prop::option::of(-3_i64..3),
        ) {
            let hold_until = hours_left.map(|left| shift(noon(), hours(left)));
            let account = AccountFacts { hold_until, ..funded(available) };
            let order = Ask { action: Action::Reconnect, cause, approved: true };
            let asked = ask(order, &meter(causes.clone(), false, false, false), Some(&account), noon());
            let left = |cause: Cause| causes.without(cause).without(Cause::Credit);
            let others = if cause == Cause::Operator { left(cause).without(Cause::Unknown) } else { left(cause) };
            let held = hours_left.is_some_and(|left| left > 0);
            if !others.is_empty() {
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
            let order = Ask { action, cause, approved };
            prop_assert_eq!(ask(order, &meter(Causes::none(), true, false, false), None, noon()), Err(Refusal::NoRelayControl));
            prop_assert_eq!(ask(order, &meter(Causes::none(), false, true, false), None, noon()), Err(Refusal::RelayBlocked));
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
}
