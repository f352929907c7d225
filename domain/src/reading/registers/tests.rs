//! Billed period registers: each goes round by itself, and each must be plausible by itself.

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{at, kwh, meter_id, policy},
    reading::{Kind, TimeSource},
};

const NOON: &str = "2026-05-01T12:00:00Z";
const BILLED: [Period; 2] = [Period::Peak, Period::Valley];

fn meter() -> MeterLimits {
    MeterLimits { maximum_power_w: 13_200, register_modulus: kwh("1000") }
}

fn observed(periods: [Option<Energy>; 5]) -> Observation {
    let total = periods.into_iter().flatten().sum();
    Observation {
        meter: meter_id(),
        as_of: at(NOON),
        time_source: TimeSource::Meter,
        received_at: at(NOON),
        copied_at: None,
        kind: Kind::Instant,
        registers: Registers { total, periods, reverse: None },
        resolution: kwh("0.01"),
        identity_verified: true,
    }
}

fn peak_and_valley(peak: &str, valley: &str) -> [Option<Energy>; 5] {
    [None, Some(kwh(peak)), None, Some(kwh(valley)), None]
}

fn before(peak: &str, valley: &str) -> RegisterNeighbours {
    let (as_of, time_source, resolution) = (at("2026-05-01T11:45:00Z"), TimeSource::Meter, kwh("0.01"));
    let registers: ByPeriod = [(Period::Peak, kwh(peak)), (Period::Valley, kwh(valley))].into();
    let total = registers.values().copied().sum();
    RegisterNeighbours { before: Some((Neighbour { as_of, time_source, total, resolution }, registers)), after: None }
}

fn judged(periods: [Option<Energy>; 5], neighbours: &RegisterNeighbours) -> Option<(ByPeriod, Vec<Reason>)> {
    judge_registers(&observed(periods), &BILLED, neighbours, &meter(), &policy().reading)
}

fn both(peak: &str, valley: &str) -> ByPeriod {
    [(Period::Peak, kwh(peak)), (Period::Valley, kwh(valley))].into()
}

#[test]
fn one_register_goes_round_while_the_other_goes_on() {
    let near = before("999", "500");
    assert_eq!(judged(peak_and_valley("1", "501"), &near), Some((both("1001", "501"), vec![])));
    let turned = before("3999.5", "1500");
    assert_eq!(judged(peak_and_valley("0", "500"), &turned), Some((both("4000", "1500"), vec![])));
}

#[test]
fn a_billed_register_that_is_missing_leaves_nothing_to_bill() {
    let near = before("100", "50");
    assert_eq!(judged([None, Some(kwh("101")), None, None, None], &near), None);
    let more = [Some(kwh("7")), Some(kwh("101")), None, Some(kwh("50")), None];
    assert_eq!(judged(more, &near), Some((both("101", "50"), vec![])), "one that is not billed is no matter");
}

#[test]
fn energy_that_moves_from_one_register_to_another_is_suspect() {
    // The sum is what it was.
    let moved = judged(peak_and_valley("110", "40"), &before("100", "50")).map(|(_, reasons)| reasons);
    assert_eq!(moved, Some(vec![Reason::BelowEarlier, Reason::TooFarFromEarlier]));
    let beyond = judged(peak_and_valley("1000", "50"), &RegisterNeighbours::default()).map(|(_, reasons)| reasons);
    assert_eq!(beyond, Some(vec![Reason::OutOfRange]));
}

proptest! {
    /// However often each of them goes round, no register gains or loses a turn.
    #[test]
    fn each_register_counts_on_over_its_own_turns(
        start in [0_i64..30_000_000, 0_i64..30_000_000],
        rises in prop::collection::vec([0_i64..39_000, 0_i64..39_000], 1..40),
    ) {
        let (modulus, [mut peak, mut valley]) = (meter().register_modulus.get(), start);
        let value = |peak: i64, valley: i64| -> ByPeriod {
            [(Period::Peak, Energy::new(peak)), (Period::Valley, Energy::new(valley))].into()
        };
        let mut near = before("0", "0");
        near.before.iter_mut().for_each(|(_, registers)| *registers = value(peak, valley));
        for [more, less] in rises {
            (peak, valley) = (peak + more, valley + less);
            let shown = |counted: i64| Some(Energy::new(counted.rem_euclid(modulus)));
            let judged = judged([None, shown(peak), None, shown(valley), None], &near);
            prop_assert_eq!(judged, Some((value(peak, valley), vec![])));
            near.before.iter_mut().for_each(|(_, registers)| *registers = value(peak, valley));
        }
    }
}
