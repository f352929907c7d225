//! Over real sockets and on threads of their own: what paused time cannot show.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "dialogues/fixtures.rs"]
mod fixtures;

use std::{sync::Arc, time::Duration};

use actors::{
    Fleet, FleetSettings, Port, Seams, SystemClock,
    ports::{Ack, Answer, Authorization, ConcentratorPlan, DueOrder, PortError, Report, SessionEvent},
};
use domain::{
    ids::{ConcentratorId, OrderId},
    reading::Observation,
    relay::order::{Event, Order},
};
use futures_util::FutureExt;
use protocols::qgdw376::{Address, AnswerHeader, LinkReport, TerminalAddress, Uplink};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Knows eight concentrators without meters.
struct Empty;

fn nothing<T: Send + 'static>() -> Answer<T> {
    async { Err(PortError::Refused("nothing here".into())) }.boxed()
}

impl Port for Empty {
    fn identify(&self, terminal: TerminalAddress, _peer: String) -> Answer<Option<ConcentratorId>> {
        let id = ConcentratorId::new(fixtures::site(), terminal.terminal.into()).ok();
        async move { Ok(id) }.boxed()
    }
    fn load(&self, concentrator: ConcentratorId) -> Answer<ConcentratorPlan> {
        let plan = fixtures::plan(0, jiff::civil::date(2026, 3, 2));
        async move { Ok(ConcentratorPlan { id: concentrator, ..plan }) }.boxed()
    }
    fn session(&self, _: ConcentratorId, _: SessionEvent) -> Answer<()> {
        async { Ok(()) }.boxed()
    }
    fn ingest(&self, _: Vec<Observation>, _: bool) -> Answer<Vec<Ack>> {
        nothing()
    }
    fn due(&self, _: Option<ConcentratorId>) -> Answer<Vec<DueOrder>> {
        async { Ok(Vec::new()) }.boxed()
    }
    fn authorize(&self, _: OrderId) -> Answer<Authorization> {
        nothing()
    }
    fn record(&self, _: OrderId, _: Event) -> Answer<Order> {
        nothing()
    }
    fn report(&self, _: Report) -> Answer<()> {
        async { Ok(()) }.boxed()
    }
}

fn report(terminal: u16, report: LinkReport, number: u8) -> Vec<u8> {
    let address = Address::new(TerminalAddress { region: 0x2105, terminal }, 0);
    let header = AnswerHeader { address, number, events: None, time_tag: None };
    Uplink::Link(report).frame(&header).unwrap().encode().unwrap()
}

/// Whether the next 20 bytes are a confirmation with this number.
async fn is_confirmed(stream: &mut TcpStream, number: u8) -> bool {
    let mut bytes = [0; 20];
    timeout(Duration::from_secs(10), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    let frame = protocols::qgdw376::Frame::decode(&bytes).unwrap();
    !frame.control.primary && frame.sequence.number == number
}

#[actix::test]
async fn sessions_live_on_the_arbiters_and_end_with_the_fleet() {
    for arbiters in [0, 2] {
        let settings = FleetSettings { arbiters, max_sessions: 100, answer_deadline_ms: 100, ..fixtures::settings() };
        let seams = Seams { clock: Arc::new(SystemClock), seed: 1, port: Arc::new(Empty) };
        let fleet = Fleet::start(settings, seams, &prometheus::Registry::new()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = actix::spawn({
            let fleet = fleet.clone();
            async move { fleet.serve(listener).await }
        });
        let mut streams = Vec::new();
        for terminal in 1..=8 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Login and a heartbeat in one piece: the second frame travels with the link.
            let both = [report(terminal, LinkReport::Login, 1), report(terminal, LinkReport::Heartbeat, 2)].concat();
            stream.write_all(&both).await.unwrap();
            assert!(is_confirmed(&mut stream, 1).await);
            streams.push(stream);
        }
        assert_eq!(fleet.links().await.iter().filter(|link| link.online_since.is_some()).count(), 8);
        timeout(Duration::from_secs(10), fleet.stop(Duration::from_secs(5))).await.unwrap();
        timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
        for stream in &mut streams {
            let mut rest = Vec::new();
            timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        }
    }
}
