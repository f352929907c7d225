//! Limits of an account that is there already, as the office changes them.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

const LIMITS: [&str; 6] = ["alarm_1", "alarm_2", "rearm_margin", "overdraft", "restore_margin", "emergency_credit"];

impl Street {
    fn account(&self) -> String {
        format!("/api/v1/accounts/{}", self.account)
    }

    async fn change(&self, api: &Api, seen: &str, to: &Value) -> Answer {
        api.send("PATCH", &self.account(), &[("If-Match", seen)], to).await
    }

    async fn limits(&self, api: &Api) -> Vec<i64> {
        let account = api.get(&self.account()).await.ok();
        LIMITS.iter().map(|field| account[field].as_i64().unwrap()).collect()
    }

    async fn log(&self, api: &Api) -> Value {
        api.get(&format!("/api/v1/audit_log?site_id={}&limit=1", self.site)).await.ok()["items"][0].clone()
    }
}

#[actix_web::test]
async fn accounts_are_entered_with_the_limits_of_their_tariff_and_keep_them() {
    let api = Api::start().await;
    let street = api.street().await;
    let there = api.get(&street.account()).await.ok();
    let path = format!("/api/v1/tariffs/{}/limits", there["tariff_id"].as_str().unwrap());
    let enter = async || {
        let new = json!({ "customer_id": there["customer_id"], "tariff_id": there["tariff_id"] });
        let account = api.post("/api/v1/accounts", &new).await.ok();
        LIMITS.map(|field| account[field].as_i64().unwrap())
    };
    let mut limits = json!({
        "alarm_1": 9_000, "alarm_2": 4_000, "rearm_margin": 50, "overdraft": 700, "restore_margin": 20, "emergency_credit": 300,
    });
    assert_eq!(api.send("PUT", &path, &[], &limits).await.status, 204);
    assert_eq!(street.log(&api).await["verb"], "set_tariff_limits");
    assert_eq!(enter().await, [9_000, 4_000, 50, 700, 20, 300]);
    assert_eq!(street.limits(&api).await, [2_000, 500, 100, 0, 1, 0], "an account that was there keeps its own");

    limits["alarm_2"] = json!(9_001);
    let refused = api.send("PUT", &path, &[], &limits).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "limits"), Some("alarm_1")));
    limits["alarm_2"].take();
    assert_eq!(api.send("PUT", &path, &[], &limits).await.status, 400, "all of them or none");
    assert_eq!(enter().await, [9_000, 4_000, 50, 700, 20, 300], "what was refused changed nothing");

    assert_eq!(api.send("DELETE", &path, &[], &Value::Null).await.status, 204);
    assert_eq!(enter().await, [2_000, 500, 100, 0, 1, 0], "the settings'");
    let tariff = api.get(path.strip_suffix("/limits").unwrap()).await.ok();
    assert!(tariff["limits"].is_null(), "{tariff}");
    api.stop().await;
}

#[actix_web::test]
async fn limits_are_changed_one_by_one_with_what_was_seen() {
    let api = Api::start().await;
    let street = api.street().await;
    assert_eq!(street.limits(&api).await, [2_000, 500, 100, 0, 1, 0], "the settings'");
    let seen = api.get(&street.account()).await.header("etag").unwrap().to_owned();

    let to = json!({ "overdraft": 5_000, "emergency_credit": 300, "reason": "a hospital" });
    let changed = street.change(&api, &seen, &to).await;
    let now = changed.header("etag").unwrap().to_owned();
    let account = changed.ok();
    assert_eq!((&account["overdraft"], &account["emergency_credit"]), (&json!(5_000), &json!(300)));
    assert_eq!(street.limits(&api).await, [2_000, 500, 100, 5_000, 1, 300]);
    assert_eq!(api.get(&street.account()).await.header("etag"), Some(now.as_str()));
    let line = street.log(&api).await;
    let object = json!(format!("account:{}", street.account));
    assert_eq!((&line["verb"], &line["object"]), (&json!("change_limits"), &object));
    assert_eq!(line["detail"], "overdraft 0 to 5000, emergency_credit 0 to 300: a hospital");

    let other = json!({ "overdraft": 1, "reason": "somebody else's" });
    assert_eq!(street.change(&api, &seen, &other).await.problem(), (409, "version"));
    assert_eq!(api.get(&street.account()).await.header("etag"), Some(now.as_str()), "refused, it is what it was");
    assert_eq!(street.change(&api, &now, &json!({ "overdraft": 4_000, "reason": "less" })).await.status, 200);
    let any =
        json!({ "alarm_1": 3_000, "alarm_2": -4_000, "rearm_margin": 200, "restore_margin": 300, "reason": "all" });
    assert_eq!(street.change(&api, "*", &any).await.status, 200);
    assert_eq!(street.limits(&api).await, [3_000, -4_000, 200, 4_000, 300, 300]);

    let line = street.log(&api).await;
    assert_eq!(street.change(&api, "*", &any).await.status, 200);
    assert_eq!(street.log(&api).await, line, "what is so already is no change");
    api.stop().await;
}

#[actix_web::test]
async fn a_level_that_is_raised_above_the_balance_is_told_at_once() {
    let api = Api::start().await;
    let street = api.street().await;
    let newest = async || api.get(&format!("{}/notices?limit=1", street.account())).await.ok()["items"][0].clone();
    // 5.00 were brought along, below the settings' levels; lower ones arm both again.
    let lower = json!({ "alarm_1": 10, "alarm_2": 0, "reason": "asked for" });
    let account = street.change(&api, "*", &lower).await.ok();
    assert_eq!(account["episode_began_at"], Value::Null, "credit is no longer low");
    let before = newest().await;
    street.change(&api, "*", &json!({ "alarm_1": 600, "reason": "asked for" })).await.ok();
    let notice = newest().await;
    assert_ne!(notice["id"], before["id"]);
    assert_eq!(notice["kind"], "low_balance_1");
    api.stop().await;
}

#[actix_web::test]
async fn limits_that_do_not_hold_are_refused_by_their_field_and_change_nothing() {
    let api = Api::start().await;
    let street = api.street().await;
    let before = (street.limits(&api).await, street.log(&api).await);
    for (to, field) in [
        (json!({ "overdraft": -1 }), "overdraft"),
        (json!({ "overdraft": 100_000_001 }), "overdraft"),
        (json!({ "overdraft": 999_999_999_999_999_i64 }), "overdraft"),
        (json!({ "overdraft": -999_999_999_999_999_i64 }), "overdraft"),
        (json!({ "alarm_2": -1 }), "alarm_2"),
        (json!({ "alarm_2": -999_999_999_999_999_i64 }), "alarm_2"),
        (json!({ "alarm_1": 499 }), "alarm_1"),
        (json!({ "rearm_margin": 0 }), "rearm_margin"),
        (json!({ "restore_margin": 0 }), "restore_margin"),
        (json!({ "emergency_credit": -1 }), "emergency_credit"),
        (json!({ "emergency_credit": 9, "restore_margin": 10 }), "restore_margin"),
    ] {
        let mut to = to;
        to["reason"] = json!("r");
        let refused = street.change(&api, "*", &to).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "limits"), Some(field)), "{to}");
    }
    for beyond in [i64::MAX, i64::MIN, 1_000_000_000_000_000] {
        let refused = street.change(&api, "*", &json!({ "overdraft": beyond, "reason": "r" })).await;
        assert_eq!((refused.problem(), refused.field()), ((400, "body"), Some("overdraft")), "{beyond}");
    }
    let no_reason = street.change(&api, "*", &json!({ "overdraft": 1, "reason": " " })).await;
    assert_eq!((no_reason.problem(), no_reason.field()), ((422, "label"), Some("reason")));
    let posted = street.change(&api, "*", &json!({ "posted": 1, "reason": "r" })).await;
    assert_eq!(posted.problem(), (400, "body"), "money is no limit");
    let to = json!({ "overdraft": 1, "reason": "r" });
    assert_eq!(api.send("PATCH", &street.account(), &[], &to).await.problem(), (400, "if_match_missing"));
    let headers = [("content-type", "application/json"), ("If-Match", "*")];
    let elsewhere = api.street().await;
    let there = api.key(Role::Admin, Some(&elsewhere.site)).await;
    let refused = api.ask("PATCH", &street.account(), &there, &headers, &to.to_string()).await;
    assert_eq!(refused.problem(), (404, "not_found"));
    assert_eq!((street.limits(&api).await, street.log(&api).await), before);
    api.stop().await;
}

#[actix_web::test]
async fn a_pending_account_has_limits_to_be_changed_and_a_closed_one_has_not() {
    let api = Api::start().await;
    let street = api.street().await;
    let account = json!({ "customer_id": street.customer, "tariff_id": street.tariff });
    let path = format!("/api/v1/accounts/{}", api.post("/api/v1/accounts", &account).await.id());
    let to = json!({ "overdraft": 700, "reason": "agreed" });
    let changed = api.send("PATCH", &path, &[("If-Match", "*")], &to).await.ok();
    assert_eq!((&changed["overdraft"], &changed["state"]), (&json!(700), &json!("pending")));

    let (account, now) = (street.account.parse().unwrap(), api.app.clock.now());
    let closed = api.app.db.write(move |conn| {
        let mut row = store::account::lock(conn, account)?;
        (row.state, row.closed_at) = (domain::account::State::Closed, Some(now));
        store::account::save(conn, &row)
    });
    closed.await.unwrap();
    assert_eq!(street.change(&api, "*", &to).await.problem(), (409, "account_closed"));
    assert_eq!(street.limits(&api).await, [2_000, 500, 100, 0, 1, 0]);
    api.stop().await;
}
