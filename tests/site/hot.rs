//! Hot balances that are wiped under way.

use domain::relay::RelayState;

use crate::support::{Court, Database, HeadEnd, SOON, Supply, eventually, play};

#[test]
fn vending_and_cutting_go_on_while_redis_is_flushed() {
    play(Database::postgres(), flushed_under_way);
}

async fn flushed_under_way(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let [hero, neighbour] = &court.supplies[..] else { panic!("two meters") };
    neighbour.open(rest, 100_000).await;
    hero.open(rest, 200).await;
    let flush = || assert!(database.flush_redis());

    flush();
    hero.confirmed(rest, "disconnect").await;
    flush();
    let receipt = hero.vend(rest, "vend-1", 100_000).await;
    flush();
    hero.confirmed(rest, "reconnect").await;
    assert_eq!(hero.truth.relay(), RelayState::Connected);
    assert_eq!(hero.vend(rest, "vend-1", 100_000).await, receipt);
    flush();
    for supply in [hero, neighbour] {
        agrees(&head_end, supply).await;
    }
    assert_eq!(hero.balance(rest).await["posted"], 100_200);
    head_end.audited().await;
}

/// Waits until the hot balance is there again and says what the rows say.
async fn agrees(head_end: &HeadEnd, supply: &Supply) {
    let account = supply.account;
    let row = head_end.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap();
    let tariff = head_end.app.tariff(row.tariff_id).await.unwrap();
    eventually(SOON, "the hot balance is that of the rows", async || {
        let hot = head_end.app.hot.get(account).await.unwrap();
        let rows = supply.balance(&head_end.rest).await;
        let available = hot.available(&tariff).unwrap()?;
        (hot.account?.version == rows["version"].as_i64()? && available.get() == rows["available"].as_i64()?)
            .then_some(())
    })
    .await;
}
