//! Dialogues with a whole site, over in-memory links on paused time.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use domain::relay::RelayState;
use protocols::{
    Framer,
    dlt645::{RelayCommand, RelayControl, Request},
    qgdw376::{
        Address, ArchiveRecord, Confirmation, Downlink, Forward, Frame, LineSettings, LinkReport, MAX_FRAME,
        RequestHeader, Timeout, Uplink,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::*;

mod fate;
mod restart;

fn password() -> Password {
    Password::new(2, 314_159).unwrap()
}

fn spec() -> SiteSpec {
    let small = SiteSpec::small(7, TimeZone::get("Asia/Shanghai").unwrap(), password());
    SiteSpec { concentrators: 2, meters: 5, ..small }
}

/// The true time follows tokio's, which the tests pause.
fn clock() -> Clock {
    let (start, begun): (Timestamp, _) = ("2026-03-05T12:00:00+08:00".parse().unwrap(), Instant::now());
    Arc::new(move || start + SignedDuration::try_from(begun.elapsed()).unwrap())
}

/// A head end's end of a link.
struct Accepted {
    link: DuplexStream,
    framer: Framer<Frame>,
    address: Address,
}

impl Accepted {
    async fn hear(&mut self) -> Option<Uplink> {
        let mut byte = [0];
        loop {
            if self.link.read(&mut byte).await.unwrap_or(0) == 0 {
                return None;
            }
            if let Some(frame) = self.framer.next(&mut &byte[..]).unwrap() {
                let heard = Uplink::decode(&frame).unwrap();
                if let Uplink::Link(_) = heard {
                    self.address = Address::new(frame.address.terminal, 1);
                    self.say(&Downlink::Confirm(Confirmation::All), frame.sequence.number).await;
                }
                return Some(heard);
            }
        }
    }

    async fn say(&mut self, message: &Downlink, counter: u8) {
        let header =
            RequestHeader { address: self.address, counter, fcb: None, password: Secret::ZERO, time_tag: None };
        // A link that is gone is noticed when it is read.
        let _ = self.link.write_all(&message.frame(&header).unwrap().encode().unwrap()).await;
    }

    async fn ask(&mut self, message: &Downlink, counter: u8) -> Option<Uplink> {
        self.say(message, counter).await;
        loop {
            match self.hear().await {
                Some(Uplink::Link(_)) => {}
                other => return other,
            }
        }
    }
}

/// A head end's listener: each dial makes a link and hands its other end over.
struct Listener(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener {
    fn start(site: &Site) -> (Self, Running) {
        let (incoming, links) = mpsc::unbounded_channel();
        let running = site.run_with(move |_| {
            let incoming = incoming.clone();
            async move {
                let (near, far) = duplex(4096);
                incoming.send(far).map(|()| near).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
            }
        });
        (Self(links), running)
    }

    async fn accept(&mut self) -> Accepted {
        let address = Address::new("0000-1".parse().unwrap(), 1);
        let mut accepted = Accepted { link: self.0.recv().await.unwrap(), framer: Framer::new(MAX_FRAME), address };
        assert_eq!(accepted.hear().await, Some(Uplink::Link(LinkReport::Login)));
        accepted
    }
}

fn disconnect(meter: MeterAddress) -> Downlink {
    let control = RelayControl { command: RelayCommand::Disconnect, password: password(), operator: 0, expiry: None };
    Downlink::Forward(Forward {
        port: 31,
        line: LineSettings::BAUD_2400_8E1,
        frame_timeout: Timeout::Seconds(20),
        byte_timeout: 10,
        bytes: Request::Relay(control).frame(meter).unwrap().encode().unwrap(),
    })
}

#[tokio::test(start_paused = true)]
async fn every_concentrator_logs_in_answers_and_logs_out() {
    let site = Site::new(&spec(), clock()).unwrap();
    let (mut listener, running) = Listener::start(&site);
    let mut links = [listener.accept().await, listener.accept().await];
    let terminals: BTreeSet<_> = links.iter().map(|link| link.address.terminal).collect();
    assert_eq!(terminals, site.concentrators().iter().map(|listed| listed.address).collect());
    for link in &mut links {
        assert!(matches!(link.ask(&Downlink::QueryClock, 1).await, Some(Uplink::Clock(Ok(Some(_))))));
        assert!(site.concentrator(link.address.terminal).unwrap().is_logged_in());
    }
    let (heard, ()) = tokio::join!(
        async {
            let mut heard = Vec::new();
            for link in &mut links {
                heard.extend([link.hear().await, link.hear().await]);
            }
            heard
        },
        running.stop()
    );
    let goodbye = [Some(Uplink::Link(LinkReport::Logout)), None];
    assert_eq!(heard, [goodbye.clone(), goodbye].concat());
}

#[tokio::test]
async fn over_tcp_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::new(&spec(), Arc::new(Timestamp::now)).unwrap();
    let _running = site.run(listener.local_addr().unwrap());
    let mut terminals = BTreeSet::new();
    for _ in 0..2 {
        let (mut link, _) = timeout(Duration::from_secs(10), listener.accept()).await.unwrap().unwrap();
        let mut login = [0; 20];
        link.read_exact(&mut login).await.unwrap();
        let login = Frame::decode(&login).unwrap();
        assert_eq!(Uplink::decode(&login), Ok(Uplink::Link(LinkReport::Login)));
        terminals.insert(login.address.terminal);
    }
    assert_eq!(terminals, site.concentrators().iter().map(|listed| listed.address).collect());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_link_comes_back_after_its_time() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    assert!(matches!(link.ask(&Downlink::QueryClock, 1).await, Some(Uplink::Clock(_))));
    let concentrator = site.concentrator(link.address.terminal).unwrap();
    let dropped = Instant::now();
    concentrator.drop_link(SignedDuration::from_secs(30));
    assert_eq!(link.hear().await, None);
    assert!(!concentrator.is_logged_in());
    let mut link = listener.accept().await;
    assert_eq!(dropped.elapsed().as_secs(), 30);
    assert!(matches!(link.ask(&Downlink::QueryClock, 1).await, Some(Uplink::Clock(_))));
}

#[tokio::test(start_paused = true)]
async fn a_head_end_that_hangs_up_is_dialled_again_ever_more_slowly() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, _running) = Listener::start(&site);
    let mut dialled = Vec::new();
    for _ in 0..9 {
        drop(listener.0.recv().await.unwrap());
        dialled.push(Instant::now());
    }
    let pauses: Vec<_> = dialled.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    drop(listener.accept().await);
    let login = Instant::now();
    listener.accept().await;
    assert_eq!(login.elapsed().as_secs(), 1, "a confirmed login begins anew");
}

#[tokio::test(start_paused = true)]
async fn an_unanswering_head_end_is_given_up() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, running) = Listener::start(&site);
    let mut mute = listener.0.recv().await.unwrap();
    let begun = Instant::now();
    let mut heard = Vec::new();
    mute.read_to_end(&mut heard).await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), heard.len()), (30, 3 * 20), "three logins of 20 bytes, 10 s apart");
    timeout(Duration::from_secs(1), running.stop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_head_end_switches_the_handles_see() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    let listed = site.concentrators()[0].meters[2];
    let meter = site.meter(listed.address).unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    let before = meter.true_energy();
    assert!(before > Energy::new(4 * 24 * 45_000), "four days old");
    meter.silence(true);
    assert_eq!(link.ask(&disconnect(listed.address), 1).await, Some(Uplink::Confirm(Confirmation::Denied)));
    assert_eq!(meter.relay(), RelayState::Connected);
    meter.silence(false);
    assert!(matches!(link.ask(&disconnect(listed.address), 2).await, Some(Uplink::Forwarded(_))));
    assert_eq!((meter.relay(), meter.command()), (RelayState::Disconnected, RelayState::Disconnected));
    let at_the_cut = meter.true_energy();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(meter.true_energy(), at_the_cut);
    assert!(!meter.press(), "nothing was permitted");
}

#[tokio::test(start_paused = true)]
async fn a_site_is_fixed_by_its_seed_and_shares_its_meters_out() {
    let of = |seed| Site::new(&SiteSpec { seed, concentrators: 3, meters: 11, ..spec() }, clock()).unwrap();
    let shown = |site: &Site| {
        let meters = site.concentrators().iter().flat_map(|listed| listed.meters.clone());
        meters.map(|listed| site.meter(listed.address).unwrap().registers()).collect::<Vec<_>>()
    };
    let site = of(1);
    assert_eq!(site.concentrators().iter().map(|listed| listed.meters.len()).collect::<Vec<_>>(), [4, 4, 3]);
    let addresses: BTreeSet<_> = site.concentrators().iter().flat_map(|c| c.meters.iter().map(|m| m.address)).collect();
    assert_eq!(addresses.len(), 11);
    assert_eq!(shown(&site), shown(&of(1)));
    assert_ne!(shown(&site), shown(&of(2)));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_cannot_be_is_refused() {
    let refused = |spec: SiteSpec| Site::new(&spec, clock()).err();
    assert_eq!(refused(SiteSpec { concentrators: 0, ..spec() }), Some(SiteError::NoConcentrator));
    assert_eq!(refused(SiteSpec { first_terminal: u16::MAX - 1, ..spec() }), Some(SiteError::Terminals));
    assert_eq!(refused(SiteSpec { first_meter: 999_999_999_998, ..spec() }), Some(SiteError::Meters(BadMeterAddress)));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_archive_can_be_put_in_place() {
    let site = Site::new(&spec(), clock()).unwrap();
    let [first, second] = site.concentrators() else { panic!("two concentrators") };
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    let (listed, stranger) = if link.address.terminal == first.address { (first, second) } else { (second, first) };
    let concentrator = site.concentrator(listed.address).unwrap();
    let foreign = ArchiveRecord {
        serial: 1,
        point: 1,
        rate: 0,
        port: 31,
        protocol: protocols::qgdw376::MeterProtocol::Dlt645Of2007,
        meter: stranger.meters[0].address,
        password: Secret::ZERO,
        periods: 4,
        integer_digits: 6,
        decimals: 2,
        collector: MeterAddress::NONE,
        class: 0,
    };
    assert!(concentrator.replace_archive(vec![foreign.clone()]));
    assert_eq!(concentrator.archive(), std::slice::from_ref(&foreign));
    assert_eq!(link.ask(&Downlink::QueryArchive(vec![1]), 1).await, Some(Uplink::Archive(vec![foreign])));
    assert!(!concentrator.replace_archive(vec![ArchiveRecord { serial: 0, ..concentrator.archive().remove(0) }]));
    assert_eq!(concentrator.archive(), []);
}
