//! Quotes: what energy would cost on top of what was used, and how much of it an amount buys.

use crate::{energy::Energy, money::Exact, tariff::Tariff};

use super::{ChargeError, Slice, Usage, UsageKey, exact_cost, slices};

/// Most energy that a quote is made for: a thousand million kWh.
pub const ENERGY_MAX: Energy = Energy::new(10_000_000_000_000);

/// What `more` costs on top of `used`, exactly.
///
/// # Errors
/// See [`ChargeError`].
pub fn cost(used: &Usage, more: &Usage, tariff: &Tariff) -> Result<Exact, ChargeError> {
    Ok(exact_cost(&used.plus(more), tariff)? - exact_cost(used, tariff)?)
}

/// The parts of that cost. They sum to it.
///
/// # Errors
/// See [`ChargeError`].
pub fn parts(used: &Usage, more: &Usage, tariff: &Tariff) -> Result<Vec<Slice>, ChargeError> {
    let before = slices(used, tariff)?;
    let same = |one: &Slice, other: &Slice| {
        (one.window, one.version, one.priced) == (other.window, other.version, other.priced)
    };
    let added = slices(&used.plus(more), tariff)?.into_iter().map(|slice| {
        let known = before.iter().find(|known| same(known, &slice));
        known.map_or(slice, |known| Slice {
            energy: slice.energy - known.energy,
            cost: slice.cost - known.cost,
            ..slice
        })
    });
    Ok(added.filter(|slice| slice.energy != Energy::ZERO).collect())
}

/// The most energy that counts under `key` and costs no more than `amount` on top of `used`; none where even [`ENERGY_MAX`]
/// costs no more, since it is free.
///
/// # Errors
/// See [`ChargeError`].
pub fn energy_for(amount: Exact, used: &Usage, key: UsageKey, tariff: &Tariff) -> Result<Option<Energy>, ChargeError> {
    let affordable = |energy: i64| {
        let more = [(key, Energy::new(energy))].into_iter().collect();
        cost(used, &more, tariff).map(|cost| cost <= amount)
    };
    // `low` is affordable, `high` is not.
    let (mut low, mut high) = (0, ENERGY_MAX.get());
    if affordable(high)? {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if affordable(middle)? { low = middle } else { high = middle }
    }
    Ok(Some(Energy::new(low)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::{
        charge::Priced,
        fixtures::{cny, day, kwh, peak_and_valley, tiered, version},
        money::Money,
        tariff::{Period, TariffVersion},
    };

    const WINDOW: jiff::civil::Date = jiff::civil::Date::constant(2026, 5, 1);

    fn usage(period: Period, energy: Energy) -> Usage {
        [((WINDOW, 1, period), energy)].into_iter().collect()
    }

    fn buys(money: i64, used: &str, tariff: &Tariff) -> Option<String> {
        let (amount, used) = (Exact::of(Money::new(money), &cny()), usage(Period::Flat, kwh(used)));
        energy_for(amount, &used, (WINDOW, 1, Period::Flat), tariff).unwrap().map(|energy| energy.to_string())
    }

    /// Prices by the time of day, to which blocks add.
    fn mixed() -> Tariff {
        let blocks = [(Some("100"), "0"), (Some("150"), "0.05"), (None, "0.30")];
        let version = TariffVersion { time_of_use: Some(peak_and_valley()), ..version(1, "2020-01-01", &blocks) };
        Tariff { versions: vec![version], ..tiered() }
    }

    #[test]
    fn an_amount_buys_up_the_blocks_from_where_the_window_stands() {
        assert_eq!(buys(5_000, "0", &tiered()).as_deref(), Some("100.0000"));
        // 40 x 0.50 = 20.00, then 30.00 / 0.55
        assert_eq!(buys(5_000, "200", &tiered()).as_deref(), Some("94.5454"));
        assert_eq!(buys(8_000, "400", &tiered()).as_deref(), Some("100.0000"));
        assert_eq!(buys(0, "0", &tiered()).as_deref(), Some("0.0000"));
        let free = Tariff { versions: vec![version(1, "2020-01-01", &[(None, "0")])], ..tiered() };
        assert_eq!(buys(1, "0", &free), None);
    }

    #[test]
    fn energy_costs_by_the_blocks_that_it_falls_into() {
        let more = usage(Period::Flat, kwh("250"));
        let parts = parts(&usage(Period::Flat, kwh("200")), &more, &tiered()).unwrap();
        let shown: Vec<_> =
            parts.iter().map(|part| (part.priced, part.energy.to_string(), part.cost.to_string())).collect();
        let expected =
            [(1, "40.0000", "20.0000000000"), (2, "160.0000", "88.0000000000"), (3, "50.0000", "40.0000000000")];
        let expected = expected.map(|(block, energy, cost)| (Priced::Block(block), energy.to_owned(), cost.to_owned()));
        assert_eq!(shown, expected);
        assert_eq!(day("2026-05-01"), WINDOW);
    }

    proptest! {
        #[test]
        fn what_an_amount_buys_costs_no_more_and_a_tenth_of_a_watt_hour_further_does(
            money in 0_i64..1_000_000,
            used in 0_i64..8_000_000,
            by_time in any::<bool>(),
            valley in any::<bool>(),
        ) {
            let tariff = if by_time { mixed() } else { tiered() };
            let period = if !by_time { Period::Flat } else if valley { Period::Valley } else { Period::Peak };
            let used = usage(period, Energy::new(used));
            let amount = Exact::of(Money::new(money), &cny());
            let energy = energy_for(amount, &used, (WINDOW, 1, period), &tariff)?.unwrap();
            let costs = |energy: Energy| cost(&used, &usage(period, energy), &tariff);
            prop_assert!(costs(energy)? <= amount);
            prop_assert!(amount < costs(energy + Energy::new(1))?);
            let parts = parts(&used, &usage(period, energy), &tariff)?;
            prop_assert_eq!(parts.iter().map(|part| part.cost).sum::<Exact>(), costs(energy)?);
            prop_assert!(parts.iter().all(|part| part.cost == Exact::cost(part.energy, part.price)));
            // And back: what the energy costs buys it, and no less would.
            let again = energy_for(costs(energy)?, &used, (WINDOW, 1, period), &tariff)?.unwrap();
            prop_assert_eq!(again, energy);
        }
    }
}
