//! A counter that sells through a head end that may die at any moment, and knows what must be in the books.

use std::{collections::BTreeSet, net::SocketAddr};

use actix_web::http::Method;
use serde_json::{Value, json};

use super::OPENING;
use crate::support::{Rest, SOON, eventually};

/// Rows of a page of a list.
const PAGE: usize = 500;

/// A counter that sells to one account.
pub struct Counter {
    name: String,
    account: String,
    api_key: String,
    client: awc::Client,
    /// What was sold and acknowledged, the oldest first.
    pub sold: Vec<Sold>,
}

/// A vend that was acknowledged.
#[derive(Debug, Clone)]
pub struct Sold {
    key: String,
    body: Value,
    /// As it came with the first answer.
    pub receipt: Value,
}

impl Counter {
    pub fn new(nth: usize, api_key: &str, account: &str) -> Self {
        let client = awc::Client::builder().timeout(SOON).finish();
        let (account, api_key) = (account.to_owned(), api_key.to_owned());
        Self { name: format!("till-{nth}"), account, api_key, client, sold: Vec::new() }
    }

    /// The account it sells to.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The next vend: its key and what is asked for. The same until it is acknowledged.
    pub fn next(&self) -> (String, Value) {
        let number = self.sold.len() + 1;
        (format!("{}/{number}", self.name), self.content(100 + i64::try_from(number).unwrap()))
    }

    /// What is asked for to sell so many fen.
    pub fn content(&self, fen: i64) -> Value {
        json!({
            "account_id": self.account,
            "amount": fen,
            "currency": "CNY",
            "tender": "cash",
            "terminal": self.name,
        })
    }

    /// Asks once, and gives status and body; none where no whole answer came.
    pub async fn ask(&self, at: SocketAddr, key: &str, body: &Value) -> Option<(u16, Value)> {
        post(&self.client, at, "/vends", &self.api_key, key, body).await
    }

    /// The request for a vend as its bytes on the wire.
    pub fn request(&self, key: &str, body: &Value) -> String {
        let (api_key, body) = (&self.api_key, body.to_string());
        let head = format!("POST /api/v1/vends HTTP/1.1\r\nHost: head-end\r\nAuthorization: Bearer {api_key}\r\n");
        let content = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        format!("{head}Idempotency-Key: {key}\r\n{content}\r\n\r\n{body}")
    }

    /// Asks once for the next vend, and keeps the receipt if it is one; the answer's status.
    pub async fn sell(&mut self, at: SocketAddr) -> Option<u16> {
        let (key, body) = self.next();
        let (status, receipt) = self.ask(at, &key, &body).await?;
        if matches!(status, 200 | 201) {
            self.keep(&key, &body, &receipt);
        }
        Some(status)
    }

    /// Keeps the receipt of a vend to this counter's account.
    pub fn keep(&mut self, key: &str, body: &Value, receipt: &Value) {
        self.sold.push(Sold { key: key.to_owned(), body: body.clone(), receipt: receipt.clone() });
    }

    /// Sells until the head end gives no answer.
    pub async fn sell_until_unanswered(&mut self, at: SocketAddr) {
        while self.sell(at).await.is_some() {}
    }

    /// Asks for the next vend until it is acknowledged. Whoever is not told so is told nothing, or to ask again.
    pub async fn sell_at_last(&mut self, at: SocketAddr) {
        eventually(SOON, "the vend is acknowledged", async || match self.sell(at).await {
            Some(200 | 201) => Some(()),
            Some(503) | None => None,
            Some(other) => panic!("{other} to {:?}", self.next()),
        })
        .await;
    }

    /// What was paid in, the opening credit included.
    pub fn paid(&self) -> i64 {
        OPENING + self.sold.iter().map(|sold| sold.body["amount"].as_i64().unwrap()).sum::<i64>()
    }

    /// Everything in which the head end and the receipts of this counter differ.
    pub async fn differences(&self, rest: &Rest) -> Vec<String> {
        let mut found = Vec::new();
        for sold in &self.sold {
            let path = format!("/vends/{}", sold.receipt["vend_id"].as_str().unwrap());
            let stored = rest.ask(Method::GET, &path, None, None).await;
            if stored.status == 404 {
                found.push(format!("lost: {sold:?}"));
            } else if (stored.status, &stored.json) != (200, &sold.receipt) {
                found.push(format!("stored otherwise: {sold:?}: {stored:?}"));
            }
        }
        for sold in &self.sold {
            let repeated = rest.post_once("/vends", &sold.key, &sold.body).await;
            if (repeated.status, &repeated.json) != (200, &sold.receipt) {
                found.push(format!("another effect: {sold:?}: {repeated:?}"));
            }
        }
        found.extend(self.differences_of_rows(rest).await);
        found
    }

    /// One vend for each receipt and no other, receipts without a gap, and a balance that is their sum.
    async fn differences_of_rows(&self, rest: &Rest) -> Vec<String> {
        let mut found = Vec::new();
        let rows = vends(rest, &self.account).await;
        let text = |receipt: &Value, field: &str| receipt[field].as_str().unwrap().to_owned();
        let ids = |receipts: &mut dyn Iterator<Item = &Value>| -> BTreeSet<String> {
            receipts.map(|receipt| text(receipt, "vend_id")).collect()
        };
        if rows.len() != self.sold.len()
            || ids(&mut rows.iter()) != ids(&mut self.sold.iter().map(|sold| &sold.receipt))
        {
            found.push(format!("{}: {} vends for {} receipts", self.name, rows.len(), self.sold.len()));
        }
        let numbers: BTreeSet<String> = rows.iter().map(|receipt| text(receipt, "receipt_number")).collect();
        let gapless: BTreeSet<String> = (1..=rows.len()).map(|number| format!("{}-{number}", self.name)).collect();
        if numbers != gapless {
            found.push(format!("{}: receipts {numbers:?}", self.name));
        }
        let balance = rest.get(&format!("/accounts/{}/balance", self.account)).await;
        if balance["posted"] != self.paid() {
            found.push(format!("{}: {} was paid, {balance}", self.name, self.paid()));
        }
        found
    }
}

/// Posts once below `/api/v1`, and gives status and body; none where no whole answer came.
pub async fn post(
    client: &awc::Client,
    at: SocketAddr,
    path: &str,
    api_key: &str,
    idempotency_key: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let request = client.post(format!("http://{at}/api/v1{path}")).bearer_auth(api_key);
    let mut response = request.insert_header(("Idempotency-Key", idempotency_key)).send_json(body).await.ok()?;
    let json = response.json().await.ok()?;
    Some((response.status().as_u16(), json))
}

/// All vends of an account.
async fn vends(rest: &Rest, account: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rest.get(&format!("/accounts/{account}/vends?limit={PAGE}{cursor}")).await;
        rows.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}
