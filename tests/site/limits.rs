//! Limits that are changed decide over supply at once.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Court, Database, HeadEnd, on_both};

on_both!(an_overdraft_brings_supply_back_and_takes_it_away, of_changes_that_saw_the_same_one_is_made);

async fn an_overdraft_brings_supply_back_and_takes_it_away(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.run_out(rest).await;
    let account = format!("/accounts/{}", hero.account);

    let shown = rest.patch(&account, "*", &json!({ "overdraft": 900_000, "reason": "a hospital" })).await.ok();
    assert_eq!(shown["overdraft"], 900_000);
    let order = hero.confirmed(rest, "reconnect").await;
    assert_eq!(order["cause"], "credit");
    let balance = hero.balance(rest).await;
    assert!(balance["available"].as_i64().unwrap() < 0 && balance["headroom"].as_i64().unwrap() > 0, "{balance}");
    assert_eq!(balance["posted"], 60, "a limit, not a posting");

    rest.patch(&account, "*", &json!({ "overdraft": 0, "reason": "it was a mistake" })).await.ok();
    let order = hero.confirmed(rest, "disconnect").await;
    assert_eq!(order["cause"], "credit");
    head_end.audited().await;
}

async fn of_changes_that_saw_the_same_one_is_made(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    // Nobody else touches an account that is not open yet.
    let id = court.supplies[0].account;
    let version = async || head_end.app.db.read(move |conn| store::account::by_id(conn, id)).await.unwrap().version;
    let (path, seen) = (format!("/accounts/{id}"), version().await);
    let tag = format!("\"{seen}\"");
    let changes: Vec<_> = (1..=8).map(|nth| json!({ "alarm_1": 2_000 + nth, "reason": "asked for" })).collect();
    let answers = join_all(changes.iter().map(|to| rest.patch(&path, &tag, to))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), version().await), (1, seen + 1));
    assert!(refused.iter().all(|answer| answer.problem() == (409, "version")), "{refused:?}");
    assert_eq!(rest.get(&path).await["alarm_1"], made[0].json["alarm_1"]);
}
