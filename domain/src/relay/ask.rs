//! What a person may ask of a relay: what stands against it, what it leaves of the causes, and when a second operator must
//! approve.

use std::collections::BTreeSet;

use super::{
    Action, Cause, Causes, RelayControl,
    decide::{AccountFacts, MeterFacts, lift, unsent_cut},
};
use crate::{
    account::State,
    bug::{Bug, is_planted},
};
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
    /// Whether the operator lets the customer of the meter's account disconnect and reconnect it.
    pub customer_may: bool,
}

/// What stands against it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The meter's profile has no relay that can be moved.
    #[error("the meter's profile does not let its relay be moved")]
    NoRelayControl,
    /// The meter refused a password.
    #[error("the meter refused a password: once it has the right one, delete its relay_block")]
    RelayBlocked,
    /// The customer wants it, and the operator did not allow that, or the meter counts for no active account.
    #[error("the operator has not allowed the customer to disconnect and reconnect this meter")]
    CustomerControlNotAllowed,
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
            Self::CustomerControlNotAllowed => "customer_control_not_allowed",
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

/// What is to become of the meter.
///
/// # Errors
/// The rule that stands against it; then nothing is ordered and the causes stay.
pub fn ask(ask: Ask, meter: &MeterFacts, account: Option<&AccountFacts>, now: Timestamp) -> Result<Answer, Refusal> {
    let active = account.is_some_and(|account| account.state == State::Active);
    let customer_may = ask.customer_may && active || is_planted(Bug::AnyCustomerSwitches);
    if ask.cause == Cause::Customer && !customer_may {
        return Err(Refusal::CustomerControlNotAllowed);
    }
    if ask.action == Action::Reconnect && ends(ask.cause, meter) {
        return Ok(end_of(ask.cause, meter));
    }
    if meter.relay_control == RelayControl::None {
        return Err(Refusal::NoRelayControl);
    }
    if meter.blocked {
        return Err(Refusal::RelayBlocked);
    }
    match (ask.action, ask.cause) {
        (Action::Disconnect, _) if !ask.approved && is_guarded(meter, account) => Err(Refusal::SupplyGuard),
        (Action::Disconnect, cause) => {
            // A cut for credit that never left is superseded, and its cause with it: no warning, guard or limit let it pass.
            let unsent = unsent_cut(meter);
            let standing = if unsent { meter.causes.without(Cause::Credit) } else { meter.causes.clone() };
            Ok(Answer { causes: standing.with(cause), order: true })
        }
        (Action::Reconnect, Cause::Operator) => by_operator(ask.customer_may, meter, account, now),
        (Action::Reconnect, cause) => {
            let left = lift(&meter.causes, cause, account);
            if left.is_empty() { Ok(Answer { causes: left, order: true }) } else { Err(Refusal::SupplyNotWanted(left)) }
        }
    }
}

/// An operator's reconnect, which an operator's hold that stands at `now` lets go without money. It lifts with it what nobody
/// else could: what is unknown, and a cut by a customer who may not switch any more.
fn by_operator(
    customer_may: bool,
    meter: &MeterFacts,
    account: Option<&AccountFacts>,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let mut left = lift(&meter.causes, Cause::Operator, account);
    left = lift(&left, Cause::Unknown, account);
    if is_planted(Bug::LiftLock) {
        left = left.without(Cause::Safety);
    }
    if !customer_may {
        left = lift(&left, Cause::Customer, account);
    }
    let without_money = left.without(Cause::Credit);
    if account.is_some_and(|account| account.held_until(now).is_some()) {
        left = without_money.clone();
    }
    let used_up = account.is_some_and(|account| account.limits.disconnect_due(account.available));
    let customers: Causes = [Cause::Customer].into_iter().collect();
    if left.is_empty() {
        Ok(Answer { causes: left, order: true })
    } else if left == customers && left != meter.causes {
        // Each would wait for the other to lift the own cause first.
        Ok(Answer { causes: left, order: false })
    } else if without_money.is_empty() && used_up {
        Err(Refusal::HoldNeeded)
    } else {
        Err(Refusal::SupplyNotWanted(left))
    }
}

/// Whether a reconnect is the end of a cause that is lifted whatever else stands: a schedule's, or work on the line that is over.
fn ends(cause: Cause, meter: &MeterFacts) -> bool {
    cause == Cause::Schedule || cause == Cause::Safety && meter.causes.contains(cause)
}

/// What the end of a cause comes to: it is lifted whatever else stands, and supply comes back where nothing else keeps it off.
/// A meter without that cause was not cut for it, and stays as it is. It leaves nothing for credit behind: an account whose
/// money is short is cut by [`super::decide`] alone, with its warning, guards and limits.
#[must_use]
pub fn end_of(cause: Cause, meter: &MeterFacts) -> Answer {
    if !meter.causes.contains(cause) || cause == Cause::Schedule && is_planted(Bug::ForgetScheduleEnd) {
        return Answer { causes: meter.causes.clone(), order: false };
    }
    // Where the cut never reached the relay, supply was not interrupted: then it needs no order.
    let sent = meter.order.as_ref().is_some_and(|order| order.action == Action::Disconnect && order.attempts > 0);
    let supplied = !sent && meter.relay.is_some_and(|relay| !relay.is_disconnected());
    let causes = meter.causes.without(cause);
    let movable = meter.relay_control != RelayControl::None && !meter.blocked;
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
        if is_planted(Bug::SkipApproval) {
            return BTreeSet::new();
        }
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
mod tests;
