//! Settled energies of accounts: the sums of their settled days by window of blocks, tariff version and period.

use diesel::prelude::*;
use domain::{charge::Usage, ids::AccountId, tariff::Period};
use jiff::civil::Date;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result},
    schema::settled_energies,
};

row! {
    /// One sum.
    pub struct SettledEnergy in settled_energies {
        /// The account.
        pub account_id: AccountId,
        /// First local day of the window of blocks.
        pub block_window: Date,
        /// Number of the tariff version.
        pub tariff_version: i64,
        /// The period.
        pub period: Period,
        /// Energy after the multiplier.
        pub energy: domain::energy::Energy,
    }
}

/// An account's energies in windows that begin on or after a day; `None`: in all.
///
/// # Errors
/// Whatever the database answers.
pub fn since(conn: &mut Conn, account: AccountId, from: Option<Date>) -> Result<Usage> {
    let rows: Vec<SettledEnergy> = on!(conn, |c| settled_energies::table
        .filter(settled_energies::site_id.eq(val(account.site())))
        .filter(settled_energies::account_id.eq(val(account)))
        .filter(settled_energies::block_window.ge(val(from.unwrap_or(Date::ZERO))))
        .select(SettledEnergy::as_select())
        .load(c))?;
    let keyed = |row: SettledEnergy| {
        let version = i32::try_from(row.tariff_version).map_err(|bad| Error::Corrupt { what: bad.to_string() })?;
        Ok(((row.block_window, version, row.period), row.energy))
    };
    rows.into_iter().map(keyed).collect()
}

/// Keeps the energies that `usage` has; others stay as they are.
///
/// # Errors
/// Whatever the database answers.
pub fn keep(
    conn: &mut Conn,
    account: AccountId,
    usage: impl IntoIterator<Item = (domain::charge::UsageKey, domain::energy::Energy)>,
) -> Result<()> {
    for ((block_window, version, period), energy) in usage {
        let tariff_version = i64::from(version);
        let row = SettledEnergy { account_id: account, block_window, tariff_version, period, energy };
        let values = (&row, settled_energies::site_id.eq(val(account.site())));
        on!(conn, |c| diesel::insert_into(settled_energies::table)
            .values(values)
            .on_conflict((
                settled_energies::site_id,
                settled_energies::account_id,
                settled_energies::block_window,
                settled_energies::tariff_version,
                settled_energies::period,
            ))
            .do_update()
            .set(settled_energies::energy.eq(val(row.energy)))
            .execute(c))?;
    }
    Ok(())
}
