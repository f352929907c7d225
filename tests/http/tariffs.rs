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
        "window_start_month": 7, "prorate_opening": true,
    });
    let entered = api.post("/api/v1/tariffs", &tariff).await.ok();
    let first = &entered["versions"][0];
    assert_eq!(first["time_of_use"], peak_and_valley());
    assert_eq!((&first["window_start_month"], &first["window_start_day"]), (&json!(7), &json!(1)));
    assert_eq!(first["prorate_opening"], true);
    assert_eq!(first["blocks"][0]["upto_kwh"], "2160.0000");

    let address = format!("/api/v1/tariffs/{}", entered["id"].as_str().unwrap());
    let versions = format!("{address}/versions");
    let later = json!({ "valid_from": "2099-01-01", "blocks": [{ "price": "0.6" }] });
    let both = api.post(&versions, &later).await.ok();
    let second = &both["versions"][1];
    assert_eq!((&second["version"], &second["time_of_use"]), (&json!(2), &Value::Null));
    for day in ["2026-01-01", "2099-01-01"] {
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
