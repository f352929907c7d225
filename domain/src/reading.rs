//! Readings: what a meter showed, when, by whose clock, and whether it may cost money.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{energy::Energy, ids::MeterId};

/// How a reading came about. At one `as_of` the kinds count in the order daily freeze, final, initial, load profile,
/// instant, manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The register as it stood when asked.
    Instant,
    /// The register as the meter froze it at its midnight (日冻结).
    DailyFreeze,
    /// A point of the meter's load profile.
    LoadProfile,
    /// Entered by an operator.
    Manual,
    /// Taken when a meter leaves an account.
    Final,
    /// Taken when a meter comes to an account.
    Initial,
}

/// What a reading is good for. Only `Good` costs money, and `Estimated` where an operator entered it as initial or final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Plausible, and from the meter it names.
    Good,
    /// Failed plausibility or identity: kept, costs nothing, waits for an operator.
    Suspect,
    /// Entered without a look at the meter.
    Estimated,
    /// Came beside a good reading of the same key with another value.
    Conflict,
    /// Replaced by a later one of the same key.
    Superseded,
}

/// Whose clock `as_of` was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The meter's own.
    Meter,
    /// The concentrator's.
    Concentrator,
    /// Ours, at the time of the answer.
    HeadEnd,
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
