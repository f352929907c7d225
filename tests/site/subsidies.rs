//! Subsidies to many accounts at once, interrupted and taken up again.

use domain::money::Money;
use serde_json::json;
use wattgate::operations::batch_credit::{self, NewBatchCredit, NewLine};

use crate::support::{Court, Database, HeadEnd, on_both};

on_both!(a_batch_that_was_interrupted_goes_on_with_the_same_key_and_posts_each_line_once);

async fn a_batch_that_was_interrupted_goes_on_with_the_same_key_and_posts_each_line_once(database: Database) {
    let head_end = HeadEnd::start_with(&database, "[batch_credit]\naccounts_per_transaction = 1\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 3).await;
    court.read(rest).await;
    let mut lines = Vec::new();
    for supply in &court.supplies {
        supply.open(rest, 100_000).await;
        let shown = rest.get(&format!("/accounts/{}", supply.account)).await;
        let account_number = shown["number"].as_str().unwrap().to_owned();
        lines.push(NewLine { account_number, amount: Money::new(500) });
    }
    let (currency, reason) = ("CNY".to_owned(), "winter aid".to_owned());
    let new = NewBatchCredit { site_id: court.site, currency, reason, lines };

    // What a program does that ends after its first transaction.
    let (id, repeated) = batch_credit::enter(&head_end.app, new.clone(), "aid-1", "tests").await.unwrap();
    assert!(!repeated && batch_credit::post_some(&head_end.app, id).await.unwrap());
    let begun = rest.get(&format!("/batch_credits/{id}")).await;
    assert_eq!((&begun["total"], &begun["posted"]), (&json!(1_500), &json!(500)));
    let last = &court.supplies[2];
    let away = json!({ "suspended": true, "reason": "away" });
    rest.put(&format!("/accounts/{}/suspension", last.account), &away).await;

    let body = serde_json::to_value(&new).unwrap();
    let (first, second) = futures_util::join!(
        rest.post_once("/batch_credits", "aid-1", &body),
        rest.post_once("/batch_credits", "aid-1", &body)
    );
    assert_eq!((first.status, second.status), (200, 200));
    let done = rest.get(&format!("/batch_credits/{id}")).await;
    let states: Vec<&str> =
        done["lines"].as_array().unwrap().iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!((states.as_slice(), &done["posted"]), (["posted", "posted", "refused"].as_slice(), &json!(1_000)));
    for (supply, posted) in court.supplies.iter().zip([100_500, 100_500, 100_000]) {
        assert_eq!(supply.balance(rest).await["posted"], posted);
    }

    let more = NewBatchCredit { lines: new.lines[..2].to_vec(), ..new };
    let body = serde_json::to_value(&more).unwrap();
    let all = (0..8).map(|_| rest.post_once("/batch_credits", "aid-2", &body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status < 300), "{answers:?}");
    assert_eq!(court.supplies[0].balance(rest).await["posted"], 101_000);
    head_end.audited().await;
}
