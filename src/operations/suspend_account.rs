//! Suspending an account and letting it go on: meanwhile energy is charged, but nothing is sold and credit decides over
//! nothing.

use domain::{account::State, ids::AccountId};

use super::{Error, audit_line, books::Books, decide_relay, label};
use crate::{app::App, changes::Changed};

/// Suspends an active account, or lets a suspended one go on; supply is decided again. What stands so already is left so.
///
/// # Errors
/// A conflict where the account is not open; the reason does not hold.
pub async fn set(app: &App, id: AccountId, suspended: bool, reason: &str, by: &str) -> Result<(), Error> {
    let (reason, by, now, settings) = (label("reason", reason)?, by.to_owned(), app.clock.now(), app.settings.clone());
    let wanted = if suspended { State::Suspended } else { State::Active };
    let reviewed = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, id)?;
            match books.account.state {
                state if state == wanted => return Ok(None),
                State::Active | State::Suspended => books.account.state = wanted,
                State::Pending | State::Closed => {
                    return Err(Error::conflict("account_not_active", "the account is not open"));
                }
            }
            let verb = if suspended { "suspend_account" } else { "resume_account" };
            audit_line::write(conn, id.site(), (&by, now), verb, format!("account:{id}"), reason.clone())?;
            decide_relay::in_transaction(conn, &settings, &mut books, None, now).map(Some)
        })
        .await?;
    if let Some(reviewed) = reviewed {
        decide_relay::follow(app, reviewed);
    }
    app.announce(Changed::Account { account: id });
    Ok(())
}
