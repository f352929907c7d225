//! Selections of meters that were given a name: saved, used by a group of relay orders, forgotten.

use serde_json::{Value, json};

use super::{Answer, Api, Street};

impl Street {
    async fn save(&self, api: &Api, name: &str, selection: Value) -> Answer {
        let new = json!({ "site_id": self.site, "name": name, "selection": selection });
        api.post("/api/v1/meter_selections", &new).await
    }

    async fn group(&self, api: &Api, key: &str, selection: &Value) -> Answer {
        let new = json!({ "site_id": self.site, "action": "disconnect", "reason": "works", "selection": selection });
        api.post_once("/api/v1/relay_order_groups", key, &new).await
    }
}

#[actix_web::test]
async fn a_saved_selection_means_whatever_it_means_when_it_is_used() {
    let api = Api::start().await;
    let street = api.street().await;
    let saved = street.save(&api, "Behind C1", json!({ "concentrator_id": street.concentrator })).await.id();
    let shown = api.get(&format!("/api/v1/meter_selections/{saved}")).await.ok();
    assert_eq!(shown["selection"]["concentrator_id"], json!(street.concentrator));
    let meter = json!({ "concentrator_id": street.concentrator, "name": "new", "address": "000000000077", "profile": "dlt645_direct" });
    let later = api.post("/api/v1/meters", &meter).await.id();

    let group = street.group(&api, "a", &json!({ "selection_id": saved })).await.ok();
    let meters: Vec<&Value> = group["meters"].as_array().unwrap().iter().map(|one| &one["meter_id"]).collect();
    assert_eq!(meters, [&json!(street.meter), &json!(later)], "one was entered after it was saved");

    let address = format!("/api/v1/meter_selections/{saved}");
    assert_eq!(api.send("DELETE", &address, &[], &Value::Null).await.status, 204);
    let gone = street.group(&api, "b", &json!({ "selection_id": saved })).await;
    assert_eq!(gone.problem(), (404, "not_found"));
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=1", street.site)).await.ok();
    assert_eq!(log["items"][0]["verb"], "forget_meter_selection");
    api.stop().await;
}

#[actix_web::test]
async fn what_is_no_selection_is_not_saved() {
    let api = Api::start().await;
    let (street, other) = (api.street().await, api.street().await);
    let saved = street.save(&api, "All active", json!({ "account_state": "active" })).await.id();
    for (name, selection, refused) in [
        ("Nothing", json!({}), (422, "selection")),
        ("Both", json!({ "meter_ids": [street.meter], "account_state": "active" }), (422, "selection")),
        ("Another's", json!({ "meter_ids": [other.meter] }), (422, "selection")),
        ("Nobody", json!({ "account_state": "suspended" }), (422, "selection_empty")),
        ("A saved one", json!({ "selection_id": saved }), (422, "selection")),
        (" ", json!({ "account_state": "active" }), (422, "label")),
        ("All active", json!({ "account_state": "active" }), (409, "already_exists")),
    ] {
        assert_eq!(street.save(&api, name, selection.clone()).await.problem(), refused, "{name}: {selection}");
    }
    let foreign = other.group(&api, "a", &json!({ "selection_id": saved })).await;
    assert_eq!((foreign.problem(), foreign.field()), ((422, "selection"), Some("selection.selection_id")));
    let listed = api.get(&format!("/api/v1/meter_selections?site_id={}", street.site)).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    api.stop().await;
}

#[actix_web::test]
async fn meters_are_meant_by_headroom_and_no_more_are_reckoned_than_may_be() {
    let api = Api::start().await;
    let street = api.street().await;
    let within = |fen: i64| json!({ "headroom_at_most": fen });
    assert_eq!(street.save(&api, "Below 5", within(499)).await.problem(), (422, "selection_empty"));
    let saved = street.save(&api, "At 5", within(500)).await.id();
    let shown = api.get(&format!("/api/v1/meter_selections/{saved}")).await.ok();
    assert_eq!(shown["selection"]["headroom_at_most"], 500);
    let vend = street.vend(1_000);
    api.post_once("/api/v1/vends", "v-1", &vend).await.ok();
    let group = street.group(&api, "a", &json!({ "selection_id": saved })).await;
    assert_eq!(group.problem(), (422, "selection_empty"), "it is reckoned when it is used");
    let narrowed =
        json!({ "headroom_at_most": 1_500, "concentrator_id": street.concentrator, "account_state": "active" });
    let group = street.group(&api, "b", &narrowed).await.ok();
    assert_eq!(group["meters"][0]["meter_id"], json!(street.meter));
    let both = json!({ "headroom_at_most": 1_500, "meter_ids": [street.meter] });
    assert_eq!(street.save(&api, "Both", both).await.problem(), (422, "selection"));

    for nth in 1..4 {
        let address = format!("00000000008{nth}");
        let meter = json!({ "concentrator_id": street.concentrator, "name": "more", "address": address, "profile": "dlt645_direct" });
        let meter = api.post("/api/v1/meters", &meter).await.id();
        let further = json!({ "meter_id": meter, "initial_reading": "0", "reason": "read on site" });
        api.post_once(&format!("/api/v1/accounts/{}/meters", street.account), &format!("m-{nth}"), &further).await.ok();
    }
    let refused = street.save(&api, "Too many", within(0)).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "selection_too_large"), Some("selection")));
    api.stop().await;
}
