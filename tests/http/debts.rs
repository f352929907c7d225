//! Debts as the office and the counter see them.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Api, Street};

impl Street {
    fn debts(&self) -> String {
        format!("/api/v1/accounts/{}/debts", self.account)
    }
}

fn debt(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "CNY", "reason": "unpaid bills of 2025" })
}

/// The fields of an object, with others in their place.
fn with(body: &Value, changes: &Value) -> Value {
    let mut body = body.clone();
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

#[actix_web::test]
async fn a_debt_is_entered_recovered_by_vends_and_written_off() {
    let api = Api::start().await;
    let street = api.street().await;
    let entered = api.post_once(&street.debts(), "d-1", &debt(1_000)).await;
    assert_eq!(entered.status, 201);
    let line = entered.ok();
    assert_eq!(
        (&line["change"], &line["owed_after"], &line["share_ppm"], &line["weekly_cap"], &line["currency"]),
        (&json!("entered"), &json!(1_000), &json!(200_000), &Value::Null, &json!("CNY")),
        "the settings' terms"
    );
    let again = api.post_once(&street.debts(), "d-1", &debt(1_000)).await;
    assert_eq!((again.status, again.ok()), (200, line));
    assert_eq!(api.post_once(&street.debts(), "d-1", &debt(999)).await.problem(), (409, "idempotency_key_reused"));

    let trial = api.post("/api/v1/vends/trial", &street.vend(500)).await.ok();
    assert_eq!(
        (&trial["debt_recovered"], &trial["debt_left"], &trial["balance_after"]),
        (&json!(100), &json!(900), &json!(900))
    );
    let sold = api.post_once("/api/v1/vends", "v-1", &street.vend(500)).await.ok();
    assert_eq!(
        (&sold["debt_recovered"], &sold["debt_left"], &sold["balance_after"]),
        (&json!(100), &json!(900), &json!(900))
    );
    let account = api.get(&format!("/api/v1/accounts/{}", street.account)).await.ok();
    assert_eq!((&account["debt"], &account["posted"]), (&json!(900), &json!(900)));
    let statement = api.get(&format!("/api/v1/accounts/{}/statement?limit=1", street.account)).await.ok();
    let postings = &statement["items"][0]["postings"];
    assert_eq!((&postings[0]["amount"], &postings[1]["amount"]), (&json!(500), &json!(100)));
    assert_eq!(postings[1]["to"], json!(format!("debt:{}", street.account)));

    let off = api.post_once(&format!("{}/write_off", street.debts()), "o-1", &json!({ "reason": "hardship" })).await;
    assert_eq!((off.status, &off.ok()["owed_after"]), (201, &json!(0)));
    let page = api.get(&street.debts()).await.ok();
    let changes: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|line| line["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["written_off", "recovered"]);
    let rest = api.get(&format!("{}?cursor={}", street.debts(), page["next_cursor"].as_str().unwrap())).await.ok();
    assert_eq!((&rest["items"][0]["change"], &rest["next_cursor"]), (&json!("entered"), &Value::Null));
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok();
    assert_eq!((&log["items"][0]["verb"], &log["items"][1]["verb"]), (&json!("write_off_debt"), &json!("enter_debt")));
    api.stop().await;
}

#[actix_web::test]
async fn a_debt_that_is_none_is_refused_by_its_field() {
    let api = Api::start().await;
    let street = api.street().await;
    for (changes, code, field) in [
        (json!({ "amount": 0 }), "debt_amount", "amount"),
        (json!({ "amount": -1 }), "debt_amount", "amount"),
        (json!({ "amount": 100_000_001 }), "debt_amount", "amount"),
        (json!({ "currency": "EUR" }), "currency_mismatch", "currency"),
        (json!({ "share_ppm": 0 }), "share_ppm", "share_ppm"),
        (json!({ "share_ppm": 1_000_001 }), "share_ppm", "share_ppm"),
        (json!({ "weekly_cap": 0 }), "weekly_cap", "weekly_cap"),
        (json!({ "reason": " " }), "label", "reason"),
    ] {
        let refused = api.post_once(&street.debts(), "d", &with(&debt(1_000), &changes)).await;
        assert_eq!((refused.problem(), refused.field()), ((422, code), Some(field)), "{changes}");
    }
    let unknown = with(&debt(1), &json!({ "share": 1 }));
    assert_eq!(api.post_once(&street.debts(), "d", &unknown).await.problem(), (400, "body"));
    let off = format!("{}/write_off", street.debts());
    let nothing = api.post_once(&off, "o", &json!({ "reason": "none is owed" })).await;
    assert_eq!((nothing.problem(), nothing.field()), ((422, "above_debt"), Some("amount")));
    let counter = api.key(Role::Cashier, None).await;
    let headers = [("content-type", "application/json"), ("Idempotency-Key", "k")];
    let refused = api.ask("POST", &street.debts(), &counter, &headers, &debt(1).to_string()).await;
    assert_eq!(refused.problem().0, 403);
    assert_eq!(api.get(&street.debts()).await.ok()["items"], json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn an_account_may_bring_a_debt_along() {
    let api = Api::start().await;
    let street = api.street().await;
    let meter = json!({ "concentrator_id": street.concentrator, "name": "Shop 2", "address": "000000000777", "profile": "dlt645_direct" });
    let meter = api.post("/api/v1/meters", &meter).await.id();
    let account = json!({ "customer_id": street.customer, "tariff_id": street.tariff });
    let account = api.post("/api/v1/accounts", &account).await.id();
    let path = format!("/api/v1/accounts/{account}");
    let opening = json!({ "meter_id": meter, "initial_reading": "1", "reason": "read on site", "opening_debt": 0 });
    let refused = api.post_once(&format!("{path}/open"), "open-2", &opening).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "debt_amount"), Some("opening_debt")));
    let early = api.post_once(&format!("{path}/debts"), "d", &debt(1)).await;
    assert_eq!(early.problem(), (422, "account_not_active"));
    let opening = with(&opening, &json!({ "opening_debt": 700 }));
    let opened = api.post_once(&format!("{path}/open"), "open-2", &opening).await.ok();
    assert_eq!((&opened["debt"], &opened["posted"]), (&json!(700), &json!(0)));
    assert_eq!(api.post_once(&format!("{path}/open"), "open-2", &opening).await.ok(), opened);
    let lines = api.get(&format!("{path}/debts")).await.ok();
    assert_eq!(lines["items"].as_array().unwrap().len(), 1);
    api.stop().await;
}
