//! A counter takes a vend back: once, whole, and with a reason where the money is used up.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

/// A street whose account was opened with 500 and sold 10,000, and the vend's receipt.
async fn sold(api: &Api) -> (Street, Value) {
    let street = api.street().await;
    let receipt = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await.ok();
    (street, receipt)
}

fn path(vend: &Value, what: &str) -> String {
    format!("/api/v1/vends/{}/{what}", vend["vend_id"].as_str().unwrap())
}

async fn reverse(api: &Api, vend: &Value, key: &str, body: &Value) -> Answer {
    api.post_once(&path(vend, "reverse"), key, body).await
}

fn till(reason: Option<&str>) -> Value {
    json!({ "terminal": "till-1", "reason": reason })
}

async fn posted(api: &Api, street: &Street) -> Value {
    api.get(&format!("/api/v1/accounts/{}/balance", street.account)).await.ok()["posted"].clone()
}

#[actix_web::test]
async fn a_reversal_repeated_with_its_key_is_the_same_reversal() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let reversed = reverse(&api, &vend, "back", &till(None)).await;
    assert_eq!(reversed.status, 201);
    let address = reversed.header("location").unwrap().to_owned();
    let receipt = reversed.ok();
    for (field, expected) in [
        ("vend_id", vend["vend_id"].clone()),
        ("vend_receipt_number", json!("till-1-1")),
        ("receipt_number", json!("till-1-2")),
        ("amount", json!(10_000)),
        ("currency", json!("CNY")),
        ("tender", json!("cash")),
        ("balance_before", json!(10_500)),
        ("balance_after", json!(500)),
        ("reason", json!(null)),
    ] {
        assert_eq!(receipt[field], expected, "{field}");
    }
    let again = reverse(&api, &vend, "back", &till(None)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.ok(), receipt);
    assert_eq!(address, path(&vend, "reversal"));
    assert_eq!(api.get(&address).await.ok(), receipt);
    let list = format!("/api/v1/reversals?site_id={}", street.site);
    assert_eq!(api.get(&list).await.ok()["items"], json!([receipt]));
    assert_eq!(posted(&api, &street).await, 500);
    api.stop().await;
}

#[actix_web::test]
async fn a_vend_that_was_reversed_says_so_wherever_it_is_shown() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let receipt = path(&vend, "receipt?format=html&language=en");
    let text = async |path: &str| api.get(path).await.json.as_str().unwrap().to_owned();
    assert!(!text(&receipt).await.contains("REVERSED"));
    api.post_once(&path(&vend, "reprints"), "print", &json!({ "terminal": "till-1" })).await.ok();
    let back = reverse(&api, &vend, "back", &till(Some("typed twice"))).await.ok();
    let mark = json!({
        "receipt_number": "till-1-2", "terminal": "till-1", "reason": "typed twice", "at": back["created_at"],
    });
    let site = &street.site;
    let lists = [format!("vends?site_id={site}"), format!("accounts/{}/vends", street.account)];
    for list in lists {
        let page = api.get(&format!("/api/v1/{list}")).await.ok();
        assert_eq!(page["items"][0]["reversed"], mark, "{list}");
    }
    for shown in
        [format!("vends/last?site_id={site}&terminal=till-1"), format!("vends/{}", vend["vend_id"].as_str().unwrap())]
    {
        let mut shown = api.get(&format!("/api/v1/{shown}")).await.ok();
        assert_eq!(shown.as_object_mut().unwrap().remove("reversed"), Some(mark.clone()));
        assert_eq!(shown, vend, "the receipt stays as it was answered");
    }
    assert_eq!(api.get(&path(&vend, "receipt")).await.ok()["reversed"], mark);
    for (language, words) in [("en", ["REVERSED", "till-1-2"]), ("zh", ["已冲正", "till-1-2"])] {
        for print in ["", "&reprint=1"] {
            let page = text(&path(&vend, &format!("receipt?format=html&language={language}{print}"))).await;
            assert!(words.iter().all(|word| page.contains(word)), "{page}");
        }
    }
    let again = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await;
    assert_eq!(again.ok(), vend, "its key still gets its receipt");
    api.stop().await;
}

#[actix_web::test]
async fn the_key_of_a_reversal_is_for_one_content() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let other = api.post_once("/api/v1/vends", "other", &street.vend(2_000)).await.ok();
    reverse(&api, &vend, "back", &till(None)).await.ok();
    let reused = (409, "idempotency_key_reused");
    assert_eq!(reverse(&api, &vend, "back", &till(Some("typed twice"))).await.problem(), reused);
    assert_eq!(reverse(&api, &other, "back", &till(None)).await.problem(), reused);
    assert_eq!(posted(&api, &street).await, 2_500);
    api.stop().await;
}

#[actix_web::test]
async fn a_vend_is_reversed_once_under_whatever_key() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let receipt = reverse(&api, &vend, "back", &till(None)).await.ok();
    let twice = reverse(&api, &vend, "back-again", &till(Some("to be sure"))).await;
    assert_eq!(twice.problem(), (409, "already_reversed"));
    assert_eq!(api.get(&path(&vend, "reversal")).await.ok(), receipt);
    assert_eq!(posted(&api, &street).await, 500);
    // The vend's key still gives the vend's receipt, and sells nothing anew.
    let again = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await;
    assert_eq!((again.status, again.ok()), (200, vend));
    assert_eq!(posted(&api, &street).await, 500);
    api.stop().await;
}

#[actix_web::test]
async fn below_zero_a_reversal_needs_a_reason() {
    let api = Api::start().await;
    let street = api.street().await;
    let credit = json!({ "customer_id": street.customer, "tariff_id": street.tariff, "number": "S-2" });
    let account = api.post("/api/v1/accounts", &credit).await.id();
    let meter = json!({ "concentrator_id": street.concentrator, "name": "Shop 2", "address": "000000000902", "profile": "dlt645_direct" });
    let meter = api.post("/api/v1/meters", &meter).await.id();
    let opening = json!({ "meter_id": meter, "initial_reading": "1", "reason": "read", "opening_credit": -300 });
    api.post_once(&format!("/api/v1/accounts/{account}/open"), "open-2", &opening).await.ok();
    let owing = Street { account, ..street };
    let vend = api.post_once("/api/v1/vends", "sale", &owing.vend(1_000)).await.ok();

    let refused = reverse(&api, &vend, "back", &till(None)).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "reason_missing"), Some("reason")));
    assert_eq!(posted(&api, &owing).await, 700);
    assert_eq!(api.get(&path(&vend, "reversal")).await.problem(), (404, "not_found"));
    let empty = reverse(&api, &vend, "back-1", &till(Some(" "))).await;
    assert_eq!((empty.problem(), empty.field()), ((422, "label"), Some("reason")));
    let receipt = reverse(&api, &vend, "back", &till(Some("wrong account"))).await;
    assert_eq!(receipt.status, 201, "a refusal does not use up the key");
    let receipt = receipt.ok();
    assert_eq!((&receipt["available_after"], &receipt["reason"]), (&json!(-300), &json!("wrong account")));
    assert_eq!(posted(&api, &owing).await, -300);
    api.stop().await;
}

#[actix_web::test]
async fn a_reversal_is_refused_for_what_it_lacks() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let missing = api.post(&path(&vend, "reverse"), &till(None)).await;
    assert_eq!(missing.problem(), (400, "idempotency_key_missing"));
    let nowhere = reverse(&api, &vend, "back", &json!({ "terminal": "till 1" })).await;
    assert_eq!((nowhere.problem(), nowhere.field()), ((422, "terminal"), Some("terminal")));
    let nothing = json!({ "vend_id": street.account });
    assert_eq!(reverse(&api, &nothing, "back", &till(None)).await.problem(), (404, "not_found"));
    assert_eq!(api.get(&path(&nothing, "reversal")).await.problem(), (404, "not_found"));
    let there = api.street().await;
    let key = api.key(Role::Admin, Some(&there.site)).await;
    let headers = [("content-type", "application/json"), ("Idempotency-Key", "back")];
    for (method, what) in [("POST", "reverse"), ("GET", "reversal")] {
        let refused = api.ask(method, &path(&vend, what), &key, &headers, &till(None).to_string()).await;
        assert_eq!(refused.problem(), (404, "not_found"), "another site's key");
    }
    assert_eq!(posted(&api, &street).await, 10_500);
    api.stop().await;
}

#[actix_web::test]
async fn a_statement_shows_the_reversal_beside_its_vend() {
    let api = Api::start().await;
    let (street, vend) = sold(&api).await;
    let receipt = reverse(&api, &vend, "back", &till(None)).await.ok();
    let statement = api.get(&format!("/api/v1/accounts/{}/statement", street.account)).await.ok();
    let lines = statement["items"].as_array().unwrap();
    assert_eq!(lines.iter().map(|line| &line["kind"]).collect::<Vec<_>>(), ["reversal", "vend"]);
    let balance = format!("balance:{}", street.account);
    assert_eq!(lines[0]["postings"], json!([{ "from": balance, "to": "tender:cash", "amount": 10_000 }]));
    assert_eq!(lines[0]["object"], format!("reversal:{}", receipt["reversal_id"].as_str().unwrap()));
    assert_eq!(lines[0]["balance_after"], 500);
    api.stop().await;
}
