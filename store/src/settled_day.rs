//! Settled days: an installation's energy of a local day, charged. Append-only: a correction is a further revision of the
//! day.

use std::collections::BTreeMap;

use diesel::prelude::*;
use domain::{
    charge::Usage,
    energy::Energy,
    ids::{AccountId, InstallationId, ReadingId, TransactionId},
    settlement,
    tariff::Period,
};
use jiff::civil::Date;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result},
    schema::settled_days,
};

/// Most rows of one INSERT.
const BATCH: usize = 1000;

row! {
    /// One revision of a settled day.
    pub struct SettledDay in settled_days {
        /// The account that was charged.
        pub account_id: AccountId,
        /// The local day.
        pub day: Date,
        /// 1, and one more with every correction; the highest counts.
        pub revision: i64,
        /// The register at the midnight that ends the day, or where the meter was removed; unwrapped, before the multiplier.
        pub end_value: Energy,
        /// The reading there, or the one before it.
        pub reading_id: ReadingId,
        /// Where the value was interpolated: the reading after it.
        pub later_reading_id: Option<ReadingId>,
        /// The day's energy, after the multiplier.
        pub energy: Energy,
        /// First local day of the window of blocks it counts in.
        pub block_window: Date,
        /// Number of the tariff version that priced it.
        pub tariff_version: i64,
        /// The transaction that charged this revision.
        pub transaction_id: TransactionId,
        /// The meter, as it was installed then.
        pub installation_id: InstallationId,
        /// The period in which the day ends.
        pub period: Period,
        /// The changes of the period before that.
        pub cuts: Vec<settlement::Cut>,
        /// Each billed period register over the day; empty where the total is billed. The end value is their sum.
        pub registers: BTreeMap<Period, settlement::Rise>,
    }
}

impl SettledDay {
    /// As settlement needs it.
    #[must_use]
    pub fn settled(&self) -> settlement::SettledDay {
        settlement::SettledDay {
            day: self.day,
            end_value: self.end_value,
            readings: std::iter::once(self.reading_id).chain(self.later_reading_id).collect(),
            period: self.period,
            cuts: self.cuts.clone(),
            registers: self.registers.clone(),
        }
    }

    /// Its energies and where they count. `multiplier`: its installation's.
    ///
    /// # Errors
    /// It names a version beyond every tariff.
    pub fn usage(&self, multiplier: u32) -> Result<Usage> {
        let version = i32::try_from(self.tariff_version).map_err(|bad| Error::Corrupt { what: bad.to_string() })?;
        let start = Energy::new(self.end_value.get() - self.energy.get() / i64::from(multiplier.max(1)));
        let energies = self
            .settled()
            .energies(start, multiplier)
            .map(|(period, energy)| ((self.block_window, version, period), energy))
            .collect::<Vec<_>>();
        Ok(energies.into_iter().collect())
    }
}

/// Stores new revisions.
///
/// # Errors
/// Whatever the database answers; a revision that is there already is refused.
pub fn insert_batch(conn: &mut Conn, new: &[SettledDay]) -> Result<()> {
    for batch in new.chunks(BATCH) {
        let values: Vec<_> =
            batch.iter().map(|one| (one, settled_days::site_id.eq(val(one.account_id.site())))).collect();
        on!(conn, |c| diesel::insert_into(settled_days::table).values(values).execute(c))?;
    }
    Ok(())
}

/// Every revision of an account's days since one, by day, installation and revision.
///
/// # Errors
/// Whatever the database answers.
pub fn history(conn: &mut Conn, account: AccountId, from: Option<Date>) -> Result<Vec<SettledDay>> {
    on!(conn, |c| settled_days::table
        .filter(settled_days::site_id.eq(val(account.site())))
        .filter(settled_days::account_id.eq(val(account)))
        .filter(settled_days::day.ge(val(from.unwrap_or(Date::ZERO))))
        .order((settled_days::day, settled_days::installation_id, settled_days::revision))
        .select(SettledDay::as_select())
        .load(c))
}

/// The revisions that count of an account's days since one, by day and installation.
///
/// # Errors
/// Whatever the database answers.
pub fn current(conn: &mut Conn, account: AccountId, from: Option<Date>) -> Result<Vec<SettledDay>> {
    let all = history(conn, account, from)?;
    // In the order of `history` a later revision takes the place of an earlier one.
    let newest: BTreeMap<(Date, InstallationId), SettledDay> =
        all.into_iter().map(|day| ((day.day, day.installation_id), day)).collect();
    Ok(newest.into_values().collect())
}

/// The last settled day of an installation, in the revision that counts.
///
/// # Errors
/// Whatever the database answers.
pub fn last(conn: &mut Conn, account: AccountId, installation: InstallationId) -> Result<Option<SettledDay>> {
    on!(conn, |c| settled_days::table
        .filter(settled_days::site_id.eq(val(account.site())))
        .filter(settled_days::account_id.eq(val(account)))
        .filter(settled_days::installation_id.eq(val(installation)))
        .order((settled_days::day.desc(), settled_days::revision.desc()))
        .select(SettledDay::as_select())
        .first(c)
        .optional())
}
