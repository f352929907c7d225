//! Readings: what a meter showed, when, by whose clock, and whether it may cost money.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    bug::{Bug, is_planted},
    energy::Energy,
    ids::{MeterId, ReadingId},
    site::ReadingPolicy,
};

pub mod registers;

words! {
    /// How a reading came about. At one `as_of` the kinds count in the order daily freeze, final, initial, load profile,
    /// instant, manual.
    pub enum Kind {
        /// The register as it stood when asked.
        Instant = "instant",
        /// The register as the meter froze it at its midnight (日冻结).
        DailyFreeze = "daily_freeze",
        /// A point of the meter's load profile.
        LoadProfile = "load_profile",
        /// Entered by an operator.
        Manual = "manual",
        /// Taken when a meter leaves an account.
        Final = "final",
        /// Taken when a meter comes to an account.
        Initial = "initial",
    }
}

words! {
    /// What a reading is good for. Only `Good` costs money, and `Estimated` where an operator entered it as initial or final.
    pub enum Quality {
        /// Plausible, and from the meter it names.
        Good = "good",
        /// Failed plausibility or identity: kept, costs nothing, waits for an operator.
        Suspect = "suspect",
        /// Found wrong by an operator: kept, costs nothing, and is not made good by coming again.
        Rejected = "rejected",
        /// Entered without a look at the meter.
        Estimated = "estimated",
        /// Came beside a good reading of the same key with another value.
        Conflict = "conflict",
        /// Replaced by a later one of the same key.
        Superseded = "superseded",
    }
}

words! {
    /// Whose clock `as_of` was read from.
    pub enum TimeSource {
        /// The meter's own.
        Meter = "meter",
        /// The concentrator's.
        Concentrator = "concentrator",
        /// Ours, at the time of the answer.
        HeadEnd = "head_end",
    }
}

/// The registers of one reading; before the multiplier, as the meter shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Registers {
    /// Forward active energy in total.
    pub total: Energy,
    /// Sharp, peak, flat, valley and deep valley, where the meter keeps them.
    pub periods: [Option<Energy>; 5],
    /// Reverse active energy in total.
    pub reverse: Option<Energy>,
}

/// What arrived from the field, before it was judged and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The meter it is said to come from.
    pub meter: MeterId,
    /// When the registers stood so.
    pub as_of: Timestamp,
    /// Whose clock `as_of` is.
    pub time_source: TimeSource,
    /// When the head end received it.
    pub received_at: Timestamp,
    /// When the concentrator copied a freeze from the meter.
    pub copied_at: Option<Timestamp>,
    /// How it came about.
    pub kind: Kind,
    /// What the meter showed.
    pub registers: Registers,
    /// Finest step of the registers as transmitted (format 14: 0.1 Wh; DL/T 645: 10 Wh).
    pub resolution: Energy,
    /// Whether the archive read back from the concentrator matched ours when this was read. A direct DL/T 645 answer
    /// names its own meter and is always verified.
    pub identity_verified: bool,
}

impl Kind {
    /// Which kind counts at one `as_of`: the least.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::DailyFreeze => 0,
            Self::Final => 1,
            Self::Initial => 2,
            Self::LoadProfile => 3,
            Self::Instant => 4,
            Self::Manual => 5,
        }
    }
}

impl Quality {
    /// Whether a reading of this quality and `kind` may cost money.
    #[must_use]
    pub fn counts(self, kind: Kind) -> bool {
        self == Self::Good || (self == Self::Estimated && matches!(kind, Kind::Initial | Kind::Final))
    }
}

impl Registers {
    /// Whether two answers say the same: the total and every register that both of them have.
    #[must_use]
    pub fn agree(&self, other: &Self) -> bool {
        let both = |a: Option<Energy>, b: Option<Energy>| a.zip(b).is_none_or(|(a, b)| a == b);
        self.total == other.total
            && both(self.reverse, other.reverse)
            && self.periods.iter().zip(other.periods).all(|(a, b)| both(*a, b))
    }
}

/// A stored reading that may cost money: good, or estimated by an operator as initial or final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its row.
    pub id: ReadingId,
    /// When the register stood so.
    pub as_of: Timestamp,
    /// How it came about.
    pub kind: Kind,
    /// Forward active energy in total, unwrapped, before the multiplier.
    pub total: Energy,
}

/// A good reading next to the one that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// When the register stood so.
    pub as_of: Timestamp,
    /// Whose clock `as_of` is.
    pub time_source: TimeSource,
    /// Forward active energy in total, unwrapped.
    pub total: Energy,
    /// Finest step of the register as transmitted.
    pub resolution: Energy,
}

/// The nearest good readings of the same installation (its start is one).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The latest at or before `as_of`, whatever its kind.
    pub before: Option<Neighbour>,
    /// The earliest after `as_of`.
    pub after: Option<Neighbour>,
}

/// What a meter can do, before the multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterLimits {
    /// Power at maximum current and nominal voltage in W, all phases.
    pub maximum_power_w: u32,
    /// First energy the register cannot show: it goes on at 0.
    pub register_modulus: Energy,
}

words! {
    /// Why a reading is suspect.
    pub enum Reason {
        /// The archive read back from the concentrator did not match ours.
        IdentityUnverified = "identity_unverified",
        /// `as_of` is later than the reading was received.
        InTheFuture = "in_the_future",
        /// `as_of` is before the meter was installed here.
        BeforeInstallation = "before_installation",
        /// The register cannot show this value.
        OutOfRange = "out_of_range",
        /// Less than an earlier good reading.
        BelowEarlier = "below_earlier",
        /// More than a later good reading.
        AboveLater = "above_later",
        /// Further from an earlier good reading than the meter can pass in the time between.
        TooFarFromEarlier = "too_far_from_earlier",
        /// Further from a later good reading than the meter can pass in the time between.
        TooFarFromLater = "too_far_from_later",
        /// The periods do not sum to the total.
        PeriodsDoNotSum = "periods_do_not_sum",
    }
}

/// What a reading was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// `Good` or `Suspect`.
    pub quality: Quality,
    /// The total unwrapped: the register's value plus whole turns of the register.
    pub total: Energy,
    /// Why it is suspect; empty where it is good.
    pub reasons: Vec<Reason>,
}

/// Judges whether an observation may cost money.
#[must_use]
pub fn judge(
    observation: &Observation,
    neighbours: &Neighbours,
    meter: &MeterLimits,
    installed_at: Timestamp,
    policy: &ReadingPolicy,
) -> Judged {
    let bounds = Bounds::around(observation, neighbours, meter, policy);
    let total = bounds.unwrap(observation.registers.total, meter.register_modulus, neighbours);
    let mut reasons = bounds.broken_by(total);
    let mut also = |wrong: bool, reason: Reason| {
        if wrong {
            reasons.push(reason);
        }
    };
    also(!observation.identity_verified && !is_planted(Bug::TrustForeignArchive), Reason::IdentityUnverified);
    let early_by = observation.as_of.duration_since(observation.received_at);
    also(early_by > policy.future_tolerance, Reason::InTheFuture);
    also(observation.as_of < installed_at, Reason::BeforeInstallation);
    let shown = observation.registers.total;
    also(shown < Energy::ZERO || shown >= meter.register_modulus, Reason::OutOfRange);
    also(
        !periods_sum(&observation.registers, meter.register_modulus, policy.period_tolerance),
        Reason::PeriodsDoNotSum,
    );
    let quality = if reasons.is_empty() { Quality::Good } else { Quality::Suspect };
    Judged { quality, total, reasons }
}

/// What the good readings around allow, unwrapped.
struct Bounds {
    not_below: Option<Energy>,
    not_above: Option<Energy>,
    reach_up: Option<Energy>,
    reach_down: Option<Energy>,
}

impl Bounds {
    fn around(new: &Observation, neighbours: &Neighbours, meter: &MeterLimits, policy: &ReadingPolicy) -> Self {
        let at_most = |time: SignedDuration| passable(meter, time, policy.overload_percent);
        let slack = |neighbour: &Neighbour| {
            let clocks = if neighbour.time_source == new.time_source {
                Energy::ZERO
            } else {
                at_most(policy.cross_clock_tolerance)
            };
            neighbour.resolution.max(new.resolution) + clocks
        };
        let reach = |neighbour: &Neighbour| at_most(neighbour.as_of.duration_since(new.as_of).abs()) + slack(neighbour);
        let (before, after) = (neighbours.before.as_ref(), neighbours.after.as_ref());
        Self {
            not_below: before.map(|before| before.total - slack(before)),
            not_above: after.map(|after| after.total + slack(after)),
            reach_up: before.map(|before| before.total + reach(before)),
            reach_down: after.map(|after| after.total - reach(after)),
        }
    }

    /// Adds the whole turns of the register that bring `shown` nearest to what is allowed.
    fn unwrap(&self, shown: Energy, modulus: Energy, neighbours: &Neighbours) -> Energy {
        let near = neighbours.before.or(neighbours.after).map_or(Energy::ZERO, |neighbour| neighbour.total);
        let turns = near.get().div_euclid(modulus.get().max(1));
        (turns - 1..=turns + 1)
            .filter(|turns| *turns >= 0 && !is_planted(Bug::IgnoreRollover))
            .map(|turns| shown + Energy::new(turns * modulus.get()))
            .min_by_key(|total| self.distance(*total))
            .unwrap_or(shown)
    }

    /// How far `total` is outside what is allowed.
    fn distance(&self, total: Energy) -> Energy {
        let under = [self.not_below, self.reach_down].into_iter().flatten().map(|least| least - total);
        let over = [self.not_above, self.reach_up].into_iter().flatten().map(|most| total - most);
        under.chain(over).max().unwrap_or_default().max(Energy::ZERO)
    }

    fn broken_by(&self, total: Energy) -> Vec<Reason> {
        [
            (self.not_below.is_some_and(|least| total < least), Reason::BelowEarlier),
            (self.not_above.is_some_and(|most| total > most), Reason::AboveLater),
            (self.reach_up.is_some_and(|most| total > most), Reason::TooFarFromEarlier),
            (self.reach_down.is_some_and(|least| total < least), Reason::TooFarFromLater),
        ]
        .into_iter()
        .filter_map(|(broken, reason)| broken.then_some(reason))
        .collect()
    }
}

/// Units of [`Energy`] in a Wh, times the microseconds of an hour, times 100 %.
const OVERLOADED_W_MICROSECONDS: i128 = 3_600_000_000 * 100 / 10;

/// The most energy that passes in `time` at `percent` of the maximum power, rounded up.
fn passable(meter: &MeterLimits, time: SignedDuration, percent: u32) -> Energy {
    let product = i128::from(meter.maximum_power_w) * i128::from(percent) * time.as_micros().max(0);
    let rounded_up = (product + OVERLOADED_W_MICROSECONDS - 1) / OVERLOADED_W_MICROSECONDS;
    Energy::new(i64::try_from(rounded_up).unwrap_or(i64::MAX / 4))
}

/// Whether the periods, where there are any, sum to the total; each register may have gone round.
fn periods_sum(registers: &Registers, modulus: Energy, tolerance_each: Energy) -> bool {
    let (mut sum, mut tolerance, mut any) = (Energy::ZERO, Energy::ZERO, false);
    for period in registers.periods.into_iter().flatten() {
        (sum, tolerance, any) = (sum + period, tolerance + tolerance_each, true);
    }
    let difference = Energy::new((sum - registers.total).get().rem_euclid(modulus.get().max(1)));
    !any || difference <= tolerance || modulus - difference <= tolerance
}

/// A stored reading of the same meter, `as_of` and kind as one that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Existing {
    /// What it was found to be.
    pub quality: Quality,
    /// What it says.
    pub registers: Registers,
}

words! {
    /// What to do with a reading whose key is taken.
    pub enum Collision {
        /// The same again: counted, not stored.
        Duplicate = "duplicate",
        /// The stored one becomes `superseded`, the new one is stored as judged.
        Supersede = "supersede",
        /// The stored one stays, the new one is stored as `conflict`, with an event.
        Conflict = "conflict",
    }
}

/// What to do with a reading whose key is taken by `existing`: a suspect one gives way to another value, and to the
/// same value found good; one that was rejected to another value only; a good one stays.
#[must_use]
pub fn collide(existing: &Existing, new: &Registers, judged: Quality) -> Collision {
    let same = existing.registers.agree(new);
    match (same, existing.quality) {
        (true, Quality::Suspect) if judged == Quality::Good => Collision::Supersede,
        (true, _) => Collision::Duplicate,
        (false, Quality::Suspect | Quality::Rejected) => Collision::Supersede,
        (false, _) => Collision::Conflict,
    }
}

#[cfg(test)]
mod tests;
