//! What stands before a cut, and what money does not lift.

use domain::relay::RelayState;
use jiff::ToSpan;
use serde_json::{Value, json};

use crate::support::{Court, Database, HeadEnd, SOON, Supply, eventually, on_both};

on_both!(
    a_guarded_supply_is_not_cut_until_the_guard_is_lifted,
    a_hold_puts_the_cut_off_until_it_is_lifted,
    a_vend_does_not_lift_an_operators_disconnect,
    a_site_that_only_reports_cuts_nobody,
    a_meter_is_cut_once_before_its_account_opens_or_that_is_waived,
);

async fn a_guarded_supply_is_not_cut_until_the_guard_is_lifted(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    let guard = format!("/meters/{}/guard", hero.meter);
    rest.put(&guard, &json!({ "guarded": true, "reason": "life support" })).await;
    hero.open(rest, 60).await;
    eventually(SOON, "the credit is used up after a warning", async || {
        let account = rest.get(&format!("/accounts/{}", hero.account)).await;
        let used_up = hero.balance(rest).await["available"].as_i64()? < 0;
        (used_up && !account["warning_served_at"].is_null()).then_some(())
    })
    .await;

    // Six readings take longer than the second after which a held cut is decided again.
    hero.polled(rest, 6).await;
    assert!(hero.orders(rest).await.is_empty());
    assert_eq!(hero.truth.relay(), RelayState::Connected);

    rest.put(&guard, &json!({ "guarded": false })).await;
    hero.confirmed(rest, "disconnect").await;
    head_end.audited().await;
}

async fn a_hold_puts_the_cut_off_until_it_is_lifted(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 60).await;
    let hold = format!("/accounts/{}/hold", hero.account);
    rest.put(&hold, &json!({ "until": head_end.app.clock.now() + 48.hours(), "reason": "the bank is closed" })).await;
    eventually(SOON, "the credit is used up after a warning", async || {
        let account = rest.get(&format!("/accounts/{}", hero.account)).await;
        let used_up = hero.balance(rest).await["available"].as_i64()? < 0;
        (used_up && !account["warning_served_at"].is_null()).then_some(())
    })
    .await;
    hero.polled(rest, 6).await;
    assert!(hero.orders(rest).await.is_empty());
    assert_eq!(hero.truth.relay(), RelayState::Connected);

    rest.put(&hold, &json!({ "until": null, "reason": "it is open" })).await;
    hero.confirmed(rest, "disconnect").await;
    head_end.audited().await;
}

async fn a_vend_does_not_lift_an_operators_disconnect(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 100_000).await;
    let orders = format!("/meters/{}/relay_orders", hero.meter);
    let disconnect = json!({ "action": "disconnect", "reason": "works on the riser" });
    rest.post_once(&orders, "works-1", &disconnect).await.ok();
    hero.confirmed(rest, "disconnect").await;

    let receipt = hero.vend(rest, "vend-1", 100_000).await;
    hero.polled(rest, 6).await;
    assert_eq!(receipt["restores"], false, "the cashier must not promise what an operator holds back");
    assert_eq!(hero.orders(rest).await.len(), 1);
    assert_eq!(hero.truth.relay(), RelayState::Disconnected);
    assert_eq!(hero.balance(rest).await["supply"][0]["causes"], json!(["operator"]));

    rest.post_once(&orders, "works-2", &json!({ "action": "reconnect", "reason": "works are over" })).await.ok();
    hero.confirmed(rest, "reconnect").await;
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    head_end.audited().await;
}

async fn a_site_that_only_reports_cuts_nobody(database: Database) {
    let report_only = "[policy.disconnection]\nautomatic = \"report_only\"\n";
    let head_end = HeadEnd::start_with(&database, report_only).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 60).await;

    let would_be = ("would_be_disconnected".to_owned(), format!("account:{}", hero.account));
    eventually(SOON, "the cut is reported", async || court.alarms(rest).await.contains(&would_be).then_some(())).await;
    hero.polled(rest, 3).await;
    assert!(hero.orders(rest).await.is_empty());
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    head_end.audited().await;
}

async fn a_meter_is_cut_once_before_its_account_opens_or_that_is_waived(database: Database) {
    let head_end = HeadEnd::start_with(&database, "[policy.relay]\nproven_before_opening = true\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let (tested, waived) = (&court.supplies[0], &court.supplies[1]);
    let opens = async |supply: &Supply, key: &str, waiver: Value| {
        let opening = json!({ "meter_id": supply.meter, "opening_credit": 100_000, "relay_waiver": waiver });
        rest.post_once(&format!("/accounts/{}/open", supply.account), key, &opening).await
    };
    assert_eq!(opens(tested, "open-1", Value::Null).await.problem(), (422, "relay_unproven"));
    assert_eq!(opens(waived, "open-2", json!(" ")).await.problem(), (422, "label"));

    let orders = format!("/meters/{}/relay_orders", tested.meter);
    for action in ["disconnect", "reconnect"] {
        rest.post_once(&orders, action, &json!({ "action": action, "reason": "commissioning" })).await.ok();
        tested.confirmed(rest, action).await;
    }
    opens(tested, "open-1", Value::Null).await.ok();
    opens(waived, "open-2", json!("a hospital")).await.ok();
    let log = rest.get(&format!("/audit_log?site_id={}", court.site)).await;
    let opened = log["items"].as_array().unwrap().iter().find(|line| line["verb"] == "open_account").unwrap();
    assert!(opened["detail"].as_str().unwrap().ends_with("; relay not proven: a hospital"), "{opened}");
    head_end.audited().await;
}
