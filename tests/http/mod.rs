//! What a client of the REST side sees, over real sockets.

mod account_life;
mod account_meters;
mod archive;
mod audit_log;
mod bad_input;
mod buildings;
mod control;
mod counter_safety;
mod debts;
mod enquiries;
mod explaining;
mod health;
mod holds;
mod jobs;
mod limits;
mod meter_selections;
mod notices;
mod outages;
mod passwords;
mod payments_in_flight;
mod receipts;
mod registers;
mod relay_order_groups;
mod reversal;
mod rights;
mod schedules;
mod subsidies;
mod tariffs;
mod vending;
mod vending_safety;

use std::{net::TcpListener, sync::Arc};

use actix_web::{
    dev::ServerHandle,
    http::{Method, header::HeaderMap},
    web,
};
use domain::ids::SiteId;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Db, api_key::Role};
use wattgate::{app::App, http, keys, settings};

/// Small limits, so that tests reach them.
const SETTINGS: &str = r#"
[http]
body_bytes = 4096
page_rows = 2
page_rows_max = 3
[explain]
transactions = 3
rows = 2
[receipts]
reprints = 2
[order_groups]
headroom_meters = 3
headroom_meters_at_once = 2
[profiles.meter.shop]
relay_control = "plain"
reconnect = "direct"
relay_password = "000000"
relay_password_level = 2
relay_operator = 0
archive_password = "000000000000"
periods = 4
billed = "periods"
rate = 0
line = "6B"
maximum_power_w = 22000
register_modulus = "1000000.0000"
"#;

/// A head end with an empty database in memory, no concentrators, and an administrator.
pub struct Api {
    app: App,
    base: String,
    server: ServerHandle,
    /// A key that may do everything.
    admin: String,
}

/// A day so long from now.
fn in_days(days: i64) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.saturating_add(jiff::Span::new().days(days)).to_string()
}

/// What was answered.
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status and code of a problem; that it is one is asserted.
    fn problem(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.json);
        assert_eq!(self.json["status"], self.status);
        (self.status, self.json["code"].as_str().unwrap())
    }

    fn field(&self) -> Option<&str> {
        self.json["errors"][0]["field"].as_str()
    }

    /// The body of what went well.
    fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.json);
        self.json
    }

    fn id(self) -> String {
        self.ok()["id"].as_str().unwrap().to_owned()
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with further settings.
    pub async fn start_with(extra: &str) -> Self {
        let settings = settings::read(Some(&format!("{SETTINGS}{extra}")), None).unwrap();
        let db = Db::inline().unwrap();
        let admin = keys::make(&db, "admin", Role::Admin, None, Timestamp::now()).await.unwrap();
        let app = App::new(settings, db, Arc::new(actors::SystemClock)).unwrap();
        app.start(1).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = http::server(web::Data::new(app.clone()), listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { app, base, server: handle, admin }
    }

    pub async fn stop(self) {
        self.server.stop(true).await;
        self.app.stop().await;
    }

    pub async fn key(&self, role: Role, site: Option<&str>) -> String {
        let site = site.map(|id| id.parse::<SiteId>().unwrap());
        keys::make(&self.app.db, "test", role, site, Timestamp::now()).await.unwrap()
    }

    /// Asks with a key (empty: none), further headers and a body as it stands.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = awc::Client::new().request(method, format!("{}{path}", self.base));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let mut response = request.send_body(body.as_ref().to_vec()).await.unwrap();
        let bytes = response.body().limit(1 << 20).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), json }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &self.admin, &[], "").await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.ask(method, path, &self.admin, &headers, &body.to_string()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body).await
    }

    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("Idempotency-Key", key)], body).await
    }

    /// A site with one of everything; the account is open.
    pub async fn street(&self) -> Street {
        let site =
            self.post("/api/v1/sites", &json!({ "name": "Garden Street", "time_zone": "Asia/Shanghai" })).await.id();
        let number = site.parse::<u16>().unwrap();
        let concentrator =
            json!({ "site_id": site, "name": "C1", "region": "1101", "terminal": number, "profile": "standard" });
        let concentrator = self.post("/api/v1/concentrators", &concentrator).await.id();
        let meter = json!({ "concentrator_id": concentrator, "name": "Shop 1", "address": format!("{number:012}"), "profile": "dlt645_direct" });
        let meter = self.post("/api/v1/meters", &meter).await.id();
        let customer = self.post("/api/v1/customers", &json!({ "site_id": site, "name": "Li Hua" })).await.id();
        let tariff =
            json!({ "site_id": site, "name": "Shops", "blocks": [{ "price": "0.5889" }], "minimum_vend": 100 });
        let tariff = self.post("/api/v1/tariffs", &tariff).await.id();
        let account = json!({ "customer_id": customer, "tariff_id": tariff, "number": "S-1" });
        let account = self.post("/api/v1/accounts", &account).await.id();
        let opening =
            json!({ "meter_id": meter, "initial_reading": "12.5", "reason": "read on site", "opening_credit": 500 });
        self.post_once(&format!("/api/v1/accounts/{account}/open"), "open-1", &opening).await.ok();
        Street { site, concentrator, meter, customer, tariff, account }
    }
}

/// The identifiers of a site with one of everything.
pub struct Street {
    site: String,
    concentrator: String,
    meter: String,
    customer: String,
    tariff: String,
    account: String,
}

impl Street {
    fn vend(&self, amount: i64) -> Value {
        json!({ "account_id": self.account, "amount": amount, "currency": "CNY", "tender": "cash", "terminal": "till-1" })
    }
}

/// Every operation of an API document: path, method, operation.
pub fn operations(document: &Value) -> Vec<(&str, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods =
                item.as_object().unwrap().iter().filter(|(_, operation)| operation.get("responses").is_some());
            methods.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
        })
        .collect()
}
