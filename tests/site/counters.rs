//! Vending counters: vendors with a limit, terminals with their own keys, shifts whose receipts have no gaps.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use store::api_key::Role;
use wattgate::keys;

use crate::support::{Answer, Court, Database, HeadEnd, Rest, on_both};

on_both!(
    a_terminal_sells_with_its_own_key_in_shifts_that_are_counted_and_closed,
    what_another_shift_sold_is_reversed_by_an_operator_only,
    nobody_sells_in_the_shift_of_another_cashier,
    receipts_of_two_terminals_never_look_alike,
    a_vendor_sells_up_to_its_limit_whoever_sells_at_once,
    a_shift_is_closed_between_sales_and_never_in_the_middle_of_one,
    who_is_blocked_or_not_registered_sells_nothing,
    a_shift_asked_for_many_times_at_once_is_opened_once,
);

/// A head end with a vendor and two accounts.
struct Market {
    head_end: HeadEnd,
    court: Court,
    vendor: String,
}

/// A terminal and a client with a key of its own.
struct Till {
    id: String,
    name: &'static str,
    rest: Rest,
}

fn text(json: &Value) -> String {
    json.as_str().unwrap().to_owned()
}

impl Market {
    async fn open(database: &Database, further: &str, credit_limit: Option<i64>) -> Self {
        let head_end = HeadEnd::start_with(database, further).await;
        let court = Court::enter(&head_end, 4).await;
        court.read(&head_end.rest).await;
        for supply in &court.supplies {
            supply.open(&head_end.rest, 10_000).await;
        }
        let vendor = json!({ "site_id": court.site, "name": "Corner shop", "credit_limit": credit_limit });
        let vendor = text(&head_end.rest.post("/vendors", &vendor).await["id"]);
        Self { head_end, court, vendor }
    }

    async fn till(&self, name: &'static str) -> Till {
        let rest = &self.head_end.rest;
        let id = text(&rest.post("/terminals", &json!({ "vendor_id": self.vendor, "name": name })).await["id"]);
        let made = rest.post(&format!("/terminals/{id}/keys"), &json!({ "name": "Zhang" })).await;
        Till { id, name, rest: rest.with_key(made["key"].as_str().unwrap()) }
    }

    fn sale(&self, till: &Till, supply: usize, fen: i64) -> Value {
        let mut sale = self.court.supplies[supply].sale(fen);
        sale["terminal"] = json!(till.name);
        sale
    }

    async fn sells(&self, till: &Till, supply: usize, key: &str, fen: i64) -> Answer {
        till.rest.post_once("/vends", key, &self.sale(till, supply, fen)).await
    }

    async fn held(&self) -> i64 {
        self.head_end.rest.get(&format!("/vendors/{}", self.vendor)).await["held"].as_i64().unwrap()
    }

    async fn change(&self, path: &str, to: &Value) -> Value {
        self.head_end.rest.patch(path, "*", to).await.ok()
    }
}

impl Till {
    async fn opens(&self, key: &str, float: i64) -> Answer {
        self.rest.post_once("/shifts", key, &json!({ "terminal_id": self.id, "float": float })).await
    }

    async fn closes(&self, shift: &str, key: &str, counted: i64) -> Answer {
        self.rest.post_once(&format!("/shifts/{shift}/close"), key, &json!({ "counted_cash": counted })).await
    }
}

async fn a_terminal_sells_with_its_own_key_in_shifts_that_are_counted_and_closed(database: Database) {
    let market = Market::open(&database, "", None).await;
    let (till, other) = (market.till("till-1").await, market.till("till-2").await);
    assert_eq!(market.sells(&till, 0, "v-1", 1_000).await.problem(), (422, "no_open_shift"));
    let opened = till.opens("o-1", 5_000).await;
    assert_eq!(opened.status, 201);
    let shift = text(&opened.json["id"]);
    assert_eq!((&opened.json["number"], &opened.json["currency"]), (&json!(1), &json!("CNY")));
    assert_eq!(till.opens("o-1", 5_000).await.status, 200);
    assert_eq!(till.opens("o-2", 5_000).await.problem(), (409, "shift_open"));
    assert_eq!(till.opens("o-1", 6_000).await.problem(), (409, "idempotency_key_reused"));

    let first = market.sells(&till, 0, "v-1", 1_000).await.ok();
    assert_eq!(first["receipt_number"], "till-1-1-1");
    assert_eq!(market.sells(&till, 0, "v-1", 1_000).await.ok(), first);
    let mut by_phone = market.sale(&till, 0, 700);
    by_phone["tender"] = json!("wechat");
    assert_eq!(till.rest.post_once("/vends", "v-2", &by_phone).await.ok()["receipt_number"], "till-1-1-2");
    let back = json!({ "terminal": "till-1", "reason": null });
    let reversal = format!("/vends/{}/reverse", text(&first["vend_id"]));
    assert_eq!(till.rest.post_once(&reversal, "r-1", &back).await.ok()["receipt_number"], "till-1-1-3");

    let elsewhere = other.rest.post_once("/vends", "v-3", &market.sale(&till, 0, 100)).await;
    assert_eq!(elsewhere.problem(), (403, "other_terminal"));
    let last = format!("/vends/last?site_id={}&terminal=till-1", market.court.site);
    let last = other.rest.ask(Method::GET, &last, None, None).await;
    assert_eq!(last.problem(), (403, "other_terminal"));
    assert_eq!(other.closes(&shift, "c-1", 0).await.problem(), (403, "other_terminal"));
    let anywhere = json!({ "terminal_id": till.id, "float": 0 });
    assert_eq!(other.rest.post_once("/shifts", "o-3", &anywhere).await.problem(), (403, "other_terminal"));

    let shown = till.rest.get(&format!("/shifts/{shift}")).await;
    assert_eq!((&shown["receipts"], &shown["expected_cash"]), (&json!(3), &json!(5_000)));
    assert_eq!(
        shown["totals"],
        json!([
            { "tender": "cash", "vends": 1_000, "reversals": 1_000, "refunds": 0, "net": 0 },
            { "tender": "wechat", "vends": 700, "reversals": 0, "refunds": 0, "net": 700 },
        ])
    );
    assert_eq!(till.closes(&shift, "c-1", -1).await.problem(), (422, "counted_cash"));
    let closed = till.closes(&shift, "c-1", 4_990).await.ok();
    assert_eq!((&closed["difference"], &closed["totals"]), (&json!(-10), &shown["totals"]));
    assert_eq!(till.closes(&shift, "c-1", 4_990).await.ok(), closed);
    assert_eq!(till.closes(&shift, "c-2", 4_990).await.problem(), (409, "shift_closed"));
    assert_eq!(market.sells(&till, 0, "v-4", 100).await.problem(), (422, "no_open_shift"));
    assert_eq!(market.sells(&till, 0, "v-1", 1_000).await.ok(), first, "a repetition is answered for ever");

    let second = text(&till.opens("o-4", 0).await.ok()["id"]);
    assert_eq!(market.sells(&till, 0, "v-5", 100).await.ok()["receipt_number"], "till-1-2-1");
    assert_eq!(till.rest.get(&format!("/shifts/{shift}")).await, closed, "a closed shift never changes");
    let listed = till.rest.get(&format!("/shifts?site_id={}&terminal_id={}", market.court.site, till.id)).await;
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|shift| text(&shift["id"])).collect();
    assert_eq!(ids, [second, shift]);
    market.head_end.audited().await;
}

async fn what_another_shift_sold_is_reversed_by_an_operator_only(database: Database) {
    let market = Market::open(&database, "", None).await;
    let (till, other) = (market.till("till-1").await, market.till("till-2").await);
    let shift = text(&till.opens("o-1", 0).await.ok()["id"]);
    other.opens("o-2", 0).await.ok();
    let sold = market.sells(&till, 0, "v-1", 1_000).await.ok();
    let reversal = format!("/vends/{}/reverse", text(&sold["vend_id"]));
    let back = json!({ "terminal": "till-2", "reason": null });
    assert_eq!(other.rest.post_once(&reversal, "r-1", &back).await.problem(), (422, "supervisor_needed"));
    till.closes(&shift, "c-1", 1_000).await.ok();
    till.opens("o-3", 0).await.ok();
    let same_till = json!({ "terminal": "till-1", "reason": null });
    assert_eq!(till.rest.post_once(&reversal, "r-1", &same_till).await.problem(), (422, "supervisor_needed"));
    assert_eq!(market.held().await, 1_000);

    let done = market.head_end.rest.post_once(&reversal, "r-1", &back).await.ok();
    assert_eq!(done["receipt_number"], "till-2-1-1");
    assert_eq!(market.held().await, 0);
    let shifts = market.head_end.rest.get(&format!("/shifts?site_id={}", market.court.site)).await;
    let nets: Vec<_> = shifts["items"].as_array().unwrap().iter().map(|shift| &shift["totals"][0]["net"]).collect();
    assert_eq!(nets, [&Value::Null, &json!(-1_000), &json!(1_000)], "it belongs to the shift that reversed it");
    market.head_end.audited().await;
}

async fn nobody_sells_in_the_shift_of_another_cashier(database: Database) {
    let market = Market::open(&database, "", None).await;
    let till = market.till("till-1").await;
    let cashier = async |name| {
        let now = jiff::Timestamp::now();
        let key = keys::make(&market.head_end.app.db, name, Role::Cashier, Some(market.court.site), now).await.unwrap();
        Till { rest: market.head_end.rest.with_key(&key), id: till.id.clone(), name: till.name }
    };
    let (zhang, li) = (cashier("Zhang").await, cashier("Li").await);
    let shift = text(&zhang.opens("o-1", 0).await.ok()["id"]);
    let sold = market.sells(&zhang, 0, "v-1", 1_000).await.ok();
    assert_eq!(market.sells(&li, 0, "v-2", 1_000).await.problem(), (422, "other_shift"));
    let trial = li.rest.ask(Method::POST, "/vends/trial", None, Some(&market.sale(&li, 0, 1_000))).await;
    assert_eq!(trial.problem(), (422, "other_shift"));
    let reversal = format!("/vends/{}/reverse", text(&sold["vend_id"]));
    let back = json!({ "terminal": "till-1", "reason": null });
    assert_eq!(li.rest.post_once(&reversal, "r-1", &back).await.problem(), (422, "other_shift"));
    assert_eq!(li.closes(&shift, "c-1", 1_000).await.problem(), (422, "other_shift"));
    assert_eq!(market.held().await, 1_000, "nothing of it was done");

    // The terminal's own key shares its shifts, and an operator may use any.
    market.sells(&till, 0, "v-3", 500).await.ok();
    let operator = Till { rest: market.head_end.rest.clone(), id: till.id.clone(), name: till.name };
    market.sells(&operator, 0, "v-4", 500).await.ok();
    operator.closes(&shift, "c-2", 2_000).await.ok();
    let again = market.sells(&zhang, 0, "v-1", 1_000).await.ok();
    assert_eq!(again, sold, "a key that was used is answered whoever has the shift");
    li.opens("o-2", 0).await.ok();
    market.sells(&li, 0, "v-2", 1_000).await.ok();
    market.head_end.audited().await;
}

async fn receipts_of_two_terminals_never_look_alike(database: Database) {
    let market = Market::open(&database, "", None).await;
    let rest = &market.head_end.rest;
    let sells = async |terminal: &str, key: &str| {
        let mut sale = market.court.supplies[0].sale(100);
        sale["terminal"] = json!(terminal);
        rest.post_once("/vends", key, &sale).await
    };
    assert_eq!(sells("shop-1", "v-1").await.ok()["receipt_number"], "shop-1-1");
    let shop = json!({ "vendor_id": market.vendor, "name": "shop" });
    let registered = rest.ask(Method::POST, "/terminals", None, Some(&shop)).await;
    assert_eq!(registered.problem(), (409, "terminal_taken"), "its first receipt would be shop-1-1 as well");
    market.till("kiosk").await;
    assert_eq!(sells("kiosk-1", "v-2").await.problem(), (422, "terminal_unknown"));
    sells("kiosk-a", "v-3").await.ok();
    market.till("shop_x").await;
    market.head_end.audited().await;
}

async fn a_vendor_sells_up_to_its_limit_whoever_sells_at_once(database: Database) {
    let market = Market::open(&database, "", Some(3_000)).await;
    let tills = [market.till("till-1").await, market.till("till-2").await];
    for (nth, till) in tills.iter().enumerate() {
        till.opens(&format!("o-{nth}"), 0).await.ok();
    }
    let trial = |fen| market.sale(&tills[0], 0, fen);
    assert_eq!(tills[0].rest.ask(Method::POST, "/vends/trial", None, Some(&trial(3_000))).await.status, 200);
    let beyond = tills[0].rest.ask(Method::POST, "/vends/trial", None, Some(&trial(3_001))).await;
    assert_eq!(beyond.problem(), (422, "vendor_credit"));

    // Four accounts at two terminals: nothing but the vendor keeps them apart.
    let all = (0..12).map(|nth| {
        let (market, till) = (&market, &tills[nth % 2]);
        async move { market.sells(till, nth % 4, &format!("v-{nth}"), 700).await }
    });
    let answers = futures_util::future::join_all(all).await;
    let sold = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((sold, market.held().await), (4, 2_800));
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.problem() == (422, "vendor_credit")));

    let deposits = format!("/vendors/{}/deposits", market.vendor);
    let handed_over = json!({ "amount": 2_500, "currency": "CNY", "reason": "by bank" });
    let rest = &market.head_end.rest;
    let entered = rest.post_once(&deposits, "d-1", &handed_over).await;
    assert_eq!(entered.status, 201);
    assert_eq!(rest.post_once(&deposits, "d-1", &handed_over).await, Answer { status: 200, ..entered.clone() });
    assert_eq!(rest.get(&deposits).await["items"], json!([entered.json]));
    assert_eq!(market.held().await, 300);
    assert_eq!(tills[0].rest.post_once(&deposits, "d-2", &handed_over).await.problem().0, 403, "not by a cashier");
    assert_eq!(market.sells(&tills[1], 1, "v-20", 2_700).await.status, 201);
    let change = json!({ "name": "Corner shop", "state": "active", "credit_limit": null });
    market.change(&format!("/vendors/{}", market.vendor), &change).await;
    assert_eq!(market.sells(&tills[1], 1, "v-21", 9_000).await.status, 201, "no limit any more");
    assert_eq!(market.held().await, 12_000);
    market.head_end.audited().await;
}

async fn a_shift_is_closed_between_sales_and_never_in_the_middle_of_one(database: Database) {
    // A vendor without a limit: nothing but the shift itself keeps a sale out of its closing.
    let market = Market::open(&database, "", None).await;
    let till = market.till("till-1").await;
    for round in 0..5 {
        let shift = text(&till.opens(&format!("o-{round}"), 0).await.ok()["id"]);
        let (market, till, shift) = (&market, &till, shift.as_str());
        let sales = (0..8).map(|nth| async move {
            let sold = market.sells(till, nth % 4, &format!("v-{round}-{nth}"), 100).await;
            assert!(sold.status == 201 || sold.problem() == (422, "no_open_shift"), "{sold:?}");
            usize::from(sold.status == 201)
        });
        let close_key = format!("c-{round}");
        let closing = async { till.closes(shift, &close_key, 0).await.ok() };
        let (sold, closed) = futures_util::join!(futures_util::future::join_all(sales), closing);
        let sold: usize = sold.into_iter().sum();
        assert_eq!(closed["receipts"], sold);
        let net = closed["totals"].as_array().unwrap().iter().map(|total| total["net"].as_i64().unwrap()).sum::<i64>();
        assert_eq!(net, i64::try_from(sold).unwrap() * 100);
    }
    market.head_end.audited().await;
}

async fn who_is_blocked_or_not_registered_sells_nothing(database: Database) {
    let market = Market::open(&database, "[policy.vending]\nregistered_terminals_only = true\n", None).await;
    let stranger = market.head_end.rest.post_once("/vends", "v-0", &market.court.supplies[0].sale(500)).await;
    assert_eq!(stranger.problem(), (422, "terminal_unknown"));
    let till = market.till("till-1").await;
    till.opens("o-1", 0).await.ok();
    let (terminal, vendor) = (format!("/terminals/{}", till.id), format!("/vendors/{}", market.vendor));
    market.change(&terminal, &json!({ "state": "blocked" })).await;
    assert_eq!(market.sells(&till, 0, "v-1", 500).await.problem(), (422, "terminal_blocked"));
    market.change(&terminal, &json!({ "state": "active" })).await;
    market.change(&vendor, &json!({ "name": "Corner shop", "state": "blocked", "credit_limit": null })).await;
    assert_eq!(market.sells(&till, 0, "v-1", 500).await.problem(), (422, "vendor_blocked"));
    market.change(&vendor, &json!({ "name": "Corner shop", "state": "active", "credit_limit": null })).await;
    assert_eq!(market.sells(&till, 0, "v-1", 500).await.status, 201);

    let rest = &market.head_end.rest;
    let taken = json!({ "vendor_id": market.vendor, "name": "till-1" });
    let taken = rest.ask(Method::POST, "/terminals", None, Some(&taken)).await;
    assert_eq!(taken.problem(), (409, "terminal_taken"));
    let unnamed = json!({ "vendor_id": market.vendor, "name": "till 1" });
    assert_eq!(rest.ask(Method::POST, "/terminals", None, Some(&unnamed)).await.problem(), (422, "terminal"));
    let negative = json!({ "site_id": market.court.site, "name": "Kiosk", "credit_limit": -1 });
    assert_eq!(rest.ask(Method::POST, "/vendors", None, Some(&negative)).await.problem(), (422, "credit_limit"));

    let key = keys::make(&market.head_end.app.db, "viewer", Role::Viewer, None, jiff::Timestamp::now()).await.unwrap();
    let open = json!({ "terminal_id": till.id, "float": 0 });
    assert_eq!(rest.with_key(&key).post_once("/shifts", "o-9", &open).await.problem().0, 403);
    let made = rest.post(&format!("{terminal}/keys"), &json!({ "name": "Wu" })).await;
    let wu = rest.with_key(made["key"].as_str().unwrap());
    let prefix = made["key"].as_str().unwrap().split('_').nth(1).unwrap();
    let listed = async || {
        let page = rest.get(&format!("{terminal}/keys")).await;
        page["items"].as_array().unwrap().iter().find(|key| key["name"] == "Wu").cloned().unwrap()
    };
    let shown = listed().await;
    assert_eq!((&shown["prefix"], &shown["revoked_at"]), (&json!(prefix), &Value::Null), "{shown}");
    assert!(!shown.to_string().contains(made["key"].as_str().unwrap()), "it was shown once");
    let revoke = format!("{terminal}/keys/revoke");
    let revoked = rest.ask(Method::POST, &revoke, None, Some(&json!({ "prefix": prefix }))).await;
    assert_eq!(revoked.status, 204);
    assert!(!listed().await["revoked_at"].is_null());
    assert_eq!(wu.post_once("/vends", "v-9", &market.sale(&till, 0, 500)).await.problem().0, 401);
    let again = rest.ask(Method::POST, &revoke, None, Some(&json!({ "prefix": prefix }))).await;
    assert_eq!(again.problem().0, 404);
    market.head_end.audited().await;
}

async fn a_shift_asked_for_many_times_at_once_is_opened_once(database: Database) {
    let market = Market::open(&database, "", None).await;
    let till = market.till("till-1").await;
    let answers = join_all((0..16).map(|_| till.opens("o-1", 5_000))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    let shifts: Vec<Value> = answers.into_iter().map(Answer::ok).collect();
    assert!(shifts.iter().all(|shift| *shift == shifts[0]), "{shifts:?}");

    let other = market.till("till-2").await;
    let keys: Vec<String> = (0..8).map(|nth| format!("k-{nth}")).collect();
    let answers = join_all(keys.iter().map(|key| other.opens(key, 5_000))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).map(Answer::problem).collect();
    assert_eq!(refused, [(409, "shift_open"); 7]);
    market.head_end.audited().await;
}
