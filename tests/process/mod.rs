//! The real binary as a process: started, asked, stopped and killed as an operator or a loss of power would.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod commands;
mod concentrator;
mod decode;
mod demo;
mod durability;
mod faults;
mod peer;
mod program;
mod refusing;
mod stopping;

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::Rest;

/// Prints one JSON value: the first row of a question to an SQLite file, after statements that change it.
const ASK_SQLITE: &str = "\
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.executescript(sys.argv[2])
print(json.dumps(database.execute(sys.argv[3]).fetchone()))";

/// Changes an SQLite file behind the program's back, then asks it.
fn sqlite(file: &Path, change: &str, question: &str) -> Value {
    let mut python = Command::new("python3");
    let output = python.args(["-c", ASK_SQLITE]).arg(file).args([change, question]).output().unwrap();
    serde_json::from_str(&program::text(&output, 0).0).unwrap()
}

/// What a site needs before it can vend, entered by REST.
pub(crate) struct Shop {
    site: String,
    customer: String,
    tariff: String,
}

impl Shop {
    pub(crate) async fn enter(rest: &Rest) -> Self {
        let site = json!({ "name": "Garden Street", "time_zone": "Asia/Shanghai" });
        let site = id(&rest.post("/sites", &site).await);
        let customer = id(&rest.post("/customers", &json!({ "site_id": site, "name": "Li Hua" })).await);
        let tariff = json!({ "site_id": site, "name": "Shops", "blocks": [{ "price": "0.5" }] });
        let tariff = id(&rest.post("/tariffs", &tariff).await);
        Self { site, customer, tariff }
    }

    /// A concentrator with the address that the peer dials in with.
    pub(crate) async fn concentrator(&self, rest: &Rest) -> String {
        let new =
            json!({ "site_id": self.site, "name": "C17", "region": "1101", "terminal": 17, "profile": "standard" });
        id(&rest.post("/concentrators", &new).await)
    }

    pub(crate) async fn meter(&self, rest: &Rest, concentrator: &str, address: &str, profile: &str) -> String {
        let new = json!({ "concentrator_id": concentrator, "name": address, "address": address, "profile": profile });
        id(&rest.post("/meters", &new).await)
    }

    /// An account opened at a meter with what `opening` says.
    pub(crate) async fn open(&self, rest: &Rest, meter: &str, mut opening: Value) -> String {
        let account = json!({ "customer_id": self.customer, "tariff_id": self.tariff });
        let account = id(&rest.post("/accounts", &account).await);
        opening["meter_id"] = meter.into();
        let opened = rest.post_once(&format!("/accounts/{account}/open"), &format!("open-{account}"), &opening).await;
        assert_eq!(opened.ok()["state"], "active");
        account
    }
}

fn id(entered: &Value) -> String {
    entered["id"].as_str().unwrap().to_owned()
}
