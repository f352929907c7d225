//! Period registers (尖峰平谷) that are billed: judged and unwrapped each by itself, like the total.

use std::collections::BTreeMap;

use super::{Bounds, Judged, MeterLimits, Neighbour, Neighbours, Observation, Quality, Reason, Registers};
use crate::{energy::Energy, site::ReadingPolicy, tariff::Period};

/// What each of some period registers shows.
pub type ByPeriod = BTreeMap<Period, Energy>;

impl Registers {
    /// The register of a period, as shown.
    #[must_use]
    pub fn of(&self, period: Period) -> Option<Energy> {
        Period::ALL.iter().zip(self.periods).find(|(one, _)| **one == period)?.1
    }

    /// The registers of the billed periods, as shown; none where one of them is missing.
    #[must_use]
    pub fn billed(&self, periods: &[Period]) -> Option<ByPeriod> {
        periods.iter().map(|period| Some((*period, self.of(*period)?))).collect()
    }
}

impl Judged {
    /// Adds what is wrong with the billed registers; a reason stands once.
    pub fn doubt(&mut self, reasons: Vec<Reason>) {
        for reason in reasons {
            self.quality = Quality::Suspect;
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }
}

/// The nearest good readings of the same installation that have every billed register, with these unwrapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisterNeighbours {
    /// The latest at or before `as_of`, whatever its kind.
    pub before: Option<(Neighbour, ByPeriod)>,
    /// The earliest after `as_of`.
    pub after: Option<(Neighbour, ByPeriod)>,
}

impl RegisterNeighbours {
    /// As if the meter had this register only.
    fn of(&self, period: Period) -> Neighbours {
        let one = |near: &Option<(Neighbour, ByPeriod)>| {
            let (neighbour, registers) = near.as_ref()?;
            Some(Neighbour { total: *registers.get(&period)?, ..*neighbour })
        };
        Neighbours { before: one(&self.before), after: one(&self.after) }
    }
}

/// The billed registers of an observation, unwrapped, and what is wrong with them by the rules for the total; that they sum
/// to it is judged with it. None where one of them is missing: such a reading is no boundary.
#[must_use]
pub fn judge_registers(
    observation: &Observation,
    billed: &[Period],
    neighbours: &RegisterNeighbours,
    meter: &MeterLimits,
    policy: &ReadingPolicy,
) -> Option<(ByPeriod, Vec<Reason>)> {
    let shown = observation.registers.billed(billed)?;
    let mut reasons = Vec::new();
    let unwrapped = shown.into_iter().map(|(period, shown)| {
        let neighbours = neighbours.of(period);
        let bounds = Bounds::around(observation, &neighbours, meter, policy);
        let value = bounds.unwrap(shown, meter.register_modulus, &neighbours);
        reasons.extend(bounds.broken_by(value));
        if shown < Energy::ZERO || shown >= meter.register_modulus {
            reasons.push(Reason::OutOfRange);
        }
        (period, value)
    });
    let unwrapped = unwrapped.collect();
    reasons.sort_by_key(|reason| reason.as_str());
    reasons.dedup();
    Some((unwrapped, reasons))
}

#[cfg(test)]
mod tests;
