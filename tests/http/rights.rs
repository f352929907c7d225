//! Nobody gets in without a key, and nobody does more than their key allows.

use jiff::Timestamp;
use serde_json::{Value, json};
use store::api_key::Role;
use wattgate::keys;

use super::{Answer, Api, Street, operations};

/// Every call of the API under `/api/v1`, with identifiers that lead nowhere.
fn calls() -> Vec<(String, String)> {
    let document = serde_json::to_value(wattgate::http::document()).unwrap();
    let guarded = operations(&document).into_iter().filter(|(path, _, _)| path.starts_with("/api/v1"));
    let calls: Vec<_> = guarded.map(|(path, method, _)| (method, path.replace("{id}", "8796093022209"))).collect();
    assert!(calls.len() > 30, "{calls:?}");
    calls
}

#[actix_web::test]
async fn every_call_needs_a_key() {
    let api = Api::start().await;
    for (method, path) in calls() {
        for key in ["", "wg_000000000000_000000000000000000000000000000000000000000000000", "nonsense"] {
            let refused = api.ask(&method, &path, key, &[], "").await;
            assert_eq!(refused.problem(), (401, "key"), "{method} {path}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"wattgate\""));
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn each_role_is_refused_what_is_beyond_it_before_anything_else_is_looked_at() {
    let api = Api::start().await;
    let sells = |method: &str, path: &str| {
        let counter = ["/api/v1/vends", "/api/v1/shifts"].iter().any(|resource| path.starts_with(resource));
        let pays = path.starts_with("/api/v1/payments_in_flight");
        pays || method == "POST" && (counter || path.ends_with("/emergency_credit"))
    };
    let switches = |method: &str, path: &str| method == "PATCH" && path.starts_with("/api/v1/sites/");
    for role in [Role::Viewer, Role::Cashier, Role::Operator, Role::Admin] {
        let key = api.key(role, None).await;
        for (method, path) in calls() {
            let may = match role {
                Role::Viewer => method == "GET",
                Role::Cashier => method == "GET" || sells(&method, &path),
                Role::Operator => !switches(&method, &path),
                Role::Admin => true,
            };
            let answer = api.ask(&method, &path, &key, &[], "not json").await;
            assert_eq!(answer.status != 403, may, "{role:?} {method} {path}: {} {}", answer.status, answer.json);
            assert_ne!(answer.status, 401);
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_revoked_key_is_a_bad_key() {
    let api = Api::start().await;
    let key = api.key(Role::Viewer, None).await;
    assert_eq!(api.ask("GET", "/api/v1/sites", &key, &[], "").await.status, 200);
    let prefix = keys::prefix_of(&key).unwrap().to_owned();
    api.app.db.write(move |conn| store::api_key::revoke(conn, &prefix, Timestamp::now())).await.unwrap();
    assert_eq!(api.ask("GET", "/api/v1/sites", &key, &[], "").await.problem(), (401, "key"));
    api.stop().await;
}

async fn with(api: &Api, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("Idempotency-Key", "k"), ("If-Match", "*")];
    api.ask(method, path, key, &headers, &body.to_string()).await
}

#[actix_web::test]
async fn a_key_of_another_site_sees_and_changes_nothing() {
    let api = Api::start().await;
    let here = api.street().await;
    let there = api.street().await;
    let key = api.key(Role::Admin, Some(&there.site)).await;
    let Street { site, concentrator, meter, customer, tariff, account } = &here;
    for path in [
        format!("sites/{site}"),
        format!("concentrators/{concentrator}"),
        format!("concentrators/{concentrator}/link"),
        format!("meters/{meter}"),
        format!("meters/{meter}/readings"),
        format!("meters/{meter}/relay_orders"),
        format!("customers/{customer}"),
        format!("tariffs/{tariff}"),
        format!("accounts/{account}"),
        format!("accounts/{account}/balance"),
        format!("accounts/{account}/statement"),
        format!("accounts/{account}/customer_control"),
        format!("accounts/{account}/notices"),
        format!("accounts/{account}/vends"),
    ] {
        let path = format!("/api/v1/{path}");
        api.get(&path).await.ok();
        assert_eq!(api.ask("GET", &path, &key, &[], "").await.problem(), (404, "not_found"), "{path}");
    }
    let notices = api.get(&format!("/api/v1/accounts/{account}/notices?limit=1")).await.ok();
    let notice = notices["items"][0]["id"].as_str().unwrap();
    for list in
        ["concentrators", "meters", "customers", "tariffs", "accounts", "vends", "relay_orders", "alarms", "notices"]
    {
        let path = format!("/api/v1/{list}?site_id={site}");
        api.get(&path).await.ok();
        assert_eq!(api.ask("GET", &path, &key, &[], "").await.problem(), (403, "other_site"), "{path}");
        let own = api.ask("GET", &format!("/api/v1/{list}"), &key, &[], "").await;
        assert!(!own.ok().to_string().contains(meter.as_str()), "{list}");
    }
    for (path, body) in [
        ("sites", json!({ "name": "Mine", "time_zone": "UTC" })),
        (
            "concentrators",
            json!({ "site_id": site, "name": "C", "region": "1101", "terminal": 77, "profile": "standard" }),
        ),
        (
            "meters",
            json!({ "concentrator_id": concentrator, "name": "M", "address": "000000000099", "profile": "dlt645_direct" }),
        ),
        ("customers", json!({ "site_id": site, "name": "Wu" })),
        ("tariffs", json!({ "site_id": site, "name": "T", "blocks": [{ "price": "0.1" }] })),
        ("accounts", json!({ "customer_id": customer, "tariff_id": tariff })),
        ("vends", here.vend(1_000)),
        ("vends/trial", here.vend(1_000)),
    ] {
        let refused = with(&api, &key, "POST", &format!("/api/v1/{path}"), &body).await;
        assert_eq!(refused.problem(), (403, "other_site"), "{path}");
    }
    for (method, path, body) in [
        ("PATCH", format!("sites/{site}"), json!({ "automatic_disconnection": "on" })),
        ("PUT", format!("meters/{meter}/guard"), json!({ "guarded": true, "reason": "r" })),
        ("PUT", format!("accounts/{account}/customer_control"), json!({ "allowed": true, "reason": "r" })),
        ("POST", format!("meters/{meter}/relay_orders"), json!({ "action": "disconnect", "reason": "r" })),
        ("POST", format!("accounts/{account}/open"), json!({ "meter_id": meter })),
        ("POST", format!("notices/{notice}/served"), json!({ "served_at": "2026-05-01T08:00:00Z", "how": "letter" })),
    ] {
        let refused = with(&api, &key, method, &format!("/api/v1/{path}"), &body).await;
        assert_eq!(refused.problem(), (404, "not_found"), "{path}");
    }
    assert_eq!(api.ask("GET", "/api/v1/unknown_concentrators", &key, &[], "").await.problem(), (403, "other_site"));
    let sites = api.ask("GET", "/api/v1/sites", &key, &[], "").await.ok();
    assert_eq!(sites["items"].as_array().map(Vec::len), Some(1));
    api.stop().await;
}

#[actix_web::test]
async fn no_answer_holds_a_password_or_the_hash_of_a_key() {
    let api = Api::start().await;
    let street = api.street().await;
    for path in ["concentrators", "meters", "accounts"] {
        let shown = api.get(&format!("/api/v1/{path}?site_id={}", street.site)).await.ok().to_string();
        assert!(!shown.contains("password") && !shown.contains("hash"), "{shown}");
    }
    api.stop().await;
}
