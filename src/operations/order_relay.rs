//! Relay orders by an operator (遥控): with a reason, once per idempotency key.

use std::time::Duration;

use domain::{
    bug::{Bug, is_planted},
    ids::{MeterId, OrderId},
    relay::{
        Action, Cause, RelayControl,
        decide::{self, AccountFacts, MeterFacts},
        order::Wish,
    },
};
use serde::{Deserialize, Serialize};
use store::relay_order::RelayOrder;
use utoipa::ToSchema;

use super::{
    Error,
    books::Books,
    decide_relay::{self, Asked},
    label, once,
};
use crate::{app::App, changes::Changed};

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
            let locked = match store::account::by_meter(conn, id)? {
                Some(account) => Some(Books::lock(conn, account.id)?),
                None => None,
            };
            // Whoever used the key meanwhile held the lock; look again now that it is ours.
            if let Some(earlier) = once::find::<OrderId>(conn, &asked)? {
                return Ok(earlier);
            }
            let meter = store::meter::by_id(conn, id)?;
            let account = locked.as_ref().map(decide_relay::account_facts).transpose()?;
            let facts = decide_relay::meter_facts(conn, &settings, &meter)?;
            if facts.relay_control == RelayControl::None {
                return Err(Error::refused("no_relay_control", "the meter's profile does not let its relay be moved"));
            }
            if facts.blocked {
                return Err(Error::refused("relay_blocked", "the meter refused a password; clear that first"));
            }
            let causes = match new.action {
                Action::Disconnect if is_guarded(&facts, account.as_ref()) => {
                    return Err(Error::refused("supply_guard", "the supply is guarded and must not be cut"));
                }
                Action::Disconnect => facts.causes.with(Cause::Operator),
                Action::Reconnect => {
                    let lifted = decide::lift(&facts.causes, Cause::Operator, account.as_ref());
                    decide::lift(&lifted, Cause::Unknown, account.as_ref())
                }
            };
            if new.action == Action::Reconnect && !causes.is_empty() {
                let detail = if causes.contains(Cause::Credit) {
                    format!("supply stays cut for {causes}: vend until the headroom reaches the restore margin, then order again")
                } else {
                    format!("supply stays cut for {causes}")
                };
                return Err(Error::refused("supply_not_wanted", detail));
            }
            decide_relay::save_causes(conn, id, &facts.causes, &causes)?;
            let wish =
                Wish { action: new.action, cause: Cause::Operator, permit: decide_relay::permit(&settings, &meter) };
            let account = locked.as_ref().map(|books| books.account.id);
            let order_asked = Asked { account, vend: None, by: Some(by.clone()), why: why.clone() };
            let order = decide_relay::place(conn, &meter, wish, order_asked, &settings.policy.relay, now)?;
            if let Some(books) = &locked {
                store::account::save(conn, &books.account)?;
            }
            once::store(conn, &asked, &order, now)?;
            Ok(order)
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

pub(super) fn is_guarded(meter: &MeterFacts, account: Option<&AccountFacts>) -> bool {
    let guarded = meter.supply_guard || account.is_some_and(|account| account.supply_guard);
    guarded && !is_planted(Bug::CutGuardedByOperator)
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
