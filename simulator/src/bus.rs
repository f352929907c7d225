//! What stands behind a concentrator: the meters on its bus, the archive the head end wrote into it, and the copies of
//! registers and freezes it made. Layouts and habits: docs/protocols/qgdw376.md, F10, F129 and F161.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::reading::Registers;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use protocols::{
    dlt645,
    dlt645::MeterAddress,
    qgdw376::{ArchiveRecord, DailyFreeze, FreezeRequest, MeterProtocol, PointEnergy},
};

use crate::meter::{FREEZES_KEPT, Meter};

/// The highest serial number and measuring point of an archive (F10).
const HIGHEST: u16 = 2040;

/// A meter that its concentrator and the site's handles share.
pub type SharedMeter = Arc<Mutex<Meter>>;

/// Takes a shared meter; a panic of another holder spoils nothing, since every step leaves it whole.
pub(crate) fn lock(meter: &SharedMeter) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the answers to F129 come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// The meter is read when the head end asks.
    Live,
    /// All meters of the archive are copied once in this time, and answers come from the copies.
    Every(SignedDuration),
}

/// How a concentrator reads its meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSettings {
    /// Where the answers to F129 come from.
    pub cache: Cache,
    /// How long after the end of a day its freeze is not available yet.
    pub freeze_copied_after: SignedDuration,
    /// How far the concentrator's clock is ahead of the true time.
    pub clock_offset: SignedDuration,
}

/// Registers as copied from a meter, and when, by the concentrator's clock.
#[derive(Debug, Clone, Copy)]
struct Copied {
    registers: Registers,
    at: DateTime,
}

/// The meters behind one concentrator and its memory of them.
#[derive(Debug)]
pub struct Bus {
    settings: BusSettings,
    zone: TimeZone,
    meters: BTreeMap<MeterAddress, SharedMeter>,
    archive: BTreeMap<u16, ArchiveRecord>,
    copies: BTreeMap<MeterAddress, Copied>,
    freezes: BTreeMap<MeterAddress, BTreeMap<Date, Copied>>,
    next_round: Option<Timestamp>,
}

impl Bus {
    /// A bus with these meters and an empty archive.
    #[must_use]
    pub fn new(settings: BusSettings, zone: TimeZone, meters: Vec<SharedMeter>) -> Self {
        Self {
            settings,
            zone,
            meters: meters.into_iter().map(|meter| (lock(&meter).address(), Arc::clone(&meter))).collect(),
            archive: BTreeMap::new(),
            copies: BTreeMap::new(),
            freezes: BTreeMap::new(),
            next_round: None,
        }
    }

    /// Its clock is this far ahead of the true time from now on.
    pub fn set_clock_offset(&mut self, offset: SignedDuration) {
        self.settings.clock_offset = offset;
    }

    /// Answers come from there from now on; rounds begin with the next [`Self::round`].
    pub fn set_cache(&mut self, cache: Cache) {
        self.settings.cache = cache;
        self.next_round = None;
    }

    /// What the concentrator's clock shows: local time.
    #[must_use]
    pub fn clock(&self, now: Timestamp) -> DateTime {
        self.zone.to_datetime(now.saturating_add(self.settings.clock_offset).unwrap_or(now))
    }

    /// Copies the registers of all meters if a round is due, and returns when the next one is; `None` without rounds.
    pub fn round(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Cache::Every(period) = self.settings.cache else { return None };
        if self.next_round.is_none_or(|due| due <= now) {
            let archived: BTreeSet<_> =
                self.archive.values().filter(|record| is_read(record)).map(|r| r.meter).collect();
            for meter in archived {
                self.copy_registers(meter, now);
            }
            self.next_round = now.saturating_add(period).ok();
        }
        self.next_round
    }

    /// The archive's records, by serial number.
    pub fn archive(&self) -> impl Iterator<Item = &ArchiveRecord> {
        self.archive.values()
    }

    /// Exchanges the meter addresses of the first two records, as a careless technician does; false if there are fewer.
    pub fn swap_archive(&mut self) -> bool {
        let mut records = self.archive.values_mut();
        let pair = records.next().zip(records.next());
        let there = pair.is_some();
        if let Some((first, second)) = pair {
            std::mem::swap(&mut first.meter, &mut second.meter);
        }
        there
    }

    /// Writes records into the archive; one with point 0 is deleted. Returns false, and changes nothing, when a number
    /// is out of range.
    pub fn set_archive(&mut self, records: &[ArchiveRecord]) -> bool {
        let sound = records.iter().all(|record| (1..=HIGHEST).contains(&record.serial) && record.point <= HIGHEST);
        if sound {
            for record in records {
                match record.point {
                    0 => self.archive.remove(&record.serial),
                    _ => self.archive.insert(record.serial, record.clone()),
                };
            }
        }
        sound
    }

    /// Forgets every record, as a concentrator does that was initialised.
    pub fn clear_archive(&mut self) {
        self.archive.clear();
    }

    /// The records of these serial numbers, those that there are.
    #[must_use]
    pub fn query_archive(&self, serials: &[u16]) -> Vec<ArchiveRecord> {
        serials.iter().filter_map(|serial| self.archive.get(serial).cloned()).collect()
    }

    /// The answer to F129 for those of `points` that are in the archive.
    pub fn energy(&mut self, points: &[u16], now: Timestamp) -> Vec<PointEnergy> {
        let known: Vec<_> = points.iter().filter_map(|point| self.record(*point)).collect();
        known
            .into_iter()
            .map(|record| {
                if is_read(&record) && self.settings.cache == Cache::Live {
                    self.copy_registers(record.meter, now);
                }
                point_energy(&record, self.copies.get(&record.meter).copied().filter(|_| is_read(&record)))
            })
            .collect()
    }

    /// The answer to F161 for those of `requests` whose point is in the archive.
    pub fn daily_freezes(&mut self, requests: &[FreezeRequest], now: Timestamp) -> Vec<DailyFreeze> {
        let known: Vec<_> = requests.iter().filter_map(|asked| Some((asked.day, self.record(asked.point)?))).collect();
        known
            .into_iter()
            .map(|(day, record)| {
                let copied = if is_read(&record) { self.copied_freeze(record.meter, day, now) } else { None };
                DailyFreeze { day, energy: point_energy(&record, copied) }
            })
            .collect()
    }

    /// Carries a frame to the meter it names and the meter's answer back.
    pub fn forward(&self, bytes: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let frame = dlt645::Frame::decode(bytes).ok()?;
        let answer = lock(self.meters.get(&frame.address)?).answer(&frame, now)?;
        answer.encode().ok()
    }

    /// Carries a frame to the meter it names, where it comes no earlier than `at`, and loses the answer.
    pub fn forward_late(&self, bytes: &[u8], at: Timestamp) {
        let frame = dlt645::Frame::decode(bytes).ok();
        if let Some((meter, frame)) = frame.and_then(|frame| Some((self.meters.get(&frame.address)?, frame))) {
            lock(meter).receive_late(frame, at);
        }
    }

    /// Whether the meter that a frame names is there and not silent.
    #[must_use]
    pub fn reaches(&self, bytes: &[u8]) -> bool {
        let frame = dlt645::Frame::decode(bytes).ok();
        frame.and_then(|frame| self.meters.get(&frame.address)).is_some_and(|meter| !lock(meter).is_silent())
    }

    fn record(&self, point: u16) -> Option<ArchiveRecord> {
        self.archive.values().find(|record| record.point == point).cloned()
    }

    fn answering(&self, address: MeterAddress) -> Option<MutexGuard<'_, Meter>> {
        self.meters.get(&address).map(lock).filter(|meter| !meter.is_silent())
    }

    fn copy_registers(&mut self, address: MeterAddress, now: Timestamp) {
        let registers = self.answering(address).map(|mut meter| meter.polled(now));
        if let Some(registers) = registers {
            self.copies.insert(address, Copied { registers, at: self.clock(now) });
        }
    }

    fn copied_freeze(&mut self, address: MeterAddress, day: Date, now: Timestamp) -> Option<Copied> {
        if let Some(copied) = self.freezes.get(&address).and_then(|days| days.get(&day)) {
            return Some(*copied);
        }
        let ended = day.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp();
        if now < ended.checked_add(self.settings.freeze_copied_after).ok()? {
            return None;
        }
        let registers = self.answering(address)?.freeze(day, now)?;
        let copied = Copied { registers, at: self.clock(now) };
        let days = self.freezes.entry(address).or_default();
        days.insert(day, copied);
        if days.len() > FREEZES_KEPT {
            days.pop_first();
        }
        Some(copied)
    }
}

/// Whether the archive tells the concentrator to read this meter in a way that the meter understands.
fn is_read(record: &ArchiveRecord) -> bool {
    record.protocol == MeterProtocol::Dlt645Of2007
}

fn point_energy(record: &ArchiveRecord, copied: Option<Copied>) -> PointEnergy {
    let registers = copied.map(|copied| copied.registers);
    let period = |index: u8| registers.and_then(|shown| shown.periods.get(usize::from(index)).copied().flatten());
    PointEnergy {
        point: record.point,
        read_at: Ok(copied.map(|copied| copied.at)),
        total: Ok(registers.map(|shown| shown.total)),
        periods: (0..record.periods).map(|index| Ok(period(index))).collect(),
    }
}
