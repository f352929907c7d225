//! The real binary and a concentrator that shares no code with it.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{
    Shop,
    peer::{Peer, PypiMeter},
    program::{Config, Serving},
};
use crate::support::{Database, Rest, SOON, eventually, play};

/// A head end in a hurry that cuts nobody by itself, and asks for freezes at any hour.
const HURRIED: &str = r#"
jobs.decide_ms = 200
jobs.notices_ms = 200
fleet.answer_deadline_ms = 1000
fleet.forward_margin_ms = 500
fleet.retry_back_off_ms = 100
fleet.due_scan_ms = 200
fleet.check_retry_s = 1
policy.disconnection.automatic = "off"
policy.relay.read_back_interval = "200ms"
policy.relay.customer_interval = "300ms"
policy.polling.slot = "1s"
policy.polling.silent_cap = "1s"
policy.polling.freeze_from = "00:00:00"
profiles.concentrator.standard.order_forward_timeout_s = 1
profiles.concentrator.standard.poll_forward_timeout_s = 1
"#;

const OURS: &str = "202600000017";
const NEIGHBOURS: &str = "202600000025";
/// A meter of somebody else.
const STRANGE: &str = "202600000099";

/// A hurried head end with a shop and a concentrator entered.
struct Site {
    config: Config,
    serving: Serving,
    rest: Rest,
    shop: Shop,
    concentrator: String,
}

impl Site {
    async fn enter(database: &Database) -> Self {
        let config = Config::head_end(database, HURRIED);
        let serving = config.serve().await;
        let rest = serving.rest(&config.key("admin"));
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        Self { config, serving, rest, shop, concentrator }
    }

    /// Enters a meter.
    async fn meter(&self, address: &str, profile: &str) -> Meter<'_> {
        let id = self.shop.meter(&self.rest, &self.concentrator, address, profile).await;
        Meter { rest: &self.rest, id }
    }

    async fn link(&self) -> Value {
        self.rest.get(&format!("/concentrators/{}/link", self.concentrator)).await
    }

    /// The alarms that stand, as kind and object.
    async fn alarms(&self) -> Vec<(String, String)> {
        let alarms = self.rest.get(&format!("/alarms?site_id={}&standing=true", self.shop.site)).await;
        let text = |alarm: &Value, field: &str| alarm[field].as_str().unwrap().to_owned();
        let alarms = alarms["items"].as_array().unwrap();
        alarms.iter().map(|alarm| (text(alarm, "kind"), text(alarm, "object"))).collect()
    }

    async fn end(self) {
        self.serving.stop().await;
        assert!(self.config.told(&["audit"]).ends_with(" 0 differences\n"));
    }
}

/// A meter as REST shows it.
struct Meter<'a> {
    rest: &'a Rest,
    id: String,
}

impl Meter<'_> {
    async fn shown(&self) -> Value {
        self.rest.get(&format!("/meters/{}", self.id)).await
    }

    /// Waits for a reading of this kind and quality.
    async fn reading(&self, kind: &str, quality: &str) -> Value {
        eventually(SOON, &format!("{kind} reading that is {quality}"), async || {
            self.readings().await.into_iter().find(|reading| reading["kind"] == kind && reading["quality"] == quality)
        })
        .await
    }

    async fn readings(&self) -> Vec<Value> {
        let page = self.rest.get(&format!("/meters/{}/readings?limit=500", self.id)).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Orders the relay moved and waits as long as the API lets one.
    async fn order(&self, action: &str, wait: &str) -> Value {
        let path = format!("/meters/{}/relay_orders?wait={wait}", self.id);
        let order = json!({ "action": action, "reason": "work on the line" });
        self.rest.post_once(&path, &format!("{action}-{}", self.id), &order).await.ok()
    }
}

fn moved(address: &str, action: &str) -> (String, String) {
    (address.to_owned(), action.to_owned())
}

#[test]
fn an_independent_concentrator_is_read_and_switched() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let (ours, neighbours) =
            (site.meter(OURS, "dlt645_direct").await, site.meter(NEIGHBOURS, "dlt645_direct").await);
        let meters = format!("{OURS}=1234.56,{NEIGHBOURS}=80");
        let mut peer = Peer::dial(site.serving.concentrators, &["--meters", &meters]);
        peer.logged_in().await;

        let archive = peer.event("it receives its archive", |event| event["event"] == "archive").await;
        let record = |serial: u16, address: &str| json!({ "serial": serial, "pn": serial, "address": address });
        assert_eq!(archive["records"], json!([record(1, OURS), record(2, NEIGHBOURS)]));
        let read_back = |event: &Value| event["event"] == "archive_read" && event["found"] == 2;
        peer.event("the archive is read back", read_back).await;
        let both = json!([1, 2]);
        let polled = |event: &Value| event["afn"] == "0C" && event["fn"] == 129 && event["answered"] == both;
        peer.event("both meters are read by one F129", polled).await;

        let instant = ours.reading("instant", "good").await;
        assert_eq!((&instant["total"], &instant["sharp"]), (&json!("1234.5600"), &json!("123.4500")));
        assert_eq!(
            (&instant["peak"], &instant["flat"], &instant["valley"]),
            (&json!("246.9100"), &json!("370.3600"), &json!("493.8400"))
        );
        assert_eq!(neighbours.reading("instant", "good").await["total"], "80.0000");
        // Without an account, yesterday's freeze is the only one wanted.
        let frozen = ours.reading("daily_freeze", "good").await;
        assert_eq!((&frozen["total"], &frozen["time_source"]), (&json!("1234.5600"), &json!("meter")));
        let shown = ours.shown().await;
        assert_eq!((&shown["identity"], &shown["relay"]), (&json!("verified"), &json!("connected")));

        peer.tell(&format!("use {OURS} 0.01"));
        let read_now = site.rest.post(&format!("/meters/{}/read_now?wait=20s", ours.id), &json!({})).await;
        assert_eq!((&read_now["state"], &read_now["reading"]["total"]), (&json!("done"), &json!("1234.5700")));
        let account = site.shop.open(&site.rest, &ours.id, json!({ "opening_credit": 3000 })).await;
        let balance = site.rest.get(&format!("/accounts/{account}/balance")).await;
        assert_eq!((&balance["posted"], &balance["available"]), (&json!(3000), &json!(3000)));

        let cut = ours.order("disconnect", "25s").await;
        assert_eq!((&cut["state"], &cut["attempts"]), (&json!("confirmed"), &json!(1)));
        assert_eq!(ours.shown().await["relay"], "disconnected");
        let restored = ours.order("reconnect", "25s").await;
        assert_eq!((&restored["state"], &restored["attempts"]), (&json!("confirmed"), &json!(1)));
        assert_eq!(ours.shown().await["relay"], "connected");
        assert_eq!(peer.relay_moves(), [moved(OURS, "disconnect"), moved(OURS, "reconnect")]);

        // Nothing that was sent to it was wrong in its eyes.
        let events = peer.quit().await;
        let bad = ["bad_frame", "denied", "ignored", "relay_refused", "bad_command", "login_denied"];
        let complaints: Vec<&Value> =
            events.iter().filter(|event| bad.iter().any(|bad| event["event"] == *bad)).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        assert!(events.iter().any(|event| event["event"] == "logout_confirmed"));
        eventually(SOON, "its link is gone", async || (site.link().await["online"] == false).then_some(())).await;
        site.end().await;
    });
}

#[test]
fn what_an_independent_concentrator_notes_is_an_alarm_until_it_is_over() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let (ours, neighbours) =
            (site.meter(OURS, "dlt645_direct").await, site.meter(NEIGHBOURS, "dlt645_direct").await);
        // Each answer has room for one point, so that two come in two frames; the counters of events it does not tell.
        let meters = format!("{OURS}=1234.56,{NEIGHBOURS}=80");
        let options = ["--meters", &meters, "--answer-bytes", "40", "--deny", "0C:7"];
        let mut peer = Peer::dial(site.serving.concentrators, &options);
        assert_eq!(ours.reading("instant", "good").await["total"], "1234.5600");
        assert_eq!(neighbours.reading("instant", "good").await["total"], "80.0000");
        peer.event("it does not know F7", |event| event["event"] == "denied" && event["afn"] == "0C").await;

        peer.tell("event 30 05100203260180000000000005");
        let standing = ("event_30".to_owned(), format!("meter:{}", ours.id));
        eventually(SOON, "the alarm", async || site.alarms().await.contains(&standing).then_some(())).await;
        peer.tell("event 30 15100203260100000000000005");
        eventually(SOON, "it is over", async || (!site.alarms().await.contains(&standing)).then_some(())).await;
        let told = |event: &Value| json!([event["code"], event["name"], event["occurred_at"], event["meter_id"]]);
        let events = site.rest.get(&format!("/events?site_id={}&language=zh", site.shop.site)).await;
        let events: Vec<Value> = events["items"].as_array().unwrap().iter().map(told).collect();
        let one = |at: &str| json!([30, "电能表停走", at, ours.id]);
        assert_eq!(events, [one("2026-03-02T02:15:00Z"), one("2026-03-02T02:05:00Z")]);
        let again = ["login_denied", "bad_frame", "bad_command"];
        assert!(peer.events_of(&again).is_empty());
        site.end().await;
    });
}

#[test]
fn any_item_of_an_independent_meter_is_read_through_an_independent_concentrator() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let ours = site.meter(OURS, "dlt645_direct").await;
        let mut independent = PypiMeter::start(OURS);
        let place = format!("{OURS}=127.0.0.1:{}", independent.port().await);
        let mut peer = Peer::dial(site.serving.concentrators, &["--meter-at", &place, "--odd"]);
        peer.logged_in().await;

        let read_now = site.rest.post(&format!("/meters/{}/read_now?wait=20s", ours.id), &json!({})).await;
        assert_eq!((&read_now["state"], &read_now["reading"]["total"]), (&json!("done"), &json!("1234.5600")));
        let path = format!("/meters/{}/items?language=zh", ours.id);
        for (item, values) in [
            ("02010100", json!([["电压: A相", "231.5", "V"]])),
            ("02020100", json!([["电流: A相", "1.234", "A"]])),
            ("02060000", json!([["功率因数: 总", "0.987", ""]])),
            (
                "01010000",
                json!([
                    ["正向有功最大需量: 总", "7.8000", "kW"],
                    ["正向有功最大需量: 总: 发生时间", "2026-03-02T10:05", ""]
                ]),
            ),
        ] {
            let frame = site.rest.post(&path, &json!({ "item": item })).await["frame"].take();
            let told = |value: &Value| json!([value["name"], value["value"], value["unit"]]);
            let shown: Vec<Value> = frame["values"].as_array().unwrap().iter().map(told).collect();
            assert_eq!((&frame["di"], &frame["address"]), (&json!(item), &json!(OURS)));
            assert_eq!(json!(shown), values, "{item}");
        }
        let block = site.rest.post(&path, &json!({ "item": "0201FF00" })).await["frame"].take();
        assert_eq!(block["error"], json!({ "byte": "02", "reasons": ["无请求数据"] }), "it knows no blocks");
        site.end().await;
    });
}

#[test]
fn a_concentrator_with_a_layout_of_its_own_yields_what_is_known_and_stays() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let ours = site.meter(OURS, "dlt645_direct").await;
        let mut peer = Peer::dial(site.serving.concentrators, &["--meters", &format!("{OURS}=80"), "--odd"]);
        peer.logged_in().await;
        ours.reading("instant", "good").await;
        let path = format!("/concentrators/{}/queries", site.concentrator);
        let asked = json!({ "afn": "0C", "function": 25, "points": [1] });
        let answer = site.rest.post(&path, &asked).await;
        let unit = &answer["frames"][0]["units"][0];
        let powers: Vec<&Value> = unit["values"].as_array().unwrap().iter().skip(1).map(|one| &one["value"]).collect();
        assert_eq!((&unit["pn"], &unit["fn"]), (&json!(1), &json!(25)));
        assert_eq!(powers, ["1.2345", "0.4000", "0.4000", "0.4345", "ABCD"], "{unit}");
        // What it does not know it denies, and the session goes on.
        let unknown = json!({ "afn": "0A", "function": 4 });
        let refused = site.rest.ask(Method::POST, &path, None, Some(&unknown)).await;
        assert_eq!(refused.problem(), (422, "denied"));
        peer.tell(&format!("use {OURS} 1"));
        eventually(SOON, "the next poll", async || {
            ours.readings().await.into_iter().find(|reading| reading["total"] == "81.0000")
        })
        .await;
        assert_eq!(peer.events_of(&["link_lost", "bad_frame"]), Vec::<Value>::new());
        site.end().await;
    });
}

#[test]
fn an_independent_concentrator_takes_its_parameters_and_the_time() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let ours = site.meter(OURS, "dlt645_direct").await;
        let options = ["--meters", &format!("{OURS}=80"), "--clock-ahead-s", "90", "--stubborn", "9", "--deny", "0A:1"];
        let mut peer = Peer::dial(site.serving.concentrators, &options);
        peer.logged_in().await;
        ours.reading("instant", "good").await;
        let path = |what: &str| format!("/concentrators/{}/{what}", site.concentrator);
        let told = |apn: &str| {
            let nothing: [u8; 0] = [];
            json!({
                "heartbeat_min": null, "main": "10.0.0.7:7376", "backup": "0.0.0.0:0", "apn": apn,
                "noted_events": nothing, "important_events": nothing,
            })
        };
        assert_eq!(site.rest.post(&path("parameters"), &json!({})).await, told("cmnet"));
        assert_eq!(site.rest.post(&path("parameters"), &json!({ "apn": "ours" })).await, told("ours"));
        let set = peer.events_of(&["parameter"]);
        assert_eq!(set.len(), 1, "what stays is not set: {set:?}");
        for (change, problem) in [
            (json!({ "important_events": [30] }), (409, "not_taken")),
            (json!({ "heartbeat_min": 5 }), (422, "denied")),
            (json!({ "heartbeat_min": 0 }), (422, "heartbeat_min")),
            (json!({ "apn": "longer than sixteen" }), (422, "apn")),
            (json!({ "noted_events": [65] }), (422, "noted_events")),
        ] {
            let refused = site.rest.ask(Method::POST, &path("parameters"), None, Some(&change)).await;
            assert_eq!(refused.problem(), problem, "{change}");
        }

        let drift = async |wanted: fn(i64) -> bool| {
            eventually(SOON, "its clock", async || {
                let drift =
                    site.rest.get(&format!("/concentrators/{}", site.concentrator)).await["clock_drift_s"].as_i64();
                drift.filter(|drift| wanted(*drift))
            })
            .await
        };
        drift(|drift| drift > 80).await;
        for what in ["clock", "meter_clocks"] {
            let set = site.rest.ask(Method::POST, &path(what), None, Some(&json!({}))).await;
            assert_eq!(set.status, 204, "{what}");
        }
        drift(|drift| drift.abs() < 10).await;
        let broadcast = peer.event("the meters hear the time", |event| event["event"] == "broadcast").await;
        assert!(broadcast["off_s"].as_i64().unwrap().abs() < 10, "{broadcast}");
        site.end().await;
    });
}

#[test]
fn a_permit_waits_for_the_customers_button() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let home = site.meter(OURS, "dlt645_permit").await;
        let mut peer = Peer::dial(site.serving.concentrators, &["--meters", &format!("{OURS}=20")]);
        home.reading("instant", "good").await;
        assert_eq!(home.order("disconnect", "25s").await["state"], "confirmed");

        let permit = home.order("reconnect", "0s").await;
        let path = format!("/relay_orders/{}", permit["id"].as_str().unwrap());
        let reaches = async |state: &str| {
            eventually(SOON, state, async || {
                let order = site.rest.get(&path).await;
                (order["state"] == state).then_some(order)
            })
            .await
        };
        reaches("awaiting_customer").await;
        assert_eq!(home.shown().await["relay"], "disconnected");
        assert_eq!(peer.relay_moves(), [moved(OURS, "disconnect"), moved(OURS, "permit")]);
        peer.tell(&format!("press {OURS}"));
        assert_eq!(reaches("confirmed").await["attempts"], 1);
        assert_eq!(home.shown().await["relay"], "connected");
        assert_eq!(peer.relay_moves().last(), Some(&moved(OURS, "pressed")));
        site.end().await;
    });
}

#[test]
fn a_foreign_archive_bills_nobody_until_an_operator_overwrites_it() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let meter = site.meter(OURS, "dlt645_direct").await;
        let opening = json!({ "initial_reading": "100", "reason": "read on site", "opening_credit": 3000 });
        let account = site.shop.open(&site.rest, &meter.id, opening).await;
        let options = ["--meters", &format!("{OURS}=100,{STRANGE}=100.02"), "--archive", &format!("1:1:{STRANGE}")];
        let mut peer = Peer::dial(site.serving.concentrators, &options);

        // Soon ours could have used as much, and nothing but its identity speaks against what is read.
        let suspect = eventually(SOON, "a reading of the strange meter", async || {
            meter.readings().await.into_iter().find(|reading| reading["reason"] == "identity_unverified")
        });
        let suspect = suspect.await;
        assert_eq!((&suspect["total"], &suspect["quality"]), (&json!("100.0200"), &json!("suspect")));
        let object = format!("meter:{}", meter.id);
        let foreign = ("foreign_archive".to_owned(), object.clone());
        eventually(SOON, "the alarm", async || site.alarms().await.contains(&foreign).then_some(())).await;
        assert!(site.alarms().await.contains(&("suspect_reading".to_owned(), object)));
        assert_eq!(meter.shown().await["identity"], "foreign");
        assert!(meter.readings().await.iter().all(|reading| reading["quality"] != "good"));
        assert_eq!(peer.events_of(&["archive"]), Vec::<Value>::new());
        let balance = async || site.rest.get(&format!("/accounts/{account}/balance")).await;
        assert_eq!(balance().await["available"], 3000);

        site.rest.post(&format!("/concentrators/{}/archive/sync", site.concentrator), &json!({})).await;
        let archive = peer.event("it receives its archive", |event| event["event"] == "archive").await;
        assert_eq!(archive["records"][0]["address"], OURS);
        assert_eq!(meter.reading("instant", "good").await["total"], "100.0000");
        assert_eq!(meter.shown().await["identity"], "verified");
        assert!(!site.alarms().await.contains(&foreign));
        assert_eq!(balance().await["available"], 3000);
        site.end().await;
    });
}

#[test]
fn a_session_goes_on_over_wrong_checksums() {
    play(Database::sqlite(), async |database| {
        let site = Site::enter(&database).await;
        let meter = site.meter(OURS, "dlt645_direct").await;
        let options = ["--meters", &format!("{OURS}=20"), "--fault", "checksum=3"];
        let mut peer = Peer::dial(site.serving.concentrators, &options);
        meter.reading("instant", "good").await;
        eventually(SOON, "two spoiled answers", async || (peer.events_of(&["fault"]).len() >= 2).then_some(())).await;
        let seen = meter.readings().await.len();
        eventually(SOON, "readings after them", async || (meter.readings().await.len() > seen).then_some(())).await;
        assert_eq!(meter.order("disconnect", "25s").await["state"], "confirmed");
        let link = site.link().await;
        assert!(link["online"] == true && link["bad_frames"].as_u64() >= Some(2), "{link}");
        // One login, and the link never left.
        assert_eq!(peer.events_of(&["login_confirmed", "link_lost"]).len(), 1);
        peer.tell("quit");
        site.end().await;
    });
}

#[test]
fn a_concentrator_that_nobody_entered_is_refused_and_listed() {
    play(Database::sqlite(), async |database| {
        let config = Config::head_end(&database, HURRIED);
        let serving = config.serve().await;
        let rest = serving.rest(&config.key("admin"));
        let mut peer = Peer::dial(serving.concentrators, &["--meters", &format!("{OURS}=20")]);
        peer.event("it is turned away", |event| event["event"] == "link_lost").await;
        let unknown = rest.get("/unknown_concentrators").await;
        assert_eq!((&unknown["items"][0]["region"], &unknown["items"][0]["terminal"]), (&json!("1101"), &json!(17)));

        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        peer.logged_in().await;
        assert_eq!(rest.get("/unknown_concentrators").await["items"], json!([]));
        assert_eq!(rest.get(&format!("/concentrators/{concentrator}/link")).await["online"], true);
        tokio::time::timeout(Duration::from_secs(10), serving.stop()).await.unwrap();
    });
}
