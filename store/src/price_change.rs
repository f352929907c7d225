//! Further versions of tariffs of whose prices customers are told, and how far that has come.

use diesel::prelude::*;
use domain::{
    account::State,
    ids::{AccountId, TariffId},
};
use jiff::Timestamp;

use crate::{
    account::Account,
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{account_tariffs, accounts, price_changes},
};

row! {
    /// A version to be told of.
    pub struct PriceChange in price_changes {
        /// The tariff.
        pub tariff_id: TariffId,
        /// The version's number within it.
        pub version: i64,
        /// When it was entered.
        pub entered_at: Timestamp,
        /// The last account that was looked at; none: none was.
        pub cursor: Option<AccountId>,
        /// Accounts whose notice was written.
        pub told: i64,
        /// When all were looked at.
        pub ended_at: Option<Timestamp>,
    }
}

/// Stores a version to be told of.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &PriceChange) -> Result<()> {
    let values = (new, price_changes::site_id.eq(val(new.tariff_id.site())));
    on!(conn, |c| diesel::insert_into(price_changes::table).values(values).execute(c)).map(drop)
}

/// At most `limit` versions of all sites of which not all customers are told yet.
///
/// # Errors
/// Whatever the database answers.
pub fn open(conn: &mut Conn, limit: i64) -> Result<Vec<PriceChange>> {
    on!(conn, |c| price_changes::table
        .filter(price_changes::ended_at.is_null())
        .order((price_changes::site_id, price_changes::tariff_id, price_changes::version))
        .limit(limit)
        .select(PriceChange::as_select())
        .load(c))
}

/// Holds a version's row until the transaction ends, and gives it as it is now, so that one goes on with it at a time.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, tariff: TariffId, version: i64) -> Result<PriceChange> {
    let key = (val(tariff.site()), val(tariff), version);
    let row = on!(conn, |c| diesel::update(price_changes::table.find(key))
        .set(price_changes::told.eq(price_changes::told))
        .returning(PriceChange::as_returning())
        .get_result(c)
        .optional())?;
    found("price change", row)
}

/// Stores how far it has come.
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, row: &PriceChange) -> Result<()> {
    let key = (val(row.tariff_id.site()), val(row.tariff_id), row.version);
    on!(conn, |c| diesel::update(price_changes::table.find(key))
        .set((
            price_changes::cursor.eq(val(row.cursor)),
            price_changes::told.eq(row.told),
            price_changes::ended_at.eq(val(row.ended_at)),
        ))
        .execute(c))
    .map(drop)
}

/// At most `limit` accounts after one, by identifier, that are not closed and began with a tariff or ever changed to it.
///
/// # Errors
/// Whatever the database answers.
pub fn accounts(conn: &mut Conn, tariff: TariffId, after: Option<AccountId>, limit: i64) -> Result<Vec<Account>> {
    let changed = account_tariffs::table
        .filter(account_tariffs::site_id.eq(accounts::site_id))
        .filter(account_tariffs::account_id.eq(accounts::id))
        .filter(account_tariffs::tariff_id.eq(val(tariff)));
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(tariff.site())))
        .filter(accounts::id.gt(val(after.map_or(0, AccountId::get))))
        .filter(accounts::state.ne(val(State::Closed)))
        .filter(accounts::tariff_id.eq(val(tariff)).or(diesel::dsl::exists(changed)))
        .order(accounts::id)
        .limit(limit)
        .select(Account::as_select())
        .load(c))
}
