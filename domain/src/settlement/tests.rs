//! Settlement: what settles when, and that the order of arrival changes nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::{
    charge::settle,
    fixtures::{at as instant, cny, day, hours, kwh, peak_and_valley, policy, reading_id, tiered, version, zone},
    money::{Carry, Money},
    reading::Kind,
    site::Policy,
    tariff::TariffVersion,
};

#[path = "removal.rs"]
mod removal;

#[path = "model.rs"]
mod model;

fn known(id: i64, as_of: &str, total: &str) -> Known {
    Known { id: reading_id(id), as_of: instant(as_of), kind: Kind::Instant, total: kwh(total) }
}

fn freeze(id: i64, as_of: &str, total: &str) -> Known {
    Known { kind: Kind::DailyFreeze, ..known(id, as_of, total) }
}

fn from(start_at: &str, start_value: &str) -> Installation {
    Installation { start_at: instant(start_at), start_value: kwh(start_value), multiplier: 1, end: None }
}

fn settled(date: &str, end_value: &str, readings: &[i64]) -> SettledDay {
    let readings = readings.iter().map(|id| reading_id(*id)).collect();
    SettledDay {
        day: day(date),
        end_value: kwh(end_value),
        readings,
        period: Period::Flat,
        cuts: Vec::new(),
        registers: BTreeMap::new(),
    }
}

/// A day long before any of the tests.
fn opened() -> Date {
    day("2020-01-01")
}

/// Prices by the time of day, with changes of the period on most days, and two blocks.
fn by_time_of_day() -> Tariff {
    let blocks = [(Some("240"), "0"), (None, "0.3")];
    let version = TariffVersion { time_of_use: Some(peak_and_valley()), ..version(1, "2020-01-01", &blocks) };
    Tariff { currency: cny(), versions: vec![version] }
}

/// What `changed` adds to the settled energies.
fn usage_change(
    installation: &Installation,
    settled: &[SettledDay],
    changed: &[SettledDay],
    tariff: &Tariff,
    zone: &TimeZone,
) -> Usage {
    let anchor = Anchor::of(installation, settled, zone);
    let usage_of = |days: BTreeMap<Date, &SettledDay>| {
        let (mut usage, mut start) = (Usage::none(), anchor.total);
        for (day, settled) in days.range(anchor.first_day..) {
            let (window, version) = tariff.window(*day, opened()).unwrap();
            for (period, energy) in settled.energies(start, installation.multiplier) {
                usage.put((window, version, period), energy);
            }
            start = settled.end_value;
        }
        usage
    };
    let before: BTreeMap<Date, &SettledDay> = settled.iter().map(|day| (day.day, day)).collect();
    let mut after = before.clone();
    after.extend(changed.iter().map(|day| (day.day, day)));
    usage_of(after).minus(&usage_of(before))
}

/// Plans in Shanghai.
fn planned(installation: &Installation, settled: &[SettledDay], readings: &[Known], now: &str) -> Vec<SettledDay> {
    let (policy, zone) = (policy(), zone("Asia/Shanghai"));
    plan(installation, settled, readings, &tiered(), instant(now), Site { policy: &policy, zone: &zone }).unwrap()
}

const START: &str = "2026-05-01T10:00:00+08:00";

#[test]
fn a_day_settles_as_soon_as_the_reading_at_its_midnight_is_known() {
    let installation = from(START, "100");
    let readings = [known(1, "2026-05-01T20:00:00+08:00", "104"), freeze(2, "2026-05-02T00:00:00+08:00", "105")];
    let days = planned(&installation, &[], &readings, "2026-05-02T00:10:00+08:00");
    assert_eq!(days, [settled("2026-05-01", "105", &[2])]);
    assert_eq!(planned(&installation, &days, &readings, "2026-05-02T12:10:00+08:00"), []);
}

#[test]
fn without_it_a_day_waits_for_noon_and_is_interpolated_then() {
    let installation = from(START, "100");
    let readings = [known(1, "2026-05-01T20:00:00+08:00", "104"), known(2, "2026-05-02T08:00:00+08:00", "107.0001")];
    assert_eq!(planned(&installation, &[], &readings, "2026-05-02T11:59:59+08:00"), []);
    // A third of the way from 104 to 107.0001, rounded down.
    let days = planned(&installation, &[], &readings, "2026-05-02T12:00:00+08:00");
    assert_eq!(days, [settled("2026-05-01", "105", &[1, 2])]);
}

#[test]
fn nothing_is_extrapolated() {
    let readings = [known(1, "2026-05-01T23:59:59+08:00", "104")];
    assert_eq!(planned(&from(START, "100"), &[], &readings, "2026-05-09T12:00:00+08:00"), []);
}

#[test]
fn days_settle_in_order() {
    let readings = [freeze(1, "2026-05-03T00:00:00+08:00", "110")];
    let installation = from("2026-05-01T12:00:00+08:00", "100");
    // The midnight of 3 May is known, but 2 May waits for 1 May, whose noon has passed.
    let days = planned(&installation, &[], &readings, "2026-05-03T00:05:00+08:00");
    assert_eq!(days.iter().map(|day| day.day).collect::<Vec<_>>(), [day("2026-05-01"), day("2026-05-02")]);
    let readings = [freeze(1, "2026-05-03T00:00:00+08:00", "110"), known(2, "2026-05-03T09:00:00+08:00", "111")];
    let late = from("2026-05-02T12:00:00+08:00", "100");
    let one = planned(&late, &[], &readings, "2026-05-03T09:01:00+08:00");
    assert_eq!(one, [settled("2026-05-02", "110", &[1])]);
}

#[test]
fn a_freeze_that_arrives_later_corrects_its_boundary() {
    let installation = from(START, "100");
    let stored = [settled("2026-05-01", "105", &[1, 2]), settled("2026-05-02", "110", &[4])];
    let readings = [
        known(1, "2026-05-01T20:00:00+08:00", "104"),
        known(2, "2026-05-02T08:00:00+08:00", "107"),
        freeze(3, "2026-05-02T00:00:00+08:00", "106"),
        freeze(4, "2026-05-03T00:00:00+08:00", "110"),
    ];
    let in_time = planned(&installation, &stored, &readings, "2026-06-06T00:00:00+08:00");
    assert_eq!(in_time, [settled("2026-05-01", "106", &[3])]);
    assert_eq!(planned(&installation, &stored, &readings, "2026-06-06T00:00:00.000001+08:00"), []);
}

#[test]
fn no_boundary_falls_below_one_that_stays() {
    let installation = from(START, "100");
    let stored = [settled("2026-05-01", "108", &[]), settled("2026-05-02", "110", &[2])];
    // The first is too old to be corrected; the second was wrong and goes down, but not below the first.
    let readings = [freeze(3, "2026-05-02T00:00:00+08:00", "101"), freeze(4, "2026-05-03T00:00:00+08:00", "103")];
    let days = planned(&installation, &stored, &readings, "2026-06-06T12:00:00+08:00");
    assert_eq!(days, [settled("2026-05-02", "108", &[4])]);
}

#[test]
fn an_open_day_does_not_end_below_a_boundary_that_stays() {
    let (mut policy, zone) = (policy(), zone("Asia/Shanghai"));
    policy.settlement.correction_horizon = SignedDuration::ZERO;
    let site = Site { policy: &policy, zone: &zone };
    let installation = from("2026-04-22T00:00:00+08:00", "100");
    let after_a_silence = known(1, "2026-05-03T11:00:00+08:00", "127.5");
    let days = plan(&installation, &[], &[after_a_silence], &tiered(), after_a_silence.as_of, site).unwrap();
    assert_eq!(days.last(), Some(&settled("2026-05-01", "124", &[1])));
    // The load came in the last hours only: between these two 2 May would end below 122.
    let late = [known(2, "2026-05-01T23:00:00+08:00", "100"), known(3, "2026-05-03T00:30:00+08:00", "122")];
    let readings = [after_a_silence, late[0], late[1]];
    let open = plan(&installation, &days, &readings, &tiered(), instant("2026-05-03T12:00:00+08:00"), site).unwrap();
    assert_eq!(open, [settled("2026-05-02", "124", &[2, 3])]);
}

#[test]
fn a_step_back_within_the_tolerance_costs_and_gives_nothing() {
    let readings = [
        known(1, "2026-05-01T23:00:00+08:00", "104.01"),
        freeze(2, "2026-05-02T00:00:00+08:00", "104"),
        freeze(3, "2026-05-03T00:00:00+08:00", "104.02"),
    ];
    let days = planned(&from(START, "100"), &[], &readings, "2026-05-03T00:05:00+08:00");
    assert_eq!(days, [settled("2026-05-01", "104.01", &[2]), settled("2026-05-02", "104.02", &[3])]);
}

#[test]
fn at_one_instant_the_freeze_counts_before_the_poll() {
    let midnight = "2026-05-02T00:00:00+08:00";
    for readings in [
        [known(1, midnight, "104.5"), freeze(2, midnight, "104")],
        [freeze(2, midnight, "104"), known(1, midnight, "104.5")],
    ] {
        let days = planned(&from(START, "100"), &[], &readings, "2026-05-02T00:05:00+08:00");
        assert_eq!(days, [settled("2026-05-01", "104", &[2])]);
    }
}

#[test]
fn a_day_of_25_hours_is_interpolated_over_25_hours() {
    let (policy, zone) = (policy(), zone("Europe/Berlin"));
    let site = Site { policy: &policy, zone: &zone };
    let installation = from("2026-10-25T00:00:00+02:00", "0");
    let readings = [freeze(1, "2026-10-27T00:00:00+01:00", "49")];
    let days = plan(&installation, &[], &readings, &tiered(), instant("2026-10-27T00:01:00+01:00"), site).unwrap();
    assert_eq!(days, [settled("2026-10-25", "25", &[1]), settled("2026-10-26", "49", &[1])]);
}

#[test]
fn the_multiplier_counts_for_differences_only() {
    let zone = zone("Asia/Shanghai");
    let installation = Installation { multiplier: 40, ..from(START, "100") };
    let readings = [freeze(1, "2026-05-02T00:00:00+08:00", "105"), known(2, "2026-05-02T06:00:00+08:00", "106")];
    let days = [settled("2026-05-01", "105", &[1])];
    let charged = usage_change(&installation, &[], &days, &tiered(), &zone);
    assert_eq!(charged.total(), kwh("200"));
    let (open, to) = unsettled(&installation, &days, &readings, (&tiered(), opened()), &zone).unwrap();
    assert_eq!((open.total(), to), (kwh("40"), instant("2026-05-02T06:00:00+08:00")));
}

#[test]
fn energy_is_split_where_a_version_begins() {
    let zone = zone("Asia/Shanghai");
    let mut tariff = tiered();
    tariff.versions.push(version(2, "2026-05-02", &[(None, "1")]));
    let readings = [known(1, "2026-05-02T14:00:00+08:00", "128")];
    let (open, _) = unsettled(&from(START, "100"), &[], &readings, (&tariff, opened()), &zone).unwrap();
    let parts: Vec<_> = open.iter().map(|((_, number, _), energy)| (number, energy)).collect();
    assert_eq!(parts, [(1, kwh("14")), (2, kwh("14"))]);
}

/// What reaches the head end over some days, and when.
#[derive(Debug, Clone)]
struct Arrival {
    known: Known,
    received_at: Timestamp,
}

/// Readings every few hours from the start on, many of them lost, some at midnights, noise of at most 0.01 kWh backward,
/// each received up to ten days later.
fn arrivals(start: Timestamp, zone: TimeZone) -> impl Strategy<Value = Vec<Arrival>> {
    let step = (1_i64..40, any::<bool>(), 0_i64..200_000, 0_i64..100, 0_i64..240);
    prop::collection::vec(step, 1..40).prop_map(move |steps| {
        let (mut as_of, mut total) = (start, 1_000_000);
        let mut all = Vec::new();
        for (id, (gap, at_midnight, rise, noise, delay)) in (1..).zip(steps) {
            let next = shift(as_of, hours(gap));
            as_of = if at_midnight { midnight(next_day(day_of(next, &zone)), &zone) } else { next };
            total += rise;
            let kind = if at_midnight { Kind::DailyFreeze } else { Kind::Instant };
            let known = Known { id: reading_id(id), as_of, kind, total: Energy::new(total - noise) };
            all.push(Arrival { known, received_at: shift(as_of, hours(delay)) });
        }
        all
    })
}

#[test]
fn a_day_is_cut_where_its_period_changes() {
    let (zone, tariff) = (zone("Asia/Shanghai"), by_time_of_day());
    let (mut policy, installation) = (policy(), from(START, "100"));
    policy.settlement.correction_horizon = hours(48);
    let site = Site { policy: &policy, zone: &zone };
    // 1 May is a holiday: valley all day. 2 May (Saturday, no summer yet): 8 h valley, 14 h peak, 2 h valley.
    let readings = [freeze(1, "2026-05-02T00:00:00+08:00", "110"), known(2, "2026-05-02T16:00:00+08:00", "126"), {
        freeze(3, "2026-05-03T00:00:00+08:00", "130")
    }];
    let at_midnight = instant("2026-05-03T00:05:00+08:00");
    let days = plan(&installation, &[], &readings, &tariff, at_midnight, site).unwrap();
    let cut = |at: &str, period, value: &str, readings: &[i64]| {
        let readings = readings.iter().map(|id| reading_id(*id)).collect();
        Cut { at: instant(at), period, value: kwh(value), readings }
    };
    let first = SettledDay { period: Period::Valley, ..settled("2026-05-01", "110", &[1]) };
    let cuts = vec![
        cut("2026-05-02T08:00:00+08:00", Period::Valley, "118", &[1, 2]),
        cut("2026-05-02T22:00:00+08:00", Period::Peak, "129", &[2, 3]),
    ];
    let second = SettledDay { period: Period::Valley, cuts, ..settled("2026-05-02", "130", &[3]) };
    assert_eq!(days, [first, second.clone()]);
    let energies: Vec<_> = second.energies(kwh("110"), 10).collect();
    let expected = [(Period::Valley, kwh("80")), (Period::Peak, kwh("110")), (Period::Valley, kwh("10"))];
    assert_eq!(energies, expected);

    // A reading that comes late moves energy from one period to another: the midnights stay, the day is corrected.
    let late = [readings.to_vec(), vec![known(4, "2026-05-02T08:00:00+08:00", "112")]].concat();
    let again = |now: &str| plan(&installation, &days, &late, &tariff, instant(now), site).unwrap();
    let corrected = again("2026-05-03T09:00:00+08:00");
    assert_eq!(
        corrected.iter().map(|day| (day.day, day.end_value)).collect::<Vec<_>>(),
        [(day("2026-05-02"), kwh("130"))]
    );
    assert_eq!(
        corrected.first().unwrap().cuts.first().unwrap(),
        &cut("2026-05-02T08:00:00+08:00", Period::Valley, "112", &[4])
    );
    assert_eq!(again("2026-05-05T00:00:00.000001+08:00"), []);

    // What is not settled yet is cut the same way.
    let (open, _) = unsettled(&installation, &[], &readings, (&tariff, opened()), &zone).unwrap();
    let of = |period| open.get((day("2026-05-01"), 1, period));
    assert_eq!((of(Period::Valley), of(Period::Peak)), (kwh("19"), kwh("11")));
}

#[test]
fn what_is_not_settled_is_interpolated_from_before_an_interpolated_midnight() {
    let (zone, installation, tariff) = (zone("Asia/Shanghai"), from(START, "100"), by_time_of_day());
    // A line from 20:00 to 10:00: 14 kWh in 14 hours, 4 of them before midnight and 8 of the rest before the peak.
    let readings = [known(1, "2026-05-03T20:00:00+08:00", "110"), known(2, "2026-05-04T10:00:00+08:00", "124")];
    let last = [SettledDay { period: Period::Valley, ..settled("2026-05-03", "114", &[1, 2]) }];
    let (open, _) = unsettled(&installation, &last, &readings, (&tariff, opened()), &zone).unwrap();
    let of = |period| open.iter().filter(|((_, _, of), _)| *of == period).map(|(_, energy)| energy).sum::<Energy>();
    assert_eq!((of(Period::Valley), of(Period::Peak)), (kwh("8"), kwh("2")));
}

/// An account with one meter that is settled at every arrival and every so often in between.
struct Ledger {
    installation: Installation,
    tariff: Tariff,
    settled: BTreeMap<Date, SettledDay>,
    usage: Usage,
    carry: Carry,
    charged: Money,
}

impl Ledger {
    fn new(installation: Installation, tariff: &Tariff) -> Self {
        let (tariff, settled, usage) = (tariff.clone(), BTreeMap::new(), Usage::none());
        Self { installation, tariff, settled, usage, carry: Carry::ZERO, charged: Money::ZERO }
    }

    /// Settles with everything loaded, checks that the least that must be loaded gives the same, and stores it.
    fn settle(&mut self, readings: &[Known], new: &[Known], now: Timestamp, site: Site<'_>) {
        let all: Vec<SettledDay> = self.settled.values().cloned().collect();
        let days = plan(&self.installation, &all, readings, &self.tariff, now, site).unwrap();
        let (loaded, least) = self.load(&all, readings, new, site.zone);
        let with_least = plan(&self.installation, &loaded, &least, &self.tariff, now, site).unwrap();
        // A value inside a day may come from other readings, where they said the same before.
        assert_eq!(with_least.len(), days.len());
        assert!(with_least.iter().zip(&days).all(|(one, other)| one.agrees(other) && one.readings == other.readings));
        let change = usage_change(&self.installation, &all, &days, &self.tariff, site.zone);
        assert_eq!(usage_change(&self.installation, &loaded, &days, &self.tariff, site.zone), change);
        let after = self.usage.plus(&change);
        let (money, carry) = settle(&self.usage, &after, self.carry, &self.tariff).unwrap();
        (self.usage, self.carry, self.charged) = (after, carry, self.charged + money);
        self.settled.extend(days.into_iter().map(|day| (day.day, day)));
        let values = self.values().into_iter().flat_map(|(_, cuts, end)| [cuts, vec![end]].concat());
        let values: Vec<Energy> = values.collect();
        assert!(values.is_sorted());
        assert!(values.first().is_none_or(|first| *first >= self.installation.start_value));
    }

    /// What [`load_from`] asks for.
    fn load(
        &self,
        all: &[SettledDay],
        readings: &[Known],
        new: &[Known],
        zone: &TimeZone,
    ) -> (Vec<SettledDay>, Vec<Known>) {
        let last = all.last().map_or(Timestamp::MAX, |last| midnight(next_day(last.day), zone));
        let oldest = new.iter().map(|known| known.as_of).min().unwrap_or(Timestamp::MAX).min(last);
        let before = readings.iter().map(|known| known.as_of).filter(|as_of| *as_of < oldest).max();
        let before = before.unwrap_or(self.installation.start_at);
        let Some(first) = load_from(&self.installation, before, zone) else { return (all.to_vec(), readings.to_vec()) };
        let since = midnight(next_day(first), zone);
        let days = all.iter().filter(|day| day.day >= first).cloned().collect();
        (days, readings.iter().filter(|known| known.as_of >= since).copied().collect())
    }

    fn end_values(&self) -> Vec<(Date, Energy)> {
        self.settled.iter().map(|(date, day)| (*date, day.end_value)).collect()
    }

    fn values(&self) -> Vec<(Date, Vec<Energy>, Energy)> {
        let cuts = |day: &SettledDay| day.cuts.iter().map(|cut| cut.value).collect();
        self.settled.iter().map(|(date, day)| (*date, cuts(day), day.end_value)).collect()
    }
}

fn order_changes_nothing(tariff: &Tariff, start: Timestamp, arrivals: &[Arrival], policy: &Policy, zone: &TimeZone) {
    let site = Site { policy, zone };
    let installation = Installation { start_at: start, start_value: Energy::new(1_000_000), multiplier: 3, end: None };
    let mut by_arrival = arrivals.to_vec();
    by_arrival.sort_by_key(|arrival| (arrival.received_at, arrival.known.as_of));
    let mut live = Ledger::new(installation, tariff);
    let mut readings = Vec::new();
    for arrival in &by_arrival {
        readings.push(arrival.known);
        live.settle(&readings, &[arrival.known], arrival.received_at, site);
        live.settle(&readings, &[], shift(arrival.received_at, hours(13)), site);
    }
    let end = by_arrival.iter().map(|arrival| arrival.received_at).max().unwrap_or(start);
    let end = shift(end, hours(48));
    live.settle(&readings, &[], end, site);

    let mut at_once = Ledger::new(installation, tariff);
    readings.sort_by_key(|known| known.as_of);
    at_once.settle(&readings, &readings, end, site);
    assert_eq!(live.values(), at_once.values());
    assert_eq!((live.charged, live.carry), (at_once.charged, at_once.carry));

    let days: Vec<SettledDay> = at_once.settled.values().cloned().collect();
    let (open, _) = unsettled(&installation, &days, &readings, (tariff, opened()), zone).unwrap();
    let highest = readings.iter().map(|known| known.total).max().unwrap_or(installation.start_value);
    let all = (highest.max(installation.start_value) - installation.start_value).get() * 3;
    assert_eq!(at_once.usage.total() + open.total(), Energy::new(all));
}

fn any_tariff() -> impl Strategy<Value = Tariff> {
    prop::sample::select(vec![tiered(), by_time_of_day()])
}

const BERLIN_SPRING: &str = "2026-03-27T07:30:00+01:00";

proptest! {
    #[test]
    fn the_order_of_arrival_changes_nothing_within_the_horizon(
        tariff in any_tariff(),
        arrivals in arrivals(instant(BERLIN_SPRING), zone("Europe/Berlin")),
    ) {
        // Everything arrives within the horizon of every boundary it changes.
        let mut policy = policy();
        policy.settlement.correction_horizon = hours(200 * 24);
        order_changes_nothing(&tariff, instant(BERLIN_SPRING), &arrivals, &policy, &zone("Europe/Berlin"));
    }

    #[test]
    fn with_any_horizon_boundaries_rise_and_loading_less_changes_nothing(
        tariff in any_tariff(),
        arrivals in arrivals(instant(BERLIN_SPRING), zone("Europe/Berlin")),
        horizon in 0_i64..300,
    ) {
        let (mut policy, zone) = (policy(), zone("Europe/Berlin"));
        policy.settlement.correction_horizon = SignedDuration::from_hours(horizon);
        let site = Site { policy: &policy, zone: &zone };
        let start = instant(BERLIN_SPRING);
        let installation = Installation { start_at: start, start_value: Energy::new(1_000_000), multiplier: 1, end: None };
        let mut by_arrival = arrivals;
        by_arrival.sort_by_key(|arrival| arrival.received_at);
        let (mut ledger, mut readings) = (Ledger::new(installation, &tariff), Vec::new());
        for arrival in &by_arrival {
            readings.push(arrival.known);
            ledger.settle(&readings, &[arrival.known], arrival.received_at, site);
        }
        let highest = readings.iter().map(|known| known.total).max().unwrap_or_default().max(installation.start_value);
        prop_assert!(ledger.usage.total() <= highest - installation.start_value);
    }
}
