//! Suspending an account and letting it go on: meanwhile energy is charged, but nothing is sold and credit decides over
//! nothing.

use domain::{account::State, ids::AccountId};

use super::{Error, audit_line, decide_relay, label};
use crate::{app::App, changes::Changed};

/// Suspends an active account, or lets a suspended one go on. What stands so already is left so.
///
/// # Errors
/// A conflict where the account is not open; the reason does not hold.
pub async fn set(app: &App, id: AccountId, suspended: bool, reason: &str, by: &str) -> Result<(), Error> {
    let (reason, by, now) = (label("reason", reason)?, by.to_owned(), app.clock.now());
    let wanted = if suspended { State::Suspended } else { State::Active };
    app.db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            match account.state {
                state if state == wanted => return Ok(()),
                State::Active | State::Suspended => account.state = wanted,
                State::Pending | State::Closed => {
                    return Err(Error::conflict("account_not_active", "the account is not open"));
                }
            }
            // Supply is decided over below, or by the next look at accounts if the program dies before.
            account.decide_at = (wanted == State::Active).then_some(now);
            store::account::save(conn, &account)?;
            let verb = if suspended { "suspend_account" } else { "resume_account" };
            audit_line::write(conn, id.site(), (&by, now), verb, format!("account:{id}"), reason.clone())
        })
        .await?;
    decide_relay::review(app, id).await?;
    app.announce(Changed::Account { account: id });
    Ok(())
}
