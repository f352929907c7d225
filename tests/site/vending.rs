//! Vends that come again and again.

use futures_util::future::join_all;

use crate::support::{Court, Database, HeadEnd, on_both};

on_both!(a_vend_repeated_64_fold_in_parallel_is_made_once, a_key_used_for_another_vend_is_refused);

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
