//! An operator's hold: an account without money keeps its supply, or gets it back by a manual reconnect, until a date.

use domain::{account::State, calendar::shift, ids::AccountId};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Error, audit_line, decide_relay, label};
use crate::{app::App, changes::Changed};

/// A hold to be given or lifted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Until when the account's meters are not cut for credit; null lifts the hold.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    #[serde(deserialize_with = "Option::deserialize")]
    pub until: Option<Timestamp>,
    /// Why it is held, or no longer; stands in the audit log.
    pub reason: String,
}

/// Gives an account a hold, changes its end, or lifts it; supply is decided again.
///
/// # Errors
/// The reason does not hold; an end that is past or beyond `disconnection.hold_longest`; a conflict where the account is
/// closed.
pub async fn set(app: &App, id: AccountId, hold: Hold, by: &str) -> Result<(), Error> {
    let (reason, by, now) = (label("reason", &hold.reason)?, by.to_owned(), app.clock.now());
    let latest = shift(now, app.settings.policy.disconnection.hold_longest);
    if hold.until.is_some_and(|until| until <= now || until > latest) {
        return Err(Error::field("hold_end", "until", format!("must be after now and not after {latest}")));
    }
    app.db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            if account.state == State::Closed {
                return Err(Error::conflict("account_closed", "the account is closed"));
            }
            account.hold_until = hold.until;
            store::account::save(conn, &account)?;
            let (verb, detail) = match hold.until {
                Some(until) => ("hold_account", format!("until {until}: {reason}")),
                None => ("lift_hold", reason.clone()),
            };
            audit_line::write(conn, id.site(), (&by, now), verb, format!("account:{id}"), detail)
        })
        .await?;
    decide_relay::review(app, id).await?;
    app.announce(Changed::Account { account: id });
    Ok(())
}
