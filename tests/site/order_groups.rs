//! Relay orders to several meters, on both databases.

use actix_web::http::Method;
use domain::relay::RelayState;
use serde_json::json;
use wattgate::operations::order_group::{self, By, NewOrderGroup};

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(
    a_group_cuts_its_meters_and_brings_them_back,
    a_group_that_was_interrupted_goes_on_and_orders_each_meter_once,
    what_nobody_approves_in_time_expires,
);

/// One meter a transaction.
const STEPS: &str = "[order_groups]\nmeters_per_transaction = 1\n[jobs]\norder_groups_s = 1\n";

async fn a_group_cuts_its_meters_and_brings_them_back(database: Database) {
    let head_end = HeadEnd::start_with(&database, STEPS).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let order = |action: &str| {
        json!({
            "site_id": court.site, "action": action, "reason": "works on the riser",
            "selection": { "concentrator_id": court.concentrators[0].id },
        })
    };
    for (action, state) in [("disconnect", RelayState::Disconnected), ("reconnect", RelayState::Connected)] {
        let group = rest.post_once("/relay_order_groups", action, &order(action)).await.ok();
        let address = format!("/relay_order_groups/{}", group["id"].as_str().unwrap());
        eventually(SOON, "all its orders are confirmed", async || {
            (rest.get(&address).await["counts"] == json!({ "confirmed": 2 })).then_some(())
        })
        .await;
        assert!(court.supplies.iter().all(|supply| supply.truth.relay() == state));
    }
    head_end.audited().await;
}

async fn a_group_that_was_interrupted_goes_on_and_orders_each_meter_once(database: Database) {
    let head_end = HeadEnd::start_with(&database, STEPS).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 3).await;
    let meters: Vec<_> = court.supplies.iter().map(|supply| supply.meter).collect();
    let new: NewOrderGroup = serde_json::from_value(json!({
        "site_id": court.site, "action": "disconnect", "reason": "works", "selection": { "meter_ids": meters },
    }))
    .unwrap();
    let by = By { key: "0123456789ab".to_owned(), administers: false };
    // Whoever asked is gone after the rows were written.
    let (id, _) = order_group::enter(&head_end.app, new.clone(), "g-1", by.clone()).await.unwrap();
    let address = format!("/relay_order_groups/{id}");
    eventually(SOON, "the orders are given all the same", async || {
        (rest.get(&address).await["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(order_group::order(&head_end.app, new, "g-1", by).await.unwrap(), (id, true));
    let group = rest.get(&address).await;
    for meter in group["meters"].as_array().unwrap() {
        let path = format!("/meters/{}/relay_orders", meter["meter_id"].as_str().unwrap());
        let orders = rest.get(&path).await;
        let orders = orders["items"].as_array().unwrap();
        assert_eq!((orders.len(), &orders[0]["id"]), (1, &meter["order_id"]));
    }
}

async fn what_nobody_approves_in_time_expires(database: Database) {
    let impatient = "[order_groups]\nmeters_alone = 0\napproval_s = 1\n[jobs]\norder_groups_s = 1\n";
    let head_end = HeadEnd::start_with(&database, impatient).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    let hero = &court.supplies[0];
    let order = json!({
        "site_id": court.site, "action": "disconnect", "reason": "works", "selection": { "meter_ids": [hero.meter] },
    });
    let group = rest.post_once("/relay_order_groups", "g-1", &order).await.ok();
    assert_eq!((&group["state"], &group["reservations"]), (&json!("awaiting_approval"), &json!(["many_meters"])));
    let address = format!("/relay_order_groups/{}", group["id"].as_str().unwrap());
    eventually(SOON, "it expires", async || (rest.get(&address).await["state"] == "expired").then_some(())).await;
    let late = rest.ask(Method::POST, &format!("{address}/approve"), None, Some(&json!({}))).await;
    assert_eq!(late.problem(), (409, "approval_expired"));
    assert!(hero.orders(rest).await.is_empty());
}
