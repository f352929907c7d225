//! What an account could still use: from the hot balances where they answer, else from its rows.

use std::sync::Arc;

use domain::{
    ids::{AccountId, MeterId},
    money::Money,
    relay::{Causes, RelayReading},
    tariff::Tariff,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Error, books::Books};
use crate::{
    app::App,
    hot::{AccountPart, Update},
};

/// An account's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// What the amounts are in, as minor units.
    pub currency: String,
    /// The posted balance (余额).
    #[schema(value_type = i64)]
    pub posted: Money,
    /// Energy used but not yet posted (未结电费).
    #[schema(value_type = i64)]
    pub accrued: Money,
    /// Posted less accrued (可用余额).
    #[schema(value_type = i64)]
    pub available: Money,
    /// What may be used before supply is cut.
    #[schema(value_type = i64)]
    pub headroom: Money,
    /// The newest reading it counts to.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<Timestamp>,
    /// Grows with every change of the posted balance.
    pub version: i64,
    /// Its meters.
    pub supply: Vec<Supply>,
}

/// How a meter of an account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Supply {
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// Its relay as last read.
    #[schema(value_type = Option<Object>)]
    pub relay: Option<RelayReading>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub relay_read_at: Option<Timestamp>,
    /// Why supply is not wanted; empty where it is.
    #[schema(value_type = Vec<String>)]
    pub causes: Causes,
}

/// An account's balance, from its rows.
///
/// # Errors
/// It does not exist, or a row does not parse.
pub async fn get(app: &App, account: AccountId) -> Result<Balance, Error> {
    app.db
        .snapshot(move |conn| {
            let row = store::account::by_id(conn, account)?;
            let books = Books::load(conn, row)?;
            let mut supply = Vec::new();
            for meter in &books.meters {
                let row = store::meter::by_id(conn, meter.installation.meter_id)?;
                let causes = store::meter::causes(conn, row.id)?;
                let (relay, relay_read_at) = row.relay_reading().unzip();
                supply.push(Supply { meter_id: row.id, relay, relay_read_at, causes });
            }
            Ok(Balance {
                account_id: account,
                currency: books.account.currency.clone(),
                posted: books.account.posted,
                accrued: books.accrued()?,
                available: books.available()?,
                headroom: books.headroom()?,
                as_of: books.meters.iter().map(|meter| meter.as_of).max(),
                version: books.account.version,
                supply,
            })
        })
        .await
}

/// Puts an update into the hot balances and returns what is available after it. Hot balances that fail, or that were
/// wiped, are answered for and filled again from the rows.
///
/// # Errors
/// The database fails, when it had to be asked.
pub async fn put(app: &App, update: Update) -> Result<Money, Error> {
    let account = update.account;
    match app.hot.put(update).await {
        Ok(snapshot) => {
            app.hot_answered();
            // A ledger's part older than what its meters count from was brought back from long ago.
            let newest = snapshot.meters.values().map(|part| part.position).max();
            if let Some(part) = snapshot.account.as_ref().filter(|part| newest <= Some(part.version)) {
                let tariff = prices(app, part).await?;
                if let Some(available) = snapshot.available(&tariff)? {
                    return Ok(available);
                }
            }
        }
        Err(error) => app.hot_failed(&error),
    }
    refresh(app, account).await
}

/// What prices an account over all its time, as its hot balance says.
///
/// # Errors
/// The database fails, or a tariff does not parse.
pub async fn prices(app: &App, part: &AccountPart) -> Result<Arc<Tariff>, Error> {
    let first = app.tariff(part.tariff).await?;
    if part.changes.is_empty() {
        return Ok(first);
    }
    let mut prices = Tariff::clone(&first);
    for change in &part.changes {
        prices = prices.followed_by(change, &*app.tariff(change.tariff).await?);
    }
    Ok(Arc::new(prices))
}

/// Brings an account's hot balance up to its rows and returns what is available.
///
/// # Errors
/// The database fails. Hot balances that fail are only counted: they are filled at the next update.
pub async fn refresh(app: &App, account: AccountId) -> Result<Money, Error> {
    let (available, update) = app
        .db
        .snapshot(move |conn| {
            let row = store::account::by_id(conn, account)?;
            let books = Books::load(conn, row)?;
            Ok::<_, Error>((books.available()?, books.hot()))
        })
        .await?;
    if let Err(error) = app.hot.put(update).await {
        app.hot_failed(&error);
    }
    Ok(available)
}

/// Fills the hot balances of all accounts from their rows, `rows` accounts at a time; returns how many there were.
///
/// # Errors
/// The database fails.
pub async fn rebuild(app: &App, rows: i64) -> Result<usize, Error> {
    let mut filled = 0;
    let mut site = None;
    loop {
        let sites = app.db.read(move |conn| store::site::page(conn, site, rows)).await?;
        let Some(last) = sites.last().map(|site| site.id) else { return Ok(filled) };
        site = Some(last);
        for one in sites {
            let mut after = None;
            loop {
                let accounts = app.db.read(move |conn| store::account::page(conn, one.id, after, rows)).await?;
                let Some(last) = accounts.last().map(|account| account.id) else { break };
                after = Some(last);
                for account in accounts {
                    // Where they cannot even forget, nothing is read from them either until they answer; what they hold
                    // then is older than the rows, and gives way to the next update.
                    if let Err(error) = app.hot.forget(account.id).await {
                        app.hot_failed(&error);
                        return Ok(filled);
                    }
                    match refresh(app, account.id).await {
                        Ok(_) => filled += 1,
                        Err(error) if error.is_of_the_database() => return Err(error),
                        Err(error) => {
                            tracing::error!(account = %account.id, %error, "an account's books cannot be read")
                        }
                    }
                }
            }
        }
    }
}
