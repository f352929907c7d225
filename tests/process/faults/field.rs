//! `kill -9` while readings are stored, days settled and relays moved (F1), with an independent concentrator that goes on:
//! each day is charged once, each reading stored once, and no order is sent twice without a look at the relay between.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{Shop, id, peer::Peer, sqlite},
    Config, OPENING, Serving, kill_at_its_point, opening, rounds,
    servers::free_port,
};
use crate::support::{Database, Rest, SOON, eventually, on_both};

on_both!(
    a_day_killed_at_any_point_is_charged_once,
    an_order_killed_at_any_point_is_confirmed_and_never_sent_twice_unseen,
);

const HURRIED: &str = r#"
jobs.decide_ms = 200
jobs.settle_s = 1
fleet.answer_deadline_ms = 1000
fleet.forward_margin_ms = 500
fleet.retry_back_off_ms = 100
fleet.due_scan_ms = 200
fleet.check_retry_s = 1
policy.disconnection.automatic = "off"
policy.relay.read_back_interval = "200ms"
policy.relay.retry_first = "200ms"
policy.relay.retry_cap = "1s"
policy.polling.slot = "1s"
policy.polling.silent_cap = "1s"
policy.polling.freeze_from = "00:00:00"
profiles.concentrator.standard.order_forward_timeout_s = 1
profiles.concentrator.standard.poll_forward_timeout_s = 1
"#;

/// A head end that is found at the same address whenever it runs.
struct Field {
    config: Config,
    listen: SocketAddr,
}

impl Field {
    fn new(database: &Database) -> Self {
        let listen = (Ipv4Addr::LOCALHOST, free_port()).into();
        Self { config: Config::head_end(database, HURRIED), listen }
    }

    /// Serves until it passes this point; to no point with an empty name.
    async fn serve_to(&self, point: &str) -> Serving {
        let listen = self.listen.to_string();
        self.config.serve_in(&[("WATTGATE__LISTEN__QGDW376", &listen), ("WATTGATE_FAULT_POINT", point)]).await
    }

    async fn serve(&self) -> Serving {
        self.serve_to("").await
    }

    async fn audited(&self, serving: Serving, point: &str) {
        serving.stop().await;
        assert!(self.config.told(&["audit"]).ends_with(" 0 differences\n"), "{point}");
    }
}

fn address(nth: usize) -> String {
    format!("2026{nth:08}")
}

async fn an_order_killed_at_any_point_is_confirmed_and_never_sent_twice_unseen(database: Database) {
    // Passes of the journal: the order is authorized, acknowledged, and read back.
    let points = ["written:1", "committed:1", "written:2", "committed:2", "written:3", "committed:3"];
    let field = Field::new(&database);
    let serving = field.serve().await;
    let key = field.config.key("admin");
    let rest = serving.rest(&key);
    let shop = Shop::enter(&rest).await;
    let concentrator = shop.concentrator(&rest).await;
    let meter = shop.meter(&rest, &concentrator, &address(0), "dlt645_direct").await;
    drop(serving);
    let peer = Peer::dial(field.listen, &["--meters", &format!("{}=100", address(0))]);
    let mut wanted = Vec::new();
    for point in points.iter().cycle().take(rounds(points.len())) {
        let point = format!("journal.{point}");
        let action = if wanted.len() % 2 == 0 { "disconnect" } else { "reconnect" };
        let (path, once) = (format!("/meters/{meter}/relay_orders"), format!("order-{}", wanted.len()));
        let order = json!({ "action": action, "reason": "work on the line" });
        wanted.push((address(0), action.to_owned()));
        let serving = field.serve_to(&point).await;
        let ordered = serving.rest(&key).post_once(&path, &once, &order).await.ok();
        kill_at_its_point(serving, &point).await;

        let serving = field.serve().await;
        let rest = serving.rest(&key);
        let repeated = rest.post_once(&path, &once, &order).await.ok();
        assert_eq!(repeated["id"], ordered["id"], "{point}");
        let path = format!("/relay_orders/{}", ordered["id"].as_str().unwrap());
        eventually(SOON, &format!("the order is confirmed after {point}"), async || {
            (rest.get(&path).await["state"] == "confirmed").then_some(())
        })
        .await;
        assert_eq!(peer.relay_moves(), wanted, "{point}: each order moves the relay once");
        field.audited(serving, &point).await;
    }
    let events = peer.quit().await;
    let seen: Vec<bool> = events.iter().filter_map(sent_or_seen).collect();
    assert!(seen.windows(2).all(|pair| pair.contains(&true)), "sent twice without a look: {seen:?}");
}

/// Whether an event is a look at the relay, or else a relay order; none where it is neither.
fn sent_or_seen(event: &Value) -> Option<bool> {
    let sent = event["event"] == "forward" && event["control"] == "1C";
    let seen = event["event"] == "meter_read" && event["item"] == "04000503";
    (sent || seen).then_some(seen)
}

/// What a day comes to: 1 kWh at 50 fen.
const CHARGE: i64 = 50;

async fn a_day_killed_at_any_point_is_charged_once(database: Database) {
    let points = [
        "ingest.written",
        "ingest.committed",
        "settle.posted",
        "settle.written",
        "settle.committed",
        "ingest.written:3",
    ];
    let field = Field::new(&database);
    let serving = field.serve().await;
    let key = field.config.key("admin");
    let homes = Home::enter(&serving.rest(&key), points.len()).await;
    drop(serving);
    open_since_yesterday(&database);
    let meters: Vec<String> = (0..points.len()).map(|nth| format!("{}=101", address(nth))).collect();
    let mut peer = Peer::dial(field.listen, &["--meters", &meters.join(",")]);
    (0..points.len()).for_each(|nth| peer.tell(&format!("silence {}", address(nth))));
    peer.event("all are silent", |event| event["line"] == format!("silence {}", address(points.len() - 1))).await;
    for (nth, (point, home)) in points.into_iter().zip(&homes).enumerate() {
        peer.tell(&format!("speak {}", address(nth)));
        kill_at_its_point(field.serve_to(point).await, point).await;

        let serving = field.serve().await;
        let rest = serving.rest(&key);
        eventually(SOON, &format!("the day is charged after {point}"), async || {
            (home.charged(&rest).await == [CHARGE]).then_some(())
        })
        .await;
        let balance = rest.get(&format!("/accounts/{}/balance", home.account)).await;
        assert_eq!(balance["posted"], OPENING - CHARGE, "{point}");
        home.stored_once(&rest).await;
        field.audited(serving, point).await;
    }
}

/// A meter with its account.
struct Home {
    meter: String,
    account: String,
}

impl Home {
    async fn enter(rest: &Rest, homes: usize) -> Vec<Self> {
        let mut shop = Shop::enter(rest).await;
        let blocks = json!([{ "price": "0.5" }]);
        let tariff = json!({ "site_id": shop.site, "name": "of old", "valid_from": "2020-01-01", "blocks": blocks });
        shop.tariff = id(&rest.post("/tariffs", &tariff).await);
        let concentrator = shop.concentrator(rest).await;
        let mut entered = Vec::new();
        for nth in 0..homes {
            let meter = shop.meter(rest, &concentrator, &address(nth), "dlt645_direct").await;
            let account = shop.open(rest, &meter, opening("100")).await;
            entered.push(Self { meter, account });
        }
        entered
    }

    /// What was charged to it, in fen; a day on which nothing was used is left out.
    async fn charged(&self, rest: &Rest) -> Vec<i64> {
        let statement = rest.get(&format!("/accounts/{}/statement?limit=500", self.account)).await;
        let lines = statement["items"].as_array().unwrap().iter().filter(|line| line["kind"] != "opening");
        let postings = lines.flat_map(|line| line["postings"].as_array().unwrap());
        postings.map(|posting| posting["amount"].as_i64().unwrap()).filter(|amount| *amount != 0).collect()
    }

    async fn stored_once(&self, rest: &Rest) {
        let readings = rest.get(&format!("/meters/{}/readings?limit=500", self.meter)).await;
        let readings = readings["items"].as_array().unwrap();
        let distinct: BTreeSet<String> =
            readings.iter().map(|reading| format!("{} {}", reading["as_of"], reading["kind"])).collect();
        assert_eq!(distinct.len(), readings.len(), "{readings:?}");
        assert!(readings.iter().any(|reading| reading["kind"] == "daily_freeze"), "{readings:?}");
    }
}

/// All accounts were opened yesterday at noon, so that a day of theirs is over.
fn open_since_yesterday(database: &Database) {
    let today = Timestamp::now().in_tz("Asia/Shanghai").unwrap().start_of_day().unwrap().timestamp();
    let noon = today - SignedDuration::from_hours(12);
    let change =
        |value: &str| format!("UPDATE installations SET start_at = {value}; UPDATE readings SET as_of = {value};");
    match database.url().strip_prefix("sqlite:") {
        Some(file) => drop(sqlite(Path::new(file), &change(&noon.as_microsecond().to_string()), "SELECT 1")),
        None => {
            let changed = Command::new("psql").args(["-qc", &change(&format!("'{noon}'")), database.url()]).status();
            assert!(changed.unwrap().success());
        }
    }
}
