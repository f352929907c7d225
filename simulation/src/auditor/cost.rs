//! What energy costs, computed the auditor's own way: the price of the first so much of a window, less the price of what
//! went before.

use std::collections::BTreeMap;

use domain::{energy::Energy, money::Money};
use jiff::civil::Date;

use super::Version;

/// Exact cost of 0.1 Wh at a millionth of the currency unit per kWh is 1e-10 of that unit; a minor unit is 1e-2 of it.
pub const MINOR_UNIT: i128 = 100_000_000;

/// Energy by the window of blocks in which it was used, and the place of the version that prices it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used(BTreeMap<(Date, usize), i64>);

impl Used {
    /// Adds what was used on a local day. Energy of a day without a price costs nothing; the head end refuses to open an
    /// account on such a day.
    pub fn add(&mut self, day: Date, energy: i64, versions: &[Version]) {
        let valid = versions.iter().enumerate().rfind(|(_, version)| version.valid_from <= day);
        if let Some((place, version)) = valid {
            *self.0.entry((window(day, version.window_start_day), place)).or_default() += energy;
        }
    }

    /// Adds what another meter counted.
    pub fn add_all(&mut self, other: &Self) {
        for (key, energy) in &other.0 {
            *self.0.entry(*key).or_default() += energy;
        }
    }

    /// What all of it costs, exactly, in 1e-10 currency units.
    pub fn cost(&self, versions: &[Version]) -> i128 {
        let mut sum = 0;
        let mut counted = (Date::MIN, 0);
        for ((window, place), energy) in &self.0 {
            // In a window the versions follow each other up the blocks.
            let before = if counted.0 == *window { counted.1 } else { 0 };
            if let Some(version) = versions.get(*place) {
                sum += first(version, before + energy) - first(version, before);
            }
            counted = (*window, before + energy);
        }
        sum
    }
}

/// The first `energy` of a window, at the version's prices.
fn first(version: &Version, energy: i64) -> i128 {
    let (mut sum, mut below) = (0, 0);
    for (upto, price) in &version.blocks {
        let upto = upto.map_or(i64::MAX, Energy::get).min(energy);
        // The first block also holds what is below zero: what a correction gives back.
        if upto > below || below == 0 {
            sum += i128::from(upto - below) * i128::from(price.get());
            below = upto;
        }
        if upto == energy {
            break;
        }
    }
    sum
}

/// The first day of the month-long window that holds `day`.
pub fn window(day: Date, start_day: i8) -> Date {
    let mut first = day;
    while first.day() != start_day {
        match first.yesterday() {
            Ok(before) => first = before,
            Err(_) => break,
        }
    }
    first
}

/// Whole minor units in an exact amount, rounded down, and what is left of it.
pub fn whole(exact: i128) -> (Money, i64) {
    let part = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    (Money::new(part(exact.div_euclid(MINOR_UNIT))), part(exact.rem_euclid(MINOR_UNIT)))
}

/// The most that so much energy may cost, and a minor unit for rounding.
pub fn at_most(energy: Energy, versions: &[Version]) -> Money {
    let dearest = versions.iter().flat_map(|version| &version.blocks).map(|(_, price)| price.get()).max();
    let exact = i128::from(energy.get()) * i128::from(dearest.unwrap_or_default());
    whole(exact).0 + Money::new(2)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::money::Price;
    use jiff::civil::date;

    use super::*;

    fn version(valid_from: Date, start: i8, blocks: &[(Option<i64>, i64)]) -> Version {
        let blocks = blocks.iter().map(|(upto, price)| (upto.map(Energy::new), Price::new(*price))).collect();
        Version { valid_from, window_start_day: start, blocks }
    }

    #[test]
    fn windows_begin_on_their_day() {
        assert_eq!(window(date(2026, 3, 14), 15), date(2026, 2, 15));
        assert_eq!(window(date(2026, 3, 15), 15), date(2026, 3, 15));
        assert_eq!(window(date(2026, 1, 1), 28), date(2025, 12, 28));
    }

    #[test]
    fn blocks_count_per_window_and_over_versions() {
        let tiers = [(Some(100), 1), (Some(300), 10), (None, 100)];
        let versions =
            [version(date(2026, 1, 1), 1, &tiers), version(date(2026, 5, 20), 1, &[(Some(250), 2), (None, 20)])];
        let mut used = Used::default();
        used.add(date(2026, 4, 30), 50, &versions);
        assert_eq!(used.cost(&versions), 50);
        // A new month begins at the first block: 100 at 1, 50 at 10.
        used.add(date(2026, 5, 1), 150, &versions);
        assert_eq!(used.cost(&versions), 50 + 100 + 500);
        // The new version goes on from 150: 100 at 2, 50 at 20.
        used.add(date(2026, 5, 20), 150, &versions);
        assert_eq!(used.cost(&versions), 50 + 600 + 200 + 1000);
    }

    #[test]
    fn any_cutting_costs_the_same_and_what_is_given_back_costs_what_it_cost() {
        let versions = [version(date(2026, 1, 1), 1, &[(Some(100), 3), (Some(200), 7), (None, 11)])];
        let day = date(2026, 2, 3);
        let mut pieces = Used::default();
        [30, 100, -60, 180].into_iter().for_each(|piece| pieces.add(day, piece, &versions));
        let mut at_once = Used::default();
        at_once.add(day, 250, &versions);
        assert_eq!(pieces.cost(&versions), at_once.cost(&versions));
        assert_eq!(at_once.cost(&versions), 300 + 700 + 550);
        let mut below = Used::default();
        below.add(day, -10, &versions);
        assert_eq!(below.cost(&versions), -30);
    }

    #[test]
    fn minor_units_are_rounded_down_and_the_rest_is_carried() {
        assert_eq!(whole(250_000_000), (Money::new(2), 50_000_000));
        assert_eq!(whole(-1), (Money::new(-1), 99_999_999));
        let flat = [version(date(2026, 1, 1), 1, &[(None, 1_000_000)])];
        let kwh = at_most(Energy::new(10_000), &flat);
        assert_eq!(kwh, Money::new(102));
        assert!(u64::try_from(kwh.get()).unwrap() > 0);
    }
}
