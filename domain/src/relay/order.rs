//! The life of a relay order: from a stored row to a relay that was read in the wanted state, or given up.
//!
//! ```text
//! ordered ──▶ sent ──▶ acknowledged ──▶ confirmed            by a read-back only
//!    │          │  ▲        │      └──▶ awaiting_customer ──▶ confirmed
//!    │          └──┘ again  └──▶ sent   after a read-back without effect
//!    ├──▶ expired               unsent disconnects only
//!    └──▶ failed, superseded    from every live state
//! ```

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Action, Cause, RelayReading, RelayState};
use crate::{
    bug::{Bug, is_planted},
    calendar::shift,
    ids::{AccountId, MeterId, OrderId},
    site::{RelayPolicy, back_off},
};

words! {
    /// How far an order has come.
    pub enum State {
        /// Stored, not sent.
        Ordered = "ordered",
        /// Marked as sent before its bytes leave; stays so while the meter does not answer.
        Sent = "sent",
        /// The meter took the command; the relay was not read yet, or has not moved yet.
        Acknowledged = "acknowledged",
        /// A permit was taken: the customer must press the meter's button.
        AwaitingCustomer = "awaiting_customer",
        /// The relay was read in the wanted state.
        Confirmed = "confirmed",
        /// Given up.
        Failed = "failed",
        /// Not sent in time.
        Expired = "expired",
        /// Another order took its place, or it is no longer wanted.
        Superseded = "superseded",
    }
}

impl State {
    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Confirmed | Self::Failed | Self::Expired | Self::Superseded)
    }
}

/// An order to a meter's relay. At most one per meter is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its row.
    pub id: OrderId,
    /// The meter whose relay it moves.
    pub meter: MeterId,
    /// The account it was made for, where there is one.
    pub account: Option<AccountId>,
    /// What it does.
    pub action: Action,
    /// The cause it adds (disconnect) or whose end made it (reconnect).
    pub cause: Cause,
    /// Reconnects only: the meter is permitted to connect, and waits for the customer's button.
    pub permit: bool,
    /// How far it has come.
    pub state: State,
    /// How often the command was sent.
    pub attempts: u32,
    /// Exchanges in a row that the meter did not answer or refused.
    pub failures: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When the command was last sent.
    pub sent_at: Option<Timestamp>,
    /// When the last sent command was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// When the relay was last read since the command was last sent.
    pub read_at: Option<Timestamp>,
    /// Nothing is sent before this.
    pub next_attempt_at: Option<Timestamp>,
    /// When it expires if it is still `ordered`.
    pub expires_at: Option<Timestamp>,
    /// When it reached its end state.
    pub ended_at: Option<Timestamp>,
}

impl Order {
    /// A new order.
    #[must_use]
    pub fn new(
        id: OrderId,
        meter: MeterId,
        account: Option<AccountId>,
        wish: Wish,
        now: Timestamp,
        policy: &RelayPolicy,
    ) -> Self {
        let expires = wish.action == Action::Disconnect;
        Self {
            id,
            meter,
            account,
            action: wish.action,
            cause: wish.cause,
            permit: wish.permit && wish.action == Action::Reconnect,
            state: State::Ordered,
            attempts: 0,
            failures: 0,
            created_at: now,
            sent_at: None,
            acknowledged_at: None,
            read_at: None,
            next_attempt_at: None,
            expires_at: expires.then(|| shift(now, policy.disconnect_expiry)),
            ended_at: None,
        }
    }

    /// The order with nothing in it that is yet to come: a time that is was noted by a clock that was ahead, and says no more
    /// than that it happened.
    fn by(&self, now: Timestamp) -> Self {
        let ahead = self.sent_at.max(self.acknowledged_at).max(self.read_at).is_some_and(|at| at > now);
        if !ahead {
            return self.clone();
        }
        let past = |at: Option<Timestamp>| at.map(|at| at.min(now));
        Self {
            sent_at: past(self.sent_at),
            acknowledged_at: past(self.acknowledged_at),
            read_at: past(self.read_at),
            next_attempt_at: Some(now),
            ..self.clone()
        }
    }

    /// Whether it was held when it was to be sent, and waits for its next look.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.state == State::Ordered && self.next_attempt_at.is_some_and(|at| at > now)
    }

    /// Whether the relay, as read, is where the order wants it. A permit that still waits is no disconnection.
    #[must_use]
    pub fn is_met_by(&self, reading: &RelayReading) -> bool {
        match self.action {
            Action::Disconnect => reading.is_disconnected(),
            Action::Reconnect => reading.relay == RelayState::Connected,
        }
    }
}

/// What a new order is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What it does.
    pub action: Action,
    /// See [`Order::cause`].
    pub cause: Cause,
    /// See [`Order::permit`].
    pub permit: bool,
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It may be sent, and is about to be.
    Authorized,
    /// It may not be sent before `until`: guards hold it.
    Held {
        /// When to ask again.
        until: Timestamp,
    },
    /// Nothing holds it any more.
    Released,
    /// The meter acknowledged the command.
    Acknowledged,
    /// The relay was read.
    RelayRead(RelayReading),
    /// The meter refused the command or the read.
    Refused(Refusal),
    /// No answer to the command or the read.
    NoAnswer,
    /// The meter can be reached again: its concentrator logged in, it answered something, or the program started.
    Reachable,
    /// Another order takes its place, or it is no longer wanted.
    Superseded,
    /// Its time is over.
    Expire,
}

/// Why a meter refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Wrong password or failed authentication. Meters lock when that is repeated.
    Password,
    /// Anything else.
    Other,
}

/// What an event made of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The order afterwards.
    pub order: Order,
    /// Whether no automatic order may go to this meter until an operator clears it.
    pub block_meter: bool,
    /// Whether a refused reconnect must be brought to an operator at once.
    pub reconnect_refused: bool,
}

/// An event that cannot happen to an order in its state; nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state} does not take {event:?}")]
pub struct OutOfTurn {
    /// The order's state.
    pub state: State,
    /// The event.
    pub event: Event,
}

/// What to do for an order now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Ask for authorization, then send the command.
    Send,
    /// Read the relay, not before this instant.
    ReadBack {
        /// When at the earliest.
        not_before: Timestamp,
    },
    /// Nothing before this instant.
    Wait {
        /// When to look again.
        until: Timestamp,
    },
    /// Apply [`Event::Expire`].
    Expire,
    /// Nothing ever again.
    Ended,
}

/// Whether `order` is a cut that was ordered before all cuts were stopped: it is neither sent nor sent again. What was sent goes on
/// being read, since the relay may be open.
#[must_use]
pub fn is_stopped(order: &Order, cuts_stopped_before: Option<OrderId>) -> bool {
    order.action == Action::Disconnect && cuts_stopped_before.is_some_and(|before| order.id < before)
}

/// What to do for `order` now.
#[must_use]
pub fn next_move(order: &Order, now: Timestamp, policy: &RelayPolicy) -> Move {
    let order = &order.by(now);
    let not_before = order.next_attempt_at.unwrap_or(Timestamp::MIN);
    match order.state {
        state if state.is_end() => Move::Ended,
        _ if is_given_up(order) => Move::Wait { until: Timestamp::MAX },
        State::Ordered if has_expired(order, now) => Move::Expire,
        State::Ordered if not_before > now => {
            Move::Wait { until: order.expires_at.map_or(not_before, |end| end.min(not_before)) }
        }
        State::Ordered => Move::Send,
        // Read since the command was last sent, without effect, and for long enough: `next_attempt_at` is the resend.
        State::Sent | State::Acknowledged if read_in_vain(order, policy) => {
            if not_before > now {
                Move::Wait { until: not_before }
            } else {
                Move::Send
            }
        }
        _ => {
            let first = order.acknowledged_at.or(order.sent_at).unwrap_or(order.created_at);
            let due = order.next_attempt_at.unwrap_or(shift(first, policy.read_back_interval));
            Move::ReadBack { not_before: due }
        }
    }
}

/// Whether a deliberate bug has given this order up.
fn is_given_up(order: &Order) -> bool {
    is_planted(Bug::GiveUpReconnect) && order.action == Action::Reconnect && order.failures > 0
}

/// Whether an unsent order's time is over.
fn has_expired(order: &Order, now: Timestamp) -> bool {
    order.expires_at.is_some_and(|end| end <= now)
}

/// Whether the relay was read, and did not move, at the end of its time or later. A reconnect that the meter did not
/// acknowledge gets no time: it does no harm twice, and somebody is in the dark.
fn read_in_vain(order: &Order, policy: &RelayPolicy) -> bool {
    let unheard = order.action == Action::Reconnect && order.state == State::Sent;
    let window = if unheard { SignedDuration::ZERO } else { policy.read_back_window };
    order.read_at.zip(order.sent_at).is_some_and(|(read, sent)| read >= shift(sent, window))
}

/// What `event` makes of `order`.
///
/// # Errors
/// [`OutOfTurn`] where the event cannot happen in the order's state; everything is out of turn for an ended order.
pub fn apply(order: &Order, event: Event, now: Timestamp, policy: &RelayPolicy) -> Result<Transition, OutOfTurn> {
    use State::{Acknowledged, AwaitingCustomer, Ordered, Sent};
    let order = &order.by(now);
    let mut next = order.clone();
    let (mut block_meter, mut reconnect_refused) = (false, false);
    match (order.state, event) {
        (state, _) if state.is_end() => return Err(OutOfTurn { state, event }),
        (_, Event::Superseded) => end(&mut next, State::Superseded, now),
        (_, Event::Reachable) if is_given_up(order) => {}
        (_, Event::Reachable) => (next.failures, next.next_attempt_at) = (0, reachable_at(order, now)),
        (Ordered, Event::Expire) if has_expired(order, now) => end(&mut next, State::Expired, now),
        (Ordered | Sent | Acknowledged, Event::Authorized) if next_move(order, now, policy) == Move::Send => {
            next.state = Sent;
            next.attempts = order.attempts.saturating_add(1);
            (next.sent_at, next.acknowledged_at, next.read_at) = (Some(now), None, None);
            next.next_attempt_at = None;
        }
        (Ordered | Sent | Acknowledged, Event::Held { until }) => next.next_attempt_at = Some(until),
        (Ordered, Event::Released) => next.next_attempt_at = None,
        (Sent, Event::Acknowledged) if is_planted(Bug::ConfirmWithoutReadBack) => {
            end(&mut next, State::Confirmed, now);
        }
        (Sent, Event::Acknowledged) => {
            next.state = Acknowledged;
            (next.acknowledged_at, next.next_attempt_at, next.failures) = (Some(now), None, 0);
        }
        (Sent | Acknowledged | AwaitingCustomer, Event::RelayRead(reading)) => {
            read_back(&mut next, &reading, now, policy);
        }
        (Sent | Acknowledged | AwaitingCustomer, Event::NoAnswer) => fail_once(&mut next, now, policy),
        (Sent | Acknowledged | AwaitingCustomer, Event::Refused(refusal)) => {
            block_meter = refusal == Refusal::Password;
            reconnect_refused = order.action == Action::Reconnect;
            // A refused command is given up after as many attempts as one without effect; a refused look at the relay says
            // nothing of the command, which may well have been carried out.
            let given_up = order.state == Sent
                && order.action == Action::Disconnect
                && order.attempts >= policy.disconnect_attempts;
            if block_meter || given_up {
                end(&mut next, State::Failed, now);
            } else {
                fail_once(&mut next, now, policy);
            }
        }
        (state, _) => return Err(OutOfTurn { state, event }),
    }
    Ok(Transition { order: next, block_meter, reconnect_refused })
}

/// An order ends once.
fn end(order: &mut Order, state: State, now: Timestamp) {
    (order.state, order.ended_at, order.next_attempt_at) = (state, Some(now), None);
}

/// One more exchange in a row without use: wait longer.
fn fail_once(order: &mut Order, now: Timestamp, policy: &RelayPolicy) {
    order.failures = order.failures.saturating_add(1);
    order.next_attempt_at = Some(shift(now, back_off(order.failures, policy.retry_first, policy.retry_cap)));
}

/// A meter that can be reached again is not waited for; an order that nobody tried yet keeps what holds it.
fn reachable_at(order: &Order, now: Timestamp) -> Option<Timestamp> {
    if order.failures == 0 { order.next_attempt_at } else { order.next_attempt_at.map(|at| at.min(now)) }
}

/// The relay was read after the command was sent.
fn read_back(order: &mut Order, reading: &RelayReading, now: Timestamp, policy: &RelayPolicy) {
    (order.read_at, order.failures) = (Some(now), 0);
    if order.is_met_by(reading) {
        end(order, State::Confirmed, now);
    } else if order.permit && reading.awaits_customer() {
        order.state = State::AwaitingCustomer;
        order.next_attempt_at = Some(shift(now, policy.customer_interval));
    } else if order.state == State::AwaitingCustomer {
        // The permit was withdrawn behind our back: begin again.
        order.state = State::Sent;
        read_without_effect(order, now, policy);
    } else {
        read_without_effect(order, now, policy);
    }
}

/// The relay has not moved: look again while it has time, then send again later, or give a disconnect up.
fn read_without_effect(order: &mut Order, now: Timestamp, policy: &RelayPolicy) {
    if !read_in_vain(order, policy) {
        order.next_attempt_at = Some(shift(now, policy.read_back_interval));
    } else if order.action == Action::Disconnect && order.attempts >= policy.disconnect_attempts {
        end(order, State::Failed, now);
    } else {
        order.next_attempt_at = Some(shift(now, back_off(order.attempts, policy.retry_first, policy.retry_cap)));
    }
}

#[cfg(test)]
mod tests;
