//! A meter whose password is not that of its profile.

use actix_web::http::Method;
use protocols::dlt645::Password;
use serde_json::{Value, json};

use crate::support::{Court, Database, HeadEnd, Rest, SOON, Supply, eventually, on_both};

on_both!(a_meter_with_another_password_is_switched_once_the_password_is_known);

const KEY: &str = "secrets.key = \"0f0e0d0c0b0a09080706050403020100f0e0d0c0b0a090807060504030201000\"";
const DIGITS: &str = "654321";

/// The newest order once it has come to an end.
async fn told(supply: &Supply, rest: &Rest, key: &str, action: &str) -> Value {
    let order = json!({ "action": action, "reason": "try the password" });
    rest.post_once(&format!("/meters/{}/relay_orders", supply.meter), key, &order).await.ok();
    eventually(SOON, "the order ends", async || {
        let newest = supply.orders(rest).await.pop()?;
        let ended = ["confirmed", "failed"].contains(&newest["state"].as_str().unwrap());
        (newest["action"] == action && ended).then(|| newest["state"].clone())
    })
    .await
}

async fn a_meter_with_another_password_is_switched_once_the_password_is_known(database: Database) {
    let head_end = HeadEnd::start_with(&database, KEY).await;
    let rest = &head_end.rest;
    let password = Password::new(2, DIGITS.parse().unwrap()).unwrap();
    let court = Court::enter_with(&head_end, "dlt645_direct", |spec| spec.password = password).await;
    court.read(rest).await;
    let supply = &court.supplies[0];
    supply.open(rest, 1_000_000).await;

    assert_eq!(told(supply, rest, "1", "disconnect").await, "failed");
    let shown = supply.shown(rest).await;
    assert_eq!((&shown["relay_blocked"], &shown["own_credentials"]), (&json!(true), &json!(false)));

    assert_eq!(supply.orders(rest).await.pop().unwrap()["detail"], "refused: password");

    let passwords = format!("/meters/{}/passwords", supply.meter);
    rest.put(&passwords, &json!({ "relay_password": DIGITS })).await;
    rest.ask(Method::DELETE, &format!("/meters/{}/relay_block", supply.meter), None, None).await.ok();
    assert_eq!(told(supply, rest, "2", "disconnect").await, "confirmed");
    let shown = supply.shown(rest).await;
    assert_eq!((&shown["relay"], &shown["own_credentials"]), (&json!("disconnected"), &json!(true)));
    assert!(!shown.to_string().contains(DIGITS), "{shown}");
    let identity = shown["identity"].as_str().unwrap();
    assert_eq!(identity, "verified", "another password makes it no other meter");

    assert_eq!(told(supply, rest, "3", "reconnect").await, "confirmed");
    rest.ask(Method::DELETE, &passwords, None, None).await.ok();
    assert_eq!(told(supply, rest, "4", "disconnect").await, "failed", "that of the profile again");
    head_end.audited().await;
}
