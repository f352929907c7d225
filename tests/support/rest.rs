//! A client of the REST side with one key.

use std::{net::SocketAddr, time::Duration};

use actix_web::http::Method;
use serde_json::Value;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(40);
/// Largest answer read.
const ANSWER_BYTES: usize = 1 << 20;

/// A client, cheap to clone.
#[derive(Clone)]
pub struct Rest {
    base: String,
    key: String,
    client: awc::Client,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body; null where there is none.
    pub json: Value,
}

/// A request as it goes over the wire.
pub struct Written {
    /// Where it goes.
    pub to: SocketAddr,
    /// Up to the empty line, and with it.
    pub head: Vec<u8>,
    /// What follows.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of what went well.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.json);
        self.json
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }
}

impl Rest {
    /// A client of the REST side at this address.
    pub fn new(at: SocketAddr, key: String) -> Self {
        let client = awc::Client::builder().timeout(PATIENCE).finish();
        Self { base: format!("http://{at}/api/v1"), key, client }
    }

    /// The same client with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Asks; `path` is below `/api/v1`.
    pub async fn ask(&self, method: Method, path: &str, idempotency_key: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if let Some(key) = idempotency_key {
            request = request.insert_header(("Idempotency-Key", key));
        }
        let sent = match body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{path}: {error}"));
        let bytes = response.body().limit(ANSWER_BYTES).await.unwrap();
        let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: response.status().as_u16(), json }
    }

    /// A request as it goes over the wire, for a client that may not live to its end.
    pub fn written(&self, method: &str, path: &str, idempotency_key: Option<&str>, body: Option<&Value>) -> Written {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (host, length, key) = (&self.base["http://".len()..], body.len(), &self.key);
        let (host, base) = host.split_once('/').unwrap();
        let once = idempotency_key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} /{base}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{once}\r\n"
        );
        Written { to: host.parse().unwrap(), head: head.into_bytes(), body: body.into_bytes() }
    }

    /// Reads what must be there.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None, None).await.ok()
    }

    /// Posts what must be taken.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, None, Some(body)).await.ok()
    }

    /// Posts with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(key), Some(body)).await
    }

    /// Changes what was seen with this tag.
    pub async fn patch(&self, path: &str, seen: &str, to: &Value) -> Answer {
        let request = self.client.request(Method::PATCH, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let mut response = request.insert_header(("If-Match", seen)).send_json(to).await.unwrap();
        let bytes = response.body().limit(ANSWER_BYTES).await.unwrap();
        Answer { status: response.status().as_u16(), json: serde_json::from_slice(&bytes).unwrap() }
    }

    /// Puts what must be taken.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::PUT, path, None, Some(body)).await.ok()
    }
}
