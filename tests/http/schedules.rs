//! Relay schedules as the office sees them.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Api, Street};

const SCHEDULES: &str = "/api/v1/relay_schedules";

fn nights(street: &Street) -> Value {
    json!({
        "site_id": street.site, "off_at": "23:00", "on_at": "06:00", "weekdays": ["monday", "friday"],
        "except_holidays": true, "reason": "night rest", "selection": { "meter_ids": [street.meter] },
    })
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

#[actix_web::test]
async fn a_schedule_is_entered_once_and_ended() {
    let api = Api::start().await;
    let street = api.street().await;
    let entered = api.post_once(SCHEDULES, "s-1", &nights(&street)).await;
    assert_eq!(entered.status, 201);
    let address = entered.header("location").unwrap().to_owned();
    let schedule = entered.ok();
    assert_eq!((&schedule["state"], &schedule["next_action"]), (&json!("running"), &json!("disconnect")));
    assert_eq!((&schedule["meter_ids"], &schedule["off_at"]), (&json!([street.meter]), &json!("23:00:00")));
    assert_eq!(api.get(&address).await.ok(), schedule);
    assert_eq!(api.post_once(SCHEDULES, "s-1", &nights(&street)).await.ok(), schedule);
    let other = with(&nights(&street), "reason", json!("another"));
    assert_eq!(api.post_once(SCHEDULES, "s-1", &other).await.problem(), (409, "idempotency_key_reused"));
    assert_eq!(api.post_once(SCHEDULES, "s-2", &other).await.problem(), (409, "meter_scheduled"));
    let list = api.get(&format!("{SCHEDULES}?site_id={}", street.site)).await.ok();
    assert_eq!((&list["items"][0]["id"], list["items"].as_array().unwrap().len()), (&schedule["id"], 1));

    let end = format!("{SCHEDULES}/{}/end", schedule["id"].as_str().unwrap());
    assert_eq!(api.post(&end, &json!({ "reason": " " })).await.problem(), (422, "label"));
    let ended = api.post(&end, &json!({ "reason": "over" })).await.ok();
    assert_eq!((&ended["state"], &ended["next_at"]), (&json!("ended"), &Value::Null));
    assert_eq!(api.post(&end, &json!({ "reason": "over" })).await.problem(), (409, "schedule_not_running"));
    let orders = api.get(&format!("/api/v1/meters/{}/relay_orders", street.meter)).await.ok();
    assert_eq!(orders["items"], json!([]), "it had cut nobody");
    assert_eq!(api.post_once(SCHEDULES, "s-2", &other).await.status, 201, "the meter is free again");
    let lines = api.get(&format!("/api/v1/audit_log?site_id={}&limit=3", street.site)).await.ok().to_string();
    assert!(lines.contains("end_relay_schedule") && lines.contains("\"relay_schedule\""), "{lines}");
    api.stop().await;
}

#[actix_web::test]
async fn a_bad_schedule_is_refused_with_the_field_at_fault() {
    let api = Api::start().await;
    let street = api.street().await;
    for (field, value, problem, at_fault) in [
        ("on_at", json!("23:00"), (422, "schedule"), "on_at"),
        ("weekdays", json!([]), (422, "schedule"), "weekdays"),
        ("until", json!("2020-01-01"), (422, "schedule"), "until"),
        ("reason", json!(""), (422, "label"), "reason"),
        ("selection", json!({}), (422, "selection"), "selection"),
        ("off_at", json!("25:00"), (400, "body"), "off_at"),
    ] {
        let refused = api.post_once(SCHEDULES, "s-1", &with(&nights(&street), field, value)).await;
        assert_eq!((refused.problem(), refused.field()), (problem, Some(at_fault)), "{field}");
    }
    let over = with(&with(&nights(&street), "from", json!("2020-01-01")), "until", json!("2020-02-01"));
    let refused = api.post_once(SCHEDULES, "s-1", &over).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "schedule"), Some("until")));
    assert_eq!(api.get(&format!("{SCHEDULES}?site_id={}", street.site)).await.ok()["items"], json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn a_guarded_supply_is_scheduled_only_with_a_second_operators_approval() {
    let api = Api::start().await;
    let street = api.street().await;
    let guard = json!({ "guarded": true, "reason": "life support" });
    api.send("PUT", &format!("/api/v1/meters/{}/guard", street.meter), &[], &guard).await.ok();
    let waits = api.post_once(SCHEDULES, "s-1", &nights(&street)).await.ok();
    assert_eq!((&waits["state"], &waits["reservations"]), (&json!("awaiting_approval"), &json!(["supply_guard"])));
    assert_eq!(waits["next_at"], Value::Null, "it does nothing before");
    let address = format!("{SCHEDULES}/{}", waits["id"].as_str().unwrap());
    let approve = format!("{address}/approve");
    assert_eq!(api.post(&approve, &json!({})).await.problem(), (422, "same_operator"));
    let cashier = api.key(Role::Cashier, None).await;
    assert_eq!(api.ask("POST", &approve, &cashier, &[], "").await.status, 403);
    let second = api.key(Role::Operator, None).await;
    let approved = api.ask("POST", &approve, &second, &[], "").await.ok();
    assert_eq!((&approved["state"], &approved["next_action"]), (&json!("running"), &json!("disconnect")));
    assert_eq!(api.post(&format!("{address}/reject"), &json!({})).await.problem(), (409, "not_awaiting_approval"));
    api.stop().await;
}

#[actix_web::test]
async fn a_schedule_that_is_rejected_or_stopped_never_switches() {
    let api = Api::start().await;
    let street = api.street().await;
    let running = api.post_once(SCHEDULES, "s-1", &nights(&street)).await.id();
    let stop = format!("/api/v1/sites/{}/stop", street.site);
    let stopped = api.post(&stop, &json!({ "reason": "fire" })).await.ok();
    assert_eq!(stopped["schedules_ended"], json!([running]));
    assert_eq!(api.get(&format!("{SCHEDULES}/{running}")).await.ok()["state"], "ended");
    let guard = json!({ "guarded": true, "reason": "life support" });
    api.send("PUT", &format!("/api/v1/meters/{}/guard", street.meter), &[], &guard).await.ok();
    let waits = api.post_once(SCHEDULES, "s-2", &nights(&street)).await.id();
    let rejected = api.post(&format!("{SCHEDULES}/{waits}/reject"), &json!({})).await.ok();
    assert_eq!((&rejected["state"], &rejected["next_at"]), (&json!("rejected"), &Value::Null));
    api.stop().await;
}
