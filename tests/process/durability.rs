//! `kill -9` right after an acknowledged vend loses nothing.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    Shop,
    program::{Config, Serving},
};
use crate::support::{Database, SOON, on_both};

on_both!(what_was_acknowledged_outlives_kill_nine);

const COUNTERS: usize = 4;
const OPENING: i64 = 500;

async fn what_was_acknowledged_outlives_kill_nine(database: Database) {
    let config = Config::head_end(&database, "");
    let key = config.key("admin");
    let serving = config.serve().await;
    let rest = serving.rest(&key);
    let shop = Shop::enter(&rest).await;
    let concentrator = shop.concentrator(&rest).await;
    let meter = shop.meter(&rest, &concentrator, "000000000001", "dlt645_direct").await;
    let opening = json!({ "initial_reading": "12.5", "reason": "read on site", "opening_credit": OPENING });
    let account = shop.open(&rest, &meter, opening).await;

    let kill_at = rand::random_range(COUNTERS..40);
    let till = Till { at: serving.rest, key: key.clone(), account: account.clone() };
    let street = Street { serving: RefCell::new(serving), left: Cell::new(kill_at), sold: RefCell::default() };
    let unanswered = join_all((0..COUNTERS).map(|counter| street.sell_until_killed(&till, counter))).await;
    let sold = street.sold.into_inner();
    // What was on its way already when the head end died counts, too.
    assert!(sold.len() >= kill_at);

    let serving = config.serve().await;
    let rest = serving.rest(&key);
    for (sale, receipt) in &sold {
        let stored = rest.get(&format!("/vends/{}", receipt["vend_id"].as_str().unwrap())).await;
        assert_eq!(&stored, receipt, "killed after {kill_at} vends");
        let repeated = rest.post_once("/vends", &sale.key(), &till.body(sale)).await;
        assert_eq!((repeated.status, &repeated.json), (200, receipt), "killed after {kill_at} vends");
    }
    // Each counter asks again about the vend whose answer it did not hear, and goes on with its receipts where it was.
    for sale in &unanswered {
        let receipt = rest.post_once("/vends", &sale.key(), &till.body(sale)).await.ok();
        assert_eq!(receipt["receipt_number"], format!("{}-{}", sale.terminal(), sale.number));
        assert_eq!(rest.post_once("/vends", &sale.key(), &till.body(sale)).await.ok(), receipt);
    }
    let all: Vec<&Sale> = sold.iter().map(|(sale, _)| sale).chain(&unanswered).collect();
    let paid: i64 = all.iter().map(|sale| sale.amount()).sum();
    let balance = rest.get(&format!("/accounts/{account}/balance")).await;
    assert_eq!(balance["posted"], OPENING + paid);
    let statement = rest.get(&format!("/accounts/{account}/statement?limit=500")).await;
    assert_eq!(statement["items"].as_array().map(Vec::len), Some(all.len() + 1));
    serving.stop().await;
    assert!(config.told(&["audit"]).ends_with(" 0 differences\n"));
}

/// The `number`th vend of a counter.
#[derive(Debug, Clone, Copy)]
struct Sale {
    counter: usize,
    number: usize,
}

impl Sale {
    fn terminal(&self) -> String {
        format!("till-{}", self.counter)
    }

    fn key(&self) -> String {
        format!("{}/{}", self.terminal(), self.number)
    }

    fn amount(&self) -> i64 {
        i64::try_from(100 * self.number + self.counter).unwrap()
    }
}

/// What the counters have in common.
struct Till {
    at: SocketAddr,
    key: String,
    account: String,
}

impl Till {
    fn body(&self, sale: &Sale) -> Value {
        json!({
            "account_id": self.account,
            "amount": sale.amount(),
            "currency": "CNY",
            "tender": "cash",
            "terminal": sale.terminal(),
        })
    }

    /// The receipt; none where the program died over it.
    async fn sell(&self, sale: &Sale) -> Option<Value> {
        let request = awc::Client::default().post(format!("http://{}/api/v1/vends", self.at));
        let request = request.bearer_auth(&self.key).insert_header(("Idempotency-Key", sale.key())).timeout(SOON);
        let mut response = request.send_json(&self.body(sale)).await.ok()?;
        let receipt = response.json().await.ok()?;
        assert_eq!(response.status().as_u16(), 201, "{receipt}");
        Some(receipt)
    }
}

/// The counters of a street and the one head end that they sell through.
struct Street {
    serving: RefCell<Serving>,
    /// Vends to be acknowledged until the head end is killed.
    left: Cell<usize>,
    sold: RefCell<Vec<(Sale, Value)>>,
}

impl Street {
    /// Sells until the head end does not answer; the sale that it did not answer to.
    async fn sell_until_killed(&self, till: &Till, counter: usize) -> Sale {
        let mut sale = Sale { counter, number: 1 };
        while let Some(receipt) = till.sell(&sale).await {
            self.sold.borrow_mut().push((sale, receipt));
            self.left.set(self.left.get().saturating_sub(1));
            if self.left.get() == 0 {
                self.serving.borrow_mut().program.kill();
            }
            sale.number += 1;
        }
        sale
    }
}
