//! The supply guard (保电): who is under it is not cut.

use domain::ids::{AccountId, BuildingId, MeterId, SiteId};
use store::Conn;

use super::{Error, audit_line, decide_relay, label};
use crate::app::App;

/// What a guard stands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One meter.
    Meter(MeterId),
    /// All meters of an account.
    Account(AccountId),
    /// All meters in a building.
    Building(BuildingId),
}

/// Sets or lifts a guard; supply is decided again.
///
/// # Errors
/// The target does not exist; a guard without a reason is refused.
pub async fn set(app: &App, target: Target, guarded: bool, reason: Option<String>, by: &str) -> Result<(), Error> {
    let told = reason.map(|reason| label("reason", &reason)).transpose()?;
    if guarded && told.is_none() {
        return Err(Error::field("reason_missing", "reason", "a guard needs a reason"));
    }
    let (by, now, reason) = (by.to_owned(), app.clock.now(), told.clone().filter(|_| guarded));
    let accounts = app
        .db
        .write(move |conn| {
            let line = |conn: &mut Conn, site: SiteId, object: String| {
                let verb = if guarded { "set_supply_guard" } else { "lift_supply_guard" };
                audit_line::write(conn, site, (&by, now), verb, object, told.clone().unwrap_or_default())
            };
            match target {
                Target::Meter(id) => {
                    let mut meter = store::meter::by_id(conn, id)?;
                    (meter.guarded, meter.guard_reason) = (guarded, reason.clone());
                    store::meter::save(conn, &meter)?;
                    line(conn, id.site(), format!("meter:{id}"))?;
                    Ok::<_, Error>(store::account::by_meter(conn, id)?.map(|account| account.id).into_iter().collect())
                }
                Target::Account(id) => {
                    let mut account = store::account::lock(conn, id)?;
                    (account.guarded, account.guard_reason) = (guarded, reason.clone());
                    store::account::save(conn, &account)?;
                    line(conn, id.site(), format!("account:{id}"))?;
                    Ok(vec![id])
                }
                Target::Building(id) => {
                    store::building::guard(conn, id, guarded, reason.as_deref())?;
                    line(conn, id.site(), format!("building:{id}"))?;
                    Ok(store::building::accounts(conn, id)?)
                }
            }
        })
        .await?;
    for account in accounts {
        decide_relay::review(app, account).await?;
    }
    Ok(())
}
