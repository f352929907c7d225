//! Handles to the meters and concentrators of a running site: a customer's hands, an auditor's eyes, and fate.

use std::{collections::BTreeMap, sync::Arc};

use domain::{energy::Energy, reading::Registers, relay::RelayState};
use jiff::{SignedDuration, Timestamp, civil::Date};
use protocols::qgdw376::{ArchiveRecord, EventClass, EventRecord};

use crate::{
    bus::{Cache, SharedMeter, lock},
    faults::FaultRates,
    meter::{Commanded, Meter, Move},
    run::{Clock, Station},
};

/// A customer in front of a meter, fate inside it, and an auditor's eyes behind it.
#[derive(Clone)]
pub struct MeterHandle {
    clock: Clock,
    meter: SharedMeter,
}

impl MeterHandle {
    pub(super) fn new(clock: Clock, meter: SharedMeter) -> Self {
        Self { clock, meter }
    }

    /// Does something to the meter as it is now: all that was due has happened before.
    fn with<T>(&self, act: impl FnOnce(&mut Meter, Timestamp) -> T) -> T {
        let now = (self.clock)();
        let mut meter = lock(&self.meter);
        meter.advance(now);
        act(&mut meter, now)
    }

    /// The customer presses the button; true when that restored supply.
    pub fn press(&self) -> bool {
        self.with(Meter::press)
    }

    /// A silent meter answers nothing, while its load goes on.
    pub fn silence(&self, silent: bool) {
        self.with(|meter, _| meter.set_silent(silent));
    }

    /// Relay commands taken from now on are acknowledged at once and executed that much later, each at its own time, so
    /// that an older one may be executed after a newer one; `None`: at once again. The expiry of a command is checked
    /// when it is taken, and the state last commanded changes when it is executed.
    pub fn slow_relay(&self, by: Option<SignedDuration>) {
        self.with(|meter, _| meter.set_slowness(by.unwrap_or_default()));
    }

    /// A stuck relay never moves, by command or button; commands are acknowledged, and status word 3 tells the truth.
    pub fn stick(&self, stuck: bool) {
        self.with(|meter, _| meter.set_stuck(stuck));
    }

    /// Meanwhile the registers that the concentrator polls (F129, cached copies too) are wrong by that much: the total
    /// and the flat period. What is read by forwarded frames and what is frozen stays right.
    pub fn lie(&self, by: Option<Energy>) {
        self.with(|meter, _| meter.set_lie(by.unwrap_or_default()));
    }

    /// Meanwhile relay commands are refused for their password, whatever it is.
    pub fn refuse_password(&self, refuse: bool) {
        self.with(|meter, _| meter.set_refuses_passwords(refuse));
    }

    /// All energy that flowed since the meter was installed.
    #[must_use]
    pub fn true_energy(&self) -> Energy {
        self.with(Meter::true_energy)
    }

    /// All energy that had flowed since the meter was installed at the true local midnight that ended `day`, whatever
    /// its own clock and registers showed; `None` when that is yet to come, before its time, or more than
    /// [`TRUTHS_KEPT`](crate::meter::TRUTHS_KEPT) days ago.
    #[must_use]
    pub fn true_energy_at_midnight(&self, day: Date) -> Option<Energy> {
        self.with(|meter, now| meter.true_energy_at_midnight(day, now))
    }

    /// What the registers show, in their full resolution.
    #[must_use]
    pub fn registers(&self) -> Registers {
        self.with(Meter::registers)
    }

    /// The relay itself.
    #[must_use]
    pub fn relay(&self) -> RelayState {
        self.with(|meter, _| meter.relay())
    }

    /// The state last commanded; connected while the relay is disconnected: a permit waits for [`Self::press`].
    #[must_use]
    pub fn command(&self) -> RelayState {
        self.with(|meter, _| meter.command())
    }

    /// Every movement of the relay since the meter was installed, oldest first.
    #[must_use]
    pub fn moves(&self) -> Vec<Move> {
        self.moves_since(0)
    }

    /// [`Self::moves`] without the first `n`.
    #[must_use]
    pub fn moves_since(&self, n: usize) -> Vec<Move> {
        self.with(|meter, _| meter.moves().get(n..).unwrap_or_default().to_vec())
    }

    /// Every relay command that reached the meter, taken or refused, oldest first.
    #[must_use]
    pub fn commands(&self) -> Vec<Commanded> {
        self.commands_since(0)
    }

    /// [`Self::commands`] without the first `n`.
    #[must_use]
    pub fn commands_since(&self, n: usize) -> Vec<Commanded> {
        self.with(|meter, _| meter.commands().get(n..).unwrap_or_default().to_vec())
    }
}

/// Fate, for one concentrator.
#[derive(Clone)]
pub struct ConcentratorHandle {
    clock: Clock,
    station: Arc<Station>,
}

impl ConcentratorHandle {
    pub(super) fn new(clock: Clock, station: Arc<Station>) -> Self {
        Self { clock, station }
    }

    /// Breaks its link and keeps it away that long.
    pub fn drop_link(&self, away: SignedDuration) {
        let now = (self.clock)();
        self.station.with(|concentrator| concentrator.drop_link(away, now));
    }

    /// Other faults from now on.
    pub fn set_faults(&self, rates: FaultRates) {
        self.station.with(|concentrator| concentrator.faults().set_rates(rates));
    }

    /// How often each kind of fault was drawn, by the name of its rate; kinds that never were are missing.
    #[must_use]
    pub fn faults_counted(&self) -> BTreeMap<&'static str, u64> {
        self.station.look(|concentrator| concentrator.faults().counted().clone())
    }

    /// Whether the head end confirmed its login on the present link.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.station.look(|concentrator| concentrator.is_logged_in())
    }

    /// Its clock is that far ahead of the true time from now on.
    pub fn set_clock_offset(&self, offset: SignedDuration) {
        self.station.with(|concentrator| concentrator.bus().set_clock_offset(offset));
    }

    /// Answers to F129 come from there from now on.
    pub fn set_cache(&self, cache: Cache) {
        self.station.with(|concentrator| concentrator.bus().set_cache(cache));
    }

    /// The archive as the head end left it, by serial number.
    #[must_use]
    pub fn archive(&self) -> Vec<ArchiveRecord> {
        self.station.look(|concentrator| concentrator.bus().archive().cloned().collect())
    }

    /// Puts another archive in its place, as a stranger would; false when a record is out of range, and then it is empty.
    #[must_use]
    pub fn replace_archive(&self, records: Vec<ArchiveRecord>) -> bool {
        self.station.with(|concentrator| {
            concentrator.bus().clear_archive();
            concentrator.bus().set_archive(&records)
        })
    }

    /// It notes an event; an important one is announced until the head end has read it.
    pub fn note(&self, class: EventClass, event: EventRecord) {
        self.station.with(|concentrator| concentrator.note(class, event));
    }

    /// Forgets every record of its archive.
    pub fn lose_archive(&self) {
        self.station.with(|concentrator| concentrator.bus().clear_archive());
    }

    /// Exchanges the meter addresses of the first two records of its archive; false if there are fewer.
    pub fn swap_archive(&self) -> bool {
        self.station.with(|concentrator| concentrator.bus().swap_archive())
    }
}
