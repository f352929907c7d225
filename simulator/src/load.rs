//! What a virtual customer draws: power by the hour of the local day, varied by seed, integrated without a rounding error.

use domain::energy::Energy;
use jiff::{Timestamp, tz::TimeZone};

/// Length of the spans within which power does not change, in microseconds: 15 min, so that every zone's hours and
/// changes of offset fall between two of them.
const SLOT_US: i64 = 900_000_000;

/// Watt-microseconds in one unit of [`Energy`] (0.1 Wh = 360 Ws).
const UNIT_W_US: i64 = 360_000_000;

/// A register shows six digits of kWh (Q/GDW 376.1 format 14, DL/T 645 XXXXXX.XX) and begins again at zero.
pub(crate) const ROLLOVER: i64 = 10_000_000_000;

/// Share of the nominal load drawn in each local hour, in per cent.
const HOURLY_PERCENT: [i64; 24] =
    [60, 55, 50, 50, 50, 55, 75, 90, 100, 100, 105, 115, 120, 110, 100, 100, 105, 120, 150, 170, 160, 140, 110, 80];

/// Tariff period a meter counts into, in the order of DL/T 645 (尖 峰 平 谷).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Sharp,
    Peak,
    Flat,
    Valley,
}

impl Period {
    fn of_hour(hour: usize) -> Self {
        match hour {
            19..=20 => Self::Sharp,
            8..=10 | 17..=18 | 21..=22 => Self::Peak,
            23 | 0..=6 => Self::Valley,
            _ => Self::Flat,
        }
    }
}

/// Power as a function of the time of day and a seed.
#[derive(Debug, Clone)]
pub struct LoadCurve {
    /// Nominal load in W; the curve moves between about half and twice of it. Greater loads stand behind a multiplier.
    pub load_w: u16,
    /// Varies every quarter of an hour by up to 10 % either way; the same seed gives the same curve.
    pub seed: u64,
    /// Where the customer's day happens.
    pub zone: TimeZone,
}

impl LoadCurve {
    /// The power drawn at `at`, in W.
    #[must_use]
    pub fn power_w(&self, at: Timestamp) -> i64 {
        self.during(slot_start(at.as_microsecond())).0
    }

    fn during(&self, slot_start_us: i64) -> (i64, Period) {
        let hour = Timestamp::from_microsecond(slot_start_us)
            .ok()
            .and_then(|start| usize::try_from(self.zone.to_datetime(start).hour()).ok())
            .unwrap_or_default();
        let percent = HOURLY_PERCENT.get(hour).copied().unwrap_or_default();
        let per_mille = 900 + scatter(self.seed, slot_start_us / SLOT_US, 201);
        (i64::from(self.load_w) * percent * per_mille / 100_000, Period::of_hour(hour))
    }
}

fn slot_start(us: i64) -> i64 {
    us - us.rem_euclid(SLOT_US)
}

/// A number below `bound` that depends on nothing but `seed` and `index` (splitmix64, public domain, Vigna 2015).
fn scatter(seed: u64, index: i64, bound: i64) -> i64 {
    let mut z = seed.wrapping_add(index.cast_unsigned().wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)).cast_signed().rem_euclid(bound)
}

/// The energy registers of a meter, exact however time is cut into pieces.
#[derive(Debug, Clone)]
pub struct Counter {
    total: Energy,
    periods: [Energy; 4],
    consumed: Energy,
    /// Watt-microseconds counted that do not make a whole unit yet.
    remainder: i64,
}

impl Counter {
    /// Registers that already show `start` (as flat period) when the meter is installed.
    #[must_use]
    pub fn new(start: Energy) -> Self {
        Self {
            total: start,
            periods: [Energy::ZERO, Energy::ZERO, start, Energy::ZERO],
            consumed: Energy::ZERO,
            remainder: 0,
        }
    }

    /// Counts what `curve` draws between two instants.
    pub fn draw(&mut self, curve: &LoadCurve, from: Timestamp, to: Timestamp) {
        let (mut at, end) = (from.as_microsecond(), to.as_microsecond());
        while at < end {
            let start = slot_start(at);
            let until = end.min(start + SLOT_US);
            let (power_w, period) = curve.during(start);
            self.count(power_w * (until - at), period);
            at = until;
        }
    }

    fn count(&mut self, watt_us: i64, period: Period) {
        let drawn = self.remainder + watt_us;
        self.remainder = drawn % UNIT_W_US;
        let units = Energy::new(drawn / UNIT_W_US);
        self.consumed = self.consumed + units;
        self.total = roll(self.total + units);
        let [sharp, peak, flat, valley] = &mut self.periods;
        let register = match period {
            Period::Sharp => sharp,
            Period::Peak => peak,
            Period::Flat => flat,
            Period::Valley => valley,
        };
        *register = roll(*register + units);
    }

    /// The total register.
    #[must_use]
    pub fn total(&self) -> Energy {
        self.total
    }

    /// The registers of the periods sharp, peak, flat and valley; they sum to the total until one of them rolls over.
    #[must_use]
    pub fn periods(&self) -> [Energy; 4] {
        self.periods
    }

    /// All energy counted since installation, whatever the registers show.
    #[must_use]
    pub fn consumed(&self) -> Energy {
        self.consumed
    }
}

/// What a register shows that counted so far.
pub(crate) fn roll(register: Energy) -> Energy {
    Energy::new(register.get().rem_euclid(ROLLOVER))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use jiff::{SignedDuration, ToSpan};
    use proptest::prelude::*;

    use super::*;

    fn curve(seed: u64) -> LoadCurve {
        LoadCurve { load_w: 10_000, seed, zone: TimeZone::get("Asia/Shanghai").unwrap() }
    }

    fn noon() -> Timestamp {
        "2026-03-05T12:00:00+08:00".parse().unwrap()
    }

    #[test]
    fn energy_equals_the_power_of_every_second() {
        let (curve, start) = (curve(3), noon());
        let mut counter = Counter::new(Energy::new(5));
        counter.draw(&curve, start, start + 5.hours());
        let watt_seconds: i64 = (0..5 * 3600).map(|s| curve.power_w(start + SignedDuration::from_secs(s))).sum();
        assert_eq!(counter.consumed(), Energy::new(watt_seconds / 360));
        assert_eq!(counter.total(), Energy::new(watt_seconds / 360 + 5));
    }

    #[test]
    fn the_evening_draws_more_than_the_night_and_never_nothing() {
        let (curve, noon) = (curve(3), noon());
        let (night, evening) = (noon - 9.hours(), noon + 7.hours());
        assert!(curve.power_w(evening) > 2 * curve.power_w(night));
        assert!((0..96).all(|quarter| curve.power_w(noon + (15 * quarter).minutes()) >= 4_500));
    }

    #[test]
    fn another_seed_draws_another_curve() {
        let day = |seed| (0..96).map(|q| curve(seed).power_w(noon() + (15 * q).minutes())).collect::<Vec<_>>();
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn a_register_rolls_over_and_the_consumption_does_not() {
        let mut counter = Counter::new(Energy::new(ROLLOVER - 1));
        counter.draw(&curve(1), noon(), noon() + 1.hour());
        assert_eq!(counter.total(), Energy::new(counter.consumed().get() - 1));
        assert!(counter.consumed() > Energy::new(50_000));
    }

    proptest! {
        #[test]
        fn energy_is_exact_however_time_is_cut(seed: u64, mut cuts in prop::collection::vec(0i64..200_000_000_000, 0..40)) {
            let curve = curve(seed);
            let at = |us: i64| noon() + SignedDuration::from_micros(us);
            let mut whole = Counter::new(Energy::new(1_234_567));
            whole.draw(&curve, at(0), at(200_000_000_000));
            let mut pieces = Counter::new(Energy::new(1_234_567));
            cuts.extend([0, 200_000_000_000]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                let [from, to] = *pair else { unreachable!() };
                pieces.draw(&curve, at(from), at(to));
            }
            prop_assert_eq!(whole.total(), pieces.total());
            prop_assert_eq!(whole.periods(), pieces.periods());
            prop_assert_eq!(whole.periods().into_iter().sum::<Energy>(), whole.total());
        }
    }
}
