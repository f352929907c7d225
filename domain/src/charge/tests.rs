//! Charges: no cutting of the same consumption changes them.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::fixtures::{cny, day, kwh, tiered, version};

fn used(parts: &[(&str, i32, &str)]) -> Usage {
    parts.iter().map(|(window, number, energy)| ((day(window), *number), kwh(energy))).collect()
}

#[test]
fn blocks_price_what_lies_in_them() {
    let cost = exact_cost(&used(&[("2026-05-01", 1, "500")]), &tiered()).unwrap();
    // 240 x 0.50 + 160 x 0.55 + 100 x 0.80
    assert_eq!(cost.to_string(), "288.0000000000");
    let (money, carry) = cost.split(&cny()).unwrap();
    assert_eq!((money, carry), (Money::new(28_800), Carry::ZERO));
}

#[test]
fn each_window_begins_at_the_first_block() {
    let cost = exact_cost(&used(&[("2026-05-01", 1, "240"), ("2026-06-01", 1, "240")]), &tiered()).unwrap();
    assert_eq!(cost.to_string(), "240.0000000000");
}

#[test]
fn a_new_version_goes_on_in_the_same_window() {
    let mut tariff = tiered();
    tariff.versions.push(version(2, "2026-05-10", &[(Some("300"), "1"), (None, "2")]));
    let slices = slices(&used(&[("2026-05-01", 1, "250"), ("2026-05-01", 2, "100")]), &tariff).unwrap();
    let shown: Vec<_> = slices
        .iter()
        .map(|slice| (slice.version, slice.block, slice.energy.to_string(), slice.cost.to_string()))
        .collect();
    let slice = |version, block, energy: &str, cost: &str| (version, block, energy.to_owned(), cost.to_owned());
    assert_eq!(
        shown,
        [
            slice(1, 1, "240.0000", "120.0000000000"),
            slice(1, 2, "10.0000", "5.5000000000"),
            slice(2, 1, "50.0000", "50.0000000000"),
            slice(2, 2, "50.0000", "100.0000000000"),
        ]
    );
}

#[test]
fn a_day_counts_in_its_window_and_version() {
    let mut tariff = tiered();
    tariff.versions.push(version(2, "2026-05-10", &[(None, "1")]));
    let mut usage = Usage::none();
    for (date, energy) in [("2026-04-30", "1"), ("2026-05-01", "2"), ("2026-05-09", "3"), ("2026-05-10", "4")] {
        usage.use_on(day(date), kwh(energy), &tariff).unwrap();
    }
    assert_eq!(usage, used(&[("2026-04-01", 1, "1"), ("2026-05-01", 1, "5"), ("2026-05-01", 2, "4")]));
    let early = day("2019-12-31");
    assert_eq!(usage.use_on(early, kwh("1"), &tariff), Err(ChargeError::NoVersion(early)));
}

#[test]
fn a_version_the_tariff_does_not_have_is_an_error_not_a_gift() {
    assert_eq!(exact_cost(&used(&[("2026-05-01", 9, "1")]), &tiered()), Err(ChargeError::UnknownVersion(9)));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let usage: Usage = [((day("2026-05-01"), 1), Energy::new(i64::MAX))].into_iter().collect();
    let mut tariff = tiered();
    tariff.versions = vec![version(1, "2020-01-01", &[(None, "1000")])];
    assert_eq!(settle(&Usage::none(), &usage, Carry::ZERO, &tariff), Err(ChargeError::TooLarge));
}

#[test]
fn taking_back_a_charge_leaves_no_trace() {
    let (none, some) = (Usage::none(), used(&[("2026-05-01", 1, "33.3333")]));
    let (charged, carry) = settle(&none, &some, Carry::ZERO, &tiered()).unwrap();
    let (back, rest) = settle(&some, &none, carry, &tiered()).unwrap();
    assert_eq!((charged + back, rest), (Money::ZERO, Carry::ZERO));
}

/// Any tariff with rising bounds, falling prices included.
fn any_tariff() -> impl Strategy<Value = Tariff> {
    let block = (1_i64..3_000_000, 0_i64..2_000_000);
    (prop::collection::vec(block, 0..4), 0_i64..2_000_000).prop_map(|(steps, last)| {
        let mut bound = 0;
        let mut tariff = tiered();
        let mut blocks: Vec<Block> = steps
            .into_iter()
            .map(|(step, each)| {
                bound += step;
                Block { upto: Some(Energy::new(bound)), price: Price::new(each) }
            })
            .collect();
        blocks.push(Block { upto: None, price: Price::new(last) });
        tariff.versions.iter_mut().for_each(|version| version.blocks.clone_from(&blocks));
        tariff
    })
}

/// Charges `pieces` one after the other.
fn charged(pieces: &[i64], tariff: &Tariff) -> (Money, Carry) {
    let (mut usage, mut carry, mut sum) = (Usage::none(), Carry::ZERO, Money::ZERO);
    for piece in pieces {
        let mut after = usage.clone();
        after.use_on(day("2026-05-05"), Energy::new(*piece), tariff).unwrap();
        let (money, rest) = settle(&usage, &after, carry, tariff).unwrap();
        assert!((0..tariff.currency.minor_unit()).contains(&rest.get()));
        (usage, carry, sum) = (after, rest, sum + money);
    }
    (sum, carry)
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_total(tariff in any_tariff(), pieces in prop::collection::vec(0_i64..500_000, 0..30)) {
        let whole: i64 = pieces.iter().sum();
        prop_assert_eq!(charged(&pieces, &tariff), charged(&[whole], &tariff));
    }

    #[test]
    fn detours_cost_nothing(tariff in any_tariff(), pieces in prop::collection::vec(-500_000_i64..500_000, 0..30)) {
        let whole: i64 = pieces.iter().sum();
        prop_assert_eq!(charged(&pieces, &tariff), charged(&[whole], &tariff));
    }

    #[test]
    fn slices_hold_all_the_energy_and_all_the_cost(tariff in any_tariff(), energy in 0_i64..20_000_000) {
        let usage: Usage = [((day("2026-05-01"), 1), Energy::new(energy))].into_iter().collect();
        let slices = slices(&usage, &tariff).unwrap();
        prop_assert_eq!(slices.iter().map(|slice| slice.energy).sum::<Energy>(), Energy::new(energy));
        // Block by block, one unit of energy at a time would be slow; walk in steps that divide no bound.
        let (mut cost, mut at) = (Exact::ZERO, 0);
        while at < energy {
            let blocks = &tariff.versions.first().unwrap().blocks;
            let block = blocks.iter().find(|block| block.upto.is_none_or(|upto| upto.get() > at)).unwrap();
            let step = block.upto.map_or(energy, |upto| upto.get().min(energy)).min(at + 7_001) - at;
            cost = cost + Exact::cost(Energy::new(step), block.price);
            at += step;
        }
        prop_assert_eq!(exact_cost(&usage, &tariff).unwrap(), cost);
    }

    #[test]
    fn accrued_is_what_settling_would_post(settled in 0_i64..5_000_000, open in 0_i64..500_000, carry in 0_i64..100_000_000) {
        let usage = |energy| -> Usage { [((day("2026-05-01"), 1), Energy::new(energy))].into_iter().collect() };
        let (settled, open, carry) = (usage(settled), usage(open), Carry::new(carry));
        let posted = settle(&settled, &settled.plus(&open), carry, &tiered()).unwrap().0;
        prop_assert_eq!(accrued(&settled, &open, carry, &tiered()).unwrap(), posted);
    }

    #[test]
    fn plus_and_minus_undo_each_other(a in -9_i64..9, b in -9_i64..9) {
        let usage = |energy| -> Usage { [((day("2026-05-01"), 1), Energy::new(energy))].into_iter().collect() };
        prop_assert_eq!(usage(a).plus(&usage(b)).minus(&usage(b)), usage(a));
        prop_assert_eq!(usage(a).minus(&usage(a)), Usage::none());
    }
}
