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

/// The first of the days on which energy is used: within a window that began before, where its day is another.
const FIRST_DAY: &str = "2026-01-20";
/// How many days they are.
const DAYS: i64 = 80;

fn day_after(days: i64) -> Date {
    day(FIRST_DAY).saturating_add(jiff::Span::new().days(days))
}

/// Rising bounds in multiples of `unit`, and any prices, falling ones included.
fn any_blocks(unit: i64) -> impl Strategy<Value = Vec<Block>> {
    let block = (1_i64..15_000, 0_i64..2_000_000);
    (prop::collection::vec(block, 0..4), 0_i64..2_000_000).prop_map(move |(steps, last)| {
        let mut bound = 0;
        let mut blocks: Vec<Block> = steps
            .into_iter()
            .map(|(step, each)| {
                bound += step * unit;
                Block { upto: Some(Energy::new(bound)), price: Price::new(each) }
            })
            .collect();
        blocks.push(Block { upto: None, price: Price::new(last) });
        blocks
    })
}

/// Any tariff of one to four versions, the first in force on all of the days.
fn any_tariff(unit: i64) -> impl Strategy<Value = Tariff> {
    let versions = prop::collection::vec((1_i64..40, 1_i32..3, any_blocks(unit)), 1..=4);
    (versions, 1_i8..=28).prop_map(|(versions, window_start_day)| {
        let mut tariff = tiered();
        let (mut begins, mut number) = (0, 0);
        tariff.versions.clear();
        for (days, step, blocks) in versions {
            number += step;
            let plain = version(number, FIRST_DAY, &[]);
            tariff.versions.push(TariffVersion { valid_from: day_after(begins), window_start_day, blocks, ..plain });
            begins += days;
        }
        assert_eq!(tariff.validate(), Ok(()));
        tariff
    })
}

/// Energy of one of the days.
type Piece = (i64, i64);

/// Energies of days in any order, each day's in any number of pieces.
fn pieces(energy: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec((0..DAYS, energy), 0..60)
}

/// Charges `pieces` one after the other.
fn charged(pieces: &[Piece], tariff: &Tariff) -> (Money, Carry) {
    let (mut usage, mut carry, mut sum) = (Usage::none(), Carry::ZERO, Money::ZERO);
    for (days, energy) in pieces {
        let mut after = usage.clone();
        after.use_on(day_after(*days), Energy::new(*energy), tariff).unwrap();
        let (money, rest) = settle(&usage, &after, carry, tariff).unwrap();
        assert!((0..tariff.currency.minor_unit()).contains(&rest.get()));
        (usage, carry, sum) = (after, rest, sum + money);
    }
    (sum, carry)
}

/// Charges `pieces` all at once.
fn charged_at_once(pieces: &[Piece], tariff: &Tariff) -> (Money, Carry) {
    let mut usage = Usage::none();
    for (days, energy) in pieces {
        usage.use_on(day_after(*days), Energy::new(*energy), tariff).unwrap();
    }
    settle(&Usage::none(), &usage, Carry::ZERO, tariff).unwrap()
}

/// Lives through the days and pays for each unit of energy what it costs when it is used.
fn walked(pieces: &[Piece], unit: i64, tariff: &Tariff) -> Exact {
    let (mut used_in_window, mut cost) = (0, Exact::ZERO);
    for days in 0..DAYS {
        let today = day_after(days);
        let in_force = tariff.versions.iter().rfind(|version| version.valid_from <= today).unwrap();
        if today.day() == in_force.window_start_day {
            used_in_window = 0;
        }
        let energy: i64 = pieces.iter().filter(|(of, _)| *of == days).map(|(_, energy)| energy).sum();
        for _ in 0..energy / unit {
            let open = |block: &&Block| block.upto.is_none_or(|upto| upto.get() > used_in_window);
            cost = cost + Exact::cost(Energy::new(unit), in_force.blocks.iter().find(open).unwrap().price);
            used_in_window += unit;
        }
    }
    cost
}

proptest! {
    #[test]
    fn days_cut_into_pieces_cost_the_whole(
        (unit, tariff) in prop::sample::select(vec![1_i64, 7, 10_000]).prop_flat_map(|unit| (Just(unit), any_tariff(unit))),
        pieces in pieces(0..1_500),
    ) {
        let pieces: Vec<Piece> = pieces.into_iter().map(|(days, energy)| (days, energy * unit)).collect();
        let whole = charged(&pieces, &tariff);
        prop_assert_eq!(whole, charged_at_once(&pieces, &tariff));
        prop_assert_eq!(Some(whole), walked(&pieces, unit, &tariff).split(&tariff.currency));
    }

    #[test]
    fn detours_cost_nothing(tariff in any_tariff(100), pieces in pieces(-500_000..500_000)) {
        prop_assert_eq!(charged(&pieces, &tariff), charged_at_once(&pieces, &tariff));
    }

    #[test]
    fn slices_hold_all_the_energy_and_all_the_cost(tariff in any_tariff(200), energy in 0_i64..20_000_000) {
        let first = tariff.versions.first().unwrap().version;
        let usage: Usage = [((day("2026-05-01"), first), Energy::new(energy))].into_iter().collect();
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
