//! Outages, as operators see them.

use serde_json::{Value, json};
use store::api_key::Role;
use wattgate::operations::outage;

use super::Api;

#[actix_web::test]
async fn outages_of_a_site_are_listed_and_shown_to_its_keys_only() {
    let api = Api::start().await;
    let street = api.street().await;
    let list = format!("/api/v1/outages?site_id={}", street.site);
    assert_eq!(api.get(&list).await.ok()["items"], json!([]), "it was never down");
    outage::beat(&api.app).await.unwrap();
    outage::begin(&api.app).await.unwrap();
    let told = api.get(&list).await.ok()["items"][0].clone();
    assert_eq!((&told["missed"]["freezes"], &told["missed"]["orders"]), (&json!(0), &json!(0)));
    let path = format!("/api/v1/outages/{}", told["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.ok()["down_from"], told["down_from"]);
    assert_eq!(api.get("/api/v1/outages/7").await.problem(), (404, "not_found"));
    let elsewhere = api.key(Role::Admin, Some(&api.street().await.site)).await;
    assert_eq!(api.ask("GET", &path, &elsewhere, &[], "").await.problem().0, 404);
    assert_eq!(api.ask("GET", &list, &elsewhere, &[], "").await.problem().0, 403);
    assert_eq!(told.get("report"), Some(&Value::Null));
    api.stop().await;
}
