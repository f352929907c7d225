//! What happens to relay orders, written by one journal: authorizations and events, many in one transaction.

use domain::{
    ids::{AccountId, OrderId},
    relay::{
        Action, RelayReading,
        order::{self, Event, Order, Refusal},
    },
};
use jiff::{SignedDuration, Timestamp};
use store::{Conn, relay_order::RelayOrder};

use super::{
    Error,
    authorize_order::{self, Authorized},
    books::Books,
    decide_relay, notices,
};
use crate::{
    app::App,
    changes::{Changed, RestoreStep},
    settings::Settings,
};

/// One line for the journal.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// An order is about to be sent.
    Authorize(OrderId),
    /// Something happened to an order.
    Record(OrderId, Event),
}

/// What an entry came to.
#[derive(Debug, Clone)]
pub enum Written {
    /// To [`Entry::Authorize`].
    Authorized(Authorized),
    /// To [`Entry::Record`]: the order afterwards, and its account where supply is to be decided again.
    Recorded {
        /// The order afterwards.
        order: Order,
        /// Whether it ended with this entry.
        ended: Option<AccountId>,
        /// The steps of the restore promise that it came to with this entry, and how long after the vend.
        restored: Vec<(RestoreStep, SignedDuration)>,
    },
}

/// Decides once more over an order and marks it `sent`, durably, before its bytes leave.
///
/// # Errors
/// The order does not exist, or the database fails.
pub async fn authorize(app: &App, id: OrderId) -> Result<Authorized, Error> {
    match app.journal()?.submit(Entry::Authorize(id), 1, false).await? {
        Written::Authorized(authorized) => {
            store::fault::point("journal.committed");
            app.announce(Changed::Order { order: id });
            if let Authorized::Held { meter, guards, .. } = &authorized {
                app.announce(Changed::Held { meter: *meter, guards: guards.clone() });
            }
            Ok(authorized)
        }
        Written::Recorded { .. } => Err(Error::Busy),
    }
}

/// Records what happened to an order; supply is decided again at its end. Returns the order afterwards.
///
/// # Errors
/// A conflict where the event cannot happen in the order's state; the database fails.
pub async fn record(app: &App, id: OrderId, event: Event) -> Result<Order, Error> {
    match app.journal()?.submit(Entry::Record(id, event), 1, false).await? {
        Written::Recorded { order, ended, restored } => {
            store::fault::point("journal.committed");
            app.announce(Changed::Order { order: id });
            for (step, after) in restored {
                app.announce(Changed::Restored { meter: order.meter, step, after });
            }
            if let Some(account) = ended
                && let Err(error) = decide_relay::review(app, account).await
            {
                tracing::warn!(%account, %error, "supply was not decided after an order");
            }
            Ok(order)
        }
        Written::Authorized(_) => Err(Error::Busy),
    }
}

/// Writes a batch of entries in one transaction: what [`crate::batch`] calls.
///
/// # Errors
/// The database fails; then nothing of the batch is written.
pub fn write(
    conn: &mut Conn,
    settings: &Settings,
    entries: &[Entry],
    now: Timestamp,
) -> Result<Vec<Result<Written, Error>>, Error> {
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        // A savepoint each: what one order cannot do must not undo, or half do, the others.
        let written = conn.transaction(|conn| match *entry {
            Entry::Authorize(id) => authorize_order::authorize(conn, settings, id, now).map(Written::Authorized),
            Entry::Record(id, event) => one(conn, settings, id, event, now),
        });
        results.push(match written {
            Err(error) if error.is_of_the_database() => return Err(error),
            other => other,
        });
    }
    store::fault::point("journal.written");
    Ok(results)
}

fn one(conn: &mut Conn, settings: &Settings, id: OrderId, event: Event, now: Timestamp) -> Result<Written, Error> {
    let found = store::relay_order::by_id(conn, id)?;
    // The account's row is the lock of everything that decides over its supply.
    let locked = match found.account_id {
        Some(account) => Some(Books::lock(conn, account)?),
        None => None,
    };
    let row = store::relay_order::by_id(conn, id)?;
    let before = row.order();
    if let Event::RelayRead(reading) = event {
        store::meter::record_relay(conn, before.meter, reading, now)?;
    }
    if before.state.is_end() {
        return Ok(Written::Recorded { order: before, ended: None, restored: Vec::new() });
    }
    let transition = order::apply(&before, event, now, &settings.policy.relay)
        .map_err(|out_of_turn| Error::conflict("out_of_turn", out_of_turn.to_string()))?;
    let after = transition.order;
    let (told, over) = (told(&event), matches!(after.state, order::State::Failed | order::State::Expired));
    let detail = over.then(|| told.clone()).or(row.detail.clone());
    store::relay_order::transition(conn, &RelayOrder { detail, ..row.with(&after) }, before.state, now, &told)?;
    let object = format!("meter:{}", after.meter);
    if transition.block_meter {
        store::meter::block_relay(conn, after.meter, true)?;
        store::alarm::raise(conn, id.site(), "relay_blocked", &object, "the meter refused the password", now)?;
    }
    if transition.reconnect_refused {
        store::alarm::raise(conn, id.site(), "reconnect_refused", &object, &format!("order {id}"), now)?;
    }
    if after.state != before.state
        && let Some(books) = &locked
    {
        let address = store::meter::by_id(conn, after.meter)?.address;
        if let Some(notice) = decide_relay::notice_of(&after, books.available()?, &address) {
            notices::write(conn, &books.account, &books.tariff.currency, &notice, now)?;
        }
    }
    if let Some(books) = &locked {
        // The lock moved the version on; nothing else of the row changed here.
        store::account::save(conn, &books.account)?;
    }
    let ended = after.account.filter(|_| after.state.is_end());
    let restored = if row.vend_id.is_some() { restored(before.state, &after, now) } else { Vec::new() };
    Ok(Written::Recorded { order: after, ended, restored })
}

/// The steps of the restore promise that a vend's reconnect came to; it was ordered with the vend.
fn restored(before: order::State, after: &Order, now: Timestamp) -> Vec<(RestoreStep, SignedDuration)> {
    let steps: &[RestoreStep] = match (before, after.state) {
        _ if after.action != Action::Reconnect || before == after.state => &[],
        (order::State::AwaitingCustomer, order::State::Confirmed) => &[RestoreStep::Supplied],
        (_, order::State::AwaitingCustomer) => &[RestoreStep::Permitted],
        (_, order::State::Confirmed) => &[RestoreStep::Permitted, RestoreStep::Supplied],
        _ => &[],
    };
    steps.iter().map(|step| (*step, now.duration_since(after.created_at))).collect()
}

/// An event in words, for the order's line.
fn told(event: &Event) -> String {
    match event {
        Event::Authorized => "bytes may leave".to_owned(),
        Event::Held { until } => format!("held until {until}"),
        Event::Released => "held no longer".to_owned(),
        Event::Acknowledged => "the meter took the command".to_owned(),
        Event::RelayRead(RelayReading { relay, command, .. }) => {
            format!("relay read: {relay}, last command {command}")
        }
        Event::Refused(Refusal::Password) => "refused: password".to_owned(),
        Event::Refused(Refusal::Other) => "refused".to_owned(),
        Event::NoAnswer => "no answer".to_owned(),
        Event::Reachable => "the meter can be reached again".to_owned(),
        Event::Superseded => "superseded".to_owned(),
        Event::Expire => "not sent in time".to_owned(),
    }
}

/// Takes note of a relay that was read outside an order.
///
/// # Errors
/// A row is missing or does not parse; the database fails.
pub async fn relay_seen(
    app: &App,
    meter: domain::ids::MeterId,
    reading: RelayReading,
    at: Timestamp,
) -> Result<(), Error> {
    let now = app.clock.now();
    let account = app
        .db
        .write(move |conn| {
            let account = store::account::by_meter(conn, meter)?;
            if let Some(account) = &account {
                let locked = store::account::lock(conn, account.id)?;
                store::account::save(conn, &locked)?;
            }
            found(conn, meter, reading, at, now)?;
            Ok::<_, Error>(account.map(|account| account.id))
        })
        .await?;
    match account {
        Some(account) => decide_relay::review(app, account).await,
        None => Ok(()),
    }
}

fn found(
    conn: &mut Conn,
    meter: domain::ids::MeterId,
    reading: RelayReading,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    use domain::relay::found::{Expected, Found, found};
    let row = store::meter::by_id(conn, meter)?;
    let causes = store::meter::causes(conn, meter)?;
    // A confirmed one was read; one that was overtaken may still take effect late, and then it is known whose it is.
    let unread = store::relay_order::last_disconnect(conn, meter)?.filter(|row| row.state != order::State::Confirmed);
    let live = store::relay_order::live_of(conn, meter)?.map(|row| row.action);
    let expected = Expected {
        before: row.relay_reading().map(|(reading, _)| reading),
        causes: causes.clone(),
        live_order: live,
        unread_disconnect: unread.map(|row| row.cause),
    };
    let (what, now_causes) = found(&reading, &expected);
    decide_relay::save_causes(conn, meter, &causes, &now_causes)?;
    store::meter::record_relay(conn, meter, reading, at)?;
    let alarm = match what {
        Found::AsExpected | Found::DisconnectedBy(_) => return Ok(()),
        Found::DisconnectedUnknown => "disconnected_without_order",
        Found::ReconnectedWithoutOrder => "reconnected_without_order",
    };
    let detail = format!("relay {} at {at}", reading.relay);
    store::alarm::raise(conn, meter.site(), alarm, &format!("meter:{meter}"), &detail, now)?;
    Ok(())
}
