//! The supply guard (保电): who is under it is not cut.

use domain::ids::{AccountId, MeterId};

use super::{Error, decide_relay, label};
use crate::app::App;

/// What a guard stands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One meter.
    Meter(MeterId),
    /// All meters of an account.
    Account(AccountId),
}

/// Sets or lifts a guard; supply is decided again.
///
/// # Errors
/// The target does not exist; a guard without a reason is refused.
pub async fn set(app: &App, target: Target, guarded: bool, reason: Option<String>) -> Result<(), Error> {
    let reason = match reason.filter(|_| guarded) {
        Some(reason) => Some(label("reason", &reason)?),
        None if guarded => return Err(Error::field("reason_missing", "reason", "a guard needs a reason")),
        None => None,
    };
    let account = app
        .db
        .write(move |conn| match target {
            Target::Meter(id) => {
                let mut meter = store::meter::by_id(conn, id)?;
                (meter.guarded, meter.guard_reason) = (guarded, reason.clone());
                store::meter::save(conn, &meter)?;
                Ok::<_, Error>(store::account::by_meter(conn, id)?.map(|account| account.id))
            }
            Target::Account(id) => {
                let mut account = store::account::lock(conn, id)?;
                (account.guarded, account.guard_reason) = (guarded, reason.clone());
                store::account::save(conn, &account)?;
                Ok(Some(id))
            }
        })
        .await?;
    match account {
        Some(account) => decide_relay::review(app, account).await,
        None => Ok(()),
    }
}
