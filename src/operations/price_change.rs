//! Telling customers of new prices: of an account's change to another tariff at once, of a tariff's further version in
//! transactions of some accounts each, however many accounts it prices.

use domain::{
    ids::TariffId,
    notice::{Notice, Prices},
    tariff::{FurtherVersion, Tariff, TariffVersion},
};
use jiff::{Timestamp, civil::Date};
use store::{Conn, account::Account, price_change::PriceChange};

use super::{Error, books, notices};
use crate::app::App;

/// Notes, with a version that is entered, that its customers are to be told of it.
///
/// # Errors
/// The database fails.
pub(super) fn begin(conn: &mut Conn, tariff: TariffId, version: &TariffVersion, now: Timestamp) -> Result<(), Error> {
    let row = PriceChange {
        tariff_id: tariff,
        version: i64::from(version.version),
        entered_at: now,
        cursor: None,
        told: 0,
        ended_at: None,
    };
    Ok(store::price_change::insert(conn, &row)?)
}

/// Tells the customer of an account that changes to another tariff: of the version that holds on the day of the change, and of
/// those that are known to follow, since nobody else will.
///
/// # Errors
/// The database fails.
pub(super) fn tell_of_change(
    conn: &mut Conn,
    account: &Account,
    name: &str,
    prices: &Tariff,
    from: Date,
    now: Timestamp,
) -> Result<(), Error> {
    let holds = prices.at(from).map(|version| version.version);
    let meant = |version: &&TariffVersion| Some(version.version) == holds || version.valid_from > from;
    for version in prices.versions.iter().filter(meant) {
        let told = notice(name, version, version.valid_from.max(from));
        notices::write(conn, account, &prices.currency, &told, now)?;
    }
    Ok(())
}

fn notice(tariff: &str, version: &TariffVersion, from: Date) -> Notice {
    Notice::PriceChange { tariff: tariff.to_owned(), from, prices: Prices::of(version) }
}

/// Goes on with telling customers of further versions: some accounts of each version. Returns how many were told.
///
/// # Errors
/// The database fails.
pub async fn go_on(app: &App) -> Result<usize, Error> {
    let rows = app.settings.jobs.rows;
    let open = app.db.read(move |conn| Ok::<_, Error>(store::price_change::open(conn, rows)?)).await?;
    let mut told = 0;
    for PriceChange { tariff_id, version, .. } in open {
        let (accounts, now) = (app.settings.jobs.accounts_per_transaction, app.clock.now());
        match app.db.write(move |conn| tell_some(conn, (tariff_id, version), accounts, now)).await {
            Ok(some) => told += some,
            Err(error) if error.is_of_the_database() => return Err(error),
            // One version must not keep the others waiting.
            Err(error) => tracing::error!(tariff = %tariff_id, version, %error, "customers are not told of new prices"),
        }
    }
    Ok(told)
}

/// Writes the notices of the next accounts, and moves the cursor on.
fn tell_some(conn: &mut Conn, (id, number): (TariffId, i64), rows: i64, now: Timestamp) -> Result<usize, Error> {
    let mut row = store::price_change::lock(conn, id, number)?;
    if row.ended_at.is_some() {
        // Another process was faster.
        return Ok(0);
    }
    let site = store::site::by_id(conn, id.site())?;
    let (name, tariff) = (store::tariff::by_id(conn, id)?.name, books::tariff(conn, id, &site)?);
    let place = tariff.versions.iter().position(|version| i64::from(version.version) == number);
    let found = place.and_then(|place| Some((tariff.versions.get(place)?, tariff.versions.get(place + 1))));
    let Some((version, next)) = found else {
        return Err(books::corrupt(format!("tariff {id} has no version {number}")));
    };
    let until = next.map(|next| next.valid_from);
    let further = FurtherVersion { tariff: id, version: version.version, from: version.valid_from, until };
    let accounts = store::price_change::accounts(conn, id, row.cursor, rows)?;
    let mut told = 0;
    for account in &accounts {
        let changes = store::account_tariff::of_account(conn, account.id)?;
        let changes = changes.iter().map(|change| change.told()).collect::<Result<Vec<_>, _>>()?;
        if let Some(from) = further.told_from(account.tariff_id, &changes) {
            notices::write(conn, account, &tariff.currency, &notice(&name, version, from), now)?;
            told += 1;
        }
    }
    match accounts.last() {
        Some(last) => row.cursor = Some(last.id),
        None => row.ended_at = Some(now),
    }
    row.told += i64::try_from(told).unwrap_or(i64::MAX);
    store::price_change::save(conn, &row)?;
    store::fault::point("price_change.told");
    Ok(told)
}
