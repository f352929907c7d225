//! Changes of accounts to other tariffs. Append-only: a change takes the place of those entered before it for its day or
//! later.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, TariffId},
    tariff::TariffChange,
};
use jiff::{Timestamp, civil::Date};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result},
    schema::account_tariffs,
};

row! {
    /// A change.
    pub struct AccountTariff in account_tariffs {
        /// The account.
        pub account_id: AccountId,
        /// See [`TariffChange::place`].
        pub place: i64,
        /// What prices the account from then on.
        pub tariff_id: TariffId,
        /// The first local day it holds for.
        pub valid_from: Date,
        /// When it was entered.
        pub entered_at: Timestamp,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// Why, in words.
        pub reason: String,
    }
}

impl AccountTariff {
    /// As pricing needs it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the place is too large.
    pub fn change(&self) -> Result<TariffChange> {
        let place = i32::try_from(self.place).map_err(|bad| Error::Corrupt { what: bad.to_string() })?;
        Ok(TariffChange { place, from: self.valid_from, tariff: self.tariff_id })
    }
}

/// Stores a change.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &AccountTariff) -> Result<()> {
    let values = (new, account_tariffs::site_id.eq(val(new.account_id.site())));
    on!(conn, |c| diesel::insert_into(account_tariffs::table).values(values).execute(c)).map(drop)
}

/// An account's changes in the order in which they were entered.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Vec<AccountTariff>> {
    on!(conn, |c| account_tariffs::table
        .filter(account_tariffs::site_id.eq(val(account.site())))
        .filter(account_tariffs::account_id.eq(val(account)))
        .order(account_tariffs::place)
        .select(AccountTariff::as_select())
        .load(c))
}
