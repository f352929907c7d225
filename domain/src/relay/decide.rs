//! Whether a meter's supply is to be cut or restored, and what holds a cut back: the one decision behind every
//! automatic relay order.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Action, Cause, Causes, RelayControl, RelayReading,
    order::{Order, State as OrderState},
};
use crate::{
    account::{Credit, Limits, State},
    bug::{Bug, is_planted},
    calendar::{day_of, midnight, next_day, shift},
    money::Money,
    polling::Sightings,
    site::{AutomaticDisconnection, Site},
};

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Where it is in its life. Only an active account is cut or restored for its credit.
    pub state: State,
    /// Balance less accrued.
    pub available: Money,
    /// Its limits, with active emergency credit as overdraft.
    pub limits: Limits,
    /// Its episode, with the warning served in it.
    pub credit: Credit,
    /// Whether it must not be cut (保电).
    pub supply_guard: bool,
    /// Until when an operator keeps it from being cut for credit.
    pub hold_until: Option<Timestamp>,
    /// Until when a payment in flight keeps it from being cut for credit.
    pub payment_until: Option<Timestamp>,
}

impl AccountFacts {
    /// The end of the operator's hold that stands at `now`.
    #[must_use]
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.hold_until.filter(|end| now < *end)
    }

    /// Until when a payment in flight holds at `now`.
    #[must_use]
    pub fn paying_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.payment_until.filter(|end| now < *end && !is_planted(Bug::ForgetPayment))
    }
}

/// What is known of one of the account's meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterFacts {
    /// Why its supply is not wanted.
    pub causes: Causes,
    /// Its relay as last read.
    pub relay: Option<RelayReading>,
    /// Its live order.
    pub order: Option<Order>,
    /// How its relay can be moved.
    pub relay_control: RelayControl,
    /// Whether a wrong password blocked automatic orders to it.
    pub blocked: bool,
    /// Whether it or its building must not be cut (保电).
    pub supply_guard: bool,
    /// Whether its cut was quarantined by the mass-cut limits, and not released.
    pub quarantined: bool,
    /// `as_of` of its latest good reading.
    pub last_good_reading_at: Option<Timestamp>,
    /// Age above which that is no evidence for a cut.
    pub reading_freshness: SignedDuration,
    /// When it was seen.
    pub sightings: Sightings,
    /// How far its clock is off, ahead or behind, where that is known.
    pub clock_offset: Option<SignedDuration>,
    /// How far its concentrator's clock is off, where that is known.
    pub concentrator_clock_offset: Option<SignedDuration>,
}

words! {
    /// What holds a relay order.
    pub enum Guard {
        /// The site does not cut by itself.
        SiteSwitch = "site_switch",
        /// The meter, its building or the account must not be cut (保电).
        SupplyGuard = "supply_guard",
        /// An operator holds the account's supply until a date.
        Hold = "hold",
        /// A payment of the account is in flight.
        PaymentInFlight = "payment_in_flight",
        /// It is a friendly hour.
        FriendlyHours = "friendly_hours",
        /// It is a protected day of the week.
        ProtectedWeekday = "protected_weekday",
        /// It is a holiday.
        Holiday = "holiday",
        /// No warning of this episode was served, or not long enough ago.
        WarningNotServed = "warning_not_served",
        /// The meter's last good reading is too old: ask it now.
        StaleReading = "stale_reading",
        /// The meter was seen again only just after a gap.
        SeenAgain = "seen_again",
        /// The meter's or the concentrator's clock is off.
        ClockOff = "clock_off",
        /// The meter refused a password: an operator must clear it.
        RelayBlocked = "relay_blocked",
        /// The meter's relay cannot be moved.
        NoRelayControl = "no_relay_control",
        /// The site sent as many disconnects in this hour as it may.
        CutLimit = "cut_limit",
        /// It was above what the site may cut in a day: an operator must release it.
        Quarantine = "quarantine",
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing; a live order goes on.
    Nothing,
    /// Order a disconnect for `credit`, in place of a live order.
    Disconnect,
    /// Order a reconnect, in place of a live order.
    Reconnect,
    /// Supersede the live disconnect, which was never sent; nothing else is needed.
    Withdraw,
    /// A cut is due, or a reconnect cannot be sent.
    Held {
        /// What holds it.
        guards: Vec<Guard>,
        /// Decide again then, at the latest.
        until: Timestamp,
    },
    /// A cut is due and nothing but the site's `report_only` is against it.
    Reported,
}

/// What is to be done for one meter, and its causes from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// The meter's causes from now on.
    pub causes: Causes,
}

/// Whether credit decides over supply.
fn decided_over(state: State) -> bool {
    state == State::Active || state == State::Suspended && is_planted(Bug::DecideSuspended)
}

/// Decides over one meter of an account.
#[must_use]
pub fn decide(account: &AccountFacts, meter: &MeterFacts, site: Site<'_>, now: Timestamp) -> Decision {
    if !decided_over(account.state) {
        return Decision { verdict: Verdict::Nothing, causes: meter.causes.clone() };
    }
    if account.limits.disconnect_due(account.available) {
        return cut(account, meter, site, now);
    }
    // An account that was never cut needs no restore margin.
    let lifted = account.limits.restore_due(account.available) || unsent_cut(meter);
    let causes = match lifted {
        true if is_planted(Bug::ForgetCause) => Causes::none(),
        true if is_planted(Bug::MoneyLiftsSchedule) => meter.causes.without(Cause::Credit).without(Cause::Schedule),
        true if is_planted(Bug::LiftLock) => meter.causes.without(Cause::Credit).without(Cause::Safety),
        true => meter.causes.without(Cause::Credit),
        false => meter.causes.clone(),
    };
    let verdict = if causes.is_empty() { restore(meter, site, now) } else { Verdict::Nothing };
    Decision { verdict, causes }
}

/// A disconnect is due.
fn cut(account: &AccountFacts, meter: &MeterFacts, site: Site<'_>, now: Timestamp) -> Decision {
    let kept = |verdict| Decision { verdict, causes: meter.causes.clone() };
    let done = live(meter, Action::Disconnect).is_some()
        || (live(meter, Action::Reconnect).is_none() && meter.relay.is_some_and(|relay| relay.is_disconnected()));
    let cut_already = (done || is_planted(Bug::ForgetCut)) && meter.causes.contains(Cause::Credit);
    if cut_already && !unsent_cut(meter) {
        return kept(Verdict::Nothing);
    }
    let guards = guards(account, meter, site, now);
    if !guards.is_empty() {
        return kept(held(&guards, site, now));
    }
    let only_reports = site.policy.disconnection.automatic == AutomaticDisconnection::ReportOnly;
    if cut_already {
        let switched = only_reports.then(|| held(&[(Guard::SiteSwitch, None)], site, now));
        return kept(switched.unwrap_or(Verdict::Nothing));
    }
    if only_reports {
        return kept(Verdict::Reported);
    }
    let verdict = if done { Verdict::Nothing } else { Verdict::Disconnect };
    Decision { verdict, causes: meter.causes.with(Cause::Credit) }
}

/// Supply is wanted.
fn restore(meter: &MeterFacts, site: Site<'_>, now: Timestamp) -> Verdict {
    let connected = meter.relay.map(|relay| !relay.is_disconnected());
    let wanted = match live_order(meter) {
        Some(order) if order.action == Action::Reconnect => false,
        Some(order) if order.attempts == 0 && connected == Some(true) => return Verdict::Withdraw,
        Some(_) => true,
        None => !connected.unwrap_or(meter.causes.is_empty()),
    };
    if !wanted {
        return Verdict::Nothing;
    }
    let guards = unmovable(meter);
    if guards.is_empty() { Verdict::Reconnect } else { held(&guards, site, now) }
}

fn live_order(meter: &MeterFacts) -> Option<&Order> {
    meter.order.as_ref().filter(|order| !order.state.is_end())
}

fn live(meter: &MeterFacts, action: Action) -> Option<&Order> {
    live_order(meter).filter(|order| order.action == action)
}

/// Whether a cut for credit was ordered and never sent.
pub(super) fn unsent_cut(meter: &MeterFacts) -> bool {
    live(meter, Action::Disconnect)
        .is_some_and(|order| order.cause == Cause::Credit && order.state == OrderState::Ordered && order.attempts == 0)
}

/// A guard that holds, and its end where that is known.
type Holding = (Guard, Option<Timestamp>);

fn held(guards: &[Holding], site: Site<'_>, now: Timestamp) -> Verdict {
    let (guards, until) = listed(guards, site, now);
    Verdict::Held { guards, until }
}

/// The guards, and their latest known end; at most the policy's recheck ahead, which also stands where none is known.
fn listed(guards: &[Holding], site: Site<'_>, now: Timestamp) -> (Vec<Guard>, Timestamp) {
    let recheck = shift(now, site.policy.disconnection.held_recheck);
    let latest = guards.iter().filter_map(|(_, end)| *end).max();
    (guards.iter().map(|(guard, _)| *guard).collect(), latest.map_or(recheck, |end| end.min(recheck)))
}

/// Every guard that holds a cut for credit at `now`.
fn guards(account: &AccountFacts, meter: &MeterFacts, site: Site<'_>, now: Timestamp) -> Vec<Holding> {
    let policy = &site.policy.disconnection;
    let mut all = unmovable(meter);
    let mut hold = |holds: bool, guard: Guard, end: Option<Timestamp>| {
        if holds && !overlooked(guard) {
            all.push((guard, end));
        }
    };
    hold(policy.automatic == AutomaticDisconnection::Off, Guard::SiteSwitch, None);
    hold(account.supply_guard || meter.supply_guard, Guard::SupplyGuard, None);
    let hold_until = account.held_until(now);
    hold(hold_until.is_some(), Guard::Hold, hold_until);
    let paying_until = account.paying_until(now);
    hold(paying_until.is_some(), Guard::PaymentInFlight, paying_until);

    let today = day_of(now, site.zone);
    let tomorrow = midnight(next_day(today), site.zone);
    let friendly_until = policy.friendly_hours.iter().filter_map(|hours| hours.end(now, site.zone)).max();
    hold(friendly_until.is_some(), Guard::FriendlyHours, friendly_until);
    hold(policy.protected_weekdays.contains(&today.weekday().into()), Guard::ProtectedWeekday, Some(tomorrow));
    hold(policy.holidays.contains(&today), Guard::Holiday, Some(tomorrow));

    let served_at = account.credit.episode.and_then(|episode| episode.warning_served_at);
    let warned_from = served_at.map(|served| shift(served, site.policy.credit.warning_lead));
    hold(warned_from.is_none_or(|from| now < from), Guard::WarningNotServed, warned_from);

    // One that lies in the future was taken by a clock that was wrong, and is no evidence.
    let latest = shift(now, site.policy.reading.future_tolerance);
    let fresh = |as_of: Timestamp| as_of <= latest && now <= shift(as_of, meter.reading_freshness);
    hold(!meter.last_good_reading_at.is_some_and(fresh), Guard::StaleReading, None);
    let grace_until = meter.sightings.grace_until(policy, now, site.zone);
    hold(grace_until.is_some(), Guard::SeenAgain, grace_until);
    let off = |offset: Option<SignedDuration>| offset.is_some_and(|offset| policy.is_off(offset));
    hold(meter.quarantined, Guard::Quarantine, None);
    hold(off(meter.clock_offset) || off(meter.concentrator_clock_offset), Guard::ClockOff, None);
    all
}

/// Whether a deliberate bug overlooks this guard.
fn overlooked(guard: Guard) -> bool {
    match guard {
        Guard::SupplyGuard => is_planted(Bug::IgnoreSupplyGuard),
        Guard::Hold => is_planted(Bug::IgnoreHold),
        Guard::WarningNotServed => is_planted(Bug::CutWithoutWarning),
        Guard::FriendlyHours => is_planted(Bug::IgnoreFriendlyHours),
        _ => false,
    }
}

/// What holds any automatic order to a meter, a reconnect as well.
fn unmovable(meter: &MeterFacts) -> Vec<Holding> {
    let blocked = (meter.blocked && !is_planted(Bug::IgnoreRelayBlock)).then_some((Guard::RelayBlocked, None));
    let fixed = (meter.relay_control == RelayControl::None).then_some((Guard::NoRelayControl, None));
    blocked.into_iter().chain(fixed).collect()
}

/// Whether an order may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Yes.
    Send,
    /// Never: it is no longer wanted. It becomes `superseded`.
    Superseded,
    /// Not yet.
    Held {
        /// What holds it.
        guards: Vec<Guard>,
        /// When to ask again.
        until: Timestamp,
    },
}

/// Decides over the meter's live order once more, in the transaction that marks it `sent`. `account` is the meter's
/// account, where it has one.
#[must_use]
pub fn authorize(
    order: &Order,
    account: Option<&AccountFacts>,
    meter: &MeterFacts,
    site: Site<'_>,
    now: Timestamp,
) -> Authorization {
    let mut holding = unmovable(meter);
    let wanted = match (order.action, order.cause) {
        (Action::Reconnect, _) => meter.causes.is_empty(),
        (Action::Disconnect, Cause::Credit) => {
            let due = account
                .filter(|account| decided_over(account.state) && account.limits.disconnect_due(account.available));
            if let Some(account) = due {
                holding = guards(account, meter, site, now);
                if site.policy.disconnection.automatic == AutomaticDisconnection::ReportOnly {
                    holding.push((Guard::SiteSwitch, None));
                }
            }
            due.is_some()
        }
        (Action::Disconnect, Cause::Operator) if is_planted(Bug::NeverCutForOperator) => false,
        (Action::Disconnect, cause) => meter.causes.contains(cause),
    };
    if !wanted || order.state.is_end() {
        Authorization::Superseded
    } else if holding.is_empty() {
        Authorization::Send
    } else {
        let (guards, until) = listed(&holding, site, now);
        Authorization::Held { guards, until }
    }
}

/// The causes after `cause` was lifted by its maker: where headroom is below the restore margin, credit remains.
#[must_use]
pub fn lift(causes: &Causes, cause: Cause, account: Option<&AccountFacts>) -> Causes {
    let short =
        account.is_some_and(|account| account.state == State::Active && !account.limits.restore_due(account.available));
    let left = causes.without(cause);
    if short && cause != Cause::Credit { left.with(Cause::Credit) } else { left }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;
