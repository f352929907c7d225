//! Tariffs: prices by the time of day, windows of a year, and versions that follow each other.

use serde_json::{Value, json};
use store::api_key::Role;

use super::Api;

/// Peak on working days from 8 to 22 o'clock.
fn peak_and_valley() -> Value {
    let changes = json!([
        { "at": "00:00:00", "period": "valley" },
        { "at": "08:00:00", "period": "peak" },
        { "at": "22:00:00", "period": "valley" },
    ]);
    json!({
        "prices": { "peak": "1.200000", "valley": "0.400000" },
        "day_types": { "usual": changes, "quiet": [{ "at": "00:00:00", "period": "valley" }] },
        "seasons": [{ "from_month": 1, "from_day": 1, "weekdays": "usual", "weekends": "quiet" }],
        "holidays": { "2026-05-01": "quiet" },
    })
}

#[actix_web::test]
async fn what_a_tariff_says_is_shown_and_a_version_follows_it() {
    let api = Api::start().await;
    let street = api.street().await;
    let blocks = json!([{ "upto_kwh": "2160", "price": "0" }, { "upto_kwh": null, "price": "0.050000" }]);
    let tariff = json!({
        "site_id": street.site, "name": "Shops", "blocks": blocks, "time_of_use": peak_and_valley(),
        "window_start_month": 7, "prorate_opening": true, "tax_rate_ppm": 130_000, "minimum_vend": 200,
        "fixed_charges": [{ "name": "meter", "every": "month", "amount": 300 }],
    });
    let entered = api.post("/api/v1/tariffs", &tariff).await.ok();
    let first = &entered["versions"][0];
    assert_eq!(first["time_of_use"], peak_and_valley());
    assert_eq!((&first["window_start_month"], &first["window_start_day"]), (&json!(7), &json!(1)));
    assert_eq!(first["prorate_opening"], true);
    assert_eq!(first["blocks"][0]["upto_kwh"], "2160.0000");

    let address = format!("/api/v1/tariffs/{}", entered["id"].as_str().unwrap());
    let versions = format!("{address}/versions");
    let (begins, then, far) = (super::in_days(100), super::in_days(131), super::in_days(805));
    let later = json!({ "valid_from": begins, "blocks": [{ "price": "0.6" }] });
    let both = api.post(&versions, &later).await.ok();
    let second = &both["versions"][1];
    assert_eq!((&second["version"], &second["time_of_use"]), (&json!(2), &Value::Null));
    for kept in
        ["window_start_day", "window_start_month", "prorate_opening", "tax_rate_ppm", "minimum_vend", "fixed_charges"]
    {
        assert_eq!((kept, &second[kept]), (kept, &first[kept]), "what a version does not name is as before");
    }
    let named = json!({
        "valid_from": then, "blocks": [{ "price": "0.6" }], "window_start_day": 5, "prorate_opening": false,
        "tax_rate_ppm": 0, "minimum_vend": 1, "fixed_charges": [],
    });
    let both = api.post(&versions, &named).await.ok();
    let third = &both["versions"][2];
    assert_eq!((&third["window_start_day"], &third["window_start_month"]), (&json!(5), &Value::Null));
    assert_eq!((&third["tax_rate_ppm"], &third["fixed_charges"]), (&json!(0), &json!([])));
    for day in ["2026-01-01", begins.as_str(), far.as_str()] {
        let refused = api.post(&versions, &json!({ "valid_from": day, "blocks": [{ "price": "0.7" }] })).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "tariff"), Some("valid_from")), "{day}");
    }
    let of_another = api.key(Role::Admin, Some(&api.street().await.site)).await;
    let headers = [("content-type", "application/json")];
    let refused = api.ask("POST", &versions, &of_another, &headers, &later.to_string()).await;
    assert_eq!(refused.problem(), (404, "not_found"));
    assert_eq!(api.get(&address).await.ok(), both, "what was refused changed nothing");
    api.stop().await;
}

#[actix_web::test]
async fn no_amount_of_a_tariff_is_a_slip_of_the_hand() {
    let api = Api::start().await;
    let street = api.street().await;
    for (what, field) in [
        (json!({ "blocks": [{ "price": "1000000.000001" }] }), "blocks[0].price"),
        (
            json!({ "blocks": [{ "upto_kwh": "1000000000.0001", "price": "1" }, { "price": "2" }] }),
            "blocks[0].upto_kwh",
        ),
        (json!({ "minimum_vend": 1_000_000_000_001_i64 }), "minimum_vend"),
        (
            json!({ "fixed_charges": [{ "name": "m", "every": "day", "amount": 1_000_000_000_001_i64 }] }),
            "fixed_charges[0].amount",
        ),
        (json!({ "minimum_vend": 100_000_000_000_i64 }), "minimum_vend"),
        (json!({ "valid_from": super::in_days(805) }), "valid_from"),
    ] {
        let mut tariff = json!({ "site_id": street.site, "name": "Shops", "blocks": [{ "price": "0.5" }] });
        tariff.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        let refused = api.post("/api/v1/tariffs", &tariff).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "tariff"), Some(field)), "{what}");
    }
    let huge = json!({ "site_id": street.site, "name": "Till", "credit_limit": 1_000_000_000_000_000_i64 });
    let refused = api.post("/api/v1/vendors", &huge).await;
    assert_eq!((refused.problem(), refused.field()), ((400, "body"), Some("credit_limit")), "{}", refused.json);
    api.stop().await;
}

#[actix_web::test]
async fn a_tariff_is_entered_from_a_preset() {
    let api = Api::start().await;
    let street = api.street().await;
    let presets = api.get("/api/v1/tariff_presets").await.ok();
    let names: Vec<&str> = presets.as_array().unwrap().iter().map(|one| one["preset"].as_str().unwrap()).collect();
    assert_eq!(names, ["commercial_time_of_use", "flat", "residential_tiered"]);
    for preset in presets.as_array().unwrap() {
        assert_eq!(preset["source"], "example prices");
        let body = json!({ "site_id": street.site, "preset": preset["preset"], "name": preset["name_zh"] });
        let entered = api.post("/api/v1/tariffs/from_preset", &body).await;
        assert_eq!(entered.status, 201);
        let version = &entered.ok()["versions"][0];
        assert_eq!(version["blocks"], preset["terms"]["blocks"]);
        assert_eq!(version["time_of_use"], preset["terms"]["time_of_use"]);
        assert_eq!(version["tax_rate_ppm"], 130_000);
    }
    let unknown = json!({ "site_id": street.site, "preset": "cheap", "name": "Cheap" });
    let refused = api.post("/api/v1/tariffs/from_preset", &unknown).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "preset"), Some("preset")));
    let abroad = json!({ "name": "Abroad", "time_zone": "Europe/Berlin", "currency": "EUR" });
    let abroad = api.post("/api/v1/sites", &abroad).await.id();
    let refused =
        api.post("/api/v1/tariffs/from_preset", &json!({ "site_id": abroad, "preset": "flat", "name": "Flat" })).await;
    assert_eq!(refused.problem(), (422, "currency_mismatch"));
    api.stop().await;
}

#[actix_web::test]
async fn a_quote_tells_what_an_amount_buys_and_what_energy_costs() {
    let api = Api::start().await;
    let street = api.street().await;
    let blocks =
        json!([{ "upto_kwh": "240", "price": "0.50" }, { "upto_kwh": "400", "price": "0.55" }, { "price": "0.80" }]);
    let tiered = json!({ "site_id": street.site, "name": "Homes", "blocks": blocks });
    let tiered = format!("/api/v1/tariffs/{}/quote", api.post("/api/v1/tariffs", &tiered).await.id());
    let bought = api.get(&format!("{tiered}?amount=15000")).await.ok();
    // 120.00 for the first 240 kWh, then 30.00 / 0.55
    assert_eq!(
        (&bought["energy_kwh"], &bought["amount"], &bought["currency"]),
        (&json!("294.5454"), &json!(15_000), &json!("CNY"))
    );
    assert_eq!(
        bought["parts"][1],
        json!({ "block": 2, "period": null, "price": "0.550000", "energy_kwh": "54.5454", "cost": "29.9999700000" })
    );
    let costs = api.get(&format!("{tiered}?flat_kwh=294.5455")).await.ok();
    assert_eq!(
        (&costs["cost"], &costs["amount"]),
        (&json!("150.0000250000"), &json!(15_001)),
        "the least that pays for it"
    );

    let usual = format!("/api/v1/tariffs/{}/quote", street.tariff);
    let of_account = api.get(&format!("{usual}?amount=5889&account_id={}", street.account)).await.ok();
    assert_eq!((&of_account["energy_kwh"], &of_account["used_kwh"]), (&json!("100.0000"), &json!("0.0000")));
    let by_time = json!({ "site_id": street.site, "name": "Shops 2", "blocks": [{ "price": "0" }], "time_of_use": peak_and_valley() });
    let by_time = format!("/api/v1/tariffs/{}/quote", api.post("/api/v1/tariffs", &by_time).await.id());
    let valley = api.get(&format!("{by_time}?amount=100&period=valley")).await.ok();
    assert_eq!(valley["energy_kwh"], "2.5000");
    let day = api.get(&format!("{by_time}?peak_kwh=10&valley_kwh=5")).await.ok();
    assert_eq!((&day["amount"], &day["energy_kwh"]), (&json!(1_400), &json!("15.0000")));

    for (query, code, field) in [
        ("amount=100&period=sharp", "period", Some("period")),
        ("sharp_kwh=1", "period", Some("sharp_kwh")),
        ("peak_kwh=-1", "quote", Some("peak_kwh")),
        ("peak_kwh=1000000001", "quote", Some("peak_kwh")),
        ("amount=-1", "quote", Some("amount")),
        ("amount=1&peak_kwh=1", "quote", None),
        ("period=peak", "quote", None),
        (&format!("amount=1&account_id={}", street.account), "account", Some("account_id")),
    ] {
        let refused = api.get(&format!("{by_time}?{query}")).await;
        assert_eq!((refused.problem(), refused.field()), ((422, code), field), "{query}");
    }
    assert_eq!(api.get(&format!("{by_time}?watts=1")).await.problem().0, 400);
    api.stop().await;
}

#[actix_web::test]
async fn what_does_not_hold_is_named_by_its_field() {
    let api = Api::start().await;
    let street = api.street().await;
    let change = |path: &str, value: Value| {
        let mut tariff = json!({
            "site_id": street.site, "name": "Shops", "blocks": [{ "price": "0" }], "time_of_use": peak_and_valley(),
        });
        *tariff.pointer_mut(path).unwrap() = value;
        tariff
    };
    for (path, value, field) in [
        ("/blocks/0/price", json!("0.1"), "blocks[0].price"),
        ("/blocks", json!([]), "blocks"),
        ("/blocks", json!([{ "upto_kwh": "5", "price": "0" }]), "blocks[0].upto_kwh"),
        ("/time_of_use/prices", json!({ "peak": "1" }), "time_of_use.prices.valley"),
        ("/time_of_use/day_types/usual/0/at", json!("01:00:00"), "time_of_use.day_types.usual[0].at"),
        ("/time_of_use/seasons/0/from_day", json!(32), "time_of_use.seasons[0].from_day"),
        ("/time_of_use/seasons/0/weekends", json!("none"), "time_of_use.seasons[0].weekends"),
        ("/time_of_use/holidays", json!({ "2026-05-01": "none" }), "time_of_use.holidays.2026-05-01"),
    ] {
        let refused = api.post("/api/v1/tariffs", &change(path, value)).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "tariff"), Some(field)), "{}", refused.json);
    }
    for (path, value) in [
        ("/time_of_use/prices", json!({ "dawn": "1" })),
        ("/time_of_use/day_types/usual/0/at", json!("25:00")),
        ("/time_of_use/seasons/0/from_day", json!("first")),
    ] {
        let refused = api.post("/api/v1/tariffs", &change(path, value)).await;
        assert_eq!(refused.problem(), (400, "body"), "{}", refused.json);
    }
    assert_eq!(
        api.get(&format!("/api/v1/tariffs?site_id={}", street.site)).await.ok()["items"].as_array().unwrap().len(),
        1
    );
    api.stop().await;
}
