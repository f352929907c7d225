//! Hot balances: what each account could still use, at hand without the database.
//!
//! Each part carries the version of the rows it was made from and only ever moves forward, so that late, repeated or
//! reordered updates do no harm. The truth stays in the database, from which all of it can be rebuilt at any moment.

mod in_process;
mod redis;

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    charge::{self, ChargeError, Usage},
    ids::{AccountId, MeterId, TariffId},
    money::{Carry, Money},
    tariff::{Tariff, TariffChange},
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{in_process::InProcess, redis::Redis};

/// The hot balances could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("hot balances: {0}")]
pub struct HotError(pub String);

/// Where hot balances are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HotSettings {
    /// In this process.
    InProcess,
    /// In Redis.
    Redis {
        /// `redis://host:port/db`.
        url: String,
        /// Longest wait for an answer, in milliseconds; after it the database is asked instead.
        timeout_ms: u64,
    },
}

/// The ledger's part of a hot balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPart {
    /// The account row's version.
    pub version: i64,
    /// The posted balance.
    pub posted: Money,
    /// What earlier charges left over.
    pub carry: Carry,
    /// The settled energies.
    pub settled: Usage,
    /// The tariff that prices them first.
    pub tariff: TariffId,
    /// The account's changes to other tariffs, in the order in which they were entered.
    pub changes: Vec<TariffChange>,
}

/// A meter's part of a hot balance: the energy used but not yet settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterPart {
    /// The version of the settled position the energy counts from.
    pub position: i64,
    /// The newest reading it counts to.
    pub as_of: Timestamp,
    /// The energy between them.
    pub unsettled: Usage,
}

/// What is known of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The ledger's part; absent when it was never put or was wiped.
    pub account: Option<AccountPart>,
    /// The meters' parts.
    pub meters: BTreeMap<MeterId, MeterPart>,
}

impl Snapshot {
    /// Energy used but not yet settled, all meters together.
    #[must_use]
    pub fn unsettled(&self) -> Usage {
        self.meters.values().fold(Usage::default(), |sum, part| sum.plus(&part.unsettled))
    }

    /// The available balance: posted less accrued. `None` while the ledger's part is missing.
    ///
    /// # Errors
    /// The tariff does not price what was used.
    pub fn available(&self, tariff: &Tariff) -> Result<Option<Money>, ChargeError> {
        let Some(account) = &self.account else { return Ok(None) };
        let accrued = charge::accrued(&account.settled, &self.unsettled(), account.carry, tariff)?;
        Ok(Some(account.posted - accrued))
    }
}

/// One atomic change of an account's parts; a part older than what is there is left out.
#[derive(Debug, Clone)]
pub struct Update {
    /// Whose.
    pub account: AccountId,
    /// The ledger's part, if it changed.
    pub ledger: Option<AccountPart>,
    /// The meters' parts that changed.
    pub meters: Vec<(MeterId, MeterPart)>,
}

/// The hot balances of all accounts.
pub trait HotBalances: Send + Sync {
    /// Applies an update and returns the account as it stands after it.
    fn put(&self, update: Update) -> BoxFuture<'_, Result<Snapshot, HotError>>;
    /// The account as it stands.
    fn get(&self, account: AccountId) -> BoxFuture<'_, Result<Snapshot, HotError>>;
    /// Forgets an account, before it is put anew from the database.
    fn forget(&self, account: AccountId) -> BoxFuture<'_, Result<(), HotError>>;
}

/// Opens the hot balances that the settings name.
///
/// # Errors
/// A malformed Redis address. A Redis that is down is no error: it is asked again at every use.
pub fn open(settings: &HotSettings) -> Result<Arc<dyn HotBalances>, HotError> {
    Ok(match settings {
        HotSettings::InProcess => Arc::new(InProcess::default()),
        HotSettings::Redis { url, timeout_ms } => Arc::new(Redis::open(url, *timeout_ms)?),
    })
}
