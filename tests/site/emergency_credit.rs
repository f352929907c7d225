//! Emergency credit brings supply back before money does.

use crate::support::{Court, Database, HeadEnd, on_both};

on_both!(emergency_credit_restores_supply_once_and_ends_with_the_money);

async fn emergency_credit_restores_supply_once_and_ends_with_the_money(database: Database) {
    let settings = "[policy.credit.limits]\nemergency_credit = 900000\n[policy.credit]\nwarning_spacing = \"1s\"\n";
    let head_end = HeadEnd::start_with(&database, settings).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    let account = format!("/accounts/{}", hero.account);
    let path = format!("{account}/emergency_credit");
    let ask = async |key: &str| rest.ask(actix_web::http::Method::POST, &path, Some(key), None).await;
    assert_eq!(ask("help-0").await.problem(), (422, "account_not_active"), "not opened yet");
    hero.run_out(rest).await;

    let active = ask("help-1").await.ok();
    let headroom = active["available"].as_i64().unwrap() + 900_000;
    assert_eq!((active["emergency_credit"].as_i64(), active["headroom"].as_i64()), (Some(900_000), Some(headroom)));
    let order = hero.confirmed(rest, "reconnect").await;
    assert_eq!(order["cause"], "credit");
    let balance = hero.balance(rest).await;
    assert!(balance["available"].as_i64().unwrap() < 0 && balance["headroom"].as_i64().unwrap() > 0, "{balance}");
    assert_eq!(balance["posted"], 60, "a limit, not a posting");
    assert_eq!(ask("help-1").await.ok(), active, "the same key, the same answer");
    assert_eq!(ask("help-2").await.problem(), (422, "emergency_credit_used"));
    assert_eq!(rest.get(&account).await["emergency"], "drawn");

    // Supply stays with what restores it, and the emergency credit is over.
    let receipt = hero.vend(rest, "till-1-0001", 900_000).await;
    assert_eq!(receipt["restores"], true);
    let shown = rest.get(&account).await;
    assert!(shown["emergency"].is_null() && shown["episode_began_at"].is_null(), "{shown}");
    assert_eq!(ask("help-3").await.problem(), (422, "no_credit_episode"));
    assert_eq!(hero.orders(rest).await.last().unwrap()["action"], "reconnect");
    head_end.audited().await;
}
