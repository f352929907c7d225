//! What energy costs, computed the auditor's own way: the price of the first so much of a window, less the price of what
//! went before.

use std::collections::BTreeMap;

use domain::{energy::Energy, money::Money};
use jiff::{
    Span,
    civil::{Date, DateTime, Weekday},
};

use super::Version;

/// Exact cost of 0.1 Wh at a millionth of the currency unit per kWh is 1e-10 of that unit; a minor unit is 1e-2 of it.
pub const MINOR_UNIT: i128 = 100_000_000;

/// When energy was used, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// The local day.
    pub day: Date,
    /// The local day on which the account was opened.
    pub opened: Date,
    /// Whether it was at peak.
    pub peak: bool,
}

/// Where energy counts: the window of blocks, the place of the version that prices it, the first day that the account has
/// of the window, and whether it was used at peak.
type Key = (Date, usize, Date, bool);

/// Energy by where it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used(BTreeMap<Key, i64>);

impl Used {
    /// Adds what was used. Energy of a day without a price costs nothing; the head end refuses to open an account on such a
    /// day.
    pub fn add(&mut self, when: When, energy: i64, versions: &[Version]) {
        let valid = versions.iter().enumerate().rfind(|(_, version)| version.valid_from <= when.day);
        if let Some((place, version)) = valid {
            let begins = window(when.day, version);
            let first = if version.prorated { begins.max(when.opened.min(when.day)) } else { begins };
            *self.0.entry((begins, place, first, when.peak)).or_default() += energy;
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
        // What each kind of window that begins on a day counted so far.
        let mut counted: BTreeMap<(Date, bool), i64> = BTreeMap::new();
        for ((window, place, first_day, at_peak), energy) in &self.0 {
            if let Some(version) = versions.get(*place) {
                // In a window the versions follow each other up the blocks.
                let before = counted.entry((*window, version.window_start_month.is_some())).or_default();
                let upto = |energy| first(version, energy, (*window, *first_day));
                sum += upto(*before + energy) - upto(*before);
                *before += energy;
                let price = version.peak.map_or(0, |peak| if *at_peak { peak.peak.get() } else { peak.valley.get() });
                sum += i128::from(*energy) * i128::from(price);
            }
        }
        sum
    }
}

/// Whether it is peak at an instant.
pub fn is_peak(version: &Version, local: DateTime) -> bool {
    let working_day = !matches!(local.date().weekday(), Weekday::Saturday | Weekday::Sunday);
    version.peak.is_some_and(|peak| working_day && (peak.from..peak.to).contains(&local.hour()))
}

/// The first `energy` of a window, at the version's prices.
fn first(version: &Version, energy: i64, window: (Date, Date)) -> i128 {
    let (mut sum, mut below) = (0, 0);
    for (upto, price) in &version.blocks {
        let upto = upto.map_or(i64::MAX, |upto| prorated(upto.get(), version, window)).min(energy);
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

/// A bound for an account whose first day of a window is another than the window's: as many days as it has, of all.
fn prorated(upto: i64, version: &Version, (window_begins, first): (Date, Date)) -> i64 {
    if window_begins == first {
        return upto;
    }
    // A window ends before the day a month or a year later: every month has the days on which windows begin.
    let length = if version.window_start_month.is_some() { Span::new().years(1) } else { Span::new().months(1) };
    let days = |from: Date| {
        let ends = window_begins.saturating_add(length);
        i128::from(ends.duration_since(from).as_hours() / 24)
    };
    i64::try_from(i128::from(upto) * days(first) / days(window_begins).max(1)).unwrap_or(i64::MAX)
}

/// The first day of the window that holds `day`.
pub fn window(day: Date, version: &Version) -> Date {
    let begins = |day: Date| {
        day.day() == version.window_start_day && version.window_start_month.is_none_or(|month| month == day.month())
    };
    let mut first = day;
    while !begins(first) {
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
    let dearest = |version: &Version| {
        let block = version.blocks.iter().map(|(_, price)| price.get()).max().unwrap_or_default();
        block + version.peak.map_or(0, |peak| peak.peak.get().max(peak.valley.get()))
    };
    let exact = i128::from(energy.get()) * i128::from(versions.iter().map(dearest).max().unwrap_or_default());
    whole(exact).0 + Money::new(2)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::money::Price;
    use jiff::civil::date;

    use super::*;
    use crate::auditor::{Peak, fixtures::monthly};

    fn version(valid_from: Date, start: i8, blocks: &[(Option<i64>, i64)]) -> Version {
        let blocks = blocks.iter().map(|(upto, price)| (upto.map(Energy::new), Price::new(*price))).collect();
        Version { window_start_day: start, valid_from, ..monthly(blocks) }
    }

    /// By an account opened long ago, when there is no peak.
    fn on(day: Date) -> When {
        When { day, opened: date(2020, 1, 1), peak: false }
    }

    #[test]
    fn windows_begin_on_their_day() {
        let month = |day, start| window(day, &version(date(2020, 1, 1), start, &[]));
        assert_eq!(month(date(2026, 3, 14), 15), date(2026, 2, 15));
        assert_eq!(month(date(2026, 3, 15), 15), date(2026, 3, 15));
        assert_eq!(month(date(2026, 1, 1), 28), date(2025, 12, 28));
        let yearly = Version { window_start_month: Some(7), ..version(date(2020, 1, 1), 15, &[]) };
        assert_eq!(window(date(2026, 7, 14), &yearly), date(2025, 7, 15));
        assert_eq!(window(date(2026, 7, 15), &yearly), date(2026, 7, 15));
    }

    #[test]
    fn who_opens_inside_a_window_has_the_days_that_are_left() {
        let tiers = [(Some(310), 1), (None, 10)];
        let versions = [Version { prorated: true, ..version(date(2026, 1, 1), 1, &tiers) }];
        let mut used = Used::default();
        let when = When { opened: date(2026, 5, 10), ..on(date(2026, 5, 20)) };
        // 22 of 31 days: 220 at 1, 30 at 10.
        used.add(when, 250, &versions);
        assert_eq!(used.cost(&versions), 220 + 300);
        used.add(When { day: date(2026, 6, 1), ..when }, 310, &versions);
        assert_eq!(used.cost(&versions), 220 + 300 + 310);
    }

    #[test]
    fn peak_and_valley_have_their_prices_and_blocks_add_to_them() {
        let peak = Peak { from: 8, to: 22, peak: Price::new(100), valley: Price::new(10) };
        let tiers = [(Some(100), 0), (None, 1)];
        let versions = [Version { peak: Some(peak), ..version(date(2026, 1, 1), 1, &tiers) }];
        let mut used = Used::default();
        used.add(When { peak: true, ..on(date(2026, 5, 4)) }, 80, &versions);
        used.add(on(date(2026, 5, 5)), 40, &versions);
        assert_eq!(used.cost(&versions), 80 * 100 + 40 * 10 + 20);
        let [version] = versions;
        let at = |day: Date, hour| is_peak(&version, day.at(hour, 0, 0, 0));
        // A Monday and a Saturday.
        assert!(at(date(2026, 5, 4), 8) && at(date(2026, 5, 4), 21));
        assert!(!at(date(2026, 5, 4), 22) && !at(date(2026, 5, 4), 7) && !at(date(2026, 5, 2), 12));
    }

    #[test]
    fn blocks_count_per_window_and_over_versions() {
        let tiers = [(Some(100), 1), (Some(300), 10), (None, 100)];
        let versions =
            [version(date(2026, 1, 1), 1, &tiers), version(date(2026, 5, 20), 1, &[(Some(250), 2), (None, 20)])];
        let mut used = Used::default();
        used.add(on(date(2026, 4, 30)), 50, &versions);
        assert_eq!(used.cost(&versions), 50);
        // A new month begins at the first block: 100 at 1, 50 at 10.
        used.add(on(date(2026, 5, 1)), 150, &versions);
        assert_eq!(used.cost(&versions), 50 + 100 + 500);
        // The new version goes on from 150: 100 at 2, 50 at 20.
        used.add(on(date(2026, 5, 20)), 150, &versions);
        assert_eq!(used.cost(&versions), 50 + 600 + 200 + 1000);
    }

    #[test]
    fn any_cutting_costs_the_same_and_what_is_given_back_costs_what_it_cost() {
        let versions = [version(date(2026, 1, 1), 1, &[(Some(100), 3), (Some(200), 7), (None, 11)])];
        let day = date(2026, 2, 3);
        let mut pieces = Used::default();
        [30, 100, -60, 180].into_iter().for_each(|piece| pieces.add(on(day), piece, &versions));
        let mut at_once = Used::default();
        at_once.add(on(day), 250, &versions);
        assert_eq!(pieces.cost(&versions), at_once.cost(&versions));
        assert_eq!(at_once.cost(&versions), 300 + 700 + 550);
        let mut below = Used::default();
        below.add(on(day), -10, &versions);
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
