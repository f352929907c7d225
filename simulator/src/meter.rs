//! A virtual DL/T 645-2007 meter: registers that grow while its relay is connected, a clock of its own, daily freezes,
//! and the answers it gives. Layouts: docs/protocols/dlt645.md.

use std::collections::BTreeMap;

use domain::{
    energy::Energy,
    reading::Registers,
    relay::{RelayReading, RelayState},
};
use jiff::{
    SignedDuration, Timestamp, Zoned,
    civil::{Date, DateTime},
};
use protocols::dlt645::{
    Answer, Frame, Item, MessageError, MeterAddress, MeterError, Password, RelayCommand, RelayControl, Request, Value,
    function,
};

use crate::load::{Counter, LoadCurve};

/// Daily freezes a meter keeps (docs/protocols/dlt645.md section 3.6).
pub const FREEZES_KEPT: usize = 62;

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
    relay: RelayState,
    command: RelayState,
    silent: bool,
    freezes: BTreeMap<Date, Registers>,
}

impl Meter {
    /// A meter installed at `at`, connected.
    #[must_use]
    pub fn new(spec: MeterSpec, at: Timestamp) -> Self {
        Self {
            at,
            counter: Counter::new(spec.start),
            relay: RelayState::Connected,
            command: RelayState::Connected,
            silent: false,
            freezes: BTreeMap::new(),
            spec,
        }
    }

    /// The address on its plate.
    #[must_use]
    pub fn address(&self) -> MeterAddress {
        self.spec.address
    }

    /// Lets the load run until `now`, freezing the registers at each midnight of the meter's clock on the way.
    pub fn advance(&mut self, now: Timestamp) {
        while self.at < now {
            let midnight = self.next_midnight();
            let until = midnight.as_ref().map_or(now, |(instant, _)| now.min(*instant));
            if self.relay == RelayState::Connected {
                self.counter.draw(&self.spec.load, self.at, until);
            }
            self.at = until;
            if let Some((_, ended)) = midnight.filter(|(instant, _)| *instant == until) {
                self.freezes.insert(ended, self.shown());
                if self.freezes.len() > FREEZES_KEPT {
                    self.freezes.pop_first();
                }
            }
        }
    }

    /// The true instant at which the meter's clock next shows midnight, and the day that ends then. `None` at the end of
    /// the calendar.
    fn next_midnight(&self) -> Option<(Timestamp, Date)> {
        let clock = Zoned::new(self.at.checked_add(self.spec.clock_offset).ok()?, self.spec.load.zone.clone());
        let midnight = clock.tomorrow().ok()?.start_of_day().ok()?;
        Some((midnight.timestamp().checked_sub(self.spec.clock_offset).ok()?, clock.date()))
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

    /// The registers as they stood when `day` ended by the meter's clock; `None` when that is yet to come, or forgotten.
    pub fn freeze(&mut self, day: Date, now: Timestamp) -> Option<Registers> {
        self.advance(now);
        self.freezes.get(&day).copied()
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

    /// The relay itself.
    #[must_use]
    pub fn relay(&self) -> RelayState {
        self.relay
    }

    /// The state last commanded; connected while the relay is disconnected: a permit waits for [`Self::press`].
    #[must_use]
    pub fn command(&self) -> RelayState {
        self.command
    }

    /// The customer presses the button: restores supply where a permit waits, and tells whether it did.
    pub fn press(&mut self, now: Timestamp) -> bool {
        let permitted = self.relay == RelayState::Disconnected && self.command == RelayState::Connected;
        if permitted {
            self.advance(now);
            self.relay = RelayState::Connected;
        }
        permitted
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

    /// The answer to a frame on the meter's bus; `None` where a meter stays quiet: silent, not addressed, or no request.
    pub fn answer(&mut self, frame: &Frame, now: Timestamp) -> Option<Frame> {
        let addressed = [self.spec.address, MeterAddress::WILDCARD].contains(&frame.address);
        if self.silent || !addressed || frame.control.from_meter {
            return None;
        }
        self.advance(now);
        let answer = match Request::decode(frame) {
            Ok(Request::Read(item)) => Answer::Value(self.value(item)),
            Ok(Request::Relay(control)) => match self.obey(&control, now) {
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
                relay: self.relay,
                command: self.command,
                local_prepay: self.spec.local_prepay,
            }),
        }
    }

    fn obey(&mut self, control: &RelayControl, now: Timestamp) -> Result<(), MeterError> {
        if control.password != self.spec.password {
            return Err(MeterError::PASSWORD);
        }
        if control.expiry.is_some_and(|expiry| self.clock(now) > expiry) {
            return Err(MeterError::OTHER);
        }
        match control.command {
            RelayCommand::Disconnect => {
                (self.relay, self.command) = (RelayState::Disconnected, RelayState::Disconnected);
            }
            RelayCommand::PermitReconnect => self.command = RelayState::Connected,
            RelayCommand::Reconnect => (self.relay, self.command) = (RelayState::Connected, RelayState::Connected),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
