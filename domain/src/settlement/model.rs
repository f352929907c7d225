//! A meter that may do anything, clocks that disagree, and a head end that judges and settles what it hears: whatever a
//! register does, charges stay within what can flow.

use super::*;
use crate::{
    charge::exact_cost,
    fixtures::{cny, meter_id, minutes},
    money::Exact,
    reading::{MeterLimits, Neighbour, Neighbours, Observation, Quality, Registers, TimeSource, judge},
};

/// What two clocks may differ by, in minutes: the policy's `cross_clock_tolerance`.
const CLOCKS_MAY_DIFFER: i64 = 6;

/// What a meter is like, in units of 0.1 Wh and in minutes.
#[derive(Debug, Clone, Copy)]
struct Make {
    /// The most that passes in a minute: 120 % of the maximum power.
    per_minute: i64,
    modulus: i64,
    resolution: i64,
    /// What the register shows when it is installed.
    start: i64,
    multiplier: u32,
    meter_is_ahead: i64,
    concentrator_is_ahead: i64,
}

impl Make {
    /// How far a clock is ahead of the true time; ours is right.
    fn ahead(&self, source: TimeSource) -> i64 {
        match source {
            TimeSource::Meter => self.meter_is_ahead,
            TimeSource::Concentrator => self.concentrator_is_ahead,
            TimeSource::HeadEnd => 0,
        }
    }

    /// By how much two readings may contradict each other.
    fn tolerance(&self, one: TimeSource, other: TimeSource) -> i64 {
        self.resolution + if one == other { 0 } else { CLOCKS_MAY_DIFFER * self.per_minute }
    }

    fn limits(&self) -> MeterLimits {
        // 120 % of 5 W are 1 unit of 0.1 Wh a minute.
        let maximum_power_w = u32::try_from(self.per_minute * 5).unwrap();
        MeterLimits { maximum_power_w, register_modulus: Energy::new(self.modulus) }
    }

    fn observed(&self, counted: i64, as_of: Timestamp, source: TimeSource, received_at: Timestamp) -> Observation {
        let shown = counted.rem_euclid(self.modulus);
        let total = Energy::new(shown - shown % self.resolution);
        Observation {
            meter: meter_id(),
            as_of,
            time_source: source,
            received_at,
            copied_at: None,
            kind: Kind::Instant,
            registers: Registers { total, ..Registers::default() },
            resolution: Energy::new(self.resolution),
            identity_verified: true,
        }
    }
}

/// Meters whose register goes round after 40 to 120 hours of full load, half of them with clocks that are right.
fn makes() -> impl Strategy<Value = Make> {
    let clocks = prop_oneof![Just((0, 0)), (-3_i64..=3, -3_i64..=3)];
    let resolution = prop::sample::select(vec![1_i64, 100, 1_000]);
    (20_i64..4_000, 40_i64..=120, resolution, 0_i64..1_000, 1_u32..=40, clocks).prop_map(
        |(per_minute, turn_hours, resolution, start, multiplier, (meter_is_ahead, concentrator_is_ahead))| {
            let modulus = (per_minute * 60 * turn_hours / 1_000 + 1) * 1_000;
            let start = modulus / 1_000 * start;
            let start = start - start % resolution;
            Make { per_minute, modulus, resolution, start, multiplier, meter_is_ahead, concentrator_is_ahead }
        },
    )
}

/// What happens to a meter; loads and shares in thousandths.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A load for some minutes, then a poll.
    Flow { minutes: i64, load: i64 },
    /// A load for some hours in which nobody hears the meter, then a poll.
    Silence { hours: i64, load: i64 },
    /// Full load, and a poll each quarter of a turn, until the register begins at 0 again.
    Roll,
    /// The register is set back to a share of what it shows, for good.
    Reset { to: i64 },
    /// The register goes ahead for good, by a share of what two readings may contradict each other by.
    Creep { by: i64 },
    /// One poll is off by a share of that.
    Flicker { by: i64 },
    /// One poll is off by a share of a turn.
    Spike { by: i64 },
}

/// What becomes of the freezes of the midnights within a step.
#[derive(Debug, Clone, Copy)]
enum Freezes {
    Lost,
    /// They come before the poll that ends the step.
    InTime,
    /// They come after it.
    Late,
}

/// A step, whose clock the poll at its end is dated by, and what becomes of freezes.
type Scene = (Step, TimeSource, Freezes);

fn honest_step() -> BoxedStrategy<Step> {
    let load = || prop_oneof![Just(1_000), 0_i64..=1_000];
    prop_oneof![
        6 => (1_i64..=600, load()).prop_map(|(minutes, load)| Step::Flow { minutes, load }),
        3 => (1_i64..=96, load()).prop_map(|(hours, load)| Step::Silence { hours, load }),
        1 => Just(Step::Roll),
    ]
    .boxed()
}

fn any_step() -> BoxedStrategy<Step> {
    prop_oneof![
        6 => honest_step(),
        1 => (0_i64..1_000).prop_map(|to| Step::Reset { to }),
        2 => (0_i64..1_500).prop_map(|by| Step::Creep { by }),
        1 => (-1_500_i64..1_500).prop_map(|by| Step::Flicker { by }),
        1 => (-1_000_i64..1_000).prop_map(|by| Step::Spike { by }),
    ]
    .boxed()
}

fn scenes(step: BoxedStrategy<Step>) -> impl Strategy<Value = Vec<Scene>> {
    let source = prop::sample::select(vec![TimeSource::Meter, TimeSource::Concentrator, TimeSource::HeadEnd]);
    let freezes = prop::sample::select(vec![Freezes::Lost, Freezes::InTime, Freezes::Late]);
    prop::collection::vec((step, source, freezes), 1..24)
}

/// The meter, and what nobody but the model knows.
struct World {
    make: Make,
    zone: TimeZone,
    now: Timestamp,
    /// What truly flowed, by the true time; linear between these points.
    flowed: Vec<(Timestamp, i64)>,
    passed: i64,
    /// What the register shows beyond what it counted.
    set: i64,
}

impl World {
    fn new(make: Make, start: Timestamp, zone: TimeZone) -> Self {
        Self { make, zone, now: start, flowed: vec![(start, 0)], passed: 0, set: 0 }
    }

    /// What the head end hears of a step, in this order.
    fn live(&mut self, (step, source, freezes): Scene) -> Vec<Observation> {
        let counted = self.make.start + self.set + self.passed;
        let contradiction = CLOCKS_MAY_DIFFER * self.make.per_minute + self.make.resolution;
        match step {
            Step::Flow { minutes, load } => self.pass(minutes, load, source, freezes),
            Step::Silence { hours, load } => self.pass(hours * 60, load, source, freezes),
            Step::Roll => {
                let quarter = self.make.modulus / 4 / self.make.per_minute;
                let polls =
                    (self.make.modulus - counted.rem_euclid(self.make.modulus)) / (quarter * self.make.per_minute);
                (0..=polls).flat_map(|_| self.pass(quarter, 1_000, source, freezes)).collect()
            }
            Step::Reset { to } => {
                let shown = counted.rem_euclid(self.make.modulus);
                self.set += shown * to / 1_000 - shown;
                Vec::new()
            }
            Step::Creep { by } => {
                self.set += contradiction * by / 1_000;
                Vec::new()
            }
            Step::Flicker { by } => self.wrong(contradiction * by / 1_000, source),
            Step::Spike { by } => self.wrong(self.make.modulus / 1_000 * by, source),
        }
    }

    /// A load for some time, then a poll. Less than a quarter of a turn flows: of a register that goes round unseen
    /// nobody could tell.
    fn pass(&mut self, length: i64, load: i64, source: TimeSource, freezes: Freezes) -> Vec<Observation> {
        let flow = (length * self.make.per_minute * load / 1_000).min(self.make.modulus / 4);
        let from = self.now;
        self.now = shift(from, minutes(length));
        self.passed += flow;
        self.flowed.push((self.now, self.passed));
        let poll = self.poll(0, source);
        match freezes {
            Freezes::Lost => vec![poll],
            Freezes::InTime => self.frozen_since(from).into_iter().chain([poll]).collect(),
            Freezes::Late => [poll].into_iter().chain(self.frozen_since(from)).collect(),
        }
    }

    fn wrong(&mut self, by: i64, source: TimeSource) -> Vec<Observation> {
        self.now = shift(self.now, minutes(1));
        self.flowed.push((self.now, self.passed));
        vec![self.poll(by, source)]
    }

    fn poll(&self, off_by: i64, source: TimeSource) -> Observation {
        let as_of = shift(self.now, minutes(self.make.ahead(source)));
        self.make.observed(self.make.start + self.set + self.passed + off_by, as_of, source, self.now)
    }

    /// The freezes of the midnights, by the meter's clock, after `from`.
    fn frozen_since(&self, from: Timestamp) -> Vec<Observation> {
        let ahead = minutes(self.make.ahead(TimeSource::Meter));
        let mut day = day_of(shift(from, ahead), &self.zone);
        let mut freezes = Vec::new();
        loop {
            day = next_day(day);
            let as_of = midnight(day, &self.zone);
            let truly = shift(as_of, -ahead);
            if truly > self.now {
                return freezes;
            }
            let counted = self.make.start + self.set + self.flowed_until(truly);
            let freeze = self.make.observed(counted, as_of, TimeSource::Meter, self.now);
            freezes.push(Observation { kind: Kind::DailyFreeze, ..freeze });
        }
    }

    /// What truly flowed until an instant.
    fn flowed_until(&self, instant: Timestamp) -> i64 {
        let later = self.flowed.iter().zip(self.flowed.iter().skip(1)).find(|(_, (end, _))| *end >= instant);
        let Some(((from, before), (end, after))) = later else { return self.passed };
        let (part, all) = (instant.duration_since(*from).as_mins(), end.duration_since(*from).as_mins());
        before + (after - before) * part / all
    }
}

/// What the head end knows of the meter: takes readings in as `operations::ingest` does, and settles with them.
struct HeadEnd {
    make: Make,
    /// The good ones, by time and then by arrival; the first is the installation's start.
    good: Vec<(Known, Neighbour)>,
    ledger: Ledger,
}

impl HeadEnd {
    fn new(make: Make, start_at: Timestamp) -> Self {
        let (total, resolution) = (Energy::new(make.start), Energy::new(make.resolution));
        let known = Known { id: reading_id(1), as_of: start_at, kind: Kind::Initial, total };
        let neighbour = Neighbour { as_of: start_at, time_source: TimeSource::HeadEnd, total, resolution };
        let installation = Installation { start_at, start_value: total, multiplier: make.multiplier, end: None };
        Self { make, good: vec![(known, neighbour)], ledger: Ledger::new(installation, &by_time_of_day()) }
    }

    fn take(&mut self, new: &Observation, site: Site<'_>) -> Quality {
        let start_at = self.ledger.installation.start_at;
        let place = self.good.partition_point(|(known, _)| known.as_of <= new.as_of);
        let at = |index: usize| self.good.get(index).map(|(_, neighbour)| *neighbour);
        let neighbours = Neighbours { before: place.checked_sub(1).and_then(at), after: at(place) };
        let judged = judge(new, &neighbours, &self.make.limits(), start_at, &site.policy.reading);
        // A good reading keeps its key: the newcomer is a duplicate or a conflict, and costs nothing.
        let taken = self.good.iter().any(|(known, _)| (known.as_of, known.kind) == (new.as_of, new.kind));
        if judged.quality == Quality::Good && !taken {
            let id = reading_id(i64::try_from(self.good.len()).unwrap() + 1);
            let known = Known { id, as_of: new.as_of, kind: new.kind, total: judged.total };
            let (as_of, time_source, resolution) = (new.as_of, new.time_source, new.resolution);
            self.good.insert(place, (known, Neighbour { as_of, time_source, total: judged.total, resolution }));
            self.settle(&[known], new.received_at, site);
        }
        judged.quality
    }

    fn settle(&mut self, new: &[Known], now: Timestamp, site: Site<'_>) {
        self.ledger.settle(&self.known(), new, now, site);
        self.check(site.zone);
    }

    /// What must hold at any time, whatever was heard.
    fn check(&self, zone: &TimeZone) {
        let Ledger { installation, tariff, settled, usage, carry, charged } = &self.ledger;
        let (mut reached, mut by_day) = (installation.start_value, Usage::none());
        for day in settled.values() {
            let (window, version) = tariff.window(day.day, opened()).unwrap();
            for (period, energy) in day.energies(reached, installation.multiplier) {
                assert!(energy >= Energy::ZERO, "{} is charged {energy}", day.day);
                by_day.put((window, version, period), energy);
            }
            reached = day.end_value;
        }
        assert_eq!(usage, &by_day);
        let posted = Exact::of(*charged, &cny()) + Exact::new(i128::from(carry.get()));
        assert_eq!(posted, exact_cost(usage, tariff).unwrap());
        let most = |until| Energy::new(self.can_flow_until(until) * i64::from(installation.multiplier));
        if let Some((last, _)) = settled.last_key_value() {
            let most = most(midnight(next_day(*last), zone));
            assert!(usage.total() <= most, "{} of {most} until the end of {last}", usage.total());
        }
        let days: Vec<SettledDay> = settled.values().cloned().collect();
        let (open, known_to) = unsettled(installation, &days, &self.known(), (tariff, opened()), zone).unwrap();
        assert!(open.iter().all(|(_, energy)| energy > Energy::ZERO));
        let (all, most) = (usage.total() + open.total(), most(known_to));
        assert!(all <= most, "{all} of {most} until {known_to}");
    }

    fn known(&self) -> Vec<Known> {
        self.good.iter().map(|(known, _)| *known).collect()
    }

    /// What passes at most, and a tolerance: for each reading its resolution, and for each change of the clock what
    /// passes in the time by which clocks may differ. Each good reading is compared with the one before only, so the
    /// tolerance is granted as often as there are readings, not once.
    fn can_flow_until(&self, until: Timestamp) -> i64 {
        let passes = self.make.per_minute * until.duration_since(self.ledger.installation.start_at).as_mins();
        let pairs = self.good.iter().zip(self.good.iter().skip(1));
        let tolerance: i64 = pairs
            .filter(|((earlier, _), (later, _))| earlier.as_of < until || later.as_of == until)
            .map(|((_, one), (_, other))| self.make.tolerance(one.time_source, other.time_source))
            .sum();
        passes + tolerance
    }
}

/// Lives through the scenes and two more days; says whether every reading was good.
fn live_through(make: Make, scenes: &[Scene]) -> (World, HeadEnd, bool) {
    let (policy, zone, start) = (policy(), zone("Europe/Berlin"), instant(BERLIN_SPRING));
    let site = Site { policy: &policy, zone: &zone };
    let (mut world, mut head_end) = (World::new(make, start, zone.clone()), HeadEnd::new(make, start));
    let mut all_good = true;
    for scene in scenes {
        for heard in world.live(*scene) {
            let quality = head_end.take(&heard, site);
            // The first poll may be dated before the installation, by a clock that is behind.
            all_good &= quality == Quality::Good || heard.as_of < start;
        }
        head_end.settle(&[], world.now, site);
    }
    head_end.settle(&[], shift(world.now, hours(48)), site);
    (world, head_end, all_good)
}

proptest! {
    #[test]
    fn whatever_a_register_does_charges_stay_within_what_can_flow(make in makes(), scenes in scenes(any_step())) {
        live_through(make, &scenes);
    }

    /// Where clocks are right, each boundary is the truth less at most the resolution. Where they are not, each of the two
    /// readings around a midnight is off by what passes in the clocks' error, and so is the bend of the load between them.
    #[test]
    fn an_honest_register_is_charged_for_what_flowed(make in makes(), scenes in scenes(honest_step())) {
        let (world, head_end, all_good) = live_through(make, &scenes);
        prop_assert!(all_good);
        let error = make.meter_is_ahead.abs().max(make.concentrator_is_ahead.abs());
        let by_clocks = 3 * error * make.per_minute;
        for (date, value) in head_end.ledger.end_values() {
            let truth = make.start + world.flowed_until(midnight(next_day(date), &world.zone));
            let missing = truth - value.get();
            prop_assert!((-by_clocks..=make.resolution + by_clocks).contains(&missing), "{missing} of {date}");
        }
        let known_to = head_end.good.last().map(|(known, _)| day_of(known.as_of, &world.zone));
        let settled_to = head_end.ledger.settled.keys().last().map(|last| next_day(*last));
        prop_assert_eq!(settled_to.or(Some(day_of(instant(BERLIN_SPRING), &world.zone))), known_to);
    }
}

/// 13.2 kW, a register of six digits of kWh, clocks that are right.
fn ordinary(start: i64) -> Make {
    let (meter_is_ahead, concentrator_is_ahead) = (0, 0);
    let (modulus, multiplier) = (10_000_000_000, 1);
    Make { per_minute: 2_640, modulus, resolution: 1, start, multiplier, meter_is_ahead, concentrator_is_ahead }
}

/// At most 39,600 units pass in a quarter of an hour. Read by two clocks in turn the register may count 15,841 more each
/// time, 40 %, and all of it is charged; read by one clock it is 1 more.
#[test]
fn each_change_of_the_clock_lets_a_register_run_ahead_once_more() {
    let (policy, zone, start) = (policy(), zone("Asia/Shanghai"), instant("2026-05-01T00:00:00+08:00"));
    let (site, make) = (Site { policy: &policy, zone: &zone }, ordinary(0));
    for (other, each) in [(TimeSource::Concentrator, 55_441), (TimeSource::HeadEnd, 39_601)] {
        let mut head_end = HeadEnd::new(make, start);
        for poll in 1..=96 {
            let source = if poll % 2 == 0 { TimeSource::HeadEnd } else { other };
            let as_of = shift(start, minutes(15 * poll));
            let too_much = make.observed(each * poll + 1, as_of, source, as_of);
            assert_eq!(head_end.take(&too_much, site), Quality::Suspect);
            assert_eq!(head_end.take(&make.observed(each * poll, as_of, source, as_of), site), Quality::Good);
        }
        assert_eq!(head_end.ledger.end_values(), [(day("2026-05-01"), Energy::new(each * 96))]);
        assert_eq!(head_end.can_flow_until(shift(start, hours(24))), each * 96);
    }
}

/// A clock that is behind dates the poll of 00:00 before the freeze that the meter, ahead, took at 23:58.
#[test]
fn a_freeze_from_before_the_register_went_round_may_follow_a_poll_from_after() {
    let (policy, zone) = (policy(), zone("Asia/Shanghai"));
    let (site, make) = (Site { policy: &policy, zone: &zone }, ordinary(9_999_990_000));
    let mut head_end = HeadEnd::new(make, instant("2026-05-01T23:00:00+08:00"));
    let (behind, midnight) = (instant("2026-05-01T23:57:00+08:00"), instant("2026-05-02T00:00:00+08:00"));
    let poll = make.observed(10_000_000_050, behind, TimeSource::Concentrator, midnight);
    let freeze = make.observed(9_999_999_970, midnight, TimeSource::Meter, midnight);
    let freeze = Observation { kind: Kind::DailyFreeze, ..freeze };
    assert_eq!([&poll, &freeze].map(|heard| head_end.take(heard, site)), [Quality::Good; 2]);
    let totals: Vec<i64> = head_end.known().iter().map(|known| known.total.get()).collect();
    assert_eq!(totals, [9_999_990_000, 10_000_000_050, 9_999_999_970]);
    assert_eq!(head_end.ledger.end_values(), [(day("2026-05-01"), Energy::new(10_000_000_050))]);
}
