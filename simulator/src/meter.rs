//! A virtual DL/T 645-2007 meter: registers that grow while its relay is connected, a clock of its own, daily freezes,
//! and the answers it gives. Layouts: docs/protocols/dlt645.md.
//!
//! It may be silent, slow, stuck, lying or locked; beside what it answers it remembers the truth: how its relay moved,
//! what it was commanded, and what was consumed by each true midnight.

mod agenda;
mod diary;
mod relay;

use domain::{
    energy::Energy,
    reading::Registers,
    relay::{RelayReading, RelayState},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
};
use protocols::dlt645::{
    Answer, Frame, Item, MessageError, MeterAddress, MeterError, Password, RelayControl, Request, Value, function,
};

use self::{agenda::Agenda, diary::Diary, relay::Relay};
use crate::load::{Counter, LoadCurve, roll};

pub use self::relay::{Commanded, Move, Mover};

/// Daily freezes a meter keeps (docs/protocols/dlt645.md section 3.6).
pub const FREEZES_KEPT: usize = 62;

/// Days of which the truth is kept.
pub const TRUTHS_KEPT: usize = 130;

/// What a meter is when it is installed.
#[derive(Debug, Clone)]
pub struct MeterSpec {
    /// The address on its plate.
    pub address: MeterAddress,
    /// The password it asks for before it moves its relay.
    pub password: Password,
    /// What its total register shows at first.
    pub start: Energy,
    /// What the customer behind it draws; the meter lives in the same zone.
    pub load: LoadCurve,
    /// How far its clock is ahead of the true time.
    pub clock_offset: SignedDuration,
    /// Whether it claims to sell electricity by itself (status word 3, bits 8-9).
    pub local_prepay: bool,
}

/// A meter with its customer's load behind it. Time moves in it whenever it is told a later `now`; an earlier one
/// changes nothing.
#[derive(Debug)]
pub struct Meter {
    spec: MeterSpec,
    at: Timestamp,
    counter: Counter,
    relay: Relay,
    silent: bool,
    refuses_passwords: bool,
    lie: Energy,
    /// Frames that are still on their way to it, and whose answers nobody waits for.
    late: Agenda<Frame>,
    freezes: Diary<Registers>,
    truths: Diary<Energy>,
}

impl Meter {
    /// A meter installed at `at`, connected.
    #[must_use]
    pub fn new(spec: MeterSpec, at: Timestamp) -> Self {
        let zone = &spec.load.zone;
        Self {
            at,
            counter: Counter::new(spec.start),
            relay: Relay::new(),
            silent: false,
            refuses_passwords: false,
            lie: Energy::ZERO,
            late: Agenda::new(),
            freezes: Diary::new(at, zone.clone(), spec.clock_offset, FREEZES_KEPT),
            truths: Diary::new(at, zone.clone(), SignedDuration::ZERO, TRUTHS_KEPT),
            spec,
        }
    }

    /// The address on its plate.
    #[must_use]
    pub fn address(&self) -> MeterAddress {
        self.spec.address
    }

    /// Lets the load run until `now`, and all happen on the way that is due: late frames come, slow commands are
    /// executed, and the registers are frozen at each midnight of the meter's clock.
    pub fn advance(&mut self, now: Timestamp) {
        loop {
            while let Some(frame) = self.late.take(self.at) {
                self.respond(&frame);
            }
            self.relay.execute(self.at);
            if self.at >= now {
                return;
            }
            let due = [self.late.due(), self.relay.due(), self.freezes.due(), self.truths.due()];
            let until = due.into_iter().flatten().fold(now, Timestamp::min);
            if self.relay.state() == RelayState::Connected {
                self.counter.draw(&self.spec.load, self.at, until);
            }
            self.at = until;
            self.freezes.write(until, self.shown());
            self.truths.write(until, self.counter.consumed());
        }
    }

    fn shown(&self) -> Registers {
        let [sharp, peak, flat, valley] = self.counter.periods().map(Some);
        Registers { total: self.counter.total(), periods: [sharp, peak, flat, valley, None], reverse: None }
    }

    /// What the registers show, in their full resolution.
    pub fn registers(&mut self, now: Timestamp) -> Registers {
        self.advance(now);
        self.shown()
    }

    /// What a concentrator is shown that polls the registers: like [`Self::registers`], and wrong while the meter lies.
    pub fn polled(&mut self, now: Timestamp) -> Registers {
        let mut shown = self.registers(now);
        shown.total = roll(shown.total + self.lie);
        if let [_, _, Some(flat), ..] = &mut shown.periods {
            *flat = roll(*flat + self.lie);
        }
        shown
    }

    /// The registers as they stood when `day` ended by the meter's clock; `None` when that is yet to come, or forgotten.
    pub fn freeze(&mut self, day: Date, now: Timestamp) -> Option<Registers> {
        self.advance(now);
        self.freezes.get(day).copied()
    }

    /// What the meter's clock shows: local time.
    #[must_use]
    pub fn clock(&self, now: Timestamp) -> DateTime {
        self.spec.load.zone.to_datetime(now.saturating_add(self.spec.clock_offset).unwrap_or(now))
    }

    /// All energy that flowed since the meter was installed. Truth for tests: no frame carries it.
    pub fn true_energy(&mut self, now: Timestamp) -> Energy {
        self.advance(now);
        self.counter.consumed()
    }

    /// All energy that had flowed since the meter was installed when `day` truly ended, whatever its own clock shows;
    /// `None` when that is yet to come, before its time, or forgotten.
    pub fn true_energy_at_midnight(&mut self, day: Date, now: Timestamp) -> Option<Energy> {
        self.advance(now);
        self.truths.get(day).copied()
    }

    /// The relay itself, at the latest moment the meter was told.
    #[must_use]
    pub fn relay(&self) -> RelayState {
        self.relay.state()
    }

    /// The state last commanded; connected while the relay is disconnected: a permit waits for [`Self::press`].
    #[must_use]
    pub fn command(&self) -> RelayState {
        self.relay.command()
    }

    /// Every movement of the relay since the meter was installed, oldest first.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        self.relay.moves()
    }

    /// Every relay command that reached the meter, oldest first.
    #[must_use]
    pub fn commands(&self) -> &[Commanded] {
        self.relay.commands()
    }

    /// The customer presses the button: restores supply where a permit waits, and tells whether it did.
    pub fn press(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.relay.press(self.at)
    }

    /// Relay commands that are taken from now on are acknowledged at once and executed this much later, each at its time.
    pub fn set_slowness(&mut self, slowness: SignedDuration) {
        self.relay.set_slowness(slowness);
    }

    /// A stuck relay stays where it is, whoever wants to move it; commands are acknowledged all the same.
    pub fn set_stuck(&mut self, stuck: bool) {
        self.relay.set_stuck(stuck);
    }

    /// Whether relay commands are refused as if their password were wrong.
    pub fn set_refuses_passwords(&mut self, refuses: bool) {
        self.refuses_passwords = refuses;
    }

    /// By how much [`Self::polled`] is wrong, total and flat period alike.
    pub fn set_lie(&mut self, lie: Energy) {
        self.lie = lie;
    }

    /// A silent meter answers nothing and no one, while its load goes on.
    pub fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Whether it answers nothing.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// A frame that comes no earlier than `at`; its answer is lost.
    pub fn receive_late(&mut self, frame: Frame, at: Timestamp) {
        self.late.put(at, frame);
    }

    /// The answer to a frame on the meter's bus; `None` where a meter stays quiet: silent, not addressed, or no request.
    pub fn answer(&mut self, frame: &Frame, now: Timestamp) -> Option<Frame> {
        self.advance(now);
        self.respond(frame)
    }

    fn respond(&mut self, frame: &Frame) -> Option<Frame> {
        let addressed = [self.spec.address, MeterAddress::WILDCARD].contains(&frame.address);
        if self.silent || !addressed || frame.control.from_meter {
            return None;
        }
        let answer = match Request::decode(frame) {
            Ok(Request::Read(item)) => Answer::Value(self.value(item)),
            Ok(Request::Relay(control)) => match self.obey(&control) {
                Ok(()) => Answer::RelayTaken,
                Err(error) => Answer::Refused { function: function::RELAY, error },
            },
            Err(MessageError::UnknownItem(_)) => {
                Answer::Refused { function: function::READ, error: MeterError::NO_DATA }
            }
            Err(_) => Answer::Refused { function: frame.control.function, error: MeterError::OTHER },
        };
        answer.frame(self.spec.address).ok()
    }

    fn value(&self, item: Item) -> Value {
        let shown = |energy| Ok(Some(energy));
        match item {
            Item::ForwardActiveTotal => Value::ForwardActiveTotal(shown(self.counter.total())),
            Item::ForwardActiveBlock => Value::ForwardActiveBlock {
                total: shown(self.counter.total()),
                periods: self.counter.periods().map(shown).to_vec(),
            },
            Item::Relay => Value::Relay(RelayReading {
                relay: self.relay.state(),
                command: self.relay.command(),
                local_prepay: self.spec.local_prepay,
            }),
        }
    }

    fn obey(&mut self, control: &RelayControl) -> Result<(), MeterError> {
        let expired = control.expiry.is_some_and(|expiry| self.clock(self.at) > expiry);
        let verdict = if self.refuses_passwords || control.password != self.spec.password {
            Err(MeterError::PASSWORD)
        } else if expired {
            Err(MeterError::OTHER)
        } else {
            Ok(())
        };
        self.relay.commanded(self.at, control.command, verdict.is_ok());
        verdict
    }
}

#[cfg(test)]
mod tests;
