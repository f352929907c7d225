//! Why an account was charged what it was: the parts of a change of the exact cost in whole minor units, and the parts of a
//! fixed charge.

use std::{cmp::Reverse, collections::BTreeMap};

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    calendar::{day_before, next_day},
    charge::{Priced, Slice},
    energy::Energy,
    money::{Currency, Exact, Money},
    tariff::{Every, Tariff, TariffVersion},
};

/// What a change of settled energies adds to each part of the exact cost, or takes from it: their costs sum to the change
/// of the whole. Parts that stay as they were are left out.
#[must_use]
pub fn changes(before: &[Slice], after: &[Slice]) -> Vec<Slice> {
    let mut all: BTreeMap<(Date, i32, Priced), Slice> = BTreeMap::new();
    let mut add = |slice: &Slice, energy: Energy, cost: Exact| {
        let nothing = Slice { energy: Energy::ZERO, cost: Exact::ZERO, ..*slice };
        let sum = all.entry((slice.window, slice.version, slice.priced)).or_insert(nothing);
        (sum.energy, sum.cost) = (sum.energy + energy, sum.cost + cost);
    };
    after.iter().for_each(|slice| add(slice, slice.energy, slice.cost));
    before.iter().for_each(|slice| add(slice, Energy::ZERO - slice.energy, Exact::ZERO - slice.cost));
    all.into_values().filter(|slice| (slice.energy, slice.cost) != (Energy::ZERO, Exact::ZERO)).collect()
}

/// Whole minor units for each exact cost that sum to `posted`: all are rounded down, and what is missing goes to those with
/// the largest remainders, the earlier ones first. Where `posted` is the sum of `costs` with a carry, rounded down, each is
/// less than one minor unit from its exact cost. None of them where there is no cost.
#[must_use]
pub fn rounded(costs: &[Exact], posted: Money, currency: &Currency) -> Vec<Money> {
    let unit = i128::from(currency.minor_unit());
    let floors: Vec<i128> = costs.iter().map(|cost| cost.get().div_euclid(unit)).collect();
    let Ok(count @ 1..) = i128::try_from(costs.len()) else { return Vec::new() };
    let missing = i128::from(posted.get()) - floors.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|index| Reverse(costs.get(*index).map(|cost| cost.get().rem_euclid(unit))));
    let mut extra = vec![missing.div_euclid(count); costs.len()];
    for (index, _) in order.into_iter().zip(0..missing.rem_euclid(count)) {
        extra.get_mut(index).into_iter().for_each(|extra| *extra += 1);
    }
    let whole = floors.into_iter().zip(extra).map(|(floor, extra)| floor + extra);
    whole.map(|units| Money::new(i64::try_from(units).unwrap_or(i64::MAX))).collect()
}

/// A part of what a fixed charge posts at one midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FixedPart {
    /// Number of the tariff version it comes from.
    pub version: i32,
    /// How often it comes.
    pub every: Every,
    /// What it is for the whole day or month, in minor units.
    pub price: Money,
    /// The first local day it is for.
    pub from: Date,
    /// How many days from there on.
    pub days: i8,
    /// Of how many days of its month; 1 for a charge by the day.
    pub of_days: i8,
    /// What is posted of it; negative where it is given back.
    pub amount: Money,
}

impl FixedPart {
    fn back(self) -> Self {
        Self { amount: -self.amount, ..self }
    }
}

/// The parts of what the fixed charge called `name` posts at the midnight that begins `day`; they sum to what
/// [`Tariff::fixed_dues`] says.
#[must_use]
pub fn fixed_parts(tariff: &Tariff, name: &str, day: Date, opened: Date) -> Vec<FixedPart> {
    let Some(version) = tariff.at(day) else { return Vec::new() };
    let before = running(tariff, day, opened);
    let mut parts = of_version(version, name, day, Every::Day);
    if before.is_none_or(|before| before.version != version.version) {
        parts.extend(of_version(version, name, day, Every::Month));
        let replaced = before.into_iter().flat_map(|before| of_version(before, name, day, Every::Month));
        parts.extend(replaced.map(FixedPart::back));
    }
    parts
}

/// The parts of what is given back of it where an account closes on `day`, posted for the days before `posted_to`; they
/// sum to what [`Tariff::fixed_given_back`] says.
#[must_use]
pub fn fixed_parts_back(tariff: &Tariff, name: &str, day: Date, opened: Date, posted_to: Date) -> Vec<FixedPart> {
    let mut parts = Vec::new();
    let mut posted = day;
    while posted < posted_to {
        parts.extend(fixed_parts(tariff, name, posted, opened).into_iter().map(FixedPart::back));
        posted = next_day(posted);
    }
    let before = running(tariff, day, opened);
    let rest = before.into_iter().flat_map(|before| of_version(before, name, day, Every::Month));
    parts.extend(rest.map(FixedPart::back));
    parts
}

/// The version whose month was paid before `day` began and goes on over it.
fn running(tariff: &Tariff, day: Date, opened: Date) -> Option<&TariffVersion> {
    tariff.at(day_before(day)).filter(|_| day > opened && day.day() > 1)
}

/// A version's charges of this name: of the day, or of the month from that day on.
fn of_version(version: &TariffVersion, name: &str, day: Date, every: Every) -> Vec<FixedPart> {
    let (days, of_days) = match every {
        Every::Day => (1, 1),
        Every::Month => (day.days_in_month() - day.day() + 1, day.days_in_month()),
    };
    let named = version.fixed_charges.iter().filter(|charge| charge.name == name && charge.every == every);
    named
        .map(|charge| {
            let (price, gone) = (charge.amount, i128::from(of_days - days));
            let share = i128::from(price.get()) * gone / i128::from(of_days.max(1));
            let amount = price - Money::new(i64::try_from(share).unwrap_or(i64::MAX));
            FixedPart { version: version.version, every, price, from: day, days, of_days, amount }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        charge::{Usage, exact_cost, settle, slices},
        fixtures::{cny, day, kwh, tiered, version},
        money::Carry,
        tariff::{FixedCharge, Period},
    };

    fn may(used: &str) -> Usage {
        [((day("2026-05-01"), 1, Period::Flat), kwh(used))].into_iter().collect()
    }

    #[test]
    fn a_change_over_a_bound_has_a_line_for_each_block_it_touches() {
        let tariff = tiered();
        let of = |used| slices(&may(used), &tariff).unwrap_or_default();
        let lines = |before, after| -> Vec<_> {
            changes(&of(before), &of(after))
                .into_iter()
                .map(|line| (line.priced, line.energy.to_string(), line.cost.to_string()))
                .collect()
        };
        let line = |block, energy: &str, cost: &str| (Priced::Block(block), energy.to_owned(), cost.to_owned());
        assert_eq!(
            lines("239", "250"),
            [line(1, "1.0000", "0.5000000000"), line(2, "10.0000", "5.5000000000")],
            "1 kWh at 0.50 and 10 at 0.55"
        );
        assert_eq!(lines("250", "238"), [line(1, "-2.0000", "-1.0000000000"), line(2, "-10.0000", "-5.5000000000")]);
        assert_eq!(lines("250", "250"), []);
    }

    #[test]
    fn what_is_missing_goes_to_the_largest_remainders() {
        let cents = |all: &[&str]| -> Vec<Exact> {
            all.iter().map(|text| Exact::new(crate::money::parse_decimal(text, 10).map_or(0, i128::from))).collect()
        };
        let whole = |all: &[&str], posted| -> Vec<i64> {
            rounded(&cents(all), Money::new(posted), &cny()).into_iter().map(Money::get).collect()
        };
        // 0.333 + 0.335 + 0.332 = 1.000: 33 + 33 + 33, and one for the second.
        assert_eq!(whole(&["0.333", "0.335", "0.332"], 100), [33, 34, 33]);
        assert_eq!(whole(&["0.335", "0.335"], 67), [34, 33], "the earlier one first");
        assert_eq!(whole(&["-0.333", "0.100"], -24), [-34, 10]);
        assert_eq!(whole(&["0.004"], 1), [1], "with a carry of 0.006");
        assert_eq!(whole(&[], 0), [0; 0]);
    }

    fn charge(name: &str, every: Every, amount: i64) -> FixedCharge {
        FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) }
    }

    #[test]
    fn a_new_version_inside_a_month_has_three_parts() {
        let of = |number, from, daily, monthly| TariffVersion {
            fixed_charges: vec![charge("service", Every::Day, daily), charge("line", Every::Month, monthly)],
            ..version(number, from, &[(None, "1")])
        };
        let tariff =
            Tariff { currency: cny(), versions: vec![of(1, "2020-01-01", 100, 3001), of(2, "2026-03-10", 200, 6200)] };
        let (opened, tenth) = (day("2026-01-21"), day("2026-03-10"));
        let part = |version, price, amount| FixedPart {
            version,
            every: Every::Month,
            price: Money::new(price),
            from: tenth,
            days: 22,
            of_days: 31,
            amount: Money::new(amount),
        };
        // 9 of 31 days are gone: 6200 - 1800 anew, 3001 - 871 back.
        assert_eq!(fixed_parts(&tariff, "line", tenth, opened), [part(2, 6200, 4400), part(1, 3001, -2130)]);
        assert_eq!(fixed_parts(&tariff, "strange", tenth, opened), []);
    }

    fn any_tariff() -> impl Strategy<Value = Tariff> {
        let amounts = prop::collection::vec((1_i64..100_000, 1_i64..100_000), 1..4);
        (amounts, 1_i8..=28).prop_map(|(amounts, first)| {
            let versions = amounts.iter().zip(1..).map(|((daily, monthly), number)| TariffVersion {
                fixed_charges: vec![charge("service", Every::Day, *daily), charge("line", Every::Month, *monthly)],
                ..version(number, &format!("2026-0{number}-{first:02}"), &[(None, "1")])
            });
            Tariff { currency: cny(), versions: versions.collect() }
        })
    }

    fn sum(parts: &[FixedPart]) -> Money {
        parts.iter().map(|part| part.amount).sum()
    }

    proptest! {
        #[test]
        fn lines_sum_to_the_posted_amount(
            steps in prop::collection::vec((0_i64..6_000_000, 1_u8..4), 1..8),
            carry in 0_i64..100_000_000,
        ) {
            let tariff = tiered();
            let (mut usage, mut carry) = (Usage::none(), Carry::new(carry));
            for (energy, month) in steps {
                let window = Date::constant(2026, i8::try_from(month).unwrap_or(1), 1);
                let mut after = usage.clone();
                // Up and down: a correction takes back what was charged.
                after.put((window, 1, Period::Flat), Energy::new(energy - 2_000_000));
                let of = |usage: &Usage| slices(usage, &tariff).unwrap_or_default();
                let lines = changes(&of(&usage), &of(&after));
                let costs: Vec<Exact> = lines.iter().map(|line| line.cost).collect();
                let cost = |usage: &Usage| exact_cost(usage, &tariff).unwrap_or_default();
                prop_assert_eq!(costs.iter().copied().sum::<Exact>(), cost(&after) - cost(&usage));
                let (posted, rest) = settle(&usage, &after, carry, &tariff).unwrap_or_default();
                let whole = rounded(&costs, posted, &tariff.currency);
                prop_assert_eq!(whole.iter().copied().sum::<Money>(), posted);
                for (whole, cost) in whole.iter().zip(&costs) {
                    let apart = (Exact::of(*whole, &tariff.currency) - *cost).get().abs();
                    prop_assert!(apart < i128::from(tariff.currency.minor_unit()), "{whole} for {cost}");
                }
                (usage, carry) = (after, rest);
            }
        }

        #[test]
        fn lines_sum_to_whatever_is_said_to_be_posted(
            costs in prop::collection::vec(-10_000_000_000_i128..10_000_000_000, 1..9), posted in -10_000_i64..10_000,
        ) {
            let costs: Vec<Exact> = costs.into_iter().map(Exact::new).collect();
            let whole = rounded(&costs, Money::new(posted), &cny());
            prop_assert_eq!(whole.into_iter().sum::<Money>(), Money::new(posted));
        }

        #[test]
        fn parts_of_fixed_charges_sum_to_what_is_due(tariff in any_tariff(), opened in 0_i64..200, days in 0_i64..200) {
            let date = |day: i64| Date::constant(2026, 1, 1).saturating_add(jiff::Span::new().days(day));
            let (opened, today) = (date(opened), date(opened + days));
            let (dues, posted_to) = (tariff.fixed_dues(today, opened), next_day(today));
            let back = tariff.fixed_given_back(today, opened, posted_to);
            for name in ["service", "line"] {
                let due = dues.get(name).copied().unwrap_or_default();
                prop_assert_eq!(sum(&fixed_parts(&tariff, name, today, opened)), due);
                let due = back.get(name).copied().unwrap_or_default();
                prop_assert_eq!(sum(&fixed_parts_back(&tariff, name, today, opened, posted_to)), due);
            }
        }
    }
}
