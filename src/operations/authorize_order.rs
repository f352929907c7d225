//! The last decision over an order, in the transaction that marks it `sent` before its bytes leave.

use domain::{
    ids::{MeterId, OrderId},
    relay::{
        Action, Cause,
        decide::{self, Authorization, Guard, MeterFacts},
        order::{self, Event, Order},
    },
    site::Site,
};
use jiff::Timestamp;
use store::Conn;

use super::{Error, books, books::Books, decide_relay, mass_cut};
use crate::settings::Settings;

/// What the transaction that marks an order `sent` decides.
#[derive(Debug, Clone)]
pub enum Authorized {
    /// Marked as sent.
    Send(Order),
    /// Not now.
    Held {
        /// Whose order.
        meter: MeterId,
        /// What holds it.
        guards: Vec<Guard>,
        /// When to ask again.
        until: Timestamp,
    },
    /// Not any more.
    Ended(Order),
}

/// Decides once more over an order, in the transaction that marks it `sent`.
///
/// # Errors
/// A row is missing or does not parse; the database fails.
pub fn authorize(conn: &mut Conn, settings: &Settings, id: OrderId, now: Timestamp) -> Result<Authorized, Error> {
    let found = store::relay_order::by_id(conn, id)?;
    let locked = match found.account_id {
        Some(account) => Some(Books::lock(conn, account)?),
        None => None,
    };
    // The order is read again under the account's lock: what a vend changed meanwhile is seen.
    let row = store::relay_order::by_id(conn, id)?;
    let order = row.order();
    if order.state.is_end() {
        return Ok(Authorized::Ended(order));
    }
    let meter = store::meter::by_id(conn, order.meter)?;
    let site_row = store::site::by_id(conn, id.site())?;
    let (policy, zone) = (decide_relay::policy_of(settings, &site_row), books::zone(&site_row)?);
    let facts = locked.as_ref().map(|books| decide_relay::account_facts(conn, books, now)).transpose()?;
    let seen = decide_relay::meter_facts(conn, settings, &meter)?;
    let site = Site { policy: &policy, zone: &zone };
    let stopped = order::is_stopped(&order, site_row.cuts_stopped_before);
    let decided = match decide::authorize(&order, facts.as_ref(), &seen, site, now) {
        _ if stopped => Authorization::Superseded,
        Authorization::Send => mass_cut::admit(conn, &order, site, now)?,
        other => other,
    };
    let (event, detail) = match &decided {
        Authorization::Send => (Event::Authorized, "bytes may leave".to_owned()),
        Authorization::Superseded if stopped => (Event::Superseded, "cuts were stopped".to_owned()),
        Authorization::Superseded => (Event::Superseded, "no longer wanted".to_owned()),
        Authorization::Held { guards, until } => {
            let names: Vec<&str> = guards.iter().map(|guard| guard.as_str()).collect();
            (Event::Held { until: *until }, format!("held by {}", names.join(",")))
        }
    };
    let next = order::apply(&order, event, now, &policy.relay).map_err(|bad| books::corrupt(bad.to_string()))?.order;
    if !store::relay_order::transition(conn, &row.with(&next), order.state, now, &detail)? {
        return Ok(Authorized::Ended(store::relay_order::by_id(conn, id)?.order()));
    }
    if event == Event::Superseded {
        withdraw(conn, &next, &seen, stopped)?;
    }
    if let Some(books) = &locked {
        store::account::save(conn, &books.account)?;
    }
    Ok(match decided {
        Authorization::Send => Authorized::Send(next),
        Authorization::Held { guards, until } => Authorized::Held { meter: next.meter, guards, until },
        Authorization::Superseded => Authorized::Ended(next),
    })
}

/// A cut for credit that was never sent leaves no cause behind, and neither does one that was stopped, unless its relay is open.
fn withdraw(conn: &mut Conn, order: &Order, seen: &MeterFacts, stopped: bool) -> Result<(), Error> {
    let unsent = order.action == Action::Disconnect && order.cause == Cause::Credit && order.attempts == 0;
    let is_open = seen.relay.is_some_and(|relay| relay.is_disconnected());
    if unsent || stopped && !is_open {
        decide_relay::save_causes(conn, order.meter, &seen.causes, &seen.causes.without(order.cause))?;
    }
    Ok(())
}
