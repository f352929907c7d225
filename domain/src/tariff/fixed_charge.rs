//! Fixed charges (基本电费): so much a day or a month, in advance, whatever was used.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{AMOUNT_MAX, BadTariff, Tariff, TariffVersion};
use crate::{
    bug::{Bug, is_planted},
    calendar::{day_before, next_day},
    money::Money,
};

words! {
    /// How often a fixed charge comes.
    pub enum Every {
        /// At the midnight that begins each local day.
        Day = "day",
        /// At the midnight that begins each local month, for all of it.
        Month = "month",
    }
}

/// Most fixed charges of a version.
pub const FIXED_CHARGES_MAX: usize = 8;
/// Longest name of a fixed charge, in characters.
pub const NAME_MAX: usize = 40;

/// A charge that comes whatever was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedCharge {
    /// What it is called on receipts; unique within a version.
    pub name: String,
    /// How often it comes.
    pub every: Every,
    /// How much, in minor units, tax contained; above 0.
    pub amount: Money,
}

/// What fixed charges post at one midnight, by name; negative where something is given back.
pub type Dues = BTreeMap<String, Money>;

impl TariffVersion {
    pub(super) fn check_fixed_charges(&self) -> Result<(), BadTariff> {
        let bad = |field: String, problem| Err(BadTariff { field, problem });
        if self.fixed_charges.len() > FIXED_CHARGES_MAX {
            return bad("fixed_charges".to_owned(), "at most 8");
        }
        for (index, charge) in self.fixed_charges.iter().enumerate() {
            let field = |name: &str| format!("fixed_charges[{index}].{name}");
            let printable = !charge.name.trim().is_empty() && !charge.name.chars().any(char::is_control);
            if !printable || charge.name.chars().count() > NAME_MAX {
                return bad(field("name"), "must be 1 to 40 printable characters");
            }
            if self.fixed_charges.iter().take(index).any(|before| before.name == charge.name) {
                return bad(field("name"), "stands twice");
            }
            if charge.amount < Money::new(1) {
                return bad(field("amount"), "must be at least 1 minor unit");
            }
            if charge.amount > AMOUNT_MAX {
                return bad(field("amount"), "must be at most 1000000000000 minor units");
            }
        }
        Ok(())
    }

    /// What the rest of a month costs from `day` on, that day included.
    fn rest_of_month(&self, day: Date) -> impl Iterator<Item = (&str, Money)> {
        let monthly = self.fixed_charges.iter().filter(|charge| charge.every == Every::Month);
        monthly.map(move |charge| (charge.name.as_str(), charge.amount - share(charge.amount, day)))
    }

    fn day_long(&self) -> impl Iterator<Item = (&str, Money)> {
        let daily = self.fixed_charges.iter().filter(|charge| charge.every == Every::Day);
        daily.map(|charge| (charge.name.as_str(), charge.amount))
    }
}

/// `floor(A i/n)`: what the first days of a month cost, those before `day`.
fn share(amount: Money, day: Date) -> Money {
    if is_planted(Bug::IgnoreShareOfMonth) {
        return Money::ZERO;
    }
    let part = i128::from(amount.get()) * i128::from(day.day() - 1) / i128::from(day.days_in_month());
    Money::new(i64::try_from(part).unwrap_or(i64::MAX))
}

fn add<'a>(dues: &mut Dues, parts: impl Iterator<Item = (&'a str, Money)>, sign: i64) {
    for (name, amount) in parts {
        let sum = dues.entry(name.to_owned()).or_default();
        *sum = *sum + Money::new(amount.get() * sign);
    }
}

impl Tariff {
    /// What fixed charges post at the midnight that begins `day`, or at the opening on that day, for an account that was
    /// opened on `opened`: each day's charge, the month's where it begins, and where another version begins inside a month
    /// the rest of it by the new price in place of the rest by the old.
    #[must_use]
    pub fn fixed_dues(&self, day: Date, opened: Date) -> Dues {
        let mut dues = Dues::new();
        let Some(version) = self.at(day) else { return dues };
        let before = self.at(day_before(day)).filter(|_| day > opened && day.day() > 1);
        add(&mut dues, version.day_long(), 1);
        if before.is_none_or(|before| before.version != version.version) {
            add(&mut dues, version.rest_of_month(day), 1);
            add(&mut dues, before.into_iter().flat_map(|before| before.rest_of_month(day)), -1);
        }
        dues.retain(|_, amount| *amount != Money::ZERO);
        dues
    }

    /// What is given back of fixed charges where an account closes on `day`, which belongs to whoever comes next: all that
    /// was posted for days before `posted_to` and not before `day`. Amounts are negative. `posted_to` is not before `day`.
    #[must_use]
    pub fn fixed_given_back(&self, day: Date, opened: Date, posted_to: Date) -> Dues {
        let mut dues = Dues::new();
        let mut posted = day;
        while posted < posted_to {
            let of_day = self.fixed_dues(posted, opened);
            add(&mut dues, of_day.iter().map(|(name, amount)| (name.as_str(), *amount)), -1);
            posted = next_day(posted);
        }
        let before = self.at(day_before(day)).filter(|_| day > opened && day.day() > 1);
        add(&mut dues, before.into_iter().flat_map(|before| before.rest_of_month(day)), -1);
        dues.retain(|_, amount| *amount != Money::ZERO);
        dues
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{cny, day, version};

    fn charge(name: &str, every: Every, amount: i64) -> FixedCharge {
        FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) }
    }

    /// 1.00 a day and 30.01 a month, from 10 March 2 a day and 62 a month.
    fn service() -> Tariff {
        let of = |number, from, daily, monthly| TariffVersion {
            fixed_charges: vec![charge("meter", Every::Day, daily), charge("service", Every::Month, monthly)],
            ..version(number, from, &[(None, "1")])
        };
        Tariff { currency: cny(), versions: vec![of(1, "2020-01-01", 100, 3001), of(2, "2026-03-10", 200, 6200)] }
    }

    fn dues(all: &[(&str, i64)]) -> Dues {
        all.iter().map(|(name, amount)| ((*name).to_owned(), Money::new(*amount))).collect()
    }

    #[test]
    fn days_and_months_are_charged_in_advance_from_the_opening_day_on() {
        let tariff = service();
        let opened = day("2026-01-21");
        // 20 of 31 days of January are gone: 3001 x 20/31 = 1936.1.
        assert_eq!(tariff.fixed_dues(opened, opened), dues(&[("meter", 100), ("service", 3001 - 1936)]));
        assert_eq!(tariff.fixed_dues(day("2026-01-22"), opened), dues(&[("meter", 100)]));
        assert_eq!(tariff.fixed_dues(day("2026-02-01"), opened), dues(&[("meter", 100), ("service", 3001)]));
        assert_eq!(tariff.fixed_dues(day("2019-12-31"), opened), dues(&[]));
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_rest_of_the_old_one() {
        // From the 10th on: 9 of 31 days are gone; 3001 - 871 back, 6200 - 1800 anew.
        let changed = service().fixed_dues(day("2026-03-10"), day("2026-01-21"));
        assert_eq!(changed, dues(&[("meter", 200), ("service", (6200 - 1800) - (3001 - 871))]));
    }

    #[test]
    fn the_closing_day_belongs_to_whoever_comes_next() {
        let (tariff, opened) = (service(), day("2026-01-21"));
        let back = |date: &str, posted_to: &str| tariff.fixed_given_back(day(date), opened, day(posted_to));
        // On 11 February, whose day is posted: 10 of 28 days are gone, 3001 x 10/28 = 1071.7.
        assert_eq!(back("2026-02-11", "2026-02-12"), dues(&[("meter", -100), ("service", 1071 - 3001)]));
        assert_eq!(back("2026-02-11", "2026-02-11"), dues(&[("service", 1071 - 3001)]));
        assert_eq!(back("2026-02-01", "2026-02-02"), dues(&[("meter", -100), ("service", -3001)]));
        assert_eq!(back("2026-01-21", "2026-01-22"), dues(&[("meter", -100), ("service", 1936 - 3001)]));
    }

    #[test]
    fn every_broken_rule_is_named_by_its_field() {
        type Change = fn(&mut Vec<FixedCharge>);
        let cases: [(&str, Change); 4] = [
            ("fixed_charges", |all| all.extend((0..8).map(|nth| charge(&nth.to_string(), Every::Day, 1)))),
            ("fixed_charges[2].name", |all| all.push(charge("meter", Every::Month, 1))),
            ("fixed_charges[2].name", |all| all.push(charge(" ", Every::Month, 1))),
            ("fixed_charges[2].amount", |all| all.push(charge("more", Every::Month, 0))),
        ];
        for (field, change) in cases {
            let mut tariff = service();
            assert_eq!(tariff.validate(), Ok(()));
            tariff.versions.iter_mut().take(1).for_each(|first| change(&mut first.fixed_charges));
            assert_eq!(tariff.validate().map_err(|bad| bad.field), Err(format!("versions[0].{field}")));
        }
    }

    proptest! {
        /// Whenever it opens, closes, changes its prices and posts: days [i, j) of a month's n cost floor(A j/n) - floor(A
        /// i/n) of each version, and each day its charge.
        #[test]
        fn an_account_pays_for_the_days_it_was_open_by_the_version_of_each(
            opening in 0_i64..400,
            lasts in 0_i64..100,
            ahead in 0_i64..40,
            changes in prop::collection::btree_map(0_i64..500, (0_i64..500, 0_i64..50_000), 0..6),
        ) {
            let date = |after: i64| day("2026-01-01").saturating_add(jiff::Span::new().days(after));
            let priced = |number, valid_from, (daily, monthly)| TariffVersion {
                valid_from,
                fixed_charges: vec![charge("d", Every::Day, daily), charge("m", Every::Month, monthly)],
                ..version(number, "2020-01-01", &[(None, "1")])
            };
            let later = changes.iter().zip(2..).map(|((from, prices), number)| priced(number, date(*from), *prices));
            let versions = [priced(1, day("2020-01-01"), (7, 1000))].into_iter().chain(later).collect();
            let tariff = Tariff { currency: cny(), versions };
            let (opened, closed) = (date(opening), date(opening + lasts));
            let posted_to = date(opening + lasts + ahead);
            let mut paid = 0;
            let mut at = opened;
            while at < posted_to {
                paid += tariff.fixed_dues(at, opened).values().map(|due| due.get()).sum::<i64>();
                at = next_day(at);
            }
            paid += tariff.fixed_given_back(closed, opened, posted_to).values().map(|due| due.get()).sum::<i64>();

            let (mut owed, mut at) = (0, opened);
            while at < closed {
                let prices = tariff.at(at).map(|version| &version.fixed_charges[..]);
                let Some([daily, monthly]) = prices else { break };
                let days = i64::from(at.days_in_month());
                let upto = |day: i64| monthly.amount.get() * day / days;
                owed += daily.amount.get() + upto(i64::from(at.day())) - upto(i64::from(at.day() - 1));
                at = next_day(at);
            }
            prop_assert_eq!(paid, owed);
        }
    }
}
