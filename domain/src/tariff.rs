//! Tariffs: versions valid from a local midnight, each with blocks (阶梯) over a monthly window.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    money::{Currency, Money, Price},
};

/// Most that a version's `tax_rate_ppm` may be: 100 %.
pub const TAX_RATE_MAX_PPM: u32 = 1_000_000;

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
    pub blocks: Vec<Block>,
    /// Day of the month, 1 to 28, on which a window of blocks begins.
    pub window_start_day: i8,
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
        if self.tax_rate_ppm > TAX_RATE_MAX_PPM {
            return bad("tax_rate_ppm", "must be at most 1000000");
        }
        if self.minimum_vend < Money::new(1) {
            return bad("minimum_vend", "must be at least 1 minor unit");
        }
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
                Some(upto) => bound = upto,
                None => {}
            }
            if block.price < Price::default() {
                return bad(&field("price"), "must not be negative");
            }
        }
        Ok(())
    }
}

/// The first day of the monthly window that holds `day`, where windows begin on `start_day` (1 to 28) of each month.
#[must_use]
pub fn window_start(day: Date, start_day: i8) -> Date {
    let month = if day.day() >= start_day { day.first_of_month() } else { last_month(day) };
    month.with().day(start_day).build().unwrap_or(month)
}

/// Some day of the month before.
fn last_month(day: Date) -> Date {
    day.first_of_month().yesterday().unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cny, day, kwh, price, tiered, version};

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
            assert_eq!(window_start(day(date), start_day), day(begins), "{date} {start_day}");
        }
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
        let cases: [(&str, Change); 12] = [
            ("versions", |tariff| tariff.versions.clear()),
            ("versions[0].version", |tariff| first(tariff).version = 0),
            ("versions[0].window_start_day", |tariff| first(tariff).window_start_day = 29),
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
