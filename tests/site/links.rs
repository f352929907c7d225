//! Peers that send what they should not.

use std::net::SocketAddr;

use actix_web::http::Method;
use jiff::Timestamp;
use protocols::qgdw376::{Address, AnswerHeader, LinkReport, TerminalAddress, Uplink};
use serde_json::{Value, json};
use simulator::faults::{FaultRates, spoil_checksum};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(
    an_unknown_concentrator_is_refused_and_listed,
    garbage_is_counted_and_every_session_goes_on,
    wrong_checksums_do_not_keep_the_story_from_its_end,
    frames_are_traced_from_the_login_on_and_no_password_is_seen,
);

/// A concentrator played by hand.
struct Peer {
    terminal: u16,
    number: u8,
    stream: TcpStream,
}

impl Peer {
    async fn dial(to: SocketAddr, terminal: u16) -> Self {
        Self { terminal, number: 0, stream: TcpStream::connect(to).await.unwrap() }
    }

    /// A login or heartbeat of the next number.
    fn frame(&mut self, report: LinkReport) -> Vec<u8> {
        self.number += 1;
        let header = AnswerHeader {
            address: Address::new(TerminalAddress { region: 0x9901, terminal: self.terminal }, 0),
            number: self.number,
            events: None,
            time_tag: None,
        };
        Uplink::Link(report).frame(&header).unwrap().encode().unwrap()
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Bytes that come next; none: the link was closed.
    async fn receive(&mut self) -> usize {
        timeout(SOON, self.stream.read(&mut [0; 256])).await.expect("neither an answer nor an end").unwrap_or(0)
    }
}

async fn an_unknown_concentrator_is_refused_and_listed(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let from = Timestamp::now();
    for _ in 0..2 {
        let mut stranger = Peer::dial(head_end.concentrators, 4711).await;
        let login = stranger.frame(LinkReport::Login);
        stranger.send(&login).await;
        while stranger.receive().await > 0 {}
    }
    let listed = head_end.rest.get("/unknown_concentrators").await;
    let [listed] = &listed["items"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&listed["region"], &listed["terminal"]), (&json!("9901"), &json!(4711)));
    assert_eq!(listed["attempts"], 2);
    assert!(listed["peer"].as_str().unwrap().starts_with("127.0.0.1"));
    assert!(listed["last_seen_at"].as_str().unwrap().parse::<Timestamp>().unwrap() >= from);
}

async fn garbage_is_counted_and_every_session_goes_on(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let by_hand = json!({
        "site_id": court.site, "name": "by hand", "region": "9901", "terminal": 4711, "profile": "standard",
    });
    let id = rest.post("/concentrators", &by_hand).await["id"].as_str().unwrap().to_owned();
    let mut peer = Peer::dial(head_end.concentrators, 4711).await;
    let login = peer.frame(LinkReport::Login);
    peer.send(&login).await;
    assert!(peer.receive().await > 0, "the login is confirmed");

    // Bytes of no frame, a frame with a wrong checksum, and a length that no frame has.
    let wrong = spoil_checksum(peer.frame(LinkReport::Heartbeat));
    for bad in [&b"GET / HTTP/1.1\r\n\r\n"[..], &wrong, &[0x68, 0xFF, 0xFF, 0xFF, 0xFF, 0x68]] {
        peer.send(bad).await;
        let heartbeat = peer.frame(LinkReport::Heartbeat);
        peer.send(&heartbeat).await;
        assert!(peer.receive().await > 0, "the heartbeat after it is confirmed");
    }
    // The head end asks for the clock on its own after a login, so what came last need not answer the last heartbeat.
    let link = eventually(SOON, "every heartbeat is counted", async || {
        let link = rest.get(&format!("/concentrators/{id}/link")).await;
        (link["frames"] == 4).then_some(link)
    })
    .await;
    assert_eq!(link["online"], true, "{link}");
    assert!(link["bad_frames"].as_u64().unwrap() >= 2, "{link}");

    // Somebody else dials in with nothing but noise.
    let mut noise = TcpStream::connect(head_end.concentrators).await.unwrap();
    noise.write_all(&[0x68; 3000]).await.unwrap();
    court.supplies[0].polled(rest, 3).await;
    let other = rest.get(&format!("/concentrators/{}/link", court.concentrators[0].id)).await;
    assert_eq!((&other["online"], &other["bad_frames"]), (&json!(true), &json!(0)));
}

async fn wrong_checksums_do_not_keep_the_story_from_its_end(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter_with(&head_end, "dlt645_direct", |spec| {
        spec.faults = FaultRates { wrong_checksum: 200, ..FaultRates::NONE };
    })
    .await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    eventually(SOON, "the account is open", async || {
        // Opening reads the meter now, which may go wrong, too.
        let opening = json!({ "meter_id": hero.meter, "opening_credit": 60 });
        let answer = rest.post_once(&format!("/accounts/{}/open", hero.account), "open", &opening).await;
        (answer.status < 300).then_some(())
    })
    .await;
    hero.confirmed(rest, "disconnect").await;
    hero.vend(rest, "vend-1", 100_000).await;
    hero.confirmed(rest, "reconnect").await;
    let link = rest.get(&format!("/concentrators/{}/link", court.concentrators[0].id)).await;
    assert!(link["bad_frames"].as_u64().unwrap() > 0, "{link}");
    head_end.audited().await;
}

async fn frames_are_traced_from_the_login_on_and_no_password_is_seen(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let concentrator = &court.concentrators[0];
    let path = format!("/concentrators/{}/trace", concentrator.id);
    let set = async |level: &str| rest.ask(Method::PUT, &path, None, Some(&json!({ "level": level }))).await.status;
    assert_eq!(rest.get(&path).await, json!({ "level": "off", "frames": [] }));
    assert_eq!(set("everything").await, 400);
    assert_eq!(set("messages").await, 204);
    let hero = &court.supplies[0];
    hero.open(rest, 900_000).await;
    let order = json!({ "action": "disconnect", "reason": "work on the line" });
    rest.post_once(&format!("/meters/{}/relay_orders?wait=20s", hero.meter), "cut", &order).await.ok();
    concentrator.fate.drop_link(jiff::SignedDuration::ZERO);
    let frames = async || rest.get(&path).await["frames"].as_array().unwrap().clone();
    let of = |frames: &[Value], afn: &str, direction: &str| {
        frames.iter().rfind(|one| one["frame"]["afn"] == afn && one["direction"] == direction).cloned()
    };
    let login = eventually(SOON, "its login", async || of(&frames().await, "02", "received")).await;
    assert_eq!(login["frame"]["units"][0]["name"], "login");

    // What left was decoded from what was kept, and its passwords are zeros.
    let all = frames().await;
    let command = all.iter().find(|one| one["frame"]["dlt645"]["control"] == "1C").expect("the relay command");
    assert_eq!(command["direction"], "sent");
    let data = command["frame"]["dlt645"]["data"].as_str().unwrap();
    assert!(data.starts_with("00000000"), "level and password: {data}");
    let archive = eventually(SOON, "the archive is read back", async || of(&frames().await, "0A", "received")).await;
    assert_eq!(archive["frame"]["ok"], true, "{archive}");

    assert_eq!(set("headers").await, 204);
    let header = eventually(SOON, "a frame", async || frames().await.first().cloned()).await;
    assert!(header["bytes"].is_null() && header["frame"]["units"].is_null() && !header["frame"]["afn"].is_null());
    assert_eq!(set("off").await, 204);
    assert_eq!(rest.get(&path).await, json!({ "level": "off", "frames": [] }));
    head_end.audited().await;
}
