//! Payments in flight: announced with a key, for an account that is open, for as long as they may hold.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Api, Street};

const PATH: &str = "/api/v1/payments_in_flight";

impl Street {
    fn payment(&self) -> Value {
        json!({ "account_id": self.account, "amount": 500, "currency": "CNY", "tender": "alipay" })
    }
}

async fn announce(api: &Api, key: &str, payment: &Value) -> Answer {
    api.post_once(PATH, key, payment).await
}

/// How long a payment holds, in seconds.
fn holds_for(answer: &Value) -> i64 {
    let at = |field: &str| answer[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    at("holds_until").duration_since(at("begun_at")).as_secs()
}

#[actix_web::test]
async fn payments_hold_for_as_long_as_one_and_all_of_them_may() {
    let api = Api::start().await;
    let street = api.street().await;
    let first = announce(&api, "pay-1", &street.payment()).await.ok();
    assert_eq!(holds_for(&first), 15 * 60);
    let end = format!("{PATH}/{}", first["id"].as_str().unwrap());
    assert_eq!(api.send("DELETE", &end, &[], &Value::Null).await.status, 204);
    assert_eq!(announce(&api, "pay-1", &street.payment()).await.ok(), first, "the same key, the same answer");

    // What ended early left nearly all of the half hour.
    let second = announce(&api, "pay-2", &street.payment()).await.ok();
    assert_eq!(holds_for(&second), 15 * 60);
    api.stop().await;
}

#[actix_web::test]
async fn what_is_no_payment_is_refused_and_holds_nothing() {
    let api = Api::start().await;
    let street = api.street().await;
    let with = |field: &str, value: Value| {
        let mut payment = street.payment();
        payment[field] = value;
        payment
    };
    for (field, value, code) in [("amount", json!(0), "amount"), ("currency", json!("EUR"), "currency")] {
        let refused = announce(&api, "pay-1", &with(field, value)).await;
        assert_eq!((refused.problem(), refused.field()), ((422, code), Some(field)));
    }
    announce(&api, "pay-1", &street.payment()).await.ok();
    let other = announce(&api, "pay-1", &with("amount", json!(501))).await;
    assert_eq!(other.problem(), (409, "idempotency_key_reused"));
    let unknown = api.send("DELETE", &format!("{PATH}/1-999999"), &[], &Value::Null).await;
    assert_eq!(unknown.status, 404);
    api.stop().await;
}
