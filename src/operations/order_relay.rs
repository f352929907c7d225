//! Relay orders by an operator (遥控): with a reason, once per idempotency key.

use std::time::Duration;

use domain::{
    account,
    ids::{AccountId, ConcentratorId, MeterId, OrderId},
    relay::{
        Action, Cause, Causes,
        ask::{Answer, Ask},
        decide::MeterFacts,
        order::{Order, Wish},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, meter::Meter, relay_order::RelayOrder};
use utoipa::ToSchema;

use super::{
    Error,
    books::Books,
    decide_relay::{self, Asked},
    label, once,
};
use crate::{app::App, changes::Changed, settings::Settings};

/// An order to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRelay {
    /// `disconnect` or `reconnect`.
    #[schema(value_type = String)]
    pub action: Action,
    /// Why, for people; stored with the order.
    pub reason: String,
}

/// Orders a meter's relay moved. A disconnect adds the cause `operator`; a reconnect lifts it, and is refused while
/// anything else keeps supply cut.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn order(app: &App, id: MeterId, new: OrderRelay, key: &str, by: &str) -> Result<RelayOrder, Error> {
    let why = label("reason", &new.reason)?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let asked = once::Asked::new(id.site(), key, &("order_relay", id, &new))?;
    let order = app
        .db
        .write(move |conn| {
            if let Some(earlier) = once::find::<OrderId>(conn, &asked)? {
                return Ok(earlier);
            }
            let account = store::account::by_meter(conn, id)?.map(|account| account.id);
            let locked = lock(conn, account)?;
            // Whoever used the key meanwhile held the lock; look again now that it is ours.
            if let Some(earlier) = once::find::<OrderId>(conn, &asked)? {
                return Ok(earlier);
            }
            let ask = Ask { action: new.action, cause: Cause::Operator, approved: false };
            let given = Given { ask, why: why.clone(), by: by.clone() };
            let (order, _) = give(conn, &settings, id, locked.as_ref(), given, now)?;
            let needless = || Error::refused("supply_not_wanted", "no order is needed");
            let order = order.ok_or_else(needless)?;
            once::store(conn, &asked, &order, now)?;
            Ok::<_, Error>(order)
        })
        .await?;
    let (row, concentrator) = app
        .db
        .read(move |conn| {
            let row = store::relay_order::by_id(conn, order)?;
            let concentrator = store::meter::by_id(conn, row.meter_id)?.concentrator_id;
            Ok::<_, Error>((row, concentrator))
        })
        .await?;
    app.announce(Changed::Order { order });
    app.wake(concentrator);
    Ok(row)
}

/// An order that a person gives to one meter.
pub(super) struct Given {
    /// What is asked.
    pub ask: Ask,
    /// Why, for people.
    pub why: String,
    /// Prefix of the API key that asked.
    pub by: String,
}

/// Holds the meter's account, where it has one.
pub(super) fn lock(conn: &mut Conn, account: Option<AccountId>) -> Result<Option<Books>, Error> {
    account.map(|account| Books::lock(conn, account)).transpose()
}

/// Writes what is asked of the causes, and an order where one is to be given; with the concentrator that carries it out.
///
/// # Errors
/// The rule that stands against it, or the database fails.
pub(super) fn give(
    conn: &mut Conn,
    settings: &Settings,
    id: MeterId,
    locked: Option<&Books>,
    given: Given,
    now: Timestamp,
) -> Result<(Option<OrderId>, ConcentratorId), Error> {
    let ask = given.ask;
    let meter = store::meter::by_id(conn, id)?;
    let money = locked.map(|books| decide_relay::account_facts(conn, books, now)).transpose()?;
    let mut facts = decide_relay::meter_facts(conn, settings, &meter)?;
    let before = facts.causes.clone();
    // What a schedule that ended left behind, such as by a cut that took effect late, would be lifted by nobody.
    let left_behind = ask.action == Action::Reconnect && ask.cause != Cause::Schedule;
    if left_behind && store::relay_schedule::of_meter(conn, id)?.is_none() {
        facts.causes = before.without(Cause::Schedule);
    }
    let Answer { causes, order } = domain::relay::ask::ask(ask, &facts, money.as_ref(), now)
        .map_err(|refusal| Error::refused(refusal.code(), refusal.to_string()))?;
    decide_relay::save_causes(conn, id, &before, &causes)?;
    let of = locked.map(|books| books.account.id);
    let asked = Asked { account: of, vend: None, by: Some(given.by), why: given.why };
    let placed = if order {
        let wish = Wish { action: ask.action, cause: ask.cause, permit: decide_relay::permit(settings, &meter) };
        Some(decide_relay::place(conn, &meter, wish, asked, &settings.policy.relay, now)?)
    } else {
        withdraw(conn, settings, &meter, (&facts, &causes), (ask.cause, asked), now)?;
        None
    };
    if let Some(books) = locked {
        let mut row = books.account.clone();
        // What its money wants of a meter without an order is decided soon.
        if placed.is_none() && row.state == account::State::Active {
            row.decide_at = Some(now);
        }
        store::account::save(conn, &row)?;
    }
    Ok((placed, meter.concentrator_id))
}

/// The end of a cause takes its disconnect along: what somebody else wants cut is ordered in its place, and otherwise it is
/// superseded unless its bytes may have left.
fn withdraw(
    conn: &mut Conn,
    settings: &Settings,
    meter: &Meter,
    (facts, left): (&MeterFacts, &Causes),
    (cause, asked): (Cause, Asked),
    now: Timestamp,
) -> Result<(), Error> {
    let theirs = |order: &&Order| order.action == Action::Disconnect && order.cause == cause;
    let Some(live) = facts.order.as_ref().filter(theirs) else { return Ok(()) };
    let relay = &settings.policy.relay;
    if let Some(other) = left.without(Cause::Credit).iter().next() {
        let wish = Wish { action: Action::Disconnect, cause: other, permit: decide_relay::permit(settings, meter) };
        let asked = Asked { why: format!("stays cut for {left}"), ..asked };
        decide_relay::place(conn, meter, wish, asked, relay, now)?;
    } else if live.attempts == 0 {
        decide_relay::supersede(conn, meter.id, None, relay, now)?;
    }
    Ok(())
}

/// Waits for an order's end, not longer than `most`, and returns it as it stands then.
///
/// # Errors
/// The order does not exist, or the database fails.
pub async fn wait(app: &App, id: OrderId, most: Duration) -> Result<RelayOrder, Error> {
    let mut changes = app.changes();
    let deadline = tokio::time::Instant::now() + most;
    loop {
        let row = app.db.read(move |conn| store::relay_order::by_id(conn, id)).await?;
        if row.state.is_end() || !changes.until(deadline, |change| *change == Changed::Order { order: id }).await {
            return Ok(row);
        }
    }
}

/// Lets automatic orders go to a meter again that refused a password.
///
/// # Errors
/// The meter does not exist, or the database fails.
pub async fn clear_block(app: &App, id: MeterId, by: &str) -> Result<(), Error> {
    let (now, by) = (app.clock.now(), by.to_owned());
    let account = app
        .db
        .write(move |conn| {
            store::meter::by_id(conn, id)?;
            store::meter::block_relay(conn, id, false)?;
            store::alarm::clear(conn, id.site(), "relay_blocked", &format!("meter:{id}"), now)?;
            Ok::<_, Error>(store::account::by_meter(conn, id)?.map(|account| account.id))
        })
        .await?;
    tracing::info!(meter = %id, by, "relay block cleared");
    match account {
        Some(account) => decide_relay::review(app, account).await,
        None => Ok(()),
    }
}
