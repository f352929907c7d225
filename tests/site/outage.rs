//! Meters, links and head ends that are away when they are needed.

use std::time::Duration;

use domain::relay::RelayState;
use jiff::{SignedDuration, Timestamp};
use protocols::dlt645::RelayCommand;
use serde_json::{Value, json};
use simulator::faults::FaultRates;

use crate::support::{Court, Database, HeadEnd, Rest, SOON, Supply, eventually, on_both, time};

on_both!(
    a_meter_that_is_silent_when_its_customer_pays_is_restored_when_it_answers_again,
    a_restart_between_vend_and_reconnect_still_restores_supply,
    a_command_lost_with_its_link_is_sent_again_on_the_next,
    a_command_whose_answer_is_lost_with_its_link_is_found_done_by_read_back,
    a_cut_that_lands_late_after_it_was_paid_and_after_a_restart_is_undone,
    a_cut_that_lands_while_the_head_end_is_down_is_undone_by_the_reconnect_that_waits,
);

/// The order to restore supply, once it was tried in vain.
async fn tried_in_vain(hero: &Supply, rest: &Rest) -> Value {
    eventually(SOON, "a reconnect is tried", async || {
        let newest = hero.orders(rest).await.pop()?;
        (newest["action"] == "reconnect" && newest["attempts"].as_i64()? > 0).then_some(newest)
    })
    .await
}

async fn a_meter_that_is_silent_when_its_customer_pays_is_restored_when_it_answers_again(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.run_out(rest).await;

    hero.truth.silence(true);
    hero.vend(rest, "vend-1", 100_000).await;
    let tried = tried_in_vain(hero, rest).await;
    eventually(SOON, "the order waits for the meter", async || {
        let lines = rest.get(&format!("/relay_orders/{}", tried["id"].as_str()?)).await;
        (lines["lines"].as_array()?.len() >= 4).then_some(())
    })
    .await;
    assert_eq!(hero.truth.relay(), RelayState::Disconnected);

    hero.truth.silence(false);
    let restored = hero.confirmed(rest, "reconnect").await;
    assert_eq!(restored["id"], tried["id"], "the same order all along");
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    head_end.audited().await;
}

async fn a_restart_between_vend_and_reconnect_still_restores_supply(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.run_out(rest).await;
    hero.truth.silence(true);
    let receipt = hero.vend(rest, "vend-1", 100_000).await;
    let ordered = hero.orders(rest).await.pop().unwrap();
    head_end.crash().await;

    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    court.dial(&head_end);
    hero.truth.silence(false);
    let restored = hero.confirmed(rest, "reconnect").await;
    assert_eq!((&restored["id"], &restored["vend_id"]), (&ordered["id"], &receipt["vend_id"]));
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    assert_eq!(hero.vend(rest, "vend-1", 100_000).await, receipt, "the vend is known to the new head end");
    assert_eq!(hero.orders(rest).await.len(), 2);
    head_end.audited().await;
}

async fn a_command_lost_with_its_link_is_sent_again_on_the_next(database: Database) {
    let patient = "[profiles.concentrator.standard]\norder_forward_timeout_s = 5\n";
    let head_end = HeadEnd::start_with(&database, patient).await;
    let rest = &head_end.rest;
    // Slow enough that the link breaks while the command is still on its way.
    let slow = SignedDuration::from_millis(1500);
    let court = Court::enter_with(&head_end, "dlt645_direct", |spec| spec.settings.meter_delay = slow).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 60).await;
    eventually(SOON, "the cut is sent", async || {
        let newest = hero.orders(rest).await.pop()?;
        (newest["state"] == "sent").then_some(())
    })
    .await;
    court.concentrators[0].fate.drop_link(SignedDuration::from_millis(300));

    let cut = hero.confirmed(rest, "disconnect").await;
    assert_eq!(cut["attempts"], 2, "the first command was lost with its link");
    assert_eq!(hero.truth.relay(), RelayState::Disconnected);
    assert_eq!(hero.orders(rest).await.len(), 1);
    head_end.audited().await;
}

async fn a_command_whose_answer_is_lost_with_its_link_is_found_done_by_read_back(database: Database) {
    // No poll comes between, so that the command is the one request whose answer is lost.
    let seldom = "[policy.polling]\nslot = \"1h\"\nsilent_cap = \"1h\"\n";
    let head_end = HeadEnd::start_with(&database, seldom).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.verified(rest).await;
    let hero = &court.supplies[0];
    let fate = &court.concentrators[0].fate;
    let guard = format!("/meters/{}/guard", hero.meter);
    rest.put(&guard, &json!({ "guarded": true, "reason": "until answers are lost" })).await;
    hero.open(rest, 60).await;
    eventually(SOON, "the credit is used up after a warning", async || {
        rest.post(&format!("/meters/{}/read_now?wait=10s", hero.meter), &json!({})).await;
        let account = rest.get(&format!("/accounts/{}", hero.account)).await;
        let used_up = hero.balance(rest).await["available"].as_i64()? < 0;
        let served = time(account.get("warning_served_at").filter(|at| !at.is_null())?);
        (used_up && served + Duration::from_secs(1) < Timestamp::now()).then_some(())
    })
    .await;

    // From here on a request is carried out, and the link drops in place of its answer.
    let reconnect_after = SignedDuration::from_millis(50);
    fate.set_faults(FaultRates { reconnect: 1000, reconnect_after, ..FaultRates::NONE });
    rest.put(&guard, &json!({ "guarded": false })).await;
    eventually(SOON, "the relay moves", async || (hero.truth.relay() == RelayState::Disconnected).then_some(())).await;
    fate.set_faults(FaultRates::NONE);

    let cut = hero.confirmed(rest, "disconnect").await;
    assert_eq!(cut["attempts"], 1, "what was read as done is not sent again");
    assert_eq!(cut["acknowledged_at"], Value::Null, "the meter's answer never came");
    assert_eq!(hero.orders(rest).await.len(), 1);
    head_end.audited().await;
}

/// A meter that moves its relay late, as late as a relay is doubted, and is sent the same command but once.
const LATE: &str = "[fleet]\nrelay_doubt_s = 12\n\n[policy.relay]\nread_back_window = \"1m\"\n";

/// A cut is taken by a meter that carries it out so much later; its customer pays at once, and then the head end is gone.
/// Returns the site, and the order to reconnect.
async fn paid_while_the_cut_is_under_way(database: &Database, late_by: SignedDuration) -> (Court, Value) {
    let head_end = HeadEnd::start_with(database, LATE).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.truth.slow_relay(Some(late_by));
    hero.open(rest, 60).await;
    eventually(SOON, "the meter has the cut", async || (!hero.truth.commands().is_empty()).then_some(())).await;
    // Nothing reaches the meter before the head end is gone; what comes then is carried out at once.
    hero.truth.silence(true);
    hero.truth.slow_relay(None);
    hero.vend(rest, "vend-1", 100_000).await;
    let orders = hero.orders(rest).await;
    let [cut, reconnect] = &orders[..] else { panic!("a cut and a reconnect: {orders:?}") };
    assert_eq!((&cut["state"], &cut["superseded_by"]), (&"superseded".into(), &reconnect["id"]));
    assert_eq!(reconnect["action"], "reconnect");
    head_end.crash().await;
    (court, orders[1].clone())
}

/// In the end supply is there, and only one cut was ever sent.
async fn ends_connected(head_end: &HeadEnd, court: &Court) {
    let hero = &court.supplies[0];
    eventually(SOON, "the cut landed and was undone", async || {
        let moves: Vec<_> = hero.truth.moves().into_iter().map(|moved| moved.to).collect();
        (moves == [RelayState::Disconnected, RelayState::Connected]).then_some(())
    })
    .await;
    hero.confirmed(&head_end.rest, "reconnect").await;
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    let cuts = hero.truth.commands().into_iter().filter(|sent| sent.command == RelayCommand::Disconnect).count();
    assert_eq!(cuts, 1);
    assert_eq!(hero.balance(&head_end.rest).await["supply"][0]["causes"], json!([]));
    let alarms = court.alarms(&head_end.rest).await;
    assert!(alarms.iter().all(|(kind, _)| kind != "disconnected_without_order"), "it is known whose cut it was");
    head_end.audited().await;
}

async fn a_cut_that_lands_late_after_it_was_paid_and_after_a_restart_is_undone(database: Database) {
    let (court, ordered) = paid_while_the_cut_is_under_way(&database, SignedDuration::from_secs(12)).await;
    let hero = &court.supplies[0];

    let head_end = HeadEnd::start_with(&database, LATE).await;
    court.dial(&head_end);
    hero.truth.silence(false);
    // The relay has not moved yet, so the reconnect is soon confirmed, and then the cut lands.
    let reconnect = hero.confirmed(&head_end.rest, "reconnect").await;
    assert_eq!(reconnect["id"], ordered["id"]);
    ends_connected(&head_end, &court).await;
}

async fn a_cut_that_lands_while_the_head_end_is_down_is_undone_by_the_reconnect_that_waits(database: Database) {
    let (court, ordered) = paid_while_the_cut_is_under_way(&database, SignedDuration::from_secs(3)).await;
    let hero = &court.supplies[0];
    eventually(SOON, "the cut lands", async || (hero.truth.relay() == RelayState::Disconnected).then_some(())).await;

    let head_end = HeadEnd::start_with(&database, LATE).await;
    court.dial(&head_end);
    hero.truth.silence(false);
    ends_connected(&head_end, &court).await;
    let orders = hero.orders(&head_end.rest).await;
    assert_eq!((orders.len(), &orders[1]["id"]), (2, &ordered["id"]), "no further order was needed");
}
