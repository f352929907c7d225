//! A counter sells, asks again after a timeout, and looks things up; an operator orders relays.

use serde_json::json;

use super::Api;

#[actix_web::test]
async fn a_vend_repeated_with_its_key_is_the_same_vend() {
    let api = Api::start().await;
    let street = api.street().await;
    let sold = api.post_once("/api/v1/vends", "till-1/1", &street.vend(10_000)).await;
    assert_eq!(sold.status, 201);
    let address = sold.header("location").unwrap().to_owned();
    let receipt = sold.ok();
    assert_eq!((&receipt["amount"], &receipt["currency"]), (&json!(10_000), &json!("CNY")));
    assert_eq!((&receipt["balance_before"], &receipt["balance_after"]), (&json!(500), &json!(10_500)));

    let again = api.post_once("/api/v1/vends", "till-1/1", &street.vend(10_000)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.ok(), receipt);
    let other = api.post_once("/api/v1/vends", "till-1/1", &street.vend(20_000)).await;
    assert_eq!(other.problem().0, 409);

    assert_eq!(api.get(&address).await.ok(), receipt);
    let last = format!("/api/v1/vends/last?site_id={}&terminal=till-1", street.site);
    assert_eq!(api.get(&last).await.ok(), receipt);
    for list in [format!("/api/v1/vends?site_id={}", street.site), format!("/api/v1/accounts/{}/vends", street.account)]
    {
        assert_eq!(api.get(&list).await.ok()["items"], json!([receipt]));
    }
    api.stop().await;
}

#[actix_web::test]
async fn vends_reversals_and_refunds_are_listed_by_the_time_they_were_made() {
    let api = Api::start().await;
    let street = api.street().await;
    let sold = api.post_once("/api/v1/vends", "sale", &street.vend(10_000)).await.ok();
    let vend = sold["vend_id"].as_str().unwrap();
    let till = json!({ "terminal": "till-1", "reason": "another's" });
    let reversed = api.post_once(&format!("/api/v1/vends/{vend}/reverse"), "back", &till).await.ok();
    let refund = json!({
        "account_id": street.account, "amount": 100, "currency": "CNY", "tender": "cash", "terminal": "till-1", "reason": "r",
    });
    let refunded = api.post_once("/api/v1/refunds", "paid", &refund).await.ok();
    for (list, one) in [("vends", &sold), ("reversals", &reversed), ("refunds", &refunded)] {
        let made = one["created_at"].as_str().unwrap();
        let after = "2999-01-01T00:00:00Z";
        let count = async |span: String| {
            let list = api.get(&format!("/api/v1/{list}?site_id={}&{span}", street.site)).await.ok();
            list["items"].as_array().unwrap().len()
        };
        assert_eq!(count(format!("from={made}")).await, 1, "{list}");
        assert_eq!(count(format!("from={made}&to={after}&limit=1")).await, 1, "{list}");
        assert_eq!(count(format!("to={made}")).await, 0, "{list}: what was made at the end is of the next span");
        assert_eq!(count(format!("from={after}")).await, 0, "{list}");
        assert_eq!(count("from=-009998-01-01T00:00:00Z&to=-009998-01-02T00:00:00Z".to_owned()).await, 0, "{list}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_vend_without_a_key_is_refused_and_sells_nothing() {
    let api = Api::start().await;
    let street = api.street().await;
    assert_eq!(api.post("/api/v1/vends", &street.vend(10_000)).await.problem(), (400, "idempotency_key_missing"));
    let long = "k".repeat(256);
    assert_eq!(api.post_once("/api/v1/vends", &long, &street.vend(10_000)).await.problem(), (400, "idempotency_key"));
    let balance = api.get(&format!("/api/v1/accounts/{}/balance", street.account)).await.ok();
    assert_eq!((&balance["posted"], &balance["currency"]), (&json!(500), &json!("CNY")));
    api.stop().await;
}

#[actix_web::test]
async fn a_trial_checks_everything_and_sells_nothing() {
    let api = Api::start().await;
    let street = api.street().await;
    let trial = api.post("/api/v1/vends/trial", &street.vend(10_000)).await;
    assert_eq!(trial.status, 200);
    assert_eq!(trial.ok()["balance_after"], 10_500);
    assert_eq!(api.post("/api/v1/vends/trial", &street.vend(99)).await.problem().0, 422);
    let mut dollars = street.vend(10_000);
    dollars["currency"] = json!("USD");
    assert_eq!(api.post("/api/v1/vends/trial", &dollars).await.problem().0, 422);
    let vends = api.get(&format!("/api/v1/vends?site_id={}", street.site)).await.ok();
    assert_eq!(vends["items"], json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn a_statement_shows_each_movement_of_money() {
    let api = Api::start().await;
    let street = api.street().await;
    api.post_once("/api/v1/vends", "till-1/1", &street.vend(10_000)).await.ok();
    let statement = api.get(&format!("/api/v1/accounts/{}/statement", street.account)).await.ok();
    let lines = statement["items"].as_array().unwrap();
    let balance = format!("balance:{}", street.account);
    assert_eq!(lines.iter().map(|line| &line["kind"]).collect::<Vec<_>>(), ["vend", "opening"]);
    assert_eq!(lines[0]["postings"], json!([{ "from": "tender:cash", "to": balance, "amount": 10_000 }]));
    assert_eq!((&lines[0]["balance_after"], &lines[1]["balance_after"]), (&json!(10_500), &json!(500)));
    api.stop().await;
}

#[actix_web::test]
async fn a_relay_order_is_accepted_once_and_followed_at_its_address() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("/api/v1/meters/{}/relay_orders", street.meter);
    let cut = json!({ "action": "disconnect", "reason": "work on the line" });
    assert_eq!(api.post(&path, &cut).await.problem(), (400, "idempotency_key_missing"));
    let ordered = api.post_once(&path, "order-1", &cut).await;
    assert_eq!(ordered.status, 202);
    let address = ordered.header("location").unwrap().to_owned();
    let id = ordered.ok()["id"].clone();
    let again = api.post_once(&path, "order-1", &cut).await.ok();
    assert_eq!(again["id"], id);
    let shown = api.get(&address).await.ok();
    assert_eq!((&shown["id"], &shown["action"], &shown["state"]), (&id, &json!("disconnect"), &json!("ordered")));
    assert_eq!(shown["lines"][0]["state"], "ordered");
    let other = json!({ "action": "reconnect", "reason": "done" });
    assert_eq!(api.post_once(&path, "order-1", &other).await.problem().0, 409);
    let listed = api.get(&path).await.ok();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(api.post_once(&format!("{path}?wait=31s"), "order-2", &cut).await.field(), Some("wait"));
    api.stop().await;
}

#[actix_web::test]
async fn reading_now_without_a_link_ends_as_failed_and_says_so() {
    let api = Api::start().await;
    let street = api.street().await;
    let asked = api.post(&format!("/api/v1/meters/{}/read_now?wait=10s", street.meter), &json!({})).await;
    assert_eq!(asked.status, 200);
    let address = asked.header("location").unwrap().to_owned();
    let ended = asked.ok();
    assert_eq!((&ended["state"], &ended["reading"]), (&json!("failed"), &json!(null)));
    assert_eq!(api.get(&address).await.ok(), ended);
    api.stop().await;
}
