//! Buildings: entered, filled with meters, guarded as a whole.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

impl Street {
    async fn building(&self, api: &Api, name: &str) -> String {
        api.post("/api/v1/buildings", &json!({ "site_id": self.site, "name": name })).await.id()
    }

    async fn hang(&self, api: &Api, building: &Value) -> Answer {
        api.send("PUT", &format!("/api/v1/meters/{}/building", self.meter), &[], &json!({ "building_id": building }))
            .await
    }

    async fn cut(&self, api: &Api, key: &str) -> Answer {
        let order = json!({ "action": "disconnect", "reason": "works on the riser" });
        api.post_once(&format!("/api/v1/meters/{}/relay_orders", self.meter), key, &order).await
    }
}

async fn guard(api: &Api, building: &str, guarded: bool) -> Answer {
    let guard = json!({ "guarded": guarded, "reason": "a clinic on the ground floor" });
    api.send("PUT", &format!("/api/v1/buildings/{building}/guard"), &[], &guard).await
}

#[actix_web::test]
async fn a_guarded_building_keeps_all_that_is_metered_in_it() {
    let api = Api::start().await;
    let street = api.street().await;
    let building = street.building(&api, "Block 7").await;
    assert_eq!(street.hang(&api, &json!(building)).await.status, 204);
    let meter = api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok();
    assert_eq!(meter["building_id"], json!(building));

    assert_eq!(guard(&api, &building, true).await.status, 204);
    let shown = api.get(&format!("/api/v1/buildings/{building}")).await.ok();
    assert_eq!((&shown["guarded"], &shown["guard_reason"]), (&json!(true), &json!("a clinic on the ground floor")));
    assert_eq!(street.cut(&api, "a").await.problem(), (422, "supply_guard"));
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=1", street.site)).await.ok();
    assert_eq!(log["items"][0]["object"], format!("building:{building}"));

    let group = json!({
        "site_id": street.site, "action": "disconnect", "reason": "works", "selection": { "building_id": building },
    });
    let asked = api.post_once("/api/v1/relay_order_groups", "group", &group).await.ok();
    assert_eq!((&asked["state"], &asked["reservations"]), (&json!("awaiting_approval"), &json!(["supply_guard"])));
    assert_eq!(asked["meters"][0]["meter_id"], json!(street.meter));

    assert_eq!(guard(&api, &building, false).await.status, 204);
    assert_eq!(street.cut(&api, "b").await.status, 202);
    api.stop().await;
}

#[actix_web::test]
async fn a_meter_leaves_a_guarded_building_and_its_guard() {
    let api = Api::start().await;
    let street = api.street().await;
    let building = street.building(&api, "Block 8").await;
    street.hang(&api, &json!(building)).await;
    guard(&api, &building, true).await;
    assert_eq!(street.cut(&api, "a").await.problem(), (422, "supply_guard"));
    assert_eq!(street.hang(&api, &Value::Null).await.status, 204);
    assert_eq!(street.cut(&api, "b").await.status, 202);
    api.stop().await;
}

#[actix_web::test]
async fn what_does_not_hold_is_refused() {
    let api = Api::start().await;
    let (here, there) = (api.street().await, api.street().await);
    let building = here.building(&api, "Block 9").await;
    let again = json!({ "site_id": here.site, "name": "Block 9" });
    assert_eq!(api.post("/api/v1/buildings", &again).await.problem(), (409, "already_exists"));
    there.building(&api, "Block 9").await;
    let nameless = api.post("/api/v1/buildings", &json!({ "site_id": here.site, "name": " " })).await;
    assert_eq!((nameless.problem(), nameless.field()), ((422, "label"), Some("name")));
    let foreign = there.hang(&api, &json!(building)).await;
    assert_eq!((foreign.problem(), foreign.field()), ((422, "building"), Some("building_id")));
    let reasonless = json!({ "guarded": true });
    let refused = api.send("PUT", &format!("/api/v1/buildings/{building}/guard"), &[], &reasonless).await;
    assert_eq!(refused.problem(), (422, "reason_missing"));

    let key = api.key(Role::Admin, Some(&there.site)).await;
    let other = api.ask("GET", &format!("/api/v1/buildings/{building}"), &key, &[], "").await;
    assert_eq!(other.problem(), (404, "not_found"));
    let listed = api.get(&format!("/api/v1/buildings?site_id={}", here.site)).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    api.stop().await;
}
