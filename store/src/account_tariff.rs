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
        /// The newest version of the tariff that was there then: the change told of all up to it. None: it told of nothing.
        pub told_version: Option<i64>,
    }
}

impl AccountTariff {
    /// As pricing needs it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the place is too large.
    pub fn change(&self) -> Result<TariffChange> {
        Ok(TariffChange { place: small(self.place)?, from: self.valid_from, tariff: self.tariff_id })
    }

    /// The same with the newest version of the tariff that it told of; 0: none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a number is too large.
    pub fn told(&self) -> Result<(TariffChange, i32)> {
        Ok((self.change()?, small(self.told_version.unwrap_or_default())?))
    }
}

fn small(number: i64) -> Result<i32> {
    i32::try_from(number).map_err(|bad| Error::Corrupt { what: bad.to_string() })
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
