//! From energy to money: the exact cost of an account's energies, and the posted whole minor units that follow it.

pub mod quote;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    bug::{Bug, is_planted},
    energy::Energy,
    money::{Carry, Exact, Money, Price},
    tariff::{Block, Period, Tariff, TariffVersion},
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

/// Where energy counts: the first day of its window of blocks, the number of the tariff version, and the period.
pub type UsageKey = (Date, i32, Period);

/// Energies by window, tariff version and period; of one account they are the sum over all its meters. JSON: a list of
/// `[[window, version, period], energy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(UsageKey, Energy)>", into = "Vec<(UsageKey, Energy)>")]
pub struct Usage(BTreeMap<UsageKey, Energy>);

impl Usage {
    /// No energy.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
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

    /// The energy of all periods of a window and version.
    #[must_use]
    pub fn of_window(&self, window: Date, version: i32) -> Energy {
        Period::ALL.iter().map(|period| self.get((window, version, *period))).sum()
    }

    /// Every energy but 0, in the order of windows, then versions, then periods.
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

/// What prices a part of a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priced {
    /// The block, from 1, that the energy fell into.
    Block(usize),
    /// The period it was used in.
    Period(Period),
}

/// A part of a cost. Energy priced by the time of day has one part for its period and, where a block adds to that, a
/// second one for its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// First local day of the window.
    pub window: Date,
    /// The tariff version that priced it.
    pub version: i32,
    /// What priced it.
    #[serde(flatten)]
    pub priced: Priced,
    /// The price there.
    pub price: Price,
    /// Its energy.
    pub energy: Energy,
    /// What it cost.
    pub cost: Exact,
}

/// The parts of the cost of `usage`. In each window the energies of the versions, in the order of their dates, follow each
/// other up the blocks, as long as their windows are of one kind and began on the same day.
///
/// # Errors
/// [`ChargeError::UnknownVersion`] where `usage` names a version the tariff does not have.
pub fn slices(usage: &Usage, tariff: &Tariff) -> Result<Vec<Slice>, ChargeError> {
    let mut windows: BTreeSet<(Date, bool, i32, Date)> = BTreeSet::new();
    for ((first, number, _), _) in usage.iter() {
        let version = tariff.version(number).ok_or(ChargeError::UnknownVersion(number))?;
        windows.insert((version.window(first), version.window_start_month.is_some(), number, first));
    }
    let (mut all, mut used, mut chain) = (Vec::new(), Energy::ZERO, None);
    for (begins, yearly, number, first) in windows {
        let version = tariff.version(number).ok_or(ChargeError::UnknownVersion(number))?;
        if chain.replace((begins, yearly)) != Some((begins, yearly)) {
            used = Energy::ZERO;
        }
        let upto = used + usage.of_window(first, number);
        all.extend(period_slices(usage, first, version));
        all.extend(block_slices(first, version, used, upto));
        used = upto;
    }
    Ok(all)
}

/// The energy of `usage` that stands before more of a version's in its window: that of all versions whose windows are of its kind
/// and began on its day.
///
/// # Errors
/// [`ChargeError::UnknownVersion`] where a version is named that the tariff does not have.
pub fn used_in_window(usage: &Usage, tariff: &Tariff, window: Date, number: i32) -> Result<Energy, ChargeError> {
    let chain = |first: Date, number: i32| {
        let version = tariff.version(number).ok_or(ChargeError::UnknownVersion(number))?;
        Ok((version.window(first), version.window_start_month.is_some()))
    };
    let present = chain(window, number)?;
    let mut used = Energy::ZERO;
    for ((first, number, _), energy) in usage.iter() {
        if chain(first, number)? == present {
            used = used + energy;
        }
    }
    Ok(used)
}

/// The periods of one version of a window.
fn period_slices(usage: &Usage, window: Date, version: &TariffVersion) -> Vec<Slice> {
    let Some(time_of_use) = &version.time_of_use else { return Vec::new() };
    let priced = Period::ALL.iter().map(|period| {
        let (energy, price) = (
            usage.get((window, version.version, *period)),
            time_of_use.prices.get(period).copied().unwrap_or_default(),
        );
        let cost = Exact::cost(energy, price);
        Slice { window, version: version.version, priced: Priced::Period(*period), price, energy, cost }
    });
    priced.filter(|slice| slice.energy != Energy::ZERO).collect()
}

/// The blocks of one version between two energies of a window.
fn block_slices(window: Date, version: &TariffVersion, from: Energy, to: Energy) -> impl Iterator<Item = Slice> {
    let bound = move |block: &Block| block.upto.map(|upto| version.bound(upto, window));
    let lower = std::iter::once(None).chain(version.blocks.iter().map(bound));
    version.blocks.iter().zip(lower).enumerate().filter_map(move |(index, (block, lower))| {
        let upper = bound(block);
        let energy = inside(upper, lower, to) - inside(upper, lower, from);
        let first = version.blocks.first().filter(|_| is_planted(Bug::IgnoreBlocks));
        let price = first.unwrap_or(block).price;
        let cost = Exact::cost(energy, price);
        let slice = Slice { window, version: version.version, priced: Priced::Block(index + 1), price, energy, cost };
        // What adds nothing to the prices of periods is no part of the cost.
        let adds = version.time_of_use.is_none() || price != Price::default();
        (energy != Energy::ZERO && adds).then_some(slice)
    })
}

/// How much of the first `used` of a window lies in a block up to `upper` and above `lower`; below zero everything lies in
/// the first.
fn inside(upper: Option<Energy>, lower: Option<Energy>, used: Energy) -> Energy {
    let below = upper.map_or(used, |upto| used.min(upto));
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
