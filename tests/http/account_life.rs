//! The office: refunds, suspension, transfer, closing; who may do it, and what is refused.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

impl Street {
    fn path(&self, what: &str) -> String {
        format!("/api/v1/accounts/{}/{what}", self.account)
    }

    fn refund(&self, amount: i64) -> Value {
        json!({
            "account_id": self.account, "amount": amount, "currency": "CNY", "tender": "cash", "terminal": "till-1",
            "reason": "paid too much",
        })
    }

    fn closing(&self) -> Value {
        let last = json!([{ "meter_id": self.meter, "total": "12.5" }]);
        json!({ "final_readings": last, "reason": "moved out", "tender": "cash", "terminal": "till-1" })
    }

    async fn state(&self, api: &Api) -> Value {
        api.get(&format!("/api/v1/accounts/{}", self.account)).await.ok()["state"].clone()
    }
}

async fn close(api: &Api, street: &Street, key: &str, body: &Value) -> Answer {
    api.post_once(&street.path("close"), key, body).await
}

#[actix_web::test]
async fn a_refund_is_paid_out_once_and_shown_by_its_address() {
    let api = Api::start().await;
    let street = api.street().await;
    let paid = api.post_once("/api/v1/refunds", "back", &street.refund(200)).await;
    assert_eq!(paid.status, 201);
    let address = paid.header("location").unwrap().to_owned();
    let receipt = paid.ok();
    for (field, expected) in [
        ("receipt_number", json!("till-1-1")),
        ("amount", json!(200)),
        ("balance_before", json!(500)),
        ("balance_after", json!(300)),
        ("reason", json!("paid too much")),
    ] {
        assert_eq!(receipt[field], expected, "{field}");
    }
    let again = api.post_once("/api/v1/refunds", "back", &street.refund(200)).await;
    assert_eq!((again.status, again.ok()), (200, receipt.clone()));
    assert_eq!(api.get(&address).await.ok(), receipt);
    let list = format!("/api/v1/refunds?site_id={}", street.site);
    assert_eq!(api.get(&list).await.ok()["items"], json!([receipt]));
    let other = api.post_once("/api/v1/refunds", "back", &street.refund(201)).await;
    assert_eq!(other.problem(), (409, "idempotency_key_reused"));
    let more = api.post_once("/api/v1/refunds", "more", &street.refund(301)).await;
    assert_eq!((more.problem(), more.field()), ((422, "above_available"), Some("amount")));
    let nothing = Value::Object(
        street.refund(1).as_object().unwrap().clone().into_iter().filter(|(key, _)| key != "reason").collect(),
    );
    assert_eq!(api.post_once("/api/v1/refunds", "why", &nothing).await.problem(), (400, "body"));
    assert_eq!(api.post("/api/v1/refunds", &street.refund(1)).await.problem().0, 400, "without a key");
    api.stop().await;
}

#[actix_web::test]
async fn the_office_does_it_and_the_counter_does_not() {
    let api = Api::start().await;
    let street = api.street().await;
    let (counter, elsewhere) =
        (api.key(Role::Cashier, None).await, api.key(Role::Admin, Some(&api.street().await.site)).await);
    let headers = [("content-type", "application/json"), ("Idempotency-Key", "k")];
    let suspension = json!({ "suspended": true, "reason": "away" });
    let transfer = json!({ "customer_id": street.customer, "reason": "sold" });
    for (method, path, body) in [
        ("POST", "/api/v1/refunds".to_owned(), street.refund(1)),
        ("PUT", street.path("suspension"), suspension),
        ("POST", street.path("close"), street.closing()),
        ("POST", street.path("transfer"), transfer),
        ("POST", street.path("adjustments"), json!({ "amount": 100, "currency": "CNY", "reason": "r" })),
    ] {
        let refused = api.ask(method, &path, &counter, &headers, &body.to_string()).await;
        assert_eq!(refused.problem().0, 403, "{path}");
        let refused = api.ask(method, &path, &elsewhere, &headers, &body.to_string()).await;
        assert!(matches!(refused.problem().0, 403 | 404), "{path}");
    }
    assert_eq!(street.state(&api).await, "active");
    api.stop().await;
}

#[actix_web::test]
async fn an_account_is_suspended_goes_on_and_is_closed_for_good() {
    let api = Api::start().await;
    let street = api.street().await;
    for (suspended, state) in [(true, "suspended"), (false, "active")] {
        let body = json!({ "suspended": suspended, "reason": "away" });
        assert_eq!(api.send("PUT", &street.path("suspension"), &[], &body).await.status, 204);
        assert_eq!(street.state(&api).await, state);
    }
    let strange = json!({ "final_readings": [{ "meter_id": "8796093022299", "total": "1" }], "reason": "r", "tender": "cash", "terminal": "t" });
    let refused = close(&api, &street, "c", &strange).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "meter"), Some("final_readings")));
    let closed = close(&api, &street, "c1", &street.closing()).await.ok();
    assert_eq!(
        (&closed["balance"], &closed["refund"]["amount"], &closed["written_off"]),
        (&json!(500), &json!(500), &json!(0))
    );
    assert_eq!(closed["meters"][0]["final_reading"], "12.5000");
    assert_eq!(close(&api, &street, "c1", &street.closing()).await.ok(), closed);
    assert_eq!(street.state(&api).await, "closed");
    assert_eq!(close(&api, &street, "c2", &street.closing()).await.problem(), (409, "account_not_active"));
    let body = json!({ "suspended": true, "reason": "away" });
    assert_eq!(api.send("PUT", &street.path("suspension"), &[], &body).await.problem(), (409, "account_not_active"));
    let sold = api.post_once("/api/v1/vends", "sale", &street.vend(1000)).await;
    assert_eq!(sold.problem(), (422, "account_not_active"));

    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=3", street.site)).await.ok();
    let verbs: Vec<&str> = log["items"].as_array().unwrap().iter().map(|line| line["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["close_account", "resume_account", "suspend_account"]);
    api.stop().await;
}

#[actix_web::test]
async fn a_transfer_gives_meter_and_balance_to_the_next_customer() {
    let api = Api::start().await;
    let street = api.street().await;
    let wu = api.post("/api/v1/customers", &json!({ "site_id": street.site, "name": "Wu" })).await.id();
    let last = json!([{ "meter_id": street.meter, "total": "12.5" }]);
    let body = json!({ "customer_id": wu, "number": "W-1", "final_readings": last, "reason": "sold" });
    let done = api.post_once(&street.path("transfer"), "t", &body).await.ok();
    assert_eq!((&done["balance"], &done["new_account_number"]), (&json!(500), &json!("W-1")));
    assert_eq!(api.post_once(&street.path("transfer"), "t", &body).await.ok(), done);
    assert_eq!(street.state(&api).await, "closed");
    let new = api.get(&format!("/api/v1/accounts/{}", done["new_account_id"].as_str().unwrap())).await.ok();
    assert_eq!((&new["state"], &new["posted"], &new["customer_id"]), (&json!("active"), &json!(500), &json!(wu)));
    let taken = json!({ "customer_id": wu, "number": "S-1", "reason": "back" });
    let again =
        api.post_once(&format!("/api/v1/accounts/{}/transfer", new["id"].as_str().unwrap()), "t2", &taken).await;
    assert!(matches!(again.problem(), (422, "no_fresh_reading") | (409, _)), "{}", again.json);
    api.stop().await;
}

#[actix_web::test]
async fn the_stop_button_tells_what_it_cancelled() {
    let api = Api::start().await;
    let street = api.street().await;
    let cut = json!({ "action": "disconnect", "reason": "works on the riser" });
    let order = api.post_once(&format!("/api/v1/meters/{}/relay_orders", street.meter), "o", &cut).await.id();
    let path = format!("/api/v1/sites/{}/stop", street.site);
    assert_eq!(api.post(&path, &json!({ "reason": " " })).await.field(), Some("reason"));
    let stop = json!({ "reason": "fire in the street" });
    for cancelled in [json!([order]), json!([])] {
        let nothing: [u8; 0] = [];
        let told =
            json!({ "cancelled": cancelled, "sent": nothing, "groups_rejected": nothing, "schedules_ended": nothing });
        assert_eq!(api.post(&path, &stop).await.ok(), told);
    }
    let shown = api.get(&format!("/api/v1/relay_orders/{order}")).await.ok();
    assert_eq!(
        (&shown["state"], &shown["lines"][1]["detail"]),
        (&json!("superseded"), &json!("stopped: fire in the street"))
    );
    api.stop().await;
}
