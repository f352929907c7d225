//! From energy to money: the exact cost of an account's energies, and the posted whole minor units that follow it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    bug::{Bug, is_planted},
    energy::Energy,
    money::{Carry, Exact, Money, Price},
    tariff::{Block, Tariff, TariffVersion, window_start},
};

/// What a cost cannot be told for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// No version of the tariff holds on this local day.
    #[error("the tariff has no version for {0}")]
    NoVersion(Date),
    /// The tariff has no version of this number.
    #[error("the tariff has no version {0}")]
    UnknownVersion(i32),
    /// More minor units than can be kept.
    #[error("the amount is too large")]
    TooLarge,
}

/// Where energy counts: the first day of its window and the number of the tariff version.
pub type UsageKey = (Date, i32);

/// Energies by window and tariff version; of one account they are the sum over all its meters. JSON: a list of
/// `[[window, version], energy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(UsageKey, Energy)>", into = "Vec<(UsageKey, Energy)>")]
pub struct Usage(BTreeMap<UsageKey, Energy>);

impl Usage {
    /// No energy.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds `energy` used on a local day.
    ///
    /// # Errors
    /// [`ChargeError::NoVersion`] where the tariff does not hold on that day yet.
    pub fn use_on(&mut self, day: Date, energy: Energy, tariff: &Tariff) -> Result<(), ChargeError> {
        let version = tariff.at(day).ok_or(ChargeError::NoVersion(day))?;
        self.put((window_start(day, version.window_start_day), version.version), energy);
        Ok(())
    }

    /// Adds `energy` under a key.
    pub fn put(&mut self, key: UsageKey, energy: Energy) {
        let sum = self.get(key) + energy;
        if sum == Energy::ZERO {
            self.0.remove(&key)
        } else {
            self.0.insert(key, sum)
        };
    }

    /// The energy under a key.
    #[must_use]
    pub fn get(&self, key: UsageKey) -> Energy {
        self.0.get(&key).copied().unwrap_or_default()
    }

    /// Every energy but 0, in the order of windows, then versions.
    pub fn iter(&self) -> impl Iterator<Item = (UsageKey, Energy)> + '_ {
        self.0.iter().map(|(key, energy)| (*key, *energy))
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Energy {
        self.0.values().copied().sum()
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// What this has over `other`; an energy of the result may be negative.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.iter().chain(other.iter().map(|(key, energy)| (key, Energy::ZERO - energy))).collect()
    }
}

impl FromIterator<(UsageKey, Energy)> for Usage {
    fn from_iter<I: IntoIterator<Item = (UsageKey, Energy)>>(all: I) -> Self {
        let mut usage = Self::none();
        all.into_iter().for_each(|(key, energy)| usage.put(key, energy));
        usage
    }
}

impl From<Vec<(UsageKey, Energy)>> for Usage {
    fn from(all: Vec<(UsageKey, Energy)>) -> Self {
        all.into_iter().collect()
    }
}

impl From<Usage> for Vec<(UsageKey, Energy)> {
    fn from(usage: Usage) -> Self {
        usage.0.into_iter().collect()
    }
}

/// The part of a cost that fell into one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// First local day of the window.
    pub window: Date,
    /// The tariff version that priced it.
    pub version: i32,
    /// The block, from 1.
    pub block: usize,
    /// The block's price.
    pub price: Price,
    /// Energy that fell into it.
    pub energy: Energy,
    /// What it cost.
    pub cost: Exact,
}

/// The blocks that the energies of `usage` fall into: in each window the energies of the versions, in the order of
/// their dates, follow each other up the blocks.
///
/// # Errors
/// [`ChargeError::UnknownVersion`] where `usage` names a version the tariff does not have.
pub fn slices(usage: &Usage, tariff: &Tariff) -> Result<Vec<Slice>, ChargeError> {
    let windows: BTreeSet<Date> = usage.iter().map(|((window, _), _)| window).collect();
    if let Some(number) = usage.iter().map(|((_, number), _)| number).find(|number| tariff.version(*number).is_none()) {
        return Err(ChargeError::UnknownVersion(number));
    }
    let mut all = Vec::new();
    for window in windows {
        let mut used = Energy::ZERO;
        for version in &tariff.versions {
            let upto = used + usage.get((window, version.version));
            all.extend(window_slices(window, version, used, upto));
            used = upto;
        }
    }
    Ok(all)
}

/// The blocks of one version between two energies of a window.
fn window_slices(window: Date, version: &TariffVersion, from: Energy, to: Energy) -> impl Iterator<Item = Slice> {
    let bounds = version.blocks.iter().map(|block| block.upto);
    let lower = std::iter::once(None).chain(bounds);
    version.blocks.iter().zip(lower).enumerate().filter_map(move |(index, (block, lower))| {
        let energy = inside(block, lower, to) - inside(block, lower, from);
        let first = version.blocks.first().filter(|_| is_planted(Bug::IgnoreBlocks));
        let cost = Exact::cost(energy, first.unwrap_or(block).price);
        let slice = Slice { window, version: version.version, block: index + 1, price: block.price, energy, cost };
        (energy != Energy::ZERO).then_some(slice)
    })
}

/// How much of the first `used` of a window lies in a block above `lower`; below zero everything lies in the first.
fn inside(block: &Block, lower: Option<Energy>, used: Energy) -> Energy {
    let below = block.upto.map_or(used, |upto| used.min(upto));
    lower.map_or(below, |lower| (below - lower).max(Energy::ZERO))
}

/// F: the exact cost of all of `usage`. It depends on the sums alone, so that no cutting of the same consumption can
/// change it.
///
/// # Errors
/// [`ChargeError::UnknownVersion`] where `usage` names a version the tariff does not have.
pub fn exact_cost(usage: &Usage, tariff: &Tariff) -> Result<Exact, ChargeError> {
    Ok(slices(usage, tariff)?.iter().map(|slice| slice.cost).sum())
}

/// What to post when an account's settled energies go from `before` to `after`: whole minor units, rounded down with
/// the carry, and the new carry. Negative where a correction gives back.
///
/// # Errors
/// See [`ChargeError`].
pub fn settle(before: &Usage, after: &Usage, carry: Carry, tariff: &Tariff) -> Result<(Money, Carry), ChargeError> {
    let carry = if is_planted(Bug::SkipCarry) { Carry::ZERO } else { carry };
    let change = exact_cost(after, tariff)? - exact_cost(before, tariff)? + Exact::new(i128::from(carry.get()));
    change.split(&tariff.currency).ok_or(ChargeError::TooLarge)
}

/// What an account used but was not charged for yet.
///
/// # Errors
/// See [`ChargeError`].
pub fn accrued(settled: &Usage, unsettled: &Usage, carry: Carry, tariff: &Tariff) -> Result<Money, ChargeError> {
    settle(settled, &settled.plus(unsettled), carry, tariff).map(|(money, _)| money)
}

#[cfg(test)]
mod tests;
