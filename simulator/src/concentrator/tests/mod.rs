//! Dialogues with a concentrator, through frames.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use domain::{energy::Energy, relay::RelayState};
use jiff::{ToSpan, civil::date, tz::TimeZone};
use protocols::{
    dlt645::{self, Answer, Item, MeterAddress, Password, RelayCommand, RelayControl, Value},
    qgdw376::{
        ArchiveRecord, DailyFreeze, Forward, FreezeRequest, LineSettings, MeterProtocol, PointEnergy, RequestHeader,
    },
};

use super::*;
use crate::{
    bus::{BusSettings, Cache, SharedMeter, lock},
    faults::FaultRates,
    load::LoadCurve,
    meter::{Meter, MeterSpec},
};

mod faults;
mod link;
mod reading;

fn start() -> Timestamp {
    "2026-03-05T12:00:00+08:00".parse().unwrap()
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn terminal() -> TerminalAddress {
    "9901-7".parse().unwrap()
}

fn meter_address(number: u16) -> MeterAddress {
    format!("{number:012}").parse().unwrap()
}

fn settings() -> ConcentratorSettings {
    ConcentratorSettings {
        heartbeat: SignedDuration::from_secs(60),
        confirm_timeout: SignedDuration::from_secs(10),
        confirm_tries: 3,
        answer_delay: SignedDuration::from_millis(50),
        meter_delay: SignedDuration::from_millis(300),
        points_per_answer: 4,
        requests_waiting: 2,
        password: Secret::ZERO,
    }
}

fn record(serial: u16) -> ArchiveRecord {
    ArchiveRecord {
        serial,
        point: serial,
        rate: 3,
        port: 31,
        protocol: MeterProtocol::Dlt645Of2007,
        meter: meter_address(serial),
        password: Secret::ZERO,
        periods: 4,
        integer_digits: 6,
        decimals: 2,
        collector: MeterAddress::NONE,
        class: 0,
    }
}

/// A head end and a concentrator with six meters, whose clock is three minutes ahead.
struct Dialogue {
    concentrator: Concentrator,
    meters: Vec<SharedMeter>,
    now: Timestamp,
    counter: u8,
}

impl Dialogue {
    fn begin(cache: Cache, rates: FaultRates, seed: u64) -> Self {
        let meters: Vec<SharedMeter> = (1..=6).map(|number| Arc::new(Mutex::new(meter(number)))).collect();
        let bus = BusSettings {
            cache,
            freeze_copied_after: SignedDuration::from_mins(30),
            clock_offset: SignedDuration::from_mins(3),
        };
        let bus = Bus::new(bus, zone(), meters.clone());
        let concentrator = Concentrator::new(terminal(), settings(), Faults::new(rates, seed), bus);
        Self { concentrator, meters, now: start(), counter: 0 }
    }

    /// Logged in, and with all six meters in the archive.
    fn ready(cache: Cache) -> Self {
        let mut dialogue = Self::begin(cache, FaultRates::NONE, 0);
        dialogue.log_in();
        let records = (1..=6).map(record).collect();
        assert_eq!(dialogue.ask(&Downlink::SetArchive(records)), Some(Uplink::Confirm(Confirmation::All)));
        dialogue
    }

    fn log_in(&mut self) {
        self.concentrator.link_up(self.now);
        let login = self.listen(SignedDuration::ZERO).unwrap();
        self.confirm(&login);
        assert!(self.concentrator.is_logged_in());
    }

    fn send(&mut self, request: &Downlink) -> Vec<u8> {
        self.counter = self.counter.wrapping_add(1);
        let bytes = frame(request, self.counter, Secret::ZERO).encode().unwrap();
        self.concentrator.receive(&bytes, self.now);
        bytes
    }

    /// The bytes that come within `patience`; `None` when none do, or when it hangs up.
    fn listen(&mut self, patience: SignedDuration) -> Option<Vec<u8>> {
        let end = self.now + patience;
        loop {
            match self.concentrator.step(self.now) {
                Step::Send(bytes) => return Some(bytes),
                Step::HangUp => return None,
                Step::Wait(until) if until > end => {
                    self.now = end;
                    return None;
                }
                Step::Wait(until) => self.now = until,
            }
        }
    }

    /// The answer to a request; heartbeats that come before it are confirmed.
    fn ask(&mut self, request: &Downlink) -> Option<Uplink> {
        self.send(request);
        loop {
            let bytes = self.listen(SignedDuration::from_secs(30))?;
            let frame = Frame::decode(&bytes).unwrap();
            let heard = Uplink::decode(&frame).unwrap();
            if heard == Uplink::Link(LinkReport::Heartbeat) {
                self.confirm(&bytes);
            } else {
                assert_eq!((frame.address.master, frame.sequence.number), (5, self.counter & 0x0F));
                return Some(heard);
            }
        }
    }

    fn confirm(&mut self, report: &[u8]) {
        let report = Frame::decode(report).unwrap();
        let confirm = Downlink::Confirm(Confirmation::All);
        let bytes = frame(&confirm, report.sequence.number, Secret::ZERO).encode().unwrap();
        self.concentrator.receive(&bytes, self.now);
    }

    fn ask_meter(&mut self, number: u16, request: &dlt645::Request) -> Option<Answer> {
        let frame = request.frame(meter_address(number)).unwrap();
        match self.ask(&forward(frame.encode().unwrap()))? {
            Uplink::Forwarded(Forwarded { port: 31, bytes }) => {
                Some(request.answer(meter_address(number), &dlt645::Frame::decode(&bytes).unwrap()).unwrap())
            }
            Uplink::Confirm(Confirmation::Denied) => None,
            other => panic!("{other:?}"),
        }
    }

    fn energy(&mut self, points: &[u16]) -> Vec<PointEnergy> {
        match self.ask(&Downlink::QueryEnergy(points.to_vec())) {
            Some(Uplink::Energy(energy)) => energy,
            other => panic!("{other:?}"),
        }
    }

    fn freeze(&mut self, point: u16, day: jiff::civil::Date) -> DailyFreeze {
        match self.ask(&Downlink::QueryDailyFreeze(vec![FreezeRequest { point, day }])) {
            Some(Uplink::DailyFreeze(freezes)) => freezes.into_iter().next().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn shown(&self, number: usize) -> Energy {
        lock(self.meters.get(number - 1).unwrap()).registers(self.now).total
    }

    fn silence(&self, number: usize, silent: bool) {
        lock(self.meters.get(number - 1).unwrap()).set_silent(silent);
    }
}

fn meter(number: u16) -> Meter {
    let spec = MeterSpec {
        address: meter_address(number),
        password: Password::new(2, 0).unwrap(),
        start: Energy::new(i64::from(number) * 1_000_000),
        load: LoadCurve { load_w: 10_000, seed: number.into(), zone: zone() },
        clock_offset: SignedDuration::ZERO,
        local_prepay: false,
    };
    Meter::new(spec, start())
}

fn frame(request: &Downlink, counter: u8, password: Secret<16>) -> Frame {
    let address = Address::new(terminal(), 5);
    request.frame(&RequestHeader { address, counter, fcb: None, password, time_tag: None }).unwrap()
}

fn forward(bytes: Vec<u8>) -> Downlink {
    Downlink::Forward(Forward {
        port: 31,
        line: LineSettings::BAUD_2400_8E1,
        frame_timeout: Timeout::Seconds(20),
        byte_timeout: 10,
        bytes,
    })
}

fn relay(command: RelayCommand) -> dlt645::Request {
    let password = Password::new(2, 0).unwrap();
    dlt645::Request::Relay(RelayControl { command, password, operator: 1, expiry: None })
}

fn report(bytes: Option<Vec<u8>>) -> LinkReport {
    match Uplink::decode(&Frame::decode(&bytes.unwrap()).unwrap()).unwrap() {
        Uplink::Link(report) => report,
        other => panic!("{other:?}"),
    }
}
