//! Why a balance is what it is, asked over HTTP: as JSON and as a text, and what is refused.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;

use super::Api;

/// Yesterday and tomorrow, whichever day it is in Shanghai.
fn around_today() -> String {
    let day = |days: i64| {
        let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
        at.to_zoned(TimeZone::get("Asia/Shanghai").unwrap()).date()
    };
    format!("from={}&to={}", day(-1), day(1))
}

#[actix_web::test]
async fn an_account_is_explained_as_json_and_as_a_text_in_two_languages() {
    let api = Api::start().await;
    let street = api.street().await;
    api.post_once("/api/v1/vends", "sale", &street.vend(1_000)).await.ok();
    let path = format!("/api/v1/accounts/{}/explain?{}", street.account, around_today());
    let told = api.get(&path).await.ok();
    assert_eq!((&told["account_number"], &told["currency"]), (&json!("S-1"), &json!("CNY")));
    assert_eq!((&told["balance_before"], &told["balance_after"]), (&json!(0), &json!(1_500)));
    let kinds: Vec<_> = told["transactions"].as_array().unwrap().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, [json!("opening"), json!("vend")]);
    assert_eq!(told["transactions"][1]["receipt_number"], "till-1-1");

    for (language, begins, vend) in [
        ("", "户号S-1，", "售电（收据号till-1-1）：+10.00 CNY"),
        ("&lang=zh", "户号S-1，", "售电（收据号till-1-1）：+10.00 CNY"),
        ("&lang=en", "Account S-1, ", "vend (receipt till-1-1): +10.00 CNY"),
    ] {
        let text = api.get(&format!("{path}&format=text{language}")).await;
        assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
        let text = text.ok();
        let text = text.as_str().unwrap();
        assert!(text.starts_with(begins) && text.contains(vend), "{text}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_is_owed_is_explained_with_its_reason() {
    let api = Api::start().await;
    let street = api.street().await;
    let debt = json!({ "amount": 1_000, "currency": "CNY", "reason": "unpaid bills of 2025" });
    api.post_once(&format!("/api/v1/accounts/{}/debts", street.account), "debt", &debt).await.ok();
    api.post_once("/api/v1/vends", "sale", &street.vend(500)).await.ok();
    let path = format!("/api/v1/accounts/{}/explain?{}", street.account, around_today());
    let told = api.get(&path).await.ok();
    assert_eq!((&told["transactions"][1]["reason"], &told["transactions"][2].get("reason")), (&debt["reason"], &None));
    let text = api.get(&format!("{path}&format=text&lang=en")).await.ok();
    let lines: Vec<&str> = text.as_str().unwrap().lines().map(str::trim).collect();
    for wanted in ["Debt +10.00 CNY", "Reason: unpaid bills of 2025", "Debt -1.00 CNY"] {
        assert!(lines.contains(&wanted), "{wanted}: {lines:?}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_was_given_or_set_right_is_explained_with_its_reason_and_what_is_left_now() {
    let api = Api::start().await;
    let street = api.street().await;
    let of = |what: &str| format!("/api/v1/accounts/{}/{what}", street.account);
    let amount = |amount: i64, reason: &str| json!({ "amount": amount, "currency": "CNY", "reason": reason });
    api.post_once(&of("adjustments"), "a", &amount(-100, "typed wrong")).await.ok();
    let batch = json!({
        "site_id": street.site, "currency": "CNY", "reason": "winter aid",
        "lines": [{ "account_number": "S-1", "amount": 50 }],
    });
    api.post_once("/api/v1/batch_credits", "b", &batch).await.ok();
    let path = of(&format!("explain?{}", around_today()));
    let told = api.get(&path).await.ok();
    let reasons: Vec<_> = told["transactions"].as_array().unwrap().iter().map(|row| row["reason"].as_str()).collect();
    assert_eq!(reasons, [None, Some("typed wrong"), Some("winter aid")]);
    assert_eq!(told["now"], json!({ "balance": 450, "accrued": 0, "available": 450 }));
    let text = api.get(&format!("{path}&format=text&lang=en")).await.ok();
    let now = "Now: balance 4.50 CNY, used and not posted yet 0.00 CNY, available 4.50 CNY";
    assert_eq!(text.as_str().unwrap().lines().last(), Some(now));
    api.stop().await;
}

#[actix_web::test]
async fn a_span_that_is_none_is_refused_with_its_field() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("/api/v1/accounts/{}/explain", street.account);
    for (query, problem, field) in [
        ("from=2026-05-01", (400, "query"), "to"),
        ("from=May&to=2026-05-31", (400, "query"), "from"),
        ("from=2026-05-01&to=2026-05-31T25:00:00Z", (400, "query"), "to"),
        ("from=2026-05-01&to=2026-05-31&format=pdf", (400, "query"), "format"),
        ("from=2026-05-01&to=2026-05-31&lang=la", (400, "query"), "lang"),
        ("from=2026-05-02&to=2026-05-01", (422, "span"), "to"),
        ("from=2026-05-01T00:00:00Z&to=2026-05-01T00:00:00Z", (422, "span"), "to"),
        ("from=2025-01-01&to=2026-12-31", (422, "span_too_long"), "to"),
    ] {
        let refused = api.get(&format!("{path}?{query}")).await;
        assert_eq!((refused.problem(), refused.field()), (problem, Some(field)), "{query}: {}", refused.json);
    }
    let nothing = api.get(&format!("{path}?from=2020-05-01&to=2020-05-31")).await.ok();
    assert_eq!(nothing["transactions"], json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn more_than_a_span_may_hold_is_refused() {
    let api = Api::start().await;
    let street = api.street().await;
    for sale in ["a", "b", "c"] {
        api.post_once("/api/v1/vends", sale, &street.vend(1_000)).await.ok();
    }
    let refused = api.get(&format!("/api/v1/accounts/{}/explain?{}", street.account, around_today())).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "span_too_large"), Some("to")));
    api.stop().await;
}
