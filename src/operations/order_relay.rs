//! Relay orders by an operator (遥控): with a reason, once per idempotency key.

use std::time::Duration;

use domain::{
    ids::{AccountId, ConcentratorId, MeterId, OrderId},
    relay::{Action, Cause, ask::Ask, order::Wish},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, relay_order::RelayOrder};
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

/// Writes an order and what it leaves of the causes; with the concentrator that carries it out.
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
) -> Result<(OrderId, ConcentratorId), Error> {
    let Given { ask, why, by } = given;
    let meter = store::meter::by_id(conn, id)?;
    let account = locked.map(decide_relay::account_facts).transpose()?;
    let facts = decide_relay::meter_facts(conn, settings, &meter)?;
    let causes = domain::relay::ask::ask(ask, &facts, account.as_ref(), now)
        .map_err(|refusal| Error::refused(refusal.code(), refusal.to_string()))?;
    decide_relay::save_causes(conn, id, &facts.causes, &causes)?;
    let wish = Wish { action: ask.action, cause: ask.cause, permit: decide_relay::permit(settings, &meter) };
    let account = locked.map(|books| books.account.id);
    let asked = Asked { account, vend: None, by: Some(by), why };
    let order = decide_relay::place(conn, &meter, wish, asked, &settings.policy.relay, now)?;
    if let Some(books) = locked {
        store::account::save(conn, &books.account)?;
    }
    Ok((order, meter.concentrator_id))
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
