//! The identity check: what the concentrator holds under our serial numbers, compared with ours (AFN0A F10); absent
//! records are written (AFN04 F10) and read back. A foreign record is overwritten only when an operator orders it.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::MeterId;
use protocols::qgdw376::ArchiveRecord;

use super::ask::record;
use crate::{
    job::Task,
    ports::{ArchiveFinding, MeterPlan},
};

/// A check under way.
#[derive(Debug)]
pub(crate) struct Check {
    todo: Vec<Task>,
    /// What was asked and not answered yet.
    pending: Option<Task>,
    found: BTreeMap<u16, ArchiveFinding>,
    /// Records that are ours but for the password, which some concentrators mask: written when an operator orders it only.
    other_password: BTreeSet<u16>,
    /// Whether foreign records are overwritten.
    overwrite: bool,
    /// Whether something was written: it is written once and read back once.
    wrote: bool,
    chunk: usize,
}

impl Check {
    /// A check of these meters, `chunk` records a request.
    pub(crate) fn new(meters: &[MeterPlan], chunk: usize, overwrite: bool) -> Self {
        let serials: Vec<u16> = meters.iter().map(|meter| meter.serial).collect();
        let mut check = Self {
            todo: Vec::new(),
            pending: None,
            found: BTreeMap::new(),
            other_password: BTreeSet::new(),
            overwrite,
            wrote: false,
            chunk: chunk.max(1),
        };
        check.todo = check.read(&serials);
        check
    }

    fn read(&self, serials: &[u16]) -> Vec<Task> {
        serials.chunks(self.chunk).map(|chunk| Task::ReadArchive(chunk.to_vec())).rev().collect()
    }

    /// What to ask next; `None`: the check is complete.
    pub(crate) fn next(&mut self) -> Option<Task> {
        if self.todo.is_empty() && !self.wrote {
            self.wrote = true;
            let wanted = self.found.iter().filter(|(serial, finding)| match finding {
                ArchiveFinding::Matches => self.overwrite && self.other_password.contains(serial),
                ArchiveFinding::Absent => true,
                ArchiveFinding::Foreign { .. } => self.overwrite,
            });
            let wanted: Vec<u16> = wanted.map(|(serial, _)| *serial).collect();
            self.todo = self.read(&wanted);
            self.todo.extend(wanted.chunks(self.chunk).map(|chunk| Task::WriteArchive(chunk.to_vec())).rev());
        }
        self.pending = self.todo.pop();
        self.pending.clone()
    }

    /// Whether this answers what was asked last, and is not left over from an earlier check.
    pub(crate) fn awaits(&self, task: &Task) -> bool {
        self.pending.as_ref() == Some(task)
    }

    /// The records of one answer, for the serial numbers asked for.
    pub(crate) fn answered(&mut self, meters: &[MeterPlan], serials: &[u16], records: &[ArchiveRecord]) {
        for meter in meters.iter().filter(|meter| serials.contains(&meter.serial)) {
            let held = records.iter().find(|record| record.serial == meter.serial && record.point != 0);
            self.found.insert(meter.serial, held.map_or(ArchiveFinding::Absent, |held| compare(meter, held)));
            if held.is_some_and(|held| held.password != record(meter).password) {
                self.other_password.insert(meter.serial);
            }
        }
    }

    /// What was found, by meter.
    pub(crate) fn findings(&self, meters: &[MeterPlan]) -> Vec<(MeterId, ArchiveFinding)> {
        meters.iter().filter_map(|meter| Some((meter.id, *self.found.get(&meter.serial)?))).collect()
    }

    /// The meters whose record is ours.
    pub(crate) fn verified(&self, meters: &[MeterPlan]) -> BTreeSet<MeterId> {
        let matching = |(meter, finding)| (finding == ArchiveFinding::Matches).then_some(meter);
        self.findings(meters).into_iter().filter_map(matching).collect()
    }
}

fn compare(meter: &MeterPlan, held: &ArchiveRecord) -> ArchiveFinding {
    if is_same(&record(meter), held) {
        ArchiveFinding::Matches
    } else {
        ArchiveFinding::Foreign { address: held.meter }
    }
}

/// Address, protocol, port and measuring point decide whose readings the concentrator will give; the rest does not.
pub(crate) fn is_same(one: &ArchiveRecord, other: &ArchiveRecord) -> bool {
    (one.meter, one.protocol, one.port, one.point) == (other.meter, other.protocol, other.port, other.point)
}
