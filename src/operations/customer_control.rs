//! Whether an account's customer may disconnect and reconnect the own meters: an operator allows it, and it ends with the
//! account.

use domain::{
    account::State,
    ids::{AccountId, MeterId},
    relay::{Cause, ask},
};
use jiff::Timestamp;
use serde::Deserialize;
use store::{Conn, customer_control::CustomerControl};
use utoipa::ToSchema;

use super::{
    Error, audit_line,
    books::Books,
    decide_relay::{self, Asked},
    label, order_relay,
};
use crate::{app::App, changes::Changed, settings::Settings};

/// Whether the customer may switch.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCustomerControl {
    /// `true`: the customer may disconnect and reconnect the account's meters, never around credit or safety.
    pub allowed: bool,
    /// Why, or why no longer; stands in the audit log.
    pub reason: String,
}

/// Allows or forbids it. What stands so already is left so; what the customer cut stays cut until an operator reconnects it.
///
/// # Errors
/// The reason does not hold; a conflict where the account is closed.
pub async fn set(app: &App, id: AccountId, new: SetCustomerControl, by: &str) -> Result<(), Error> {
    let (reason, by, now) = (label("reason", &new.reason)?, by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let account = store::account::lock(conn, id)?;
            if account.state == State::Closed {
                return Err(Error::conflict("account_closed", "the account is closed"));
            }
            if store::customer_control::of_account(conn, id)?.is_some() == new.allowed {
                return Ok(());
            }
            let verb = if new.allowed {
                let (allowed_by, reason) = (by.clone(), reason.clone());
                let row = CustomerControl { account_id: id, allowed_at: now, allowed_by, reason };
                store::customer_control::allow(conn, &row)?;
                "allow_customer_control"
            } else {
                store::customer_control::forbid(conn, id)?;
                "forbid_customer_control"
            };
            audit_line::write(conn, id.site(), (&by, now), verb, format!("account:{id}"), reason.clone())
        })
        .await?;
    app.announce(Changed::Account { account: id });
    Ok(())
}

/// A customer leaves a meter, and what was cut by the customer's own wish ends with that: whoever has it next does not want
/// it. `books` are those of the account that it counts for from now on, whose money is decided over after this.
///
/// # Errors
/// A row does not parse; the database fails.
pub(super) fn leave(
    conn: &mut Conn,
    settings: &Settings,
    id: MeterId,
    books: Option<&Books>,
    (by, now): (&str, Timestamp),
) -> Result<(), Error> {
    let meter = store::meter::by_id(conn, id)?;
    let facts = decide_relay::meter_facts(conn, settings, &meter)?;
    if !facts.causes.contains(Cause::Customer) {
        return Ok(());
    }
    let left = ask::end_of(Cause::Customer, &facts).causes;
    decide_relay::save_causes(conn, id, &facts.causes, &left)?;
    let (account, why) = (books.map(|books| books.account.id), "the customer left".to_owned());
    let asked = Asked { account, vend: None, by: Some(by.to_owned()), why };
    order_relay::withdraw(conn, settings, &meter, (&facts, &left), (Cause::Customer, asked), now)
}
