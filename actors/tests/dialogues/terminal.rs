//! A scripted concentrator: it says what the test says, in real bytes over an in-memory link, and keeps house (clock,
//! archive) by itself unless told otherwise.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actors::{Fleet, Link};
use domain::{
    energy::Energy,
    relay::{RelayReading, RelayState},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use protocols::{
    Framer,
    dlt645::{self, Item, RelayCommand, RelayControl, Request, Value},
    qgdw376::{
        Address, AnswerHeader, ArchiveRecord, Confirmation, DailyFreeze, Downlink, EventClass, EventCounters,
        EventRange, EventRecord, Events, Forward, Forwarded, Frame, LinkReport, PointEnergy, TerminalAddress, Uplink,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use crate::world::{World, address, neighbour_terminal, terminal};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);

pub struct Terminal {
    own: TerminalAddress,
    link: DuplexStream,
    framer: Framer<Frame>,
    world: Arc<World>,
    /// Its archive, by serial number.
    pub archive: BTreeMap<u16, ArchiveRecord>,
    /// Archive questions and downloads so far.
    pub archive_reads: usize,
    pub archive_writes: usize,
    /// Whether clock and archive are answered without the test's help.
    pub keeps_house: bool,
    /// EC, while it announces events.
    pub counters: Option<EventCounters>,
    reports: u8,
}

/// A request as it came.
pub struct Asked {
    pub frame: Frame,
    pub what: Downlink,
}

impl Terminal {
    /// Dials in and says nothing yet.
    pub fn dial(fleet: &Fleet, world: &Arc<World>) -> Self {
        Self::dial_as(terminal(), fleet, world)
    }

    fn dial_as(own: TerminalAddress, fleet: &Fleet, world: &Arc<World>) -> Self {
        let (theirs, ours) = tokio::io::duplex(8_192);
        let fleet = fleet.clone();
        actix::spawn(async move { fleet.accept(Link::Memory(ours), "10.0.0.7:50000".into()).await });
        Self {
            own,
            link: theirs,
            framer: Framer::new(8_192),
            world: Arc::clone(world),
            archive: BTreeMap::new(),
            archive_reads: 0,
            archive_writes: 0,
            keeps_house: true,
            counters: None,
            reports: 0,
        }
    }

    /// Dials in, logs in, and is confirmed.
    pub async fn logged_in(fleet: &Fleet, world: &Arc<World>) -> Self {
        let mut terminal = Self::dial(fleet, world);
        terminal.log_in().await;
        terminal
    }

    /// The neighbour dials in, logs in, and is confirmed.
    pub async fn neighbour_logged_in(fleet: &Fleet, world: &Arc<World>) -> Self {
        let mut terminal = Self::dial_as(neighbour_terminal(), fleet, world);
        terminal.log_in().await;
        terminal
    }

    pub async fn log_in(&mut self) {
        let number = self.report(LinkReport::Login).await;
        self.is_confirmed(number).await;
    }

    /// Sends a report and returns its number.
    pub async fn report(&mut self, report: LinkReport) -> u8 {
        self.reports = (self.reports + 1) & 0x0F;
        self.speak(self.reports, Uplink::Link(report)).await;
        self.reports
    }

    /// Says something by itself, and wants it confirmed.
    pub async fn tell(&mut self, what: Uplink) {
        self.reports = (self.reports + 1) & 0x0F;
        let mut frame = what.frame(&self.header(Address::new(self.own, 0), self.reports)).unwrap();
        (frame.control.primary, frame.sequence.confirm) = (true, true);
        self.send(&frame.encode().unwrap()).await;
        self.is_confirmed(self.reports).await;
    }

    async fn speak(&mut self, number: u8, what: Uplink) {
        let frame = what.frame(&self.header(Address::new(self.own, 0), number)).unwrap();
        self.send(&frame.encode().unwrap()).await;
    }

    const fn header(&self, address: Address, number: u8) -> AnswerHeader {
        AnswerHeader { address, number, events: self.counters, time_tag: None }
    }

    /// The next frame is the confirmation of the report with this number.
    pub async fn is_confirmed(&mut self, number: u8) {
        let asked = self.hear().await.expect("a confirmation");
        assert_eq!(asked.what, Downlink::Confirm(Confirmation::All));
        assert_eq!(asked.frame.sequence.number, number);
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.link.write_all(bytes).await.unwrap();
    }

    /// Answers a request.
    pub async fn answer(&mut self, asked: &Asked, answer: Uplink) {
        let header = self.header(asked.frame.address, asked.frame.sequence.number);
        let bytes = answer.frame(&header).unwrap().encode().unwrap();
        self.send(&bytes).await;
    }

    /// The next frame, whatever it is; `None` when the head end has closed the link.
    pub async fn hear(&mut self) -> Option<Asked> {
        timeout(PATIENCE, self.read()).await.expect("a frame")
    }

    async fn read(&mut self) -> Option<Asked> {
        let mut byte = [0; 1];
        loop {
            if self.link.read(&mut byte).await.unwrap() == 0 {
                return None;
            }
            if let Some(frame) = self.framer.next(&mut &byte[..]).unwrap() {
                let what = Downlink::decode(&frame).unwrap();
                return Some(Asked { frame, what });
            }
        }
    }

    /// The next request that is not about the house.
    pub async fn asked(&mut self) -> Asked {
        loop {
            let asked = self.hear().await.expect("a request");
            if !self.kept_house(&asked).await {
                return asked;
            }
        }
    }

    /// Nothing but the house is asked about for this long.
    pub async fn is_left_alone_for(&mut self, time: Duration) {
        let alone = timeout(time, async {
            let asked = self.asked().await;
            panic!("asked {:?}", asked.what);
        });
        alone.await.expect_err("nothing is asked");
    }

    /// Says nothing until the head end closes the link.
    pub async fn is_closed(&mut self) {
        while self.hear().await.is_some() {}
    }

    async fn kept_house(&mut self, asked: &Asked) -> bool {
        let answer = match &asked.what {
            Downlink::QueryEventCounters => {
                self.counters.map_or(Uplink::Confirm(Confirmation::Denied), Uplink::EventCounters)
            }
            _ if !self.keeps_house => return false,
            Downlink::QueryClock => Uplink::Clock(Ok(Some(self.local(self.world.true_time())))),
            Downlink::QueryArchive(serials) => {
                self.archive_reads += 1;
                Uplink::Archive(serials.iter().filter_map(|serial| self.archive.get(serial)).cloned().collect())
            }
            Downlink::SetArchive(records) => {
                self.archive_writes += 1;
                self.archive.extend(records.iter().map(|record| (record.serial, record.clone())));
                Uplink::Confirm(Confirmation::All)
            }
            _ => return false,
        };
        self.answer(asked, answer).await;
        true
    }

    pub fn local(&self, at: Timestamp) -> jiff::civil::DateTime {
        TimeZone::get("Asia/Shanghai").unwrap().to_datetime(at)
    }

    // --- polls -------------------------------------------------------------------------------------------------------

    /// The next request asks for these points' instant registers.
    pub async fn asked_for_points(&mut self, points: &[u16]) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.what, Downlink::QueryEnergy(points.to_vec()));
        asked
    }

    /// Answers with the present registers of these points.
    pub async fn answer_points(&mut self, asked: &Asked, points: &[u16]) {
        let minute = self.local(self.world.true_time()).with().second(0).subsec_nanosecond(0).build().unwrap();
        let energies = points.iter().map(|point| energy(*point, Some(minute)));
        self.answer(asked, Uplink::Energy(energies.collect())).await;
    }

    // --- events ------------------------------------------------------------------------------------------------------

    /// The next request asks for these records.
    pub async fn asked_for_events(&mut self, class: EventClass, from: u8, to: u8) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.what, Downlink::QueryEvents(EventRange { class, from, to }));
        asked
    }

    /// Answers with these, from the first one asked for on.
    pub async fn answer_events(&mut self, asked: &Asked, records: &[EventRecord]) {
        let Downlink::QueryEvents(range) = asked.what else { panic!("asked {:?}", asked.what) };
        let to = range.from.wrapping_add(u8::try_from(records.len()).unwrap());
        let counters = self.counters.unwrap();
        let events = Events { range: EventRange { to, ..range }, counters, records: records.to_vec() };
        self.answer(asked, Uplink::Events(events)).await;
    }

    // --- forwards ----------------------------------------------------------------------------------------------------

    /// The next request forwards this to meter `number`.
    pub async fn asked_to_forward(&mut self, number: u16) -> (Asked, Request) {
        let asked = self.asked().await;
        let Downlink::Forward(Forward { bytes, .. }) = &asked.what else { panic!("asked {:?}", asked.what) };
        let frame = dlt645::Frame::decode(bytes).unwrap();
        assert_eq!(frame.address, address(number));
        let request = Request::decode(&frame).unwrap();
        (asked, request)
    }

    /// The next request is a relay command for meter `number`.
    pub async fn commanded(&mut self, number: u16, command: RelayCommand) -> (Asked, RelayControl) {
        match self.asked_to_forward(number).await {
            (asked, Request::Relay(control)) if control.command == command => (asked, control),
            (_, other) => panic!("asked {other:?}"),
        }
    }

    /// The next request reads the relay of meter `number`.
    pub async fn asked_for_relay(&mut self, number: u16) -> Asked {
        let (asked, request) = self.asked_to_forward(number).await;
        assert_eq!(request, Request::Read(Item::Relay));
        asked
    }

    /// The meter answers.
    pub async fn meter_answers(&mut self, asked: &Asked, number: u16, answer: &dlt645::Answer) {
        let bytes = answer.frame(address(number)).unwrap().encode().unwrap();
        self.answer(asked, Uplink::Forwarded(Forwarded { port: 31, bytes })).await;
    }

    pub async fn relay_is(&mut self, asked: &Asked, number: u16, reading: RelayReading) {
        self.meter_answers(asked, number, &dlt645::Answer::Value(Value::Relay(reading))).await;
    }
}

/// 92.79 kWh, of which 32.97 in the first period.
pub fn energy(point: u16, read_at: Option<jiff::civil::DateTime>) -> PointEnergy {
    let total = Ok(read_at.map(|_| Energy::new(927_900)));
    PointEnergy { point, read_at: Ok(read_at), total, periods: vec![Ok(Some(Energy::new(329_700)))] }
}

/// What a concentrator says of a day it has no values of.
pub fn no_freeze(point: u16, day: Date) -> DailyFreeze {
    DailyFreeze { day, energy: energy(point, None) }
}

pub fn freeze(point: u16, day: Date) -> DailyFreeze {
    DailyFreeze { day, energy: energy(point, Some(day.at(23, 59, 0, 0))) }
}

const fn reading(relay: RelayState, command: RelayState) -> RelayReading {
    RelayReading { relay, command, local_prepay: false }
}

pub const CONNECTED: RelayReading = reading(RelayState::Connected, RelayState::Connected);
pub const CUT: RelayReading = reading(RelayState::Disconnected, RelayState::Disconnected);
pub const PERMITTED: RelayReading = reading(RelayState::Disconnected, RelayState::Connected);

/// Whether a forward reads registers.
pub fn reads_registers(asked: &Asked) -> bool {
    let Downlink::Forward(Forward { bytes, .. }) = &asked.what else { return false };
    let request = Request::decode(&dlt645::Frame::decode(bytes).unwrap()).unwrap();
    matches!(request, Request::Read(Item::ForwardActiveBlock | Item::ForwardActiveTotal))
}
