//! Relay orders for one meter (遥控): by an operator, by the customer, or for safety; with a reason, once per idempotency key.

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
    Error, audit_line,
    books::Books,
    decide_relay::{self, Asked},
    label, once,
};
use crate::{app::App, changes::Changed, settings::Settings};

/// Whose wish an order is: its disconnect adds this cause, and its reconnect lifts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// The operator's.
    #[default]
    Operator,
    /// The customer's, where the operator allows it; never around credit or safety.
    Customer,
    /// Work on the line: what is locked so nothing but its own reconnect brings back.
    Safety,
}

impl Maker {
    const fn cause(self) -> Cause {
        match self {
            Self::Operator => Cause::Operator,
            Self::Customer => Cause::Customer,
            Self::Safety => Cause::Safety,
        }
    }

    /// Keys that were used before there were others go on meaning the same.
    fn is_operator(&self) -> bool {
        *self == Self::Operator
    }
}

/// An order to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRelay {
    /// `disconnect` or `reconnect`.
    #[schema(value_type = String)]
    pub action: Action,
    /// Why, for people; stored with the order.
    pub reason: String,
    /// Whose wish it is: `operator`, `customer` or `safety`. `operator` if absent.
    #[serde(default, skip_serializing_if = "Maker::is_operator")]
    pub cause: Maker,
}

/// A cause that was lifted without an order: supply stays off for something else, or needs none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lifted {
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// The cause that ended.
    #[schema(value_type = String)]
    pub lifted: Cause,
    /// What keeps supply off now; empty: nothing, its relay is on or cannot be moved at present.
    #[schema(value_type = Vec<String>)]
    pub causes: Causes,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub lifted_at: Timestamp,
}

/// What is kept of an order under its key.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Ordered(OrderId),
    Lifted(Lifted),
}

/// What an order came to.
#[derive(Debug)]
pub enum Done {
    /// The relay is being moved.
    Ordered(Box<RelayOrder>),
    /// A cause was lifted, and no order was given.
    Lifted(Lifted),
}

/// Orders a meter's relay moved, by the rules of [`domain::relay::ask::ask`].
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn order(app: &App, id: MeterId, new: OrderRelay, key: &str, by: &str) -> Result<Done, Error> {
    let why = label("reason", &new.reason)?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let asked = once::Asked::new(id.site(), key, &("order_relay", id, &new))?;
    let kept = app
        .db
        .write(move |conn| {
            if let Some(earlier) = once::find::<Kept>(conn, &asked)? {
                return Ok(earlier);
            }
            let account = store::account::by_meter(conn, id)?.map(|account| account.id);
            let locked = lock(conn, account)?;
            // Whoever used the key meanwhile held the lock; look again now that it is ours.
            if let Some(earlier) = once::find::<Kept>(conn, &asked)? {
                return Ok(earlier);
            }
            let (action, cause) = (new.action, new.cause.cause());
            let given = Given { action, cause, approved: false, why: why.clone(), by: by.clone() };
            let gave = give(conn, &settings, id, locked.as_ref(), given, now)?;
            let lifted = Lifted { meter_id: id, lifted: cause, causes: gave.causes, lifted_at: now };
            // A lock is told apart from other orders, and what is lifted without an order has no other trace.
            let verb = match (action, new.cause) {
                (Action::Disconnect, Maker::Safety) => Some("lock_supply"),
                (Action::Reconnect, Maker::Safety) => Some("unlock_supply"),
                _ => gave.order.is_none().then_some("lift_cause"),
            };
            if let Some(verb) = verb {
                let stays = if lifted.causes.is_empty() { String::new() } else { format!(" ({})", lifted.causes) };
                audit_line::write(conn, id.site(), (&by, now), verb, format!("meter:{id}"), format!("{why}{stays}"))?;
            }
            let kept = gave.order.map_or(Kept::Lifted(lifted), Kept::Ordered);
            once::store(conn, &asked, &kept, now)?;
            Ok::<_, Error>(kept)
        })
        .await?;
    let order = match kept {
        Kept::Ordered(order) => order,
        Kept::Lifted(lifted) => return Ok(Done::Lifted(lifted)),
    };
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
    Ok(Done::Ordered(Box::new(row)))
}

/// An order that a person gives to one meter.
pub(super) struct Given {
    /// What its relay is to do.
    pub action: Action,
    /// Whose cause a disconnect adds and a reconnect lifts.
    pub cause: Cause,
    /// Whether a second operator approved it.
    pub approved: bool,
    /// Why, for people.
    pub why: String,
    /// Prefix of the API key that asked.
    pub by: String,
}

/// What giving it came to.
pub(super) struct Gave {
    /// The order, where one was needed.
    pub order: Option<OrderId>,
    /// The meter's causes from now on.
    pub causes: Causes,
    /// Who carries it out.
    pub concentrator: ConcentratorId,
}

/// Holds the meter's account, where it has one.
pub(super) fn lock(conn: &mut Conn, account: Option<AccountId>) -> Result<Option<Books>, Error> {
    account.map(|account| Books::lock(conn, account)).transpose()
}

/// Writes what is asked of the causes, and an order where one is to be given.
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
) -> Result<Gave, Error> {
    let Given { action, cause, approved, why, by } = given;
    let meter = store::meter::by_id(conn, id)?;
    let money = locked.map(|books| decide_relay::account_facts(conn, books, now)).transpose()?;
    let mut facts = decide_relay::meter_facts(conn, settings, &meter)?;
    let before = facts.causes.clone();
    // What a schedule that ended left behind, such as by a cut that took effect late, would be lifted by nobody.
    let left_behind = action == Action::Reconnect && cause == Cause::Operator;
    if left_behind && store::relay_schedule::of_meter(conn, id)?.is_none() {
        facts.causes = before.without(Cause::Schedule);
    }
    let of = locked.map(|books| books.account.id);
    let control = of.map(|account| store::customer_control::of_account(conn, account)).transpose()?;
    let ask = Ask { action, cause, approved, customer_may: control.flatten().is_some() };
    let Answer { causes, order } = domain::relay::ask::ask(ask, &facts, money.as_ref(), now)
        .map_err(|refusal| Error::refused(refusal.code(), refusal.to_string()))?;
    decide_relay::save_causes(conn, id, &before, &causes)?;
    let asked = Asked { account: of, vend: None, by: Some(by), why };
    let placed = if order {
        let wish = Wish { action, cause, permit: decide_relay::permit(settings, &meter) };
        Some(decide_relay::place(conn, &meter, wish, asked, &settings.policy.relay, now)?)
    } else {
        withdraw(conn, settings, &meter, (&facts, &causes), (cause, asked), now)?;
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
    Ok(Gave { order: placed, causes, concentrator: meter.concentrator_id })
}

/// The end of a cause takes its disconnect along: what somebody else wants cut is ordered in its place, and otherwise it is
/// superseded unless its bytes may have left.
///
/// # Errors
/// The database fails.
pub(super) fn withdraw(
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
