//! The office: a further meter for an account, one less, and another tariff; who may do it, and what is refused.

use serde_json::json;
use store::api_key::Role;

use super::Api;

#[actix_web::test]
async fn a_second_meter_is_attached_listed_and_removed() {
    let api = Api::start().await;
    let street = api.street().await;
    let meter = json!({ "concentrator_id": street.concentrator, "name": "Attic", "address": "202600000077", "profile": "dlt645_direct" });
    let second = api.post("/api/v1/meters", &meter).await.id();
    let path = format!("/api/v1/accounts/{}/meters", street.account);
    let body = json!({ "meter_id": second, "initial_reading": "5", "multiplier": 2, "reason": "attic let" });
    let attached = api.post_once(&path, "a", &body).await;
    assert_eq!(attached.status, 201);
    let attached = attached.ok();
    assert_eq!((&attached["start_value"], &attached["multiplier"]), (&json!("5.0000"), &json!(2)));
    assert_eq!(api.post_once(&path, "a", &body).await.ok(), attached);
    let other = json!({ "meter_id": second, "initial_reading": "6", "reason": "attic let" });
    assert_eq!(api.post_once(&path, "a", &other).await.problem(), (409, "idempotency_key_reused"));
    assert_eq!(api.post_once(&path, "b", &other).await.problem(), (409, "meter_in_use"));
    let listed = api.get(&path).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[1], attached);

    let gone = json!({ "final_reading": "5.01", "reason": "attic empty" });
    let removed = api.post_once(&format!("/api/v1/meters/{second}/remove"), "r", &gone).await.ok();
    assert_eq!(removed["final_reading"], "5.0100");
    assert_eq!(api.get(&path).await.ok()[1]["end_value"], "5.0100");
    let balance = api.get(&format!("/api/v1/accounts/{}/balance", street.account)).await.ok();
    assert_eq!(balance["supply"].as_array().unwrap().len(), 1);
    let last = api.post_once(&format!("/api/v1/meters/{}/remove", street.meter), "l", &gone).await;
    assert_eq!(last.problem(), (422, "last_meter"));

    let counter = api.key(Role::Cashier, None).await;
    let headers = [("content-type", "application/json"), ("Idempotency-Key", "c")];
    assert_eq!(api.ask("POST", &path, &counter, &headers, &body.to_string()).await.problem().0, 403);
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok();
    let verbs: Vec<&str> = log["items"].as_array().unwrap().iter().map(|line| line["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["remove_meter", "attach_meter"]);
    api.stop().await;
}

#[actix_web::test]
async fn another_tariff_is_entered_for_a_day_to_come() {
    let api = Api::start().await;
    let street = api.street().await;
    let shops = json!({ "site_id": street.site, "name": "Shops", "blocks": [{ "upto_kwh": null, "price": "0.9" }] });
    let shops = api.post("/api/v1/tariffs", &shops).await.id();
    let path = format!("/api/v1/accounts/{}/tariffs", street.account);
    assert_eq!(api.get(&path).await.ok(), json!([]));
    let past = json!({ "tariff_id": shops, "valid_from": "2020-01-01", "reason": "a shop now" });
    let refused = api.post_once(&path, "p", &past).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "tariff"), Some("valid_from")));
    let body = json!({ "tariff_id": shops, "reason": "a shop now" });
    let changed = api.post_once(&path, "t", &body).await;
    assert_eq!(changed.status, 201);
    let changed = changed.ok();
    assert_eq!((&changed["place"], &changed["tariff_id"]), (&json!(1), &json!(shops)));
    assert_eq!(api.post_once(&path, "t", &body).await.ok(), changed);
    assert_eq!(api.get(&path).await.ok(), json!([changed]));
    let nobody = json!({ "tariff_id": "8796093022299", "reason": "r" });
    assert_eq!(api.post_once(&path, "n", &nobody).await.problem(), (404, "not_found"));
    api.stop().await;
}
