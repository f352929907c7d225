//! The real binary as a process: started, asked, stopped and killed as an operator or a power failure would.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod commands;
mod concentrator;
mod demo;
mod durability;
mod peer;
mod program;
mod refusing;
mod rest;
mod stopping;

use serde_json::{Value, json};

use self::rest::Rest;

/// What a site needs before it can vend; entered over REST.
struct Shop {
    site: String,
    customer: String,
    tariff: String,
}

impl Shop {
    fn enter(rest: &Rest) -> Self {
        let site = rest.id("/sites", &json!({ "name": "Garden Street", "time_zone": "Asia/Shanghai" }));
        let customer = rest.id("/customers", &json!({ "site_id": site, "name": "Li Hua" }));
        let tariff = rest.id("/tariffs", &json!({ "site_id": site, "name": "Shops", "blocks": [{ "price": "0.5" }] }));
        Self { site, customer, tariff }
    }

    /// A concentrator as the peer is one unless told otherwise: region 1101, terminal 17.
    fn concentrator(&self, rest: &Rest) -> String {
        let new = json!({ "site_id": self.site, "name": "C17", "region": "1101", "terminal": 17, "profile": "standard" });
        rest.id("/concentrators", &new)
    }

    fn meter(&self, rest: &Rest, concentrator: &str, address: &str, profile: &str) -> String {
        let new = json!({ "concentrator_id": concentrator, "name": address, "address": address, "profile": profile });
        rest.id("/meters", &new)
    }

    /// An account opened at a meter with what `opening` says beside the meter.
    fn open(&self, rest: &Rest, meter: &str, mut opening: Value) -> String {
        let account = rest.id("/accounts", &json!({ "customer_id": self.customer, "tariff_id": self.tariff }));
        opening["meter_id"] = meter.into();
        let opened = rest.post_once(&format!("/accounts/{account}/open"), &format!("open-{account}"), &opening).ok();
        assert_eq!(opened["state"], "active");
        account
    }
}
