//! SIGTERM stops the head end in order.

use std::time::{Duration, Instant};

use super::{Shop, peer::Peer, program::Config};
use crate::support::{Database, play};

/// A stop takes this long at the most, on a machine with other work.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn an_idle_head_end_stops_at_once() {
    play(Database::sqlite(), async |database| {
        let config = Config::head_end(&database, "");
        let serving = config.serve().await;
        let asked = Instant::now();
        serving.stop().await;
        assert!(asked.elapsed() < BOUND);
    });
}

#[test]
fn a_head_end_with_concentrators_stops_in_order() {
    play(Database::sqlite(), async |database| {
        let config = Config::head_end(&database, "policy.polling.slot = \"1s\"");
        let serving = config.serve().await;
        let rest = serving.rest(&config.key("admin"));
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        shop.meter(&rest, &concentrator, "000000000001", "dlt645_direct").await;
        let mut peer = Peer::dial(serving.concentrators, &["--meters", "000000000001=100"]);
        peer.event("polled", |event| event["event"] == "read" && event["fn"] == 129).await;
        let asked = Instant::now();
        serving.stop().await;
        assert!(asked.elapsed() < BOUND);
        peer.event("the link is closed", |event| event["event"] == "link_lost").await;
        assert!(config.told(&["audit"]).ends_with(" 0 differences\n"));
    });
}
