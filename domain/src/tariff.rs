//! Tariffs: versions valid from a local midnight, each with blocks (阶梯) over a monthly or yearly window, and prices that may
//! depend on the time of day.

mod fixed_charge;
mod succession;
mod time_of_use;

use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{midnight, next_day},
    charge::ChargeError,
    energy::Energy,
    money::{Currency, Money, Price},
};

pub use fixed_charge::{Dues, Every, FixedCharge};
pub use succession::{CHANGES_MAX, FurtherVersion, TariffChange, VERSIONS_MAX, number_within, tariff_on};
pub use time_of_use::{Period, Season, Span, Switch, TimeOfUse};

/// Most that a version's `tax_rate_ppm` may be: 100 %.
pub const TAX_RATE_MAX_PPM: u32 = 1_000_000;

/// Most that a kWh may cost, in the currency's units: whatever is above is a slip of the hand.
pub const PRICE_MAX: Price = Price::new(1_000_000 * 1_000_000);

pub(crate) const PRICE_TOO_HIGH: &str = "must be at most 1000000 a kWh";

/// Highest bound of a block: 1,000,000,000 kWh.
pub const BOUND_MAX: Energy = Energy::new(10_000 * 1_000_000_000);

/// Most that a fixed charge and the least vend may be, in minor units: a thousand years of it can be summed.
pub const AMOUNT_MAX: Money = Money::new(1_000_000_000_000);

/// How far ahead a version may begin, in days: no version can be entered before one that was mistyped.
pub const HORIZON_DAYS: i64 = 800;

/// A price list over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// What its prices are in.
    pub currency: Currency,
    /// Its versions in the order of `valid_from`; a version's number grows with it.
    pub versions: Vec<TariffVersion>,
}

/// One price list. Never changed once in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffVersion {
    /// Its number within the tariff, from 1.
    pub version: i32,
    /// First local day it holds for.
    pub valid_from: Date,
    /// Prices by the energy used so far in the window, in rising order; the last has no bound. One block: a flat price.
    /// Where `time_of_use` has the prices, these are added to them, and the first is 0.
    pub blocks: Vec<Block>,
    /// Prices by the time of day; none: the time does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_of_use: Option<TimeOfUse>,
    /// Day of the month, 1 to 28, on which a window of blocks begins.
    pub window_start_day: i8,
    /// The month, 1 to 12, in which a window begins that lasts a year; none: one begins every month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_start_month: Option<i8>,
    /// Whether an account that is opened inside a window has bounds that are lower by the days gone.
    #[serde(default)]
    pub prorate_opening: bool,
    /// Charges that come whatever was used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_charges: Vec<FixedCharge>,
    /// Tax contained in the price, in millionths of the price before tax.
    pub tax_rate_ppm: u32,
    /// Least that may be sold at once, in minor units.
    pub minimum_vend: Money,
}

/// A price up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The energy of a window up to which the price holds; none for the last block.
    pub upto: Option<Energy>,
    /// The price per kWh, tax contained.
    pub price: Price,
}

/// What is wrong with a tariff, and in which field (`versions[0].blocks[1].upto`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadTariff {
    /// The field, as a path in its JSON form.
    pub field: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Tariff {
    /// Checks every rule of a tariff.
    ///
    /// # Errors
    /// Names the first field that breaks one.
    pub fn validate(&self) -> Result<(), BadTariff> {
        if self.versions.is_empty() {
            return Err(BadTariff { field: "versions".to_owned(), problem: "at least one is needed" });
        }
        for (index, version) in self.versions.iter().enumerate() {
            let inside = |field: &str| format!("versions[{index}].{field}");
            version.validate().map_err(|bad| BadTariff { field: inside(&bad.field), ..bad })?;
            let earlier = index.checked_sub(1).and_then(|before| self.versions.get(before));
            if earlier.is_some_and(|earlier| earlier.valid_from >= version.valid_from) {
                return Err(BadTariff { field: inside("valid_from"), problem: "must be after the version before it" });
            }
            if earlier.is_some_and(|earlier| earlier.version >= version.version) {
                return Err(BadTariff { field: inside("version"), problem: "must be above the version before it" });
            }
        }
        Ok(())
    }

    /// The version that holds on a local day; none before the first.
    #[must_use]
    pub fn at(&self, day: Date) -> Option<&TariffVersion> {
        self.versions.iter().rev().find(|version| version.valid_from <= day)
    }

    /// Where energy used on a local day counts, but for its period: the first day of the window of blocks, for an account
    /// that was opened on `opened`, and the version's number.
    ///
    /// # Errors
    /// [`ChargeError::NoVersion`] where the tariff does not hold on that day.
    pub fn window(&self, day: Date, opened: Date) -> Result<(Date, i32), ChargeError> {
        let version = self.at(day).ok_or(ChargeError::NoVersion(day))?;
        let begins = version.window(day);
        let first = if version.prorate_opening { begins.max(opened.min(day)) } else { begins };
        Ok((first, version.version))
    }

    /// The earliest first day of a window that may hold a local day or a later one.
    #[must_use]
    pub fn earliest_window(&self, day: Date) -> Date {
        self.versions.iter().map(|version| version.window(day)).min().unwrap_or(day)
    }

    /// The spans of a local day in one period each, the last until the midnight that ends it.
    ///
    /// # Errors
    /// [`ChargeError::NoVersion`] where the tariff does not hold on that day.
    pub fn spans(&self, day: Date, zone: &TimeZone) -> Result<Vec<Span>, ChargeError> {
        let version = self.at(day).ok_or(ChargeError::NoVersion(day))?;
        Ok(match &version.time_of_use {
            Some(time_of_use) => time_of_use.spans(day, zone),
            None => vec![Span { until: midnight(next_day(day), zone), period: Period::Flat }],
        })
    }

    /// The version with this number.
    #[must_use]
    pub fn version(&self, number: i32) -> Option<&TariffVersion> {
        self.versions.iter().find(|version| version.version == number)
    }
}

impl TariffVersion {
    /// Checks every rule of a version that does not need its neighbours.
    ///
    /// # Errors
    /// Names the first field that breaks one.
    pub fn validate(&self) -> Result<(), BadTariff> {
        let bad = |field: &str, problem| Err(BadTariff { field: field.to_owned(), problem });
        if self.version < 1 {
            return bad("version", "must be at least 1");
        }
        if !(1..=28).contains(&self.window_start_day) {
            return bad("window_start_day", "must be 1 to 28");
        }
        if self.window_start_month.is_some_and(|month| !(1..=12).contains(&month)) {
            return bad("window_start_month", "must be 1 to 12");
        }
        if self.tax_rate_ppm > TAX_RATE_MAX_PPM {
            return bad("tax_rate_ppm", "must be at most 1000000");
        }
        if self.minimum_vend < Money::new(1) {
            return bad("minimum_vend", "must be at least 1 minor unit");
        }
        if self.minimum_vend > AMOUNT_MAX {
            return bad("minimum_vend", "must be at most 1000000000000 minor units");
        }
        self.check_blocks()?;
        self.check_fixed_charges()?;
        let Some(time_of_use) = &self.time_of_use else { return Ok(()) };
        if self.blocks.first().is_some_and(|first| first.price != Price::default()) {
            return bad("blocks[0].price", "must be 0 where time_of_use has the prices");
        }
        time_of_use.validate().map_err(|bad| BadTariff { field: format!("time_of_use.{}", bad.field), ..bad })
    }

    fn check_blocks(&self) -> Result<(), BadTariff> {
        let bad = |field: &str, problem| Err(BadTariff { field: field.to_owned(), problem });
        if self.blocks.is_empty() {
            return bad("blocks", "at least one is needed");
        }
        let mut bound = Energy::ZERO;
        let last = self.blocks.len() - 1;
        for (index, block) in self.blocks.iter().enumerate() {
            let field = |name: &str| format!("blocks[{index}].{name}");
            match block.upto {
                Some(_) if index == last => return bad(&field("upto"), "the last block has no bound"),
                None if index < last => return bad(&field("upto"), "only the last block has no bound"),
                Some(upto) if upto <= bound => return bad(&field("upto"), "must be above the bound before it"),
                Some(upto) if upto > BOUND_MAX => return bad(&field("upto"), "must be at most 1000000000 kWh"),
                Some(upto) => bound = upto,
                None => {}
            }
            if block.price < Price::default() {
                return bad(&field("price"), "must not be negative");
            }
            if block.price > PRICE_MAX {
                return bad(&field("price"), PRICE_TOO_HIGH);
            }
        }
        Ok(())
    }

    /// The first day of the window that holds `day`.
    #[must_use]
    pub fn window(&self, day: Date) -> Date {
        let month = self.window_start_month.unwrap_or(day.month());
        let begins = day.first_of_month().with().month(month).day(self.window_start_day).build().unwrap_or(day);
        if begins <= day { begins } else { begins.saturating_sub(self.window_length()) }
    }

    /// The bound of a block in the window whose first day for an account is `first`: where that is inside the window and
    /// bounds are prorated, the share of the window's days that are left, rounded down.
    #[must_use]
    pub fn bound(&self, upto: Energy, first: Date) -> Energy {
        let begins = self.window(first);
        if begins == first || !self.prorate_opening {
            return upto;
        }
        let next = begins.saturating_add(self.window_length());
        let days_from = |day: Date| i128::from(next.duration_since(day).as_hours() / 24);
        let share = i128::from(upto.get()) * days_from(first) / days_from(begins).max(1);
        Energy::new(i64::try_from(share).unwrap_or(i64::MAX))
    }

    fn window_length(&self) -> jiff::Span {
        let length = jiff::Span::new();
        if self.window_start_month.is_some() { length.years(1) } else { length.months(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cny, day, kwh, peak_and_valley, price, tiered, version};

    #[test]
    fn a_kwh_costs_no_more_than_it_may_whatever_prices_it() {
        for (cost, holds) in [("1000000", true), ("1000000.000001", false)] {
            let by_blocks = version(1, "2020-01-01", &[(None, cost)]);
            assert_eq!(by_blocks.validate().is_ok(), holds, "{cost}");
            let mut by_time = version(1, "2020-01-01", &[(None, "0")]);
            let mut prices = peak_and_valley();
            prices.prices.insert(Period::Peak, price(cost));
            by_time.time_of_use = Some(prices);
            let field = by_time.validate().err().map(|bad| bad.field);
            assert_eq!(field, (!holds).then(|| "time_of_use.prices.peak".to_owned()), "{cost}");
        }
    }

    #[test]
    fn a_window_begins_on_its_day_of_this_month_or_the_last() {
        for (date, start_day, begins) in [
            ("2026-05-01", 1, "2026-05-01"),
            ("2026-05-31", 1, "2026-05-01"),
            ("2026-05-14", 15, "2026-04-15"),
            ("2026-05-15", 15, "2026-05-15"),
            ("2026-01-27", 28, "2025-12-28"),
            ("2024-03-01", 28, "2024-02-28"),
        ] {
            let monthly = TariffVersion { window_start_day: start_day, ..version(1, "2020-01-01", &[(None, "1")]) };
            assert_eq!(monthly.window(day(date)), day(begins), "{date} {start_day}");
        }
    }

    #[test]
    fn a_window_of_a_year_begins_on_its_day_of_this_year_or_the_last() {
        for (date, month, start_day, begins) in [
            ("2026-01-01", 1, 1, "2026-01-01"),
            ("2026-12-31", 1, 1, "2026-01-01"),
            ("2026-06-30", 7, 1, "2025-07-01"),
            ("2026-07-01", 7, 1, "2026-07-01"),
            ("2024-02-29", 2, 28, "2024-02-28"),
            ("2024-02-27", 2, 28, "2023-02-28"),
        ] {
            let plain = version(1, "2020-01-01", &[(None, "1")]);
            let yearly = TariffVersion { window_start_day: start_day, window_start_month: Some(month), ..plain };
            assert_eq!(yearly.window(day(date)), day(begins), "{date} {month} {start_day}");
        }
    }

    #[test]
    fn who_opens_inside_a_window_has_the_share_of_its_days_that_are_left() {
        let plain = TariffVersion { prorate_opening: true, ..version(1, "2020-01-01", &[(None, "1")]) };
        let yearly = TariffVersion { window_start_month: Some(1), ..plain.clone() };
        for (version, opened, bound) in [
            (&plain, "2026-05-01", "310"),
            // 31 - 9 = 22 of 31 days.
            (&plain, "2026-05-10", "220"),
            (&plain, "2026-05-31", "10"),
            // 7 of 28 days: 77.5 kWh.
            (&plain, "2026-02-22", "77.5"),
            // 365 - 181 = 184 days of 365: 156.27397.., rounded down.
            (&yearly, "2026-07-01", "156.2739"),
        ] {
            assert_eq!(version.bound(kwh("310"), day(opened)), kwh(bound), "{opened}");
        }
        let tariff = |version| Tariff { currency: cny(), versions: vec![version] };
        let window = |tariff: &Tariff, date: &str| tariff.window(day(date), day("2026-05-10"));
        let prorated = tariff(plain.clone());
        assert_eq!(window(&prorated, "2026-05-20"), Ok((day("2026-05-10"), 1)));
        assert_eq!(window(&prorated, "2026-06-20"), Ok((day("2026-06-01"), 1)));
        let whole = tariff(TariffVersion { prorate_opening: false, ..plain });
        assert_eq!(window(&whole, "2026-05-20"), Ok((day("2026-05-01"), 1)));
    }

    #[test]
    fn a_version_holds_from_its_date_until_the_next() {
        let tariff = Tariff {
            currency: cny(),
            versions: vec![version(1, "2026-01-01", &[(None, "0.5")]), version(3, "2026-05-01", &[(None, "0.6")])],
        };
        assert_eq!(tariff.validate(), Ok(()));
        let number = |date| tariff.at(day(date)).map(|version| version.version);
        assert_eq!(number("2025-12-31"), None);
        assert_eq!(number("2026-04-30"), Some(1));
        assert_eq!(number("2026-05-01"), Some(3));
    }

    #[test]
    fn every_broken_rule_is_named_by_its_field() {
        type Change = fn(&mut Tariff);
        fn first(tariff: &mut Tariff) -> &mut TariffVersion {
            tariff.versions.first_mut().unwrap_or_else(|| unreachable!())
        }
        let cases: [(&str, Change); 15] = [
            ("versions", |tariff| tariff.versions.clear()),
            ("versions[0].version", |tariff| first(tariff).version = 0),
            ("versions[0].window_start_day", |tariff| first(tariff).window_start_day = 29),
            ("versions[0].window_start_month", |tariff| first(tariff).window_start_month = Some(13)),
            ("versions[0].blocks[0].price", |tariff| first(tariff).time_of_use = Some(peak_and_valley())),
            ("versions[0].time_of_use.prices.peak", |tariff| {
                let mut prices = peak_and_valley();
                prices.prices.remove(&Period::Peak);
                first(tariff).time_of_use = Some(prices);
                first(tariff).blocks = version(1, "2020-01-01", &[(None, "0")]).blocks;
            }),
            ("versions[0].tax_rate_ppm", |tariff| first(tariff).tax_rate_ppm = 1_000_001),
            ("versions[0].minimum_vend", |tariff| first(tariff).minimum_vend = Money::ZERO),
            ("versions[0].blocks", |tariff| first(tariff).blocks.clear()),
            ("versions[0].blocks[2].upto", |tariff| {
                first(tariff).blocks.iter_mut().for_each(|block| {
                    block.upto.get_or_insert(kwh("500"));
                })
            }),
            ("versions[0].blocks[0].upto", |tariff| {
                first(tariff).blocks.iter_mut().for_each(|block| block.upto = None)
            }),
            ("versions[0].blocks[1].upto", |tariff| {
                first(tariff).blocks.iter_mut().for_each(|block| {
                    block.upto = block.upto.map(|_| kwh("1"));
                })
            }),
            ("versions[0].blocks[0].price", |tariff| {
                first(tariff).blocks.iter_mut().for_each(|block| {
                    block.price = price("-0.1");
                })
            }),
            ("versions[1].valid_from", |tariff| tariff.versions.push(version(2, "2020-01-01", &[(None, "1")]))),
            ("versions[1].version", |tariff| tariff.versions.push(version(1, "2021-01-01", &[(None, "1")]))),
        ];
        for (field, change) in cases {
            let mut tariff = tiered();
            change(&mut tariff);
            assert_eq!(tariff.validate().map_err(|bad| bad.field), Err(field.to_owned()));
        }
    }
}
