//! Operators' holds: given until a date, listed, needed by a reconnect without money, lifted.

use jiff::ToSpan;
use serde_json::{Value, json};

use super::{Api, Street};

impl Street {
    async fn hold(&self, api: &Api, body: &Value) -> super::Answer {
        api.send("PUT", &format!("/api/v1/accounts/{}/hold", self.account), &[], body).await
    }

    async fn order(&self, api: &Api, key: &str, action: &str) -> super::Answer {
        let order = json!({ "action": action, "reason": "works on the riser" });
        api.post_once(&format!("/api/v1/meters/{}/relay_orders", self.meter), key, &order).await
    }

    async fn held(&self, api: &Api) -> Vec<Value> {
        let page = api.get(&format!("/api/v1/holds?site_id={}", self.site)).await.ok();
        page["items"].as_array().unwrap().iter().map(|account| account["id"].clone()).collect()
    }
}

#[actix_web::test]
async fn what_is_left_out_lifts_nothing() {
    let api = Api::start().await;
    let street = api.street().await;
    let until = api.app.clock.now() + 48.hours();
    street.hold(&api, &json!({ "until": until, "reason": "the bank is closed" })).await.ok();
    let forgot = street.hold(&api, &json!({ "reason": "ill, longer" })).await;
    assert_eq!((forgot.problem(), forgot.field()), ((400, "body"), Some("until")));
    assert_eq!(street.held(&api).await, [json!(street.account)]);

    let building = api.post("/api/v1/buildings", &json!({ "site_id": street.site, "name": "A" })).await.id();
    let place = format!("/api/v1/meters/{}/building", street.meter);
    api.send("PUT", &place, &[], &json!({ "building_id": building })).await.ok();
    assert_eq!(api.send("PUT", &place, &[], &json!({})).await.field(), Some("building_id"));
    let vendor = json!({ "site_id": street.site, "name": "Corner shop", "credit_limit": 1_000 });
    let vendor = format!("/api/v1/vendors/{}", api.post("/api/v1/vendors", &vendor).await.id());
    let renamed = json!({ "name": "Kiosk", "state": "active" });
    assert_eq!(api.send("PATCH", &vendor, &[("if-match", "*")], &renamed).await.field(), Some("credit_limit"));
    assert_eq!(api.get(&vendor).await.ok()["credit_limit"], 1_000);
    api.stop().await;
}

#[actix_web::test]
async fn without_money_a_reconnect_needs_a_hold_with_an_end() {
    let api = Api::start().await;
    let street = api.street().await;
    let back = json!({
        "account_id": street.account, "amount": 500, "currency": "CNY", "tender": "cash", "terminal": "till-1", "reason": "moved",
    });
    api.post_once("/api/v1/refunds", "all", &back).await.ok();
    street.order(&api, "cut", "disconnect").await.ok();
    assert_eq!(street.order(&api, "back", "reconnect").await.problem(), (422, "hold_needed"));

    let until = api.app.clock.now() + 48.hours();
    assert_eq!(street.hold(&api, &json!({ "until": until, "reason": "the bank is closed" })).await.status, 204);
    assert_eq!(street.held(&api).await, [json!(street.account)]);
    let account = api.get(&format!("/api/v1/accounts/{}", street.account)).await.ok();
    assert_eq!(account["hold_until"], json!(until));
    assert_eq!(street.order(&api, "back", "reconnect").await.ok()["action"], "reconnect");

    assert_eq!(street.hold(&api, &json!({ "until": null, "reason": "it is open" })).await.status, 204);
    assert_eq!(street.held(&api).await, Vec::<Value>::new());
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok();
    assert_eq!((&log["items"][0]["verb"], &log["items"][1]["verb"]), (&json!("lift_hold"), &json!("hold_account")));
    api.stop().await;
}

#[actix_web::test]
async fn a_hold_has_a_reason_and_an_end_within_bounds() {
    let api = Api::start().await;
    let street = api.street().await;
    let now = api.app.clock.now();
    for until in [now - 1.second(), now + (24 * 91).hours()] {
        let refused = street.hold(&api, &json!({ "until": until, "reason": "r" })).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "hold_end"), Some("until")));
    }
    let refused = street.hold(&api, &json!({ "until": now + 1.hour(), "reason": " " })).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "label"), Some("reason")));
    assert_eq!(street.held(&api).await, Vec::<Value>::new());
    api.stop().await;
}
