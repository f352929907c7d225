//! Many clients at once with one idempotency key (F3): one effect, and the same answer for all who asked for it.

use std::net::SocketAddr;

use futures_util::future::join_all;
use serde_json::Value;

use super::{Config, Street, counter::post, rounds};
use crate::support::{Database, SOON, on_both};

on_both!(one_key_from_many_clients_sells_once, one_key_with_two_contents_sells_one_of_them_once);

const CLIENTS: usize = 64;

/// Every client has a socket of its own; all ask at once, each for one of these contents.
async fn ask_all(at: SocketAddr, api_key: &str, key: &str, contents: &[Value]) -> Vec<(u16, Value)> {
    let asks = contents.iter().cycle().take(CLIENTS).map(async |content| {
        let client = awc::Client::builder().timeout(SOON).finish();
        post(&client, at, "/vends", api_key, key, content).await.unwrap()
    });
    join_all(asks).await
}

async fn one_key_from_many_clients_sells_once(database: Database) {
    let config = Config::head_end(&database, "");
    let serving = config.serve().await;
    let mut street = Street::enter(&config, &serving, 1).await;
    for _ in 0..rounds(2) {
        let counter = &mut street.counters[0];
        let (key, body) = counter.next();
        let answers = ask_all(serving.rest, &street.key, &key, std::slice::from_ref(&body)).await;
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        let repeated = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!((made, repeated), (1, CLIENTS - 1));
        let receipt = answers[0].1.clone();
        assert!(answers.iter().all(|(_, other)| *other == receipt));
        assert_eq!(counter.sell(serving.rest).await, Some(200));
        assert_eq!(counter.sold.last().map(|sold| &sold.receipt), Some(&receipt));
    }
    assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
}

async fn one_key_with_two_contents_sells_one_of_them_once(database: Database) {
    let config = Config::head_end(&database, "");
    let serving = config.serve().await;
    let mut street = Street::enter(&config, &serving, 2).await;
    for round in 0..rounds(6) {
        let [counter, other] = &street.counters[..] else { panic!("two counters") };
        let (key, (_, body)) = (format!("round-{round}"), counter.next());
        // Another amount to the same account, or another account: those two do not wait for the same lock.
        let contents = [body, if round % 2 == 0 { counter.content(9_999) } else { other.content(9_999) }];
        let answers = ask_all(serving.rest, &street.key, &key, &contents).await;
        let made = answers.iter().position(|(status, _)| *status == 201).unwrap();
        let receipt = answers[made].1.clone();
        for (nth, (status, answer)) in answers.iter().enumerate().filter(|(nth, _)| *nth != made) {
            if nth % 2 == made % 2 {
                assert_eq!((*status, answer), (200, &receipt));
            } else {
                assert_eq!((*status, &answer["code"]), (409, &"idempotency_key_reused".into()));
            }
        }
        let sold_by = usize::from(receipt["terminal"] != "till-1");
        street.counters[sold_by].keep(&key, &contents[made % 2], &receipt);
    }
    assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
}
