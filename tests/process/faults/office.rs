//! `kill -9` while the office and the counters work (F1): whatever was asked for is done once, and comes to the same as where
//! nobody died.

use actix_web::http::Method;
use futures_util::future::join;
use serde_json::{Map, Value, json};

use super::{
    super::{Shop, id},
    Config,
    counter::post,
    kill_at_its_point, opening, serve_to,
};
use crate::support::{Database, Rest, on_both};

on_both!(
    what_is_asked_of_a_shift_or_a_vendor_killed_at_any_point_is_done_once,
    what_is_asked_of_money_killed_at_any_point_is_done_once,
    what_is_asked_of_meters_and_accounts_killed_at_any_point_is_done_once,
    what_is_asked_of_supply_killed_at_any_point_is_done_once,
);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Deed {
    OpenShift,
    CloseShift,
    Deposit,
    Refund,
    EnterDebt,
    WriteOffDebt,
    Subsidize,
    Adjust,
    /// Of a vend that was made.
    Withdraw,
    CreditBatch,
    EmergencyCredit,
    AnnouncePayment,
    Attach,
    Remove,
    Replace,
    Transfer,
    /// The balance is paid out.
    TransferPaid,
    ChangeTariff,
    Close,
    CutGroup,
    Schedule,
}

/// A request, and the places where its effect is seen.
struct Asked {
    path: String,
    body: Value,
    seen_at: Vec<String>,
}

struct Office {
    config: Config,
    key: String,
    shop: Shop,
    concentrator: String,
    vendor: String,
    /// How many things were entered.
    entered: usize,
}

/// What of an answer does not depend on when it was given, or to whom.
const ESSENCE: [&str; 14] = [
    "state",
    "posted",
    "debt",
    "receipts",
    "expected_cash",
    "counted_cash",
    "held",
    "kind",
    "amount",
    "reversal",
    "refund",
    "valid_from",
    "action",
    "items",
];

fn essence(shown: &Value) -> Value {
    match shown {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| ESSENCE.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), essence(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(essence).collect(),
        other => other.clone(),
    }
}

impl Office {
    async fn enter(database: &Database) -> Self {
        let config = Config::head_end(database, "");
        let serving = config.serve().await;
        let key = config.key("admin");
        let rest = serving.rest(&key);
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        let vendor = json!({ "site_id": shop.site, "name": "Corner shop" });
        let vendor = id(&rest.post("/vendors", &vendor).await);
        Self { config, key, shop, concentrator, vendor, entered: 0 }
    }

    async fn meter(&mut self, rest: &Rest) -> String {
        self.entered += 1;
        self.shop.meter(rest, &self.concentrator, &format!("2026{:08}", self.entered), "dlt645_direct").await
    }

    /// A meter and its account.
    async fn home(&mut self, rest: &Rest) -> (String, String) {
        let meter = self.meter(rest).await;
        let account = self.shop.open(rest, &meter, opening("12.5")).await;
        (meter, account)
    }

    /// A terminal with an open shift.
    async fn shift(&mut self, rest: &Rest) -> (String, String) {
        let terminal = self.terminal(rest).await;
        let body = json!({ "terminal_id": terminal, "float": 5_000 });
        let shift = id(&rest.post_once("/shifts", &format!("shift-{terminal}"), &body).await.ok());
        (terminal, shift)
    }

    async fn terminal(&mut self, rest: &Rest) -> String {
        self.entered += 1;
        let new = json!({ "vendor_id": self.vendor, "name": format!("till-{}", self.entered) });
        id(&rest.post("/terminals", &new).await)
    }

    /// Everything that must stand before, and the request itself.
    async fn prepare(&mut self, rest: &Rest, deed: Deed) -> Asked {
        match deed {
            Deed::OpenShift => {
                let body = json!({ "terminal_id": self.terminal(rest).await, "float": 5_000 });
                Asked { path: "/shifts".to_owned(), body, seen_at: vec![] }
            }
            Deed::CloseShift => {
                let shift = self.shift(rest).await.1;
                let path = format!("/shifts/{shift}/close");
                Asked { path, body: json!({ "counted_cash": 4_900 }), seen_at: vec![format!("/shifts/{shift}")] }
            }
            Deed::Deposit => {
                // A vendor of its own, so that what it holds is that of this deposit.
                let vendor = json!({ "site_id": self.shop.site, "name": "Kiosk" });
                let vendor = id(&rest.post("/vendors", &vendor).await);
                let path = format!("/vendors/{vendor}/deposits");
                let body = json!({ "amount": 700, "currency": "CNY", "reason": "slip 7" });
                Asked { seen_at: vec![format!("/vendors/{vendor}"), path.clone()], path, body }
            }
            Deed::Attach
            | Deed::Remove
            | Deed::Replace
            | Deed::Transfer
            | Deed::TransferPaid
            | Deed::ChangeTariff
            | Deed::Close => self.life(rest, deed).await,
            Deed::CutGroup | Deed::Schedule => self.supply(rest, deed).await,
            _ => self.money(rest, deed).await,
        }
    }

    async fn money(&mut self, rest: &Rest, deed: Deed) -> Asked {
        let account = self.home(rest).await.1;
        let of = |what: &str| format!("/accounts/{account}/{what}");
        let amount = |amount: i64| json!({ "amount": amount, "currency": "CNY", "reason": "as agreed" });
        let (path, body) = match deed {
            Deed::Refund => {
                let mut body = amount(200);
                (body["account_id"], body["tender"], body["terminal"]) =
                    (json!(account), json!("cash"), json!(format!("till-{account}")));
                ("/refunds".to_owned(), body)
            }
            Deed::EnterDebt => (of("debts"), amount(900)),
            Deed::WriteOffDebt => {
                rest.post_once(&of("debts"), &format!("debt-{account}"), &amount(900)).await.ok();
                (of("debts/write_off"), json!({ "reason": "hardship" }))
            }
            Deed::Subsidize => (of("subsidies"), amount(300)),
            Deed::Adjust => (of("adjustments"), amount(-120)),
            Deed::Withdraw => {
                let (vend_key, terminal) = (format!("sale-{account}"), format!("till-{account}"));
                let sale = json!({
                    "account_id": account, "amount": 900, "currency": "CNY", "tender": "cash", "terminal": terminal,
                });
                rest.post_once("/vends", &vend_key, &sale).await.ok();
                let body = json!({ "account_id": account, "vend_key": vend_key, "terminal": terminal });
                ("/vends/withdraw".to_owned(), body)
            }
            Deed::CreditBatch => {
                let number = rest.get(&format!("/accounts/{account}")).await["number"].clone();
                let lines = json!([{ "account_number": number, "amount": 100 }]);
                let site = &self.shop.site;
                let body = json!({ "site_id": site, "currency": "CNY", "reason": "winter aid", "lines": lines });
                ("/batch_credits".to_owned(), body)
            }
            Deed::EmergencyCredit => {
                let limits =
                    json!({ "alarm_1": 9_000, "alarm_2": 8_000, "emergency_credit": 300, "reason": "a hospital" });
                rest.patch(&format!("/accounts/{account}"), "*", &limits).await.ok();
                (of("emergency_credit"), json!({}))
            }
            Deed::AnnouncePayment => {
                let body = json!({ "account_id": account, "amount": 500, "currency": "CNY", "tender": "alipay" });
                ("/payments_in_flight".to_owned(), body)
            }
            other => panic!("{other:?} moves no money"),
        };
        Asked { path, body, seen_at: vec![format!("/accounts/{account}"), of("statement")] }
    }

    async fn life(&mut self, rest: &Rest, deed: Deed) -> Asked {
        let (meter, account) = self.home(rest).await;
        let attach = |further: &str| json!({ "meter_id": further, "initial_reading": "5", "reason": "attic let" });
        let meters = format!("/accounts/{account}/meters");
        let last = json!([{ "meter_id": meter, "total": "12.51" }]);
        let (path, body) = match deed {
            Deed::Attach => (meters.clone(), attach(&self.meter(rest).await)),
            Deed::Remove => {
                let further = self.meter(rest).await;
                rest.post_once(&meters, &format!("attach-{further}"), &attach(&further)).await.ok();
                (format!("/meters/{further}/remove"), json!({ "final_reading": "5.01", "reason": "attic empty" }))
            }
            Deed::Replace => {
                let new = self.meter(rest).await;
                let body = json!({
                    "new_meter_id": new, "final_reading": "12.51", "initial_reading": "0", "reason": "burnt",
                });
                (format!("/meters/{meter}/replace"), body)
            }
            Deed::ChangeTariff => {
                let body = json!({ "tariff_id": self.shop.tariff, "reason": "became a shop" });
                (format!("/accounts/{account}/tariffs"), body)
            }
            Deed::Transfer | Deed::TransferPaid => {
                let customer = json!({ "site_id": self.shop.site, "name": "Wu" });
                let customer = id(&rest.post("/customers", &customer).await);
                let mut body = json!({ "customer_id": customer, "final_readings": last, "reason": "sold" });
                if matches!(deed, Deed::TransferPaid) {
                    body["pay_out"] = json!({ "tender": "cash", "terminal": format!("till-{account}") });
                }
                (format!("/accounts/{account}/transfer"), body)
            }
            Deed::Close => {
                let terminal = format!("till-{account}");
                let body =
                    json!({ "final_readings": last, "reason": "moved out", "tender": "cash", "terminal": terminal });
                (format!("/accounts/{account}/close"), body)
            }
            other => panic!("{other:?} is about something else"),
        };
        let (shown, statement) = (format!("/accounts/{account}"), format!("/accounts/{account}/statement"));
        Asked { path, body, seen_at: vec![shown, statement] }
    }

    async fn supply(&mut self, rest: &Rest, deed: Deed) -> Asked {
        let meter = self.home(rest).await.0;
        let site = &self.shop.site;
        let selection = json!({ "meter_ids": [meter] });
        let (path, body) = match deed {
            Deed::CutGroup => {
                let body =
                    json!({ "site_id": site, "action": "disconnect", "reason": "works", "selection": selection });
                ("/relay_order_groups", body)
            }
            _ => {
                let body = json!({
                    "site_id": site, "off_at": "23:00", "on_at": "06:00", "weekdays": ["monday"], "except_holidays": true,
                    "reason": "night rest", "selection": selection,
                });
                ("/relay_schedules", body)
            }
        };
        Asked { path: path.to_owned(), body, seen_at: vec![format!("/meters/{meter}/relay_orders")] }
    }

    /// What the places show, but for what differs from one to the next.
    async fn seen(&self, rest: &Rest, asked: &Asked) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in &asked.seen_at {
            seen.push(essence(&rest.ask(Method::GET, path, None, None).await.ok()));
        }
        seen
    }

    /// Asks once where nobody dies, and then with a head end that dies at each of these points.
    async fn survives(&mut self, deed: Deed, points: &[&str]) {
        let serving = self.config.serve().await;
        let rest = serving.rest(&self.key);
        let asked = self.prepare(&rest, deed).await;
        let calm = rest.post_once(&asked.path, &format!("calm-{deed:?}"), &asked.body).await.ok();
        let (calm, wanted) = (essence(&calm), self.seen(&rest, &asked).await);
        serving.stop().await;
        for point in points {
            let serving = serve_to(&self.config, point).await;
            let asked = self.prepare(&serving.rest(&self.key), deed).await;
            let (client, once) = (awc::Client::default(), format!("{deed:?}-{point}"));
            let request = post(&client, serving.rest, &asked.path, &self.key, &once, &asked.body);
            let (answer, ()) = join(request, kill_at_its_point(serving, point)).await;
            assert_eq!(answer, None, "{deed:?}: the answer is lost at {point}");

            let serving = self.config.serve().await;
            let rest = serving.rest(&self.key);
            let first = rest.post_once(&asked.path, &once, &asked.body).await.ok();
            assert_eq!(essence(&first), calm, "{deed:?} asked again after {point}");
            let again = rest.post_once(&asked.path, &once, &asked.body).await.ok();
            assert_eq!(essence(&again), calm, "{deed:?} after {point}");
            assert_eq!(again.get("id"), first.get("id"), "{deed:?} after {point}");
            assert_eq!(self.seen(&rest, &asked).await, wanted, "{deed:?} after {point}");
            serving.stop().await;
            assert!(self.config.told(&["audit"]).ends_with(" 0 differences\n"), "{deed:?} after {point}");
        }
    }
}

async fn what_is_asked_of_a_shift_or_a_vendor_killed_at_any_point_is_done_once(database: Database) {
    let mut office = Office::enter(&database).await;
    office.survives(Deed::OpenShift, &["shift.opened"]).await;
    office.survives(Deed::CloseShift, &["shift.closed"]).await;
    office.survives(Deed::Deposit, &["deposit.written"]).await;
}

async fn what_is_asked_of_money_killed_at_any_point_is_done_once(database: Database) {
    let mut office = Office::enter(&database).await;
    let refund = ["refund.locked", "refund.posted", "refund.written", "refund.committed"];
    office.survives(Deed::Refund, &refund).await;
    office.survives(Deed::EnterDebt, &["debt.written"]).await;
    office.survives(Deed::WriteOffDebt, &["debt.written:2"]).await;
    office.survives(Deed::Subsidize, &["subsidy.written"]).await;
    office.survives(Deed::Adjust, &["subsidy.written"]).await;
    office.survives(Deed::Withdraw, &["withdrawal.written", "reversal.committed"]).await;
    office.survives(Deed::CreditBatch, &["batch_credit.written", "batch_credit.posted"]).await;
    office.survives(Deed::EmergencyCredit, &["emergency_credit.written"]).await;
    office.survives(Deed::AnnouncePayment, &["payment_in_flight.written"]).await;
}

async fn what_is_asked_of_meters_and_accounts_killed_at_any_point_is_done_once(database: Database) {
    let mut office = Office::enter(&database).await;
    office.survives(Deed::Attach, &["attach.written"]).await;
    office.survives(Deed::Remove, &["remove.written"]).await;
    office.survives(Deed::Replace, &["replace.written", "replace.committed"]).await;
    office.survives(Deed::Transfer, &["transfer.written", "transfer.committed"]).await;
    office.survives(Deed::TransferPaid, &["transfer.written", "transfer.committed"]).await;
    office.survives(Deed::ChangeTariff, &["change_tariff.written"]).await;
    office.survives(Deed::Close, &["close.written", "close.committed"]).await;
}

async fn what_is_asked_of_supply_killed_at_any_point_is_done_once(database: Database) {
    let mut office = Office::enter(&database).await;
    office.survives(Deed::CutGroup, &["order_group.written", "order_group.given"]).await;
    office.survives(Deed::Schedule, &["schedule.written"]).await;
}
