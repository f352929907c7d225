//! Orders to groups of meters: each meter's is given or refused alone, and a group that was interrupted is gone on with.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::MeterId;

use super::toggle::Outcome;

/// What was asked of groups.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    /// Requests by their keys, while none was answered: the group may go on at any time.
    flying: BTreeMap<String, Vec<u64>>,
    /// Meters that are, or were, in a group: another operator may have approved that a guarded one is cut.
    pub members: BTreeSet<MeterId>,
}

impl Groups {
    /// Somebody asks.
    pub fn ask(&mut self, request: u64, key: &str, meters: &[MeterId]) {
        self.flying.entry(key.to_owned()).or_default().push(request);
        self.members.extend(meters);
    }

    /// The requests that an answer under this key answers.
    pub fn answered(&mut self, key: &str) -> Vec<u64> {
        self.flying.remove(key).unwrap_or_default()
    }

    /// Whether a request may still take effect though the process died.
    pub fn goes_on(&self, request: u64) -> bool {
        self.flying.values().flatten().any(|one| *one == request)
    }
}

/// What became of a meter, as the answer tells it.
pub fn outcome(told: &str, meter: MeterId) -> Outcome {
    let meter = meter.to_string();
    let of_it = told.split(' ').filter_map(|word| word.split_once('=')).find(|(id, _)| *id == meter);
    match of_it {
        Some((_, "ordered" | "lifted")) => Outcome::Done,
        // Or it was not meant.
        Some((_, "refused")) | None => Outcome::Refused,
        Some(_) => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::meter;

    #[test]
    fn each_meter_is_told_of() {
        let told = format!("given {}=ordered {}=refused {}=waiting", meter(1), meter(2), meter(3));
        assert_eq!(outcome(&told, meter(1)), Outcome::Done);
        assert_eq!(outcome(&told, meter(2)), Outcome::Refused);
        assert_eq!(outcome(&told, meter(3)), Outcome::Unknown);
        assert_eq!(outcome(&told, meter(4)), Outcome::Refused, "it was not meant");
    }

    #[test]
    fn a_group_goes_on_until_it_was_answered() {
        let mut groups = Groups::default();
        groups.ask(1, "k", &[meter(1)]);
        groups.ask(2, "k", &[meter(1)]);
        assert!(groups.goes_on(1) && groups.goes_on(2) && !groups.goes_on(3));
        assert_eq!(groups.answered("k"), [1, 2]);
        assert!(!groups.goes_on(1) && groups.members.contains(&meter(1)));
    }
}
