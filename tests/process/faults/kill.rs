//! `kill -9` at each point where money could tear, and clients cut off after the commit (F1, F2): whoever asks again with
//! the same key finds one effect and one receipt.

use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    super::{Shop, id},
    Config, Moments, OPENING, Street,
    counter::post,
    kill_at_its_point, opening, rounds, serve_to,
};
use crate::support::{Database, SOON, eventually, on_both};

on_both!(
    a_vend_killed_at_any_point_is_made_once,
    a_reversal_killed_at_any_point_is_made_once,
    an_opening_killed_at_any_point_is_made_once,
    vends_of_many_counters_survive_a_kill_at_any_commit,
    a_client_cut_off_after_the_commit_is_told_the_same_receipt,
);

async fn a_vend_killed_at_any_point_is_made_once(database: Database) {
    let config = Config::head_end(&database, "");
    let mut street = Street::enter(&config, &config.serve().await, 1).await;
    for _ in 0..rounds(1) {
        for (point, first_answer) in
            [("vend.locked", 201), ("vend.posted", 201), ("vend.written", 201), ("vend.committed", 200)]
        {
            let serving = serve_to(&config, point).await;
            let counter = &mut street.counters[0];
            let (key, body) = counter.next();
            let (answer, ()) = join(counter.ask(serving.rest, &key, &body), kill_at_its_point(serving, point)).await;
            assert_eq!(answer, None, "the answer is lost at {point}");

            let serving = config.serve().await;
            assert_eq!(counter.sell(serving.rest).await, Some(first_answer), "asked again after {point}");
            assert_eq!(street.differences(&config, serving).await, Vec::<String>::new(), "{point}");
        }
    }
}

async fn a_reversal_killed_at_any_point_is_made_once(database: Database) {
    let config = Config::head_end(&database, "");
    let street = Street::enter(&config, &config.serve().await, 1).await;
    let counter = &street.counters[0];
    let (client, body) = (awc::Client::default(), json!({ "terminal": "till-1" }));
    for round in 0..rounds(1) {
        for (point, first_answer) in
            [("reversal.locked", 201), ("reversal.posted", 201), ("reversal.written", 201), ("reversal.committed", 200)]
        {
            let serving = serve_to(&config, point).await;
            let vend =
                street.rest(&serving).post_once("/vends", &format!("sale-at-{point}-{round}"), &counter.next().1).await;
            let path = format!("/vends/{}/reverse", vend.ok()["vend_id"].as_str().unwrap());
            let once = format!("back-at-{point}-{round}");
            let asked = post(&client, serving.rest, &path, &street.key, &once, &body);
            let (answer, ()) = join(asked, kill_at_its_point(serving, point)).await;
            assert_eq!(answer, None, "the answer is lost at {point}");

            let serving = config.serve().await;
            let rest = street.rest(&serving);
            let first = rest.post_once(&path, &once, &body).await;
            assert_eq!(first.status, first_answer, "asked again after {point}: {}", first.json);
            let again = rest.post_once(&path, &once, &body).await;
            assert_eq!((again.status, again.json), (200, first.json), "{point}");
            let balance = rest.get(&format!("/accounts/{}/balance", counter.account())).await;
            assert_eq!(balance["posted"], OPENING, "{point}");
            serving.stop().await;
            assert!(config.told(&["audit"]).ends_with(" 0 differences\n"), "{point}");
        }
    }
}

async fn an_opening_killed_at_any_point_is_made_once(database: Database) {
    let config = Config::head_end(&database, "");
    let serving = config.serve().await;
    let key = config.key("admin");
    let rest = serving.rest(&key);
    let shop = Shop::enter(&rest).await;
    let concentrator = shop.concentrator(&rest).await;
    drop(serving);
    let points = ["open.written", "open.committed"];
    for (nth, point) in points.into_iter().cycle().take(rounds(points.len())).enumerate() {
        let serving = serve_to(&config, point).await;
        let rest = serving.rest(&key);
        let meter = shop.meter(&rest, &concentrator, &format!("2026{nth:08}"), "dlt645_direct").await;
        let account = json!({ "customer_id": shop.customer, "tariff_id": shop.tariff });
        let account = id(&rest.post("/accounts", &account).await);
        let mut wanted = opening("12.5");
        wanted["meter_id"] = meter.into();
        let path = format!("/accounts/{account}/open");
        let (client, once) = (awc::Client::default(), format!("open-{account}"));
        let asked = post(&client, serving.rest, &path, &key, &once, &wanted);
        let (answer, ()) = join(asked, kill_at_its_point(serving, point)).await;
        assert_eq!(answer, None, "the answer is lost at {point}");

        let serving = config.serve().await;
        let rest = serving.rest(&key);
        for _ in 0..2 {
            let opened = rest.post_once(&path, &once, &wanted).await.ok();
            assert_eq!((&opened["state"], &opened["posted"]), (&"active".into(), &OPENING.into()), "{point}");
        }
        let statement = rest.get(&format!("/accounts/{account}/statement")).await;
        assert_eq!(statement["items"].as_array().map(Vec::len), Some(1), "{point}: {statement}");
        serving.stop().await;
        assert!(config.told(&["audit"]).ends_with(" 0 differences\n"), "{point}");
    }
}

async fn vends_of_many_counters_survive_a_kill_at_any_commit(database: Database) {
    let mut moments = Moments::new();
    let config = Config::head_end(&database, "");
    let mut street = Street::enter(&config, &config.serve().await, 4).await;
    for _ in 0..rounds(2) {
        let point = format!("transaction.committing:{}", moments.one_of(20..120));
        let serving = serve_to(&config, &point).await;
        let at = serving.rest;
        let selling = join_all(street.counters.iter_mut().map(|counter| counter.sell_until_unanswered(at)));
        join(selling, kill_at_its_point(serving, &point)).await;

        let serving = config.serve().await;
        for counter in &mut street.counters {
            counter.sell_at_last(serving.rest).await;
        }
        assert_eq!(street.differences(&config, serving).await, Vec::<String>::new(), "{point}");
    }
}

async fn a_client_cut_off_after_the_commit_is_told_the_same_receipt(database: Database) {
    let config = Config::head_end(&database, "");
    let serving = config.serve().await;
    let mut street = Street::enter(&config, &serving, 1).await;
    let rest = street.rest(&serving);
    let counter = &mut street.counters[0];
    for _ in 0..rounds(8) {
        let (key, body) = counter.next();
        let mut link = TcpStream::connect(serving.rest).await.unwrap();
        link.write_all(counter.request(&key, &body).as_bytes()).await.unwrap();
        let path = format!("/accounts/{}/vends?limit=1", counter.account());
        let receipt = eventually(SOON, "the vend is committed", async || {
            let newest = rest.get(&path).await["items"].get(0)?.clone();
            (newest["amount"] == body["amount"]).then_some(newest)
        })
        .await;
        drop(link);
        assert_eq!(counter.sell(serving.rest).await, Some(200));
        assert_eq!(counter.sold.last().map(|sold| &sold.receipt), Some(&receipt));
    }
    // And clients that are gone before anything was done: whether it was is told by the key.
    for _ in 0..rounds(8) {
        let (key, body) = counter.next();
        let mut link = TcpStream::connect(serving.rest).await.unwrap();
        link.write_all(counter.request(&key, &body).as_bytes()).await.unwrap();
        drop(link);
        counter.sell_at_last(serving.rest).await;
    }
    assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
}
