//! Notices of a site, and warnings that are served by hand.

use jiff::{SignedDuration, ToSpan};
use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};
use crate::support::{SOON, eventually};

impl Street {
    async fn to_serve(&self, api: &Api) -> Vec<Value> {
        let page = api.get(&format!("/api/v1/notices?site_id={}&by_hand=true", self.site)).await.ok();
        page["items"].as_array().unwrap().clone()
    }
}

async fn serve(api: &Api, notice: &Value, body: &Value) -> Answer {
    api.post(&format!("/api/v1/notices/{}/served", notice["id"].as_str().unwrap()), body).await
}

#[actix_web::test]
async fn a_warning_that_nobody_was_told_is_listed_and_served_by_hand() {
    let api = Api::start_with("[policy.notices]\nchannel = \"none\"\n").await;
    let street = api.street().await;
    // It is opened with so little that its customer is warned.
    let warning = eventually(SOON, "the warning is to be served", async || street.to_serve(&api).await.pop()).await;
    assert_eq!((&warning["account_id"], &warning["kind"]), (&json!(street.account), &json!("disconnect_warning")));
    assert_eq!((&warning["state"], &warning["channel"]), (&json!("failed"), &json!("none")));
    assert!(warning["by_hand_since"].is_string() && warning["served_at"].is_null(), "{warning}");

    let now = api.app.clock.now();
    let refused = serve(&api, &warning, &json!({ "served_at": now + 1.hour(), "how": "letter" })).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "served_at"), Some("served_at")));
    let refused = serve(&api, &warning, &json!({ "served_at": now - 1.hour(), "how": "letter" })).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "served_at"), Some("served_at")));
    let refused = serve(&api, &warning, &json!({ "served_at": now, "how": " " })).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "label"), Some("how")));

    // Finer than what is stored, it is the same the second time.
    let how = json!({ "served_at": now - SignedDuration::from_nanos(1), "how": "a letter" });
    let served = serve(&api, &warning, &how).await.ok();
    assert_eq!((&served["state"], &served["served_how"]), (&json!("failed"), &json!("a letter")));
    assert!(served["served_by"].is_string(), "{served}");
    assert_eq!(serve(&api, &warning, &how).await.ok(), served);
    let otherwise = json!({ "served_at": now, "how": "by word" });
    assert_eq!(serve(&api, &warning, &otherwise).await.problem(), (409, "already_served"));
    assert_eq!(street.to_serve(&api).await, Vec::<Value>::new());
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=1", street.site)).await.ok();
    let line = &log["items"][0];
    let object = json!(format!("notice:{}", warning["id"].as_str().unwrap()));
    assert_eq!((&line["verb"], &line["object"]), (&json!("serve_notice"), &object));
    let account = api.get(&format!("/api/v1/accounts/{}", street.account)).await.ok();
    assert!(account["warning_served_at"].is_string(), "{account}");
    api.stop().await;
}

#[actix_web::test]
async fn what_its_channel_takes_is_listed_and_not_served_by_hand() {
    let api = Api::start().await;
    let street = api.street().await;
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/api/v1/notices?site_id={}{cursor}", street.site)).await.ok();
        all.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let of_account = api.get(&format!("/api/v1/accounts/{}/notices?limit=3", street.account)).await.ok();
    assert!(all.len() > 2 && all.iter().any(|one| one["id"] == of_account["items"][0]["id"]), "{all:?}");
    assert_eq!(street.to_serve(&api).await, Vec::<Value>::new());
    let warning = all.iter().find(|one| one["kind"] == "disconnect_warning").unwrap();
    let how = json!({ "served_at": api.app.clock.now(), "how": "letter" });
    assert_eq!(serve(&api, warning, &how).await.problem(), (409, "not_by_hand"));
    let cashier = api.key(Role::Cashier, Some(&street.site)).await;
    let path = format!("/api/v1/notices/{}/served", warning["id"].as_str().unwrap());
    let headers = [("content-type", "application/json")];
    assert_eq!(api.ask("POST", &path, &cashier, &headers, &how.to_string()).await.status, 403);
    api.stop().await;
}

#[actix_web::test]
async fn who_is_priced_by_a_tariff_reads_of_its_next_version() {
    let api = Api::start().await;
    let street = api.street().await;
    let day = super::in_days(100);
    let version = json!({ "valid_from": day, "blocks": [{ "upto_kwh": "240", "price": "0.6" }, { "price": "0.9" }] });
    api.post(&format!("/api/v1/tariffs/{}/versions", street.tariff), &version).await.ok();
    let path = format!("/api/v1/accounts/{}/notices?limit=1", street.account);
    let notice = eventually(SOON, "the customer is told", async || {
        let newest = api.get(&path).await.ok()["items"][0].clone();
        (newest["kind"] == "price_change").then_some(newest)
    })
    .await;
    let zh = format!("账户S-1：自{day}起执行电价“Shops”：每千瓦时每月240千瓦时以内0.6 CNY，超过240千瓦时0.9 CNY。");
    let en = format!(
        "Account S-1: from {day} on by the tariff Shops: per kWh 0.6 CNY up to 240 kWh a month, 0.9 CNY above 240 kWh."
    );
    assert_eq!((&notice["text_zh"], &notice["text_en"]), (&json!(zh), &json!(en)));
    api.stop().await;
}
