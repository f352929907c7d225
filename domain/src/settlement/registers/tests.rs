//! Period registers: each has its own curve over the same readings, and nothing but that tells where energy counts.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::{
    calendar::{day_of, midnight, next_day, shift},
    charge::{exact_cost, settle},
    fixtures::{at, cny, day, hours, kwh, peak_and_valley, policy, reading_id, version, zone},
    money::{Carry, Money},
    settlement::load_from,
    tariff::TariffVersion,
};

const START: &str = "2026-05-01T10:00:00+08:00";

fn registers(values: &[(Period, &str)]) -> ByPeriod {
    values.iter().map(|(period, value)| (*period, kwh(value))).collect()
}

fn both(peak: &str, valley: &str) -> ByPeriod {
    registers(&[(Period::Peak, peak), (Period::Valley, valley)])
}

fn meter(start: ByPeriod) -> RegisterInstallation {
    let start_value = start.values().copied().sum();
    let whole = Installation { start_at: at(START), start_value, multiplier: 1, end: None };
    RegisterInstallation { whole, start, end: ByPeriod::new() }
}

fn known(id: i64, as_of: &str, registers: ByPeriod) -> KnownRegisters {
    KnownRegisters { id: reading_id(id), as_of: at(as_of), kind: Kind::Instant, registers }
}

fn settled(date: &str, readings: &[i64], rises: &[(Period, &str, &str)]) -> SettledDay {
    let rise = |from: &str, to: &str| Rise { from: kwh(from), to: kwh(to) };
    SettledDay {
        day: day(date),
        end_value: rises.iter().map(|(_, _, to)| kwh(to)).sum(),
        readings: readings.iter().map(|id| reading_id(*id)).collect(),
        period: Period::Flat,
        cuts: Vec::new(),
        registers: rises.iter().map(|(period, from, to)| (*period, rise(from, to))).collect(),
    }
}

fn planned(
    meter: &RegisterInstallation,
    settled: &[SettledDay],
    readings: &[KnownRegisters],
    now: &str,
) -> Vec<SettledDay> {
    let (policy, zone) = (policy(), zone("Asia/Shanghai"));
    plan(meter, settled, readings, at(now), Site { policy: &policy, zone: &zone }).unwrap()
}

/// Prices by the time of day, with a second block over all periods.
fn by_time_of_day() -> Tariff {
    let blocks = [(Some("24"), "0"), (None, "0.3")];
    let version = TariffVersion { time_of_use: Some(peak_and_valley()), ..version(1, "2020-01-01", &blocks) };
    Tariff { currency: cny(), versions: vec![version] }
}

#[test]
fn energy_is_in_the_period_of_its_register_whatever_the_calendar_says() {
    // By the calendar 1 May is a holiday, valley all day.
    let meter = meter(both("100", "50"));
    let readings = [
        known(1, "2026-05-01T20:00:00+08:00", both("104", "51")),
        known(2, "2026-05-02T04:00:00+08:00", both("106", "53")),
    ];
    assert_eq!(planned(&meter, &[], &readings, "2026-05-02T11:59:59+08:00"), []);
    let days = planned(&meter, &[], &readings, "2026-05-02T12:00:00+08:00");
    let first = settled("2026-05-01", &[1, 2], &[(Period::Peak, "100", "105"), (Period::Valley, "50", "52")]);
    assert_eq!(days, std::slice::from_ref(&first));
    assert_eq!(first.end_value, kwh("157"));
    let energies: Vec<_> = first.energies(kwh("150"), 40).collect();
    assert_eq!(energies, [(Period::Peak, kwh("200")), (Period::Valley, kwh("80"))]);
    let priced = (&by_time_of_day(), day("2020-01-01"));
    let (open, to) = unsettled(&meter, &days, &readings, priced, &zone("Asia/Shanghai")).unwrap();
    let of = |period| open.get((day("2026-05-01"), 1, period));
    // From the settled midnight on, 105 and 52.
    assert_eq!((of(Period::Peak), of(Period::Valley), to), (kwh("1"), kwh("1"), at("2026-05-02T04:00:00+08:00")));
}

#[test]
fn a_reading_without_a_billed_register_is_no_boundary() {
    let meter = meter(both("100", "50"));
    let half = known(1, "2026-05-02T00:00:00+08:00", registers(&[(Period::Peak, "105")]));
    assert_eq!(planned(&meter, &[], std::slice::from_ref(&half), "2026-05-02T00:10:00+08:00"), []);
    assert_eq!(planned(&meter, &[], std::slice::from_ref(&half), "2026-05-09T12:00:00+08:00"), []);
    let whole = known(2, "2026-05-02T14:00:00+08:00", both("114", "64"));
    let days = planned(&meter, &[], &[half, whole], "2026-05-02T14:10:00+08:00");
    assert_eq!(days, [settled("2026-05-01", &[2], &[(Period::Peak, "100", "107"), (Period::Valley, "50", "57")])]);
}

#[test]
fn a_late_freeze_moves_energy_between_registers_of_two_days() {
    let meter = meter(both("100", "50"));
    let mut readings = vec![
        known(1, "2026-05-02T14:00:00+08:00", both("114", "64")),
        known(2, "2026-05-03T00:00:00+08:00", both("120", "70")),
    ];
    let days = planned(&meter, &[], &readings, "2026-05-03T00:10:00+08:00");
    assert_eq!(days.len(), 2);
    // The sum at the midnight stays: what the registers say is otherwise all the same, on both of its sides.
    readings.push(known(3, "2026-05-02T00:00:00+08:00", both("106", "58")));
    let corrected = planned(&meter, &days, &readings, "2026-05-03T09:00:00+08:00");
    let expected = [
        settled("2026-05-01", &[3], &[(Period::Peak, "100", "106"), (Period::Valley, "50", "58")]),
        settled("2026-05-02", &[2], &[(Period::Peak, "106", "120"), (Period::Valley, "58", "70")]),
    ];
    assert_eq!(corrected, expected);
    assert_eq!(corrected.first().map(|day| day.end_value), days.first().map(|day| day.end_value));
    assert_eq!(planned(&meter, &expected, &readings, "2026-05-04T09:00:00+08:00").len(), 0);
    assert_eq!(planned(&meter, &days, &readings, "2026-06-08T00:00:00+08:00").len(), 0, "too late");
}

#[test]
fn a_removed_meter_ends_with_each_of_its_registers() {
    let removed = "2026-05-01T20:00:00+08:00";
    let mut meter = meter(both("100", "50"));
    (meter.whole.end, meter.end) = (Some((at(removed), kwh("165"))), both("110", "55"));
    let late = known(2, "2026-05-01T19:59:00+08:00", both("110.5", "54"));
    let days = planned(&meter, &[], &[known(1, removed, both("110", "55")), late], removed);
    assert_eq!(days, [settled("2026-05-01", &[1], &[(Period::Peak, "100", "110"), (Period::Valley, "50", "55")])]);
}

/// Readings of two registers every few hours: some at midnights, some without one of the registers, some a little lower than
/// the one before, each received up to ten days later.
fn arrivals() -> impl Strategy<Value = Vec<(KnownRegisters, Timestamp)>> {
    let step = (1_i64..40, any::<bool>(), [0_i64..200_000, 0_i64..200_000], 0_i64..100, 0_i64..240, 0_u8..8);
    prop::collection::vec(step, 1..30).prop_map(|steps| {
        let zone = zone("Asia/Shanghai");
        let (mut as_of, mut peak, mut valley) = (at(START), 1_000_000, 500_000);
        let mut all = Vec::new();
        for (id, (gap, at_midnight, rises, noise, delay, missing)) in (1..).zip(steps) {
            let next = shift(as_of, hours(gap));
            as_of = if at_midnight { midnight(next_day(day_of(next, &zone)), &zone) } else { next };
            (peak, valley) = (peak + rises[0], valley + rises[1]);
            let mut registers: ByPeriod =
                [(Period::Peak, Energy::new(peak - noise)), (Period::Valley, Energy::new(valley))].into();
            if missing == 0 {
                registers.remove(&Period::Valley);
            }
            let kind = if at_midnight { Kind::DailyFreeze } else { Kind::Instant };
            let known = KnownRegisters { id: reading_id(id), as_of, kind, registers };
            all.push((known, shift(as_of, hours(delay))));
        }
        all
    })
}

fn three_times() -> RegisterInstallation {
    let start: ByPeriod = [(Period::Peak, Energy::new(1_000_000)), (Period::Valley, Energy::new(500_000))].into();
    let mut one = meter(start);
    one.whole.multiplier = 3;
    one
}

/// What settled days used.
fn used<'a>(days: impl IntoIterator<Item = &'a SettledDay>, tariff: &Tariff) -> Usage {
    let mut usage = Usage::none();
    for day in days {
        let (window, version) = tariff.window(day.day, super::Date::constant(2020, 1, 1)).unwrap();
        day.energies(Energy::ZERO, 3).for_each(|(period, energy)| usage.put((window, version, period), energy));
    }
    usage
}

/// What [`load_from`] asks for, where only readings that have every register count.
fn least(
    meter: &RegisterInstallation,
    stored: &[SettledDay],
    readings: &[KnownRegisters],
    new: Option<&KnownRegisters>,
    zone: &TimeZone,
) -> (Vec<SettledDay>, Vec<KnownRegisters>) {
    let after = |day: &Date| midnight(next_day(*day), zone);
    let last = stored.last().map_or(Timestamp::MAX, |last| after(&last.day));
    let oldest = new.map_or(last, |known| known.as_of.min(last));
    let whole = readings.iter().filter(|known| known.registers.len() == meter.start.len());
    let before = whole.map(|known| known.as_of).filter(|as_of| *as_of < oldest).max();
    match load_from(&meter.whole, before.unwrap_or(meter.whole.start_at), zone) {
        None => (stored.to_vec(), readings.to_vec()),
        Some(first) => (
            stored.iter().filter(|day| day.day >= first).cloned().collect(),
            readings.iter().filter(|known| known.as_of >= after(&first)).cloned().collect(),
        ),
    }
}

proptest! {
    #[test]
    fn the_order_of_arrival_changes_nothing(arrivals in arrivals()) {
        let (mut policy, zone, tariff) = (policy(), zone("Asia/Shanghai"), by_time_of_day());
        policy.settlement.correction_horizon = hours(200 * 24);
        let (site, meter) = (Site { policy: &policy, zone: &zone }, three_times());
        let mut by_arrival = arrivals.clone();
        by_arrival.sort_by_key(|(known, received)| (*received, known.as_of));
        let (mut days, mut readings): (BTreeMap<Date, SettledDay>, _) = (BTreeMap::new(), Vec::new());
        let (mut usage, mut carry, mut charged) = (Usage::none(), Carry::ZERO, Money::ZERO);
        let end = shift(by_arrival.last().unwrap().1, hours(48));
        let moments = by_arrival.iter().map(|(known, received)| (Some(known), *received)).chain([(None, end)]);
        for (known, now) in moments {
            readings.extend(known.cloned());
            let stored: Vec<SettledDay> = days.values().cloned().collect();
            let changed = plan(&meter, &stored, &readings, now, site).unwrap();
            let (loaded, some) = least(&meter, &stored, &readings, known, &zone);
            let with_least = plan(&meter, &loaded, &some, now, site).unwrap();
            prop_assert_eq!(with_least, changed.clone(), "the least that must be loaded gives the same");
            days.extend(changed.into_iter().map(|day| (day.day, day)));
            let after = used(days.values(), &tariff);
            let (money, rest) = settle(&usage, &after, carry, &tariff).unwrap();
            (usage, carry, charged) = (after, rest, charged + money);
            let mut from = meter.start.clone();
            for day in days.values() {
                for (period, rise) in &day.registers {
                    prop_assert_eq!(from.insert(*period, rise.to), Some(rise.from), "a day begins where the last one ended");
                    prop_assert!(rise.to >= rise.from);
                }
            }
        }
        readings.sort_by_key(|known| known.as_of);
        let at_once = plan(&meter, &[], &readings, end, site).unwrap();
        let values = |day: &SettledDay| (day.day, day.end_value, day.registers.clone());
        prop_assert_eq!(days.values().map(values).collect::<Vec<_>>(), at_once.iter().map(values).collect::<Vec<_>>());
        let whole = settle(&Usage::none(), &used(&at_once, &tariff), Carry::ZERO, &tariff).unwrap();
        prop_assert_eq!((charged, carry), whole);
    }

    #[test]
    fn no_cutting_of_the_same_consumption_changes_what_it_costs(
        arrivals in arrivals(), kept in prop::collection::vec(any::<bool>(), 30),
    ) {
        let (policy, zone) = (policy(), zone("Asia/Shanghai"));
        let (site, meter) = (Site { policy: &policy, zone: &zone }, three_times());
        // One window for all of it.
        let mut tariff = by_time_of_day();
        tariff.versions.iter_mut().for_each(|version| version.window_start_month = Some(1));
        let readings: Vec<KnownRegisters> = arrivals.into_iter().map(|(known, _)| known).collect();
        let mut last = readings.last().unwrap().clone();
        let tops = |period| readings.iter().filter_map(|known| known.registers.get(&period)).max().copied();
        for (period, start) in &meter.start {
            last.registers.insert(*period, tops(*period).unwrap_or(*start).max(*start) + Energy::new(100));
        }
        last.as_of = shift(last.as_of, hours(24));
        let some = readings.iter().zip(kept).filter(|(_, kept)| *kept).map(|(known, _)| known.clone());
        let cost = |readings: Vec<KnownRegisters>| {
            let days = plan(&meter, &[], &readings, shift(last.as_of, hours(24)), site).unwrap();
            let (open, to) = unsettled(&meter, &days, &readings, (&tariff, Date::MIN), &zone).unwrap();
            assert_eq!(to, last.as_of);
            let all = used(&days, &tariff).plus(&open);
            (exact_cost(&all, &tariff).unwrap(), all)
        };
        let whole = cost(vec![last.clone()]);
        prop_assert_eq!(cost(some.chain([last.clone()]).collect()), whole.clone());
        prop_assert_eq!(cost(readings.iter().cloned().chain([last.clone()]).collect()), whole);
    }
}
