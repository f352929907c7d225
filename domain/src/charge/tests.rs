//! Charges: no cutting of the same consumption changes them.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{cny, day, kwh, peak_and_valley, tiered, version},
    tariff::TimeOfUse,
};

fn used(parts: &[(&str, i32, &str)]) -> Usage {
    parts.iter().map(|(window, number, energy)| ((day(window), *number, Period::Flat), kwh(energy))).collect()
}

/// Adds energy used on a day by an account that was opened long before.
fn use_on(usage: &mut Usage, day: Date, energy: Energy, tariff: &Tariff) -> Result<(), ChargeError> {
    let (window, version) = tariff.window(day, Date::constant(2020, 1, 1))?;
    usage.put((window, version, Period::Flat), energy);
    Ok(())
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
fn periods_have_their_prices_and_blocks_add_to_them() {
    let mut tariff = tiered();
    let blocks = [(Some("100"), "0"), (Some("150"), "0.05"), (None, "0.30")];
    tariff.versions = vec![TariffVersion { time_of_use: Some(peak_and_valley()), ..version(1, "2020-01-01", &blocks) }];
    let usage = [(Period::Peak, "120"), (Period::Valley, "40")];
    let usage = usage.into_iter().map(|(period, energy)| ((day("2026-05-01"), 1, period), kwh(energy))).collect();
    // 120 x 1.00 + 40 x 0.25, and of 160 kWh: 50 x 0.05 + 10 x 0.30
    let costs: Vec<_> =
        slices(&usage, &tariff).unwrap().iter().map(|slice| (slice.priced, slice.cost.to_string())).collect();
    let expected = [
        (Priced::Period(Period::Peak), "120.0000000000"),
        (Priced::Period(Period::Valley), "10.0000000000"),
        (Priced::Block(2), "2.5000000000"),
        (Priced::Block(3), "3.0000000000"),
    ];
    assert_eq!(costs, expected.map(|(priced, cost)| (priced, cost.to_owned())));
}

#[test]
fn windows_of_another_kind_begin_anew() {
    let mut tariff = tiered();
    let blocks = [(Some("100"), "1"), (None, "2")];
    let yearly = |number, from| TariffVersion { window_start_month: Some(5), ..version(number, from, &blocks) };
    tariff.versions = vec![version(1, "2020-01-01", &blocks), yearly(2, "2026-05-10"), yearly(3, "2026-05-20")];
    let usage = used(&[("2026-05-01", 1, "90"), ("2026-05-01", 2, "90"), ("2026-05-01", 3, "90")]);
    // The month of version 1 and the year of the others begin on one day; 2 and 3 are one year.
    assert_eq!(exact_cost(&usage, &tariff).unwrap().to_string(), "350.0000000000");
}

#[test]
fn a_new_version_goes_on_in_the_same_window() {
    let mut tariff = tiered();
    tariff.versions.push(version(2, "2026-05-10", &[(Some("300"), "1"), (None, "2")]));
    let slices = slices(&used(&[("2026-05-01", 1, "250"), ("2026-05-01", 2, "100")]), &tariff).unwrap();
    let shown: Vec<_> = slices
        .iter()
        .map(|slice| (slice.version, slice.priced, slice.energy.to_string(), slice.cost.to_string()))
        .collect();
    let slice =
        |version, block, energy: &str, cost: &str| (version, Priced::Block(block), energy.to_owned(), cost.to_owned());
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
        use_on(&mut usage, day(date), kwh(energy), &tariff).unwrap();
    }
    assert_eq!(usage, used(&[("2026-04-01", 1, "1"), ("2026-05-01", 1, "5"), ("2026-05-01", 2, "4")]));
    let early = day("2019-12-31");
    assert_eq!(use_on(&mut usage, early, kwh("1"), &tariff), Err(ChargeError::NoVersion(early)));
}

#[test]
fn a_version_the_tariff_does_not_have_is_an_error_not_a_gift() {
    assert_eq!(exact_cost(&used(&[("2026-05-01", 9, "1")]), &tiered()), Err(ChargeError::UnknownVersion(9)));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let usage: Usage = [((day("2026-05-01"), 1, Period::Flat), Energy::new(i64::MAX))].into_iter().collect();
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

/// Prices for peak and valley, or none that depend on the time.
fn any_time_of_use() -> impl Strategy<Value = Option<TimeOfUse>> {
    let prices = |(peak, valley)| TimeOfUse {
        prices: [(Period::Peak, Price::new(peak)), (Period::Valley, Price::new(valley))].into(),
        ..peak_and_valley()
    };
    prop::option::of((0_i64..2_000_000, 0_i64..2_000_000).prop_map(prices))
}

/// Any tariff of one to four versions, the first in force on all of the days. Their windows are of one kind.
fn any_tariff(unit: i64) -> impl Strategy<Value = Tariff> {
    let versions = prop::collection::vec((1_i64..40, 1_i32..3, any_blocks(unit), any_time_of_use()), 1..=4);
    let window = (1_i8..=28, prop::option::of(1_i8..=4), any::<bool>());
    (versions, window).prop_map(|(versions, (window_start_day, window_start_month, prorate_opening))| {
        let mut tariff = tiered();
        let (mut begins, mut number) = (0, 0);
        tariff.versions.clear();
        for (days, step, mut blocks, time_of_use) in versions {
            number += step;
            if time_of_use.is_some() {
                blocks.first_mut().unwrap().price = Price::default();
            }
            let plain = version(number, FIRST_DAY, &[]);
            let valid_from = day_after(begins);
            tariff.versions.push(TariffVersion {
                valid_from,
                blocks,
                time_of_use,
                window_start_day,
                window_start_month,
                prorate_opening,
                ..plain
            });
            begins += days;
        }
        assert_eq!(tariff.validate(), Ok(()));
        tariff
    })
}

/// Energy of one of the days, and whether it was used at peak or in the valley.
type Piece = (i64, i64, bool);

/// Energies of days in any order, each day's in any number of pieces.
fn pieces(energy: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec((0..DAYS, energy, any::<bool>()), 0..60)
}

/// Adds a piece to what an account used that was opened on the first of the days.
fn add(usage: &mut Usage, (days, energy, peak): Piece, tariff: &Tariff) {
    let (window, version) = tariff.window(day_after(days), day(FIRST_DAY)).unwrap();
    usage.put((window, version, if peak { Period::Peak } else { Period::Valley }), Energy::new(energy));
}

/// Charges `pieces` one after the other.
fn charged(pieces: &[Piece], tariff: &Tariff) -> (Money, Carry) {
    let (mut usage, mut carry, mut sum) = (Usage::none(), Carry::ZERO, Money::ZERO);
    for piece in pieces {
        let mut after = usage.clone();
        add(&mut after, *piece, tariff);
        let (money, rest) = settle(&usage, &after, carry, tariff).unwrap();
        assert!((0..tariff.currency.minor_unit()).contains(&rest.get()));
        (usage, carry, sum) = (after, rest, sum + money);
    }
    (sum, carry)
}

/// Charges `pieces` all at once.
fn charged_at_once(pieces: &[Piece], tariff: &Tariff) -> (Money, Carry) {
    let mut usage = Usage::none();
    pieces.iter().for_each(|piece| add(&mut usage, *piece, tariff));
    settle(&Usage::none(), &usage, Carry::ZERO, tariff).unwrap()
}

/// Lives through the days and pays for each unit of energy what it costs when it is used.
fn walked(pieces: &[Piece], unit: i64, tariff: &Tariff) -> Exact {
    let (mut used_in_window, mut cost, mut opened_inside) = (0, Exact::ZERO, true);
    for days in 0..DAYS {
        let today = day_after(days);
        let in_force = tariff.versions.iter().rfind(|version| version.valid_from <= today).unwrap();
        let in_month = in_force.window_start_month.is_none_or(|month| today.month() == month);
        if today.day() == in_force.window_start_day && in_month {
            (used_in_window, opened_inside) = (0, false);
        }
        let bound = |upto: Energy| if opened_inside { in_force.bound(upto, day(FIRST_DAY)) } else { upto };
        for (_, energy, peak) in pieces.iter().filter(|(of, ..)| *of == days) {
            let period = if *peak { Period::Peak } else { Period::Valley };
            let price_of = |prices: &TimeOfUse| prices.prices.get(&period).copied().unwrap();
            let price = in_force.time_of_use.as_ref().map_or(Price::default(), price_of);
            cost = cost + Exact::cost(Energy::new(*energy), price);
            let until = used_in_window + energy;
            while used_in_window < until {
                let open = |block: &&Block| block.upto.is_none_or(|upto| bound(upto).get() > used_in_window);
                let block = in_force.blocks.iter().find(open).unwrap();
                let next =
                    block.upto.map_or(until, |upto| bound(upto).get().min(until)).min(used_in_window + unit * 500);
                cost = cost + Exact::cost(Energy::new(next - used_in_window), block.price);
                used_in_window = next;
            }
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
        let pieces: Vec<Piece> = pieces.into_iter().map(|(days, energy, peak)| (days, energy * unit, peak)).collect();
        let whole = charged(&pieces, &tariff);
        prop_assert_eq!(whole, charged_at_once(&pieces, &tariff));
        prop_assert_eq!(Some(whole), walked(&pieces, unit, &tariff).split(&tariff.currency));
    }

    #[test]
    fn detours_cost_nothing(tariff in any_tariff(100), pieces in pieces(-500_000..500_000)) {
        prop_assert_eq!(charged(&pieces, &tariff), charged_at_once(&pieces, &tariff));
    }

    #[test]
    fn slices_hold_all_the_energy_and_all_the_cost(tariff in any_tariff(200), pieces in pieces(0..500_000)) {
        let mut usage = Usage::none();
        pieces.iter().for_each(|piece| add(&mut usage, *piece, &tariff));
        let slices = slices(&usage, &tariff).unwrap();
        for ((window, number), energy) in usage.iter().fold(BTreeMap::new(), |mut sums, ((window, number, _), energy)| {
            let sum = sums.entry((window, number)).or_insert(Energy::ZERO);
            *sum = *sum + energy;
            sums
        }) {
            let by_time = tariff.version(number).unwrap().time_of_use.is_some();
            let whole = |slice: &&Slice| matches!(slice.priced, Priced::Period(_)) == by_time;
            let of_this = slices.iter().filter(|slice| (slice.window, slice.version) == (window, number));
            prop_assert_eq!(of_this.filter(whole).map(|slice| slice.energy).sum::<Energy>(), energy);
        }
        prop_assert!(slices.iter().all(|slice| slice.cost == Exact::cost(slice.energy, slice.price)));
        prop_assert_eq!(exact_cost(&usage, &tariff).unwrap(), slices.iter().map(|slice| slice.cost).sum());
    }

    #[test]
    fn accrued_is_what_settling_would_post(settled in 0_i64..5_000_000, open in 0_i64..500_000, carry in 0_i64..100_000_000) {
        let usage = |energy| -> Usage { [((day("2026-05-01"), 1, Period::Flat), Energy::new(energy))].into_iter().collect() };
        let (settled, open, carry) = (usage(settled), usage(open), Carry::new(carry));
        let posted = settle(&settled, &settled.plus(&open), carry, &tiered()).unwrap().0;
        prop_assert_eq!(accrued(&settled, &open, carry, &tiered()).unwrap(), posted);
    }

    #[test]
    fn plus_and_minus_undo_each_other(a in -9_i64..9, b in -9_i64..9) {
        let usage = |energy| -> Usage { [((day("2026-05-01"), 1, Period::Flat), Energy::new(energy))].into_iter().collect() };
        prop_assert_eq!(usage(a).plus(&usage(b)).minus(&usage(b)), usage(a));
        prop_assert_eq!(usage(a).minus(&usage(a)), Usage::none());
    }
}
