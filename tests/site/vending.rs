//! Vends that come again and again.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Court, Database, HeadEnd, on_both};

on_both!(
    a_vend_repeated_64_fold_in_parallel_is_made_once,
    a_key_used_for_another_vend_is_refused,
    a_key_is_for_one_thing,
    a_cashier_sells_up_to_a_days_limit_whoever_buys_at_once,
    a_vend_reversed_under_many_keys_at_once_is_reversed_once,
    a_reversal_takes_supply_with_the_money,
);

async fn a_vend_repeated_64_fold_in_parallel_is_made_once(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 100_000).await;

    let sale = hero.sale(5_000);
    let answers = join_all((0..64).map(|_| rest.post_once("/vends", "till-1-0001", &sale))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "one is sold, the others are told so");
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.ok()).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));

    assert_eq!(hero.balance(rest).await["posted"], 105_000);
    let vends = rest.get(&format!("/accounts/{}/vends", hero.account)).await;
    assert_eq!(vends["items"].as_array().unwrap()[..], receipts[..1]);
    let account = hero.account;
    let transactions =
        head_end.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 100)).await.unwrap();
    assert_eq!(transactions.len(), 2, "the opening and one vend");
    head_end.audited().await;
}

async fn a_key_used_for_another_vend_is_refused(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 100_000).await;
    let receipt = hero.vend(rest, "till-1-0001", 5_000).await;

    let other = rest.post_once("/vends", "till-1-0001", &hero.sale(6_000)).await;
    assert_eq!(other.problem(), (409, "idempotency_key_reused"));
    assert_eq!(hero.balance(rest).await["posted"], 105_000);
    assert_eq!(hero.vend(rest, "till-1-0001", 5_000).await, receipt, "the first content still gets its receipt");
    head_end.audited().await;
}

async fn a_cashier_sells_up_to_a_days_limit_whoever_buys_at_once(database: Database) {
    let head_end = HeadEnd::start_with(&database, "[policy.vending]\nmaximum_per_cashier_day = 25000\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 8).await;
    court.read(rest).await;
    for supply in &court.supplies {
        supply.open(rest, 1_000).await;
    }
    let sales = court.supplies.iter().enumerate().map(|(nth, supply)| async move {
        rest.post_once("/vends", &format!("sale-{nth}"), &supply.sale(10_000)).await
    });
    let answers = join_all(sales).await;
    let sold = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.problem() == (422, "cashier_day_limit")).count();
    assert_eq!((sold, refused), (2, 6), "{answers:?}");
    head_end.audited().await;
}

async fn a_key_is_for_one_thing(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 10_000).await;
    let back = json!({
        "account_id": hero.account, "amount": 100, "currency": "CNY", "tender": "cash", "terminal": "counter-1",
        "reason": "asked for",
    });
    rest.post_once("/refunds", "k-1", &back).await.ok();
    assert_eq!(rest.post_once("/vends", "k-1", &hero.sale(500)).await.problem(), (409, "idempotency_key_reused"));
    hero.vend(rest, "k-2", 500).await;
    assert_eq!(rest.post_once("/refunds", "k-2", &back).await.problem(), (409, "idempotency_key_reused"));
    assert_eq!(rest.post_once("/refunds", "k-1", &back).await.status, 200);
    head_end.audited().await;
}

async fn a_vend_reversed_under_many_keys_at_once_is_reversed_once(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 100_000).await;
    let vend = hero.vend(rest, "till-1-0001", 5_000).await;
    let path = format!("/vends/{}", vend["vend_id"].as_str().unwrap());

    // Each of eight counters asks four times.
    let (reverse, body) = (format!("{path}/reverse"), json!({ "terminal": "counter-1" }));
    let keys: Vec<String> = (0..32).map(|nth| format!("back-{}", nth % 8)).collect();
    let answers = join_all(keys.iter().map(|key| rest.post_once(&reverse, key, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let receipt = rest.get(&format!("{path}/reversal")).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status < 300);
    assert!(done.iter().all(|answer| answer.json == receipt));
    assert!(refused.iter().all(|answer| answer.problem() == (409, "already_reversed")), "{refused:?}");
    assert_eq!((done.len(), refused.len()), (4, 28), "the key that was first, and the others");
    assert_eq!(receipt["receipt_number"], "counter-1-2");
    assert_eq!(hero.vend(rest, "till-1-0002", 700).await["receipt_number"], "counter-1-3", "receipts have no gap");
    assert_eq!(hero.balance(rest).await["posted"], 100_700);
    head_end.audited().await;
}

async fn a_reversal_takes_supply_with_the_money(database: Database) {
    // The vend ends the episode of the first cut; the second needs a warning of its own.
    let head_end = HeadEnd::start_with(&database, "[policy.credit]\nwarning_spacing = \"1s\"\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.run_out(rest).await;
    let vend = hero.vend(rest, "till-1-0001", 900_000).await;
    hero.confirmed(rest, "reconnect").await;
    let path = format!("/vends/{}/reverse", vend["vend_id"].as_str().unwrap());
    let wrong = json!({ "terminal": "counter-1", "reason": "sold to the wrong account" });
    let reversed = rest.post_once(&path, "back-1", &wrong).await.ok();
    assert!(reversed["available_after"].as_i64().unwrap() < 0, "{reversed}");
    hero.confirmed(rest, "disconnect").await;
    head_end.audited().await;
}
