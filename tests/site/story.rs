//! The story: a balance runs out, its customer is warned, supply is cut, a vend brings it back.

use std::time::Duration;

use domain::relay::RelayState;
use serde_json::json;

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both, time};

on_both!(who_runs_out_is_warned_and_cut_and_who_pays_is_restored);

async fn who_runs_out_is_warned_and_cut_and_who_pays_is_restored(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let [hero, neighbour] = &court.supplies[..] else { panic!("two meters") };
    neighbour.open(rest, 100_000).await;
    hero.open(rest, 60).await;

    let cut = hero.confirmed(rest, "disconnect").await;
    assert_eq!((hero.truth.relay(), neighbour.truth.relay()), (RelayState::Disconnected, RelayState::Connected));
    assert_eq!((&cut["cause"], &cut["attempts"]), (&"credit".into(), &1.into()));
    let served = rest.get(&format!("/accounts/{}", hero.account)).await["warning_served_at"].clone();
    assert!(
        time(&served) + Duration::from_secs(1) <= time(&cut["sent_at"]),
        "cut a second after the warning, no sooner"
    );
    assert!(time(&cut["sent_at"]) <= time(&cut["read_at"]), "read back after it was sent");
    assert!(hero.balance(rest).await["available"].as_i64().unwrap() <= 0);
    assert_eq!(hero.balance(rest).await["supply"][0]["causes"], json!(["credit"]));

    let receipt = hero.vend(rest, "vend-1", 100_000).await;
    assert_eq!(receipt["restores"], true);
    let restored = hero.confirmed(rest, "reconnect").await;
    assert_eq!(restored["vend_id"], receipt["vend_id"]);
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    assert_eq!(hero.shown(rest).await["relay"], "connected");
    assert_eq!(hero.balance(rest).await["supply"][0]["causes"], json!([]));

    assert_eq!(hero.orders(rest).await.len(), 2, "one cut, one restore");
    assert!(neighbour.orders(rest).await.is_empty());
    let kinds = eventually(SOON, "all notices are sent", async || {
        let page = rest.get(&format!("/accounts/{}/notices", hero.account)).await;
        let notices = page["items"].as_array().unwrap();
        let sent = notices.iter().all(|notice| notice["state"] == "sent");
        sent.then(|| notices.iter().rev().map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    })
    .await;
    let told = ["account_opened", "low_balance_1", "low_balance_2", "disconnect_warning", "disconnected"];
    assert_eq!(kinds, [&told[..], &["vend_receipt", "restored"]].concat());
    head_end.audited().await;
}
