//! A counter prints a receipt, for a roll and for A4, in two languages, and prints it again with a mark.

use serde_json::{Value, json};
use wattgate::operations::vend::Receipt;

use super::{Answer, Api, Street};

async fn sold(api: &Api) -> (Street, Value) {
    let street = api.street().await;
    let receipt = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await.ok();
    (street, receipt)
}

fn path(vend: &Value, what: &str) -> String {
    format!("/api/v1/vends/{}/{what}", vend["vend_id"].as_str().unwrap())
}

/// A page that needs nothing else and cannot do anything.
fn page(answer: Answer) -> String {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let page = answer.json.as_str().unwrap().to_owned();
    for loaded in ["<script", "<link", "<img", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(loaded), "{loaded}: {page}");
    }
    page
}

fn holds(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[actix_web::test]
async fn a_receipt_says_what_was_answered_and_what_was_charged_since_the_vend_before() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let heading = json!({ "site": "Garden Street", "customer": "Li Hua", "meters": ["000000000001"] });
    assert_eq!(vend["heading"], heading);
    let shown = api.get(&path(&vend, "receipt")).await.ok();
    assert_eq!(shown["receipt"], vend);
    let nothing = json!({ "last": null, "balance": 0, "energy": "0.0000", "lines": [], "charged": 0, "fixed_charges": 0, "other": 500 });
    assert_eq!(shown["since_last"], nothing);
    assert_eq!(shown.get("reprint"), None);
    let second = api.post_once("/api/v1/vends", "second", &street.vend(2_000)).await.ok();
    let shown = api.get(&path(&second, "receipt")).await.ok();
    assert_eq!((&shown["since_last"]["last"], &shown["since_last"]["balance"]), (&vend["created_at"], &json!(10_500)));
    api.stop().await;
}

#[actix_web::test]
async fn a_page_is_for_a_paper_and_in_a_language() {
    let api = Api::start().await;
    let (_street, vend) = sold(&api).await;
    let at = vend["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let local =
        at.to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let receipt = path(&vend, "receipt?format=html");
    let zh = page(api.get(&receipt).await);
    holds(&zh, &["lang=\"zh-CN\"", "@page{size:80mm ", "售电收据", "till-1-1", "Li Hua", "100.00 CNY", "现金", &local]);
    assert!(!zh.contains("重印"), "the first print has no mark");
    let en = page(api.get(&format!("{receipt}&paper=a4&language=en")).await);
    holds(&en, &["lang=\"en\"", "@page{size:A4 ", "Electricity receipt", "Garden Street", "105.00 CNY", "<svg "]);
    let id = vend["vend_id"].as_str().unwrap();
    let utc = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let code = format!("wattgate:vend/{id}?receipt=till-1-1&amp;amount=10000&amp;currency=CNY&amp;at={utc}");
    holds(&en, &[&code]);
    for (bad, field) in
        [("paper=a5", "paper"), ("language=la", "language"), ("format=pdf", "format"), ("colour=red", "colour")]
    {
        let refused = api.get(&path(&vend, &format!("receipt?{bad}"))).await;
        assert_eq!((refused.problem(), refused.field()), ((400, "query"), Some(field)));
    }
    api.stop().await;
}

#[actix_web::test]
async fn names_on_a_receipt_are_those_of_its_time_and_never_tags() {
    let api = Api::start().await;
    let street = api.street().await;
    let customer = json!({ "site_id": street.site, "name": "<script>alert('1')</script> & \"Söhne\"" });
    let customer = api.post("/api/v1/customers", &customer).await.id();
    let account = json!({ "customer_id": customer, "tariff_id": street.tariff, "number": "<b>" });
    let account = api.post("/api/v1/accounts", &account).await.id();
    let meter = json!({ "concentrator_id": street.concentrator, "name": "Shop 2", "address": "000000000902", "profile": "dlt645_direct" });
    let meter = api.post("/api/v1/meters", &meter).await.id();
    let opening = json!({ "meter_id": meter, "initial_reading": "1", "reason": "read" });
    api.post_once(&format!("/api/v1/accounts/{account}/open"), "open-2", &opening).await.ok();
    let street = Street { account, ..street };
    let vend = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await.ok();
    let first = page(api.get(&path(&vend, "receipt?format=html")).await);
    holds(&first, &["&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;Söhne&quot;", "&lt;b&gt;"]);
    assert_eq!(page(api.get(&path(&vend, "receipt?format=html")).await), first);
    api.stop().await;
}

#[actix_web::test]
async fn a_reprint_is_recorded_once_marked_and_limited() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let (reprints, till) = (path(&vend, "reprints"), json!({ "terminal": "till-2" }));
    assert_eq!(api.post(&reprints, &till).await.problem(), (400, "idempotency_key_missing"));
    let bad = api.post_once(&reprints, "again", &json!({ "terminal": "till 2" })).await;
    assert_eq!((bad.problem(), bad.field()), ((422, "terminal"), Some("terminal")));
    let made = api.post_once(&reprints, "again", &till).await;
    assert_eq!(made.status, 201);
    let address = made.header("location").unwrap().to_owned();
    let reprint = made.ok();
    for (field, expected) in [
        ("vend_id", vend["vend_id"].clone()),
        ("receipt_number", json!("till-1-1")),
        ("number", json!(1)),
        ("terminal", json!("till-2")),
    ] {
        assert_eq!(reprint[field], expected, "{field}");
    }
    let again = api.post_once(&reprints, "again", &till).await;
    assert_eq!((again.status, again.ok()), (200, reprint.clone()));
    let other = api.post_once(&reprints, "again", &json!({ "terminal": "till-3" })).await;
    assert_eq!(other.problem(), (409, "idempotency_key_reused"));

    let marked = page(api.get(&address).await);
    holds(&marked, &["重印 第1次", "till-2", "till-1-1"]);
    holds(&page(api.get(&format!("{address}&language=en")).await), &["REPRINT 1"]);
    let unmarked = page(api.get(&path(&vend, "receipt?format=html&language=en")).await);
    assert!(!unmarked.contains("REPRINT"), "{unmarked}");
    let second = api.post_once(&reprints, "again-2", &till).await.ok();
    assert_eq!(second["number"], 2);
    assert_eq!(api.post_once(&reprints, "again-3", &till).await.problem(), (422, "reprint_limit"));
    assert_eq!(api.get(&reprints).await.ok()["items"], json!([reprint, second]));
    assert_eq!(api.get(&path(&vend, "receipt?reprint=3")).await.problem(), (404, "not_found"));
    assert_eq!(api.get(&path(&vend, "receipt?reprint=2")).await.ok()["reprint"], second);

    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok();
    let line = &log["items"][1];
    assert_eq!(
        (&line["verb"], &line["detail"]),
        (&json!("reprint_receipt"), &json!("reprint 1 of till-1-1 at till-2"))
    );
    assert_eq!((&line["operator_key"], &line["at"]), (&reprint["operator_key"], &reprint["created_at"]));
    let balance = api.get(&format!("/api/v1/accounts/{}/balance", street.account)).await.ok();
    assert_eq!(balance["posted"], 10_500);
    api.stop().await;
}

#[actix_web::test]
async fn reversals_and_refunds_have_receipts_too() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    assert_eq!(api.get(&path(&vend, "reversal/receipt")).await.problem(), (404, "not_found"));
    let back = json!({ "terminal": "till-1", "reason": "wrong <account>" });
    let reversal = api.post_once(&path(&vend, "reverse"), "back", &back).await.ok();
    assert_eq!(api.get(&path(&vend, "reversal/receipt")).await.ok(), reversal);
    let shown = page(api.get(&path(&vend, "reversal/receipt?format=html")).await);
    holds(&shown, &["冲正收据", "till-1-2", "till-1-1", "wrong &lt;account&gt;", "100.00 CNY", "Garden Street"]);

    let body = json!({ "account_id": street.account, "amount": 300, "currency": "CNY", "tender": "bank", "terminal": "till-1", "reason": "moves out" });
    let refund = api.post_once("/api/v1/refunds", "refund", &body).await.ok();
    let at = format!("/api/v1/refunds/{}/receipt", refund["refund_id"].as_str().unwrap());
    assert_eq!(api.get(&at).await.ok(), refund);
    let shown = page(api.get(&format!("{at}?format=html&language=en&paper=a4")).await);
    holds(&shown, &["Refund receipt", "till-1-3", "moves out", "3.00 CNY", "Bank transfer", "2.00 CNY"]);
    api.stop().await;
}

#[test]
fn a_receipt_of_an_older_program_is_still_read() {
    let old = r#"{"vend_id":"1","receipt_number":"till-1-1","account_id":"8796093022210","account_number":"S-1","currency":"CNY","amount":100,"tax":0,"tender":"cash","terminal":"till-1","balance_before":0,"balance_after":100,"available_after":100,"restores":true,"created_at":"2026-05-31T01:00:00Z"}"#.replace("\"1\"", "\"8796093022209\"");
    let receipt: Receipt = serde_json::from_str(&old).unwrap();
    assert_eq!(receipt.heading, None);
    assert!(!serde_json::to_string(&receipt).unwrap().contains("heading"), "what was not printed is not printed now");
}
