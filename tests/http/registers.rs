//! The office: a meter that is billed by its period registers; what is shown of it, and what is refused.

use serde_json::{Value, json};

use super::Api;

#[actix_web::test]
async fn every_billed_register_is_entered_and_shown() {
    let api = Api::start().await;
    let street = api.street().await;
    let meter = json!({ "concentrator_id": street.concentrator, "name": "Shop 2", "address": "202600000077", "profile": "shop" });
    let shop = api.post("/api/v1/meters", &meter).await.id();
    let path = format!("/api/v1/accounts/{}/meters", street.account);
    let four = json!({ "sharp": "1", "peak": "2", "flat": "3", "valley": "4.005" });
    let body = |registers: &Value| json!({ "meter_id": shop, "initial_reading": "10", "initial_registers": registers, "reason": "shop let" });
    let refusals = [
        (json!({}), 422, "register_missing"),
        (json!({ "sharp": "1", "peak": "9" }), 422, "register_missing"),
        (
            json!({ "sharp": "1", "peak": "2", "flat": "3", "valley": "4", "deep_valley": "0" }),
            422,
            "register_not_billed",
        ),
        (json!({ "sharp": "1", "peak": "2", "flat": "3", "valley": "-4" }), 422, "initial_registers"),
    ];
    for (nth, (registers, status, code)) in refusals.iter().enumerate() {
        let refused = api.post_once(&path, &format!("bad-{nth}"), &body(registers)).await;
        assert_eq!((refused.problem(), refused.field()), ((*status, *code), Some("initial_registers")), "{registers}");
    }
    let strange = api.post_once(&path, "strange", &body(&json!({ "noon": "1" }))).await;
    assert_eq!(strange.problem().0, 400);
    let alone = json!({ "meter_id": shop, "initial_registers": four, "reason": "shop let" });
    let alone = api.post_once(&path, "alone", &alone).await;
    assert_eq!((alone.problem(), alone.field()), ((422, "total_missing"), Some("initial_reading")));
    assert_eq!(api.get(&path).await.ok().as_array().unwrap().len(), 1, "nothing was changed");

    let attached = api.post_once(&path, "good", &body(&four)).await.ok();
    let shown = json!({ "sharp": "1.0000", "peak": "2.0000", "flat": "3.0000", "valley": "4.0050" });
    assert_eq!((&attached["start_registers"], &attached["start_value"]), (&shown, &json!("10.0050")));
    assert_eq!(api.get(&path).await.ok()[0].get("start_registers"), None, "billed by its total");

    let remove = format!("/api/v1/meters/{shop}/remove");
    let gone = |registers: &Value| json!({ "final_reading": "10.01", "final_registers": registers, "reason": "empty" });
    let refused = api.post_once(&remove, "r-1", &gone(&json!({}))).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "register_missing"), Some("final_registers")));
    let back = json!({ "sharp": "0.9", "peak": "2.1", "flat": "3", "valley": "4.01" });
    let refused = api.post_once(&remove, "r-2", &gone(&back)).await;
    assert_eq!(refused.problem(), (422, "implausible_reading"));
    let last = json!({ "sharp": "1", "peak": "2", "flat": "3", "valley": "4.01" });
    assert_eq!(api.post_once(&remove, "r-3", &gone(&last)).await.ok()["final_reading"], "10.0100");
    assert_eq!(api.get(&path).await.ok()[1]["end_registers"]["valley"], "4.0100");

    // One that is billed by its total has none to be entered.
    let closing = json!({
        "final_readings": [{ "meter_id": street.meter, "total": "12.5", "registers": { "peak": "12.5" } }],
        "reason": "moved out", "tender": "cash", "terminal": "till-1",
    });
    let refused = api.post_once(&format!("/api/v1/accounts/{}/close", street.account), "c", &closing).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "register_not_billed"), Some("final_readings")));
    api.stop().await;
}
