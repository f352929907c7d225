//! The rules by which vending systems are safe, for all that a counter does beside selling: shifts, refunds, deposits and limits,
//! with clients that die at every point of a request and ask again.

use serde_json::{Value, json};

use super::vending_safety::{Counter, Cut, Raw, dies, lives};
use crate::support::{Database, on_both};

on_both!(
    a_vend_outside_of_its_limits_is_refused_and_changes_nothing,
    a_shift_is_opened_counted_and_closed_once_wherever_its_client_dies,
    a_shift_comes_to_its_vends_less_its_reversals_and_refunds_wherever_their_clients_die,
    a_vendor_sells_up_to_its_credit_wherever_its_client_dies,
    a_refund_and_a_deposit_are_made_once_wherever_their_client_dies,
);

/// Rule 6: the least and the most of a vend, each with its word, from a trial as well.
async fn a_vend_outside_of_its_limits_is_refused_and_changes_nothing(database: Database) {
    let counter = Counter::open(&database, "[policy.vending]\nmaximum_per_vend = 20000\n").await;
    let (rest, site) = (&counter.rest, counter.account.site());
    let tariff = json!({ "site_id": site, "name": "Dear", "blocks": [{ "price": "0.5" }], "minimum_vend": 500 });
    let account = json!({
        "customer_id": rest.get(&format!("/accounts/{}", counter.account)).await["customer_id"],
        "tariff_id": rest.post("/tariffs", &tariff).await["id"],
    });
    let account = rest.post("/accounts", &account).await["id"].as_str().unwrap().to_owned();
    let concentrator = rest.get(&format!("/concentrators?site_id={site}")).await["items"][0]["id"].clone();
    let meter = json!({
        "concentrator_id": concentrator, "name": "Attic", "address": "000000000902", "profile": "dlt645_direct",
    });
    let opening = json!({
        "meter_id": rest.post("/meters", &meter).await["id"], "initial_reading": "5", "reason": "read on site",
    });
    rest.post_once(&format!("/accounts/{account}/open"), "open-attic", &opening).await.ok();
    let counter = Counter { account: account.parse().unwrap(), ..counter };

    for (amount, code) in [
        (0, "amount_not_positive"),
        (-1, "amount_not_positive"),
        (499, "below_minimum_vend"),
        (20_001, "above_maximum_vend"),
    ] {
        let sale = counter.sale("till-1", amount);
        for cut in Cut::ALL.into_iter().filter(|cut| *cut != Cut::InAnswer) {
            dies(counter.vend("the-key", &sale), cut).await;
        }
        let refused = lives(counter.vend("the-key", &sale)).await;
        assert_eq!(refused.code(), (422, json!(code)), "{amount}");
        let tried = lives(counter.rest.written("POST", "/vends/trial", None, Some(&sale))).await;
        assert_eq!(tried.code(), refused.code(), "{amount}: a trial is refused as its vend is");
    }
    assert_eq!(counter.posted().await, 0);
    assert_eq!(lives(counter.vend("the-key", &counter.sale("till-1", 500))).await.0, 201, "no refusal used it up");
    assert_eq!(lives(counter.vend("another", &counter.sale("till-1", 20_000))).await.0, 201);
    assert_eq!(counter.posted().await, 20_500);
    counter.head_end.audited().await;
}

/// The same request by a client that dies at each point and asks again, one key for each; what each came to in the end.
async fn insists(counter: &Counter, path: &str, what: &str, body: impl Fn(Cut) -> Value) -> Vec<Value> {
    let mut all = Vec::new();
    for cut in Cut::ALL {
        let (key, body) = (format!("{what}-{cut:?}"), body(cut));
        let asked = || counter.rest.written("POST", path, Some(&key), Some(&body));
        let begun = dies(asked(), cut).await;
        let again = lives(asked()).await;
        assert!([200, 201].contains(&again.0), "{what} {cut:?}: {}", again.json());
        assert!(cut.is_whole() || again.0 == 201, "{what} {cut:?}: nothing was done before");
        assert!(again.1.starts_with(&begun), "{what} {cut:?}");
        assert_eq!(lives(asked()).await, Raw(200, again.1.clone()), "{what} {cut:?}");
        all.push(again.json());
    }
    all
}

/// Rules 1, 4 and 6: a shift's totals are those of what it sold, and its end is the same for whoever asks again.
async fn a_shift_is_opened_counted_and_closed_once_wherever_its_client_dies(database: Database) {
    let counter = Counter::open(&database, "").await;
    let rest = &counter.rest;
    let vendor = json!({ "site_id": counter.account.site(), "name": "Corner shop" });
    let vendor = rest.post("/vendors", &vendor).await["id"].clone();
    for cut in Cut::ALL {
        let name = format!("desk-{cut:?}");
        let terminal = rest.post("/terminals", &json!({ "vendor_id": vendor, "name": name })).await["id"].clone();
        let body = json!({ "terminal_id": terminal, "float": 1_000 });
        let opening = || rest.written("POST", "/shifts", Some(&name), Some(&body));
        dies(opening(), cut).await;
        let opened = lives(opening()).await;
        assert_eq!((&opened.json()["float"], &opened.json()["closed_at"]), (&json!(1_000), &Value::Null), "{cut:?}");
        assert_eq!(lives(opening()).await, Raw(200, opened.1.clone()), "{cut:?}");
        let sale = counter.sale(&name, 700);
        dies(counter.vend(&format!("sale-{name}"), &sale), cut).await;
        assert_eq!(
            lives(counter.vend(&format!("sale-{name}"), &sale)).await.json()["receipt_number"],
            format!("{name}-1-1")
        );

        let path = format!("/shifts/{}/close", opened.json()["id"].as_str().unwrap());
        let (key, counted) = (format!("close-{name}"), json!({ "counted_cash": 1_650 }));
        let closing = || rest.written("POST", &path, Some(&key), Some(&counted));
        dies(closing(), cut).await;
        let closed = lives(closing()).await;
        let (shift, again) = (closed.json(), lives(closing()).await);
        assert_eq!(
            (shift["closed_at"].is_string(), &shift["receipts"], &shift["expected_cash"]),
            (true, &json!(1), &json!(1_700))
        );
        assert_eq!(again.1, closed.1, "{cut:?}");
        let late = lives(counter.vend(&format!("late-{name}"), &sale)).await;
        assert_eq!(late.code(), (422, json!("no_open_shift")), "{cut:?}: a closed shift sells nothing");
    }
    assert_eq!(counter.posted().await, 500 + 5 * 700);
    counter.head_end.audited().await;
}

/// A vendor with one terminal, of this name, and its shift.
struct Desk {
    vendor: String,
    shift: String,
}

impl Desk {
    async fn open(counter: &Counter, name: &str, credit_limit: Option<i64>) -> Self {
        let rest = &counter.rest;
        let vendor = json!({ "site_id": counter.account.site(), "name": "Corner shop", "credit_limit": credit_limit });
        let vendor = rest.post("/vendors", &vendor).await["id"].as_str().unwrap().to_owned();
        let terminal = rest.post("/terminals", &json!({ "vendor_id": vendor, "name": name })).await["id"].clone();
        let shift = json!({ "terminal_id": terminal, "float": 1_000 });
        let shift = rest.post_once("/shifts", "open-shift", &shift).await.ok()["id"].as_str().unwrap().to_owned();
        Self { vendor, shift }
    }
}

/// Rule 6: each of what a shift did counts once, its sum is what it sold less what it gave back, and the drawer's is that of cash.
async fn a_shift_comes_to_its_vends_less_its_reversals_and_refunds_wherever_their_clients_die(database: Database) {
    let counter = Counter::open(&database, "").await;
    let desk = Desk::open(&counter, "desk", None).await;
    let rest = &counter.rest;
    for (round, cut) in (1..).zip(Cut::ALL) {
        let key = |what: &str| format!("{what}-{cut:?}");
        let done = async |what: &str, path: &str, body: &Value| {
            let asked = || rest.written("POST", path, Some(&key(what)), Some(body));
            dies(asked(), cut).await;
            let done = lives(asked()).await;
            assert!([200, 201].contains(&done.0), "{what} {cut:?}: {}", done.json());
            done.json()
        };
        done("kept", "/vends", &counter.sale("desk", 700)).await;
        let wrong = done("wrong", "/vends", &counter.sale("desk", 900)).await;
        let path = format!("/vends/{}/reverse", wrong["vend_id"].as_str().unwrap());
        done("back", &path, &json!({ "terminal": "desk" })).await;
        let refund = json!({
            "account_id": counter.account, "amount": 50, "currency": "CNY", "tender": "cash", "terminal": "desk", "reason": "paid twice",
        });
        done("refund", "/refunds", &refund).await;
        let shift = rest.get(&format!("/shifts/{}", desk.shift)).await;
        assert_eq!(
            (&shift["receipts"], &shift["expected_cash"]),
            (&json!(4 * round), &json!(1_000 + round * 650)),
            "{cut:?}"
        );
        assert_eq!(counter.posted().await, 500 + round * 650, "{cut:?}");
        assert_eq!(rest.get(&format!("/vendors/{}", desk.vendor)).await["held"], round * 650, "{cut:?}");
    }
    let path = format!("/shifts/{}/close", desk.shift);
    let closed = rest.post_once(&path, "close", &json!({ "counted_cash": 4_250 })).await.ok();
    let cash = closed["totals"].as_array().unwrap().iter().find(|line| line["tender"] == "cash").unwrap();
    for (of, sum) in [("vends", 5 * 1_600), ("reversals", 5 * 900), ("refunds", 5 * 50)] {
        assert_eq!(cash[of], sum, "{of}: {closed}");
    }
    counter.head_end.audited().await;
}

/// Rule 6: a vendor's credit counts each sale once, and a refusal uses nothing up.
async fn a_vendor_sells_up_to_its_credit_wherever_its_client_dies(database: Database) {
    let counter = Counter::open(&database, "").await;
    let desk = Desk::open(&counter, "desk", Some(3_999)).await;
    let held = async || counter.rest.get(&format!("/vendors/{}", desk.vendor)).await["held"].clone();
    for (round, cut) in (1..).zip(Cut::ALL) {
        let (key, sale) = (format!("sale-{cut:?}"), counter.sale("desk", 1_000));
        dies(counter.vend(&key, &sale), cut).await;
        let sold = lives(counter.vend(&key, &sale)).await;
        if round <= 3 {
            assert!([200, 201].contains(&sold.0), "{cut:?}: {}", sold.json());
            assert_eq!(held().await, round * 1_000, "{cut:?}");
        } else {
            assert_eq!(sold.code(), (422, json!("vendor_credit")), "{cut:?}");
            assert_eq!((held().await, counter.posted().await), (json!(3_000), 3_500), "{cut:?}");
        }
    }
    let deposit = json!({ "amount": 3_000, "currency": "CNY", "reason": "slip" });
    let path = format!("/vendors/{}/deposits", desk.vendor);
    counter.rest.post_once(&path, "deposit", &deposit).await.ok();
    assert_eq!(
        lives(counter.vend("sale-Reset", &counter.sale("desk", 1_000))).await.0,
        201,
        "the refused key is still free"
    );
    assert_eq!((held().await, counter.posted().await), (json!(1_000), 4_500));
    counter.head_end.audited().await;
}

/// Rules 1 and 4 for money that goes out, and that a vendor hands over.
async fn a_refund_and_a_deposit_are_made_once_wherever_their_client_dies(database: Database) {
    let counter = Counter::open(&database, "").await;
    let refund = |cut: Cut| {
        let terminal = format!("till-{cut:?}");
        json!({
            "account_id": counter.account, "amount": 50, "currency": "CNY", "tender": "cash", "terminal": terminal, "reason": "paid twice",
        })
    };
    let refunds = insists(&counter, "/refunds", "refund", refund).await;
    assert!(refunds.iter().all(|refund| refund["amount"] == 50), "{refunds:?}");
    assert_eq!(counter.posted().await, 500 - 5 * 50);

    let vendor = json!({ "site_id": counter.account.site(), "name": "Corner shop", "credit_limit": 10_000 });
    let vendor = counter.rest.post("/vendors", &vendor).await["id"].as_str().unwrap().to_owned();
    let deposits = format!("/vendors/{vendor}/deposits");
    insists(&counter, &deposits, "deposit", |_| json!({ "amount": 40, "currency": "CNY", "reason": "slip" })).await;
    assert_eq!(counter.rest.get(&deposits).await["items"].as_array().unwrap().len(), Cut::ALL.len());
    assert_eq!(counter.rest.get(&format!("/vendors/{vendor}")).await["held"], -5 * 40);
    counter.head_end.audited().await;
}
