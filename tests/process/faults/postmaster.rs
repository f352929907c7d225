//! PostgreSQL's postmaster killed under load (F5): every acknowledged vend is there afterwards, once, and readings that
//! were not stored are counted. A control run, whose commits do not wait for the disk, must be caught by the same checker.

use std::{cell::Cell, net::SocketAddr};

use actix_web::http::Method;
use futures_util::future::{join, join_all};
use serde_json::Value;

use super::{Config, Counter, Moments, Street, rounds, servers::Postgres};
use crate::{
    process::peer::Peer,
    support::{SOON, eventually},
};

const COUNTERS: usize = 4;

const SETTINGS: &str = r#"
http.bind = "127.0.0.1:0"
listen.qgdw376 = "127.0.0.1:0"
hot.kind = "in_process"
database.acquire_timeout_ms = 500
policy.polling.slot = "1s"
policy.polling.silent_cap = "1s"
fleet.answer_deadline_ms = 2000
fleet.retry_back_off_ms = 100
"#;

#[actix::test]
async fn what_was_acknowledged_outlives_the_postmaster() {
    let mut moments = Moments::new();
    let mut postgres = Postgres::start(&[]).await;
    let config = configured(&postgres);
    let serving = config.serve().await;
    let mut street = Street::enter(&config, &serving, COUNTERS).await;
    let meters: Vec<String> = (1..=COUNTERS).map(|nth| format!("2026{nth:08}=12.5")).collect();
    let mut peer = Peer::dial(serving.concentrators, &["--meters", &meters.join(",")]);
    peer.event("it is polled", |event| event["fn"] == 129).await;

    let rush = Rush::default();
    let at = serving.rest;
    let selling = join_all(street.counters.iter_mut().map(|counter| rush.sell(counter, at)));
    let killing = async {
        for _ in 0..rounds(2) {
            rush.more_vends(moments.one_of(1..60)).await;
            postgres.kill_postmaster().await;
            postgres.start_again().await;
        }
        rush.more_vends(COUNTERS).await;
        // Away for longer than readings are waited with.
        postgres.kill_postmaster().await;
        eventually(SOON, "readings are lost", async || (Readings::of(at).await.lost > 0).then_some(())).await;
        postgres.start_again().await;
        rush.more_vends(COUNTERS).await;
        rush.over.set(true);
    };
    join(selling, killing).await;
    readings_are_stored_or_counted(at, peer).await;
    assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
}

#[actix::test]
async fn the_checker_catches_commits_that_do_not_wait_for_the_disk() {
    // Nothing writes the log behind the commits' back.
    let mut postgres = Postgres::start(&["wal_writer_delay=10s", "wal_writer_flush_after=1GB"]).await;
    let config = configured(&postgres);
    let serving = config.serve_in(&[("WATTGATE_FAULT_ASYNC_COMMIT", "1")]).await;
    let mut street = Street::enter(&config, &serving, 1).await;
    let rest = street.rest(&serving);
    for _ in 0..20 {
        assert_eq!(street.counters[0].sell(serving.rest).await, Some(201));
    }
    postgres.kill_postmaster().await;
    postgres.start_again().await;
    eventually(SOON, "the head end has found the server again", async || {
        (rest.ask(Method::GET, "/sites", None, None).await.status == 200).then_some(())
    })
    .await;
    let differences = street.differences(&config, serving).await;
    assert!(differences.iter().any(|difference| difference.starts_with("lost: ")), "{differences:#?}");
}

/// A head end on this server, its schema brought up.
fn configured(postgres: &Postgres) -> Config {
    let config = Config::new(&format!("{SETTINGS}\ndatabase.url = \"{}\"", postgres.url()));
    config.told(&["migrate"]);
    config
}

/// Counters that sell at full speed.
#[derive(Default)]
struct Rush {
    sold: Cell<usize>,
    over: Cell<bool>,
}

impl Rush {
    /// Sells until all is over; what is not acknowledged is asked for again with the same key.
    async fn sell(&self, counter: &mut Counter, at: SocketAddr) {
        while !self.over.get() {
            counter.sell_at_last(at).await;
            self.sold.set(self.sold.get() + 1);
        }
    }

    async fn more_vends(&self, vends: usize) {
        let wanted = self.sold.get() + vends;
        eventually(SOON, "vends are acknowledged", async || (self.sold.get() >= wanted).then_some(())).await;
    }
}

/// Each value that the concentrator gave was taken in or counted as lost.
async fn readings_are_stored_or_counted(at: SocketAddr, peer: Peer) {
    let given: usize = peer.quit().await.iter().filter_map(given).sum();
    let readings = eventually(SOON, "all readings are stored or counted", async || {
        let readings = Readings::of(at).await;
        (readings.stored + readings.lost >= given).then_some(readings)
    })
    .await;
    assert!(readings.stored > 0, "{readings:?}");
}

/// How many readings an event of the concentrator gave.
fn given(event: &Value) -> Option<usize> {
    let read = event["event"] == "read" && (event["fn"] == 129 || event["fn"] == 161);
    event["answered"].as_array().filter(|_| read).map(Vec::len)
}

/// What the head end says became of readings.
#[derive(Debug)]
struct Readings {
    stored: usize,
    lost: usize,
}

impl Readings {
    async fn of(at: SocketAddr) -> Self {
        let mut answer = awc::Client::default().get(format!("http://{at}/metrics")).send().await.unwrap();
        let text = String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap();
        let sum = |name: &str| -> usize {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum()
        };
        Self { stored: sum("wattgate_readings_total"), lost: sum("wattgate_readings_not_stored_total") }
    }
}
