//! Who is paying is not cut meanwhile.

use actix_web::http::Method;
use domain::relay::RelayState;
use serde_json::json;

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(a_payment_in_flight_puts_the_cut_off_until_it_is_over);

async fn a_payment_in_flight_puts_the_cut_off_until_it_is_over(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let [hero, rich] = court.supplies.as_slice() else { panic!("two") };
    let paying = |account| json!({ "account_id": account, "amount": 5_000, "currency": "CNY", "tender": "wechat" });
    rich.open(rest, 900_000).await;
    let early = rest.post_once("/payments_in_flight", "wechat-0", &paying(rich.account)).await.ok();
    assert_ne!(early["holds_until"], early["begun_at"], "whoever has plenty may pay as well");

    hero.open(rest, 60).await;
    let payment = paying(hero.account);
    let announced = rest.post_once("/payments_in_flight", "wechat-1", &payment).await.ok();
    let repeated = rest.post_once("/payments_in_flight", "wechat-1", &payment).await.ok();
    assert_eq!(announced, repeated, "the same key, the same payment");
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
    let waits = rest.get(&format!("/supply_waits?site_id={}", court.site)).await;
    assert_eq!(waits["items"].as_array().map(Vec::len), Some(1), "{waits}");
    assert_eq!(waits["items"][0]["guards"], json!(["payment_in_flight"]), "{waits}");

    // The customer gave up.
    let path = format!("/payments_in_flight/{}", announced["id"].as_str().unwrap());
    assert_eq!(rest.ask(Method::DELETE, &path, None, None).await.status, 204);
    assert_eq!(rest.ask(Method::DELETE, &path, None, None).await.status, 204, "it is over already");
    hero.confirmed(rest, "disconnect").await;
    assert_eq!(hero.balance(rest).await["posted"], 60, "it moved no money");
    head_end.audited().await;
}
