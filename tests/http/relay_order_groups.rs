//! Relay orders to several meters as the office sees them.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

const GROUPS: &str = "/api/v1/relay_order_groups";

fn cut(street: &Street, meters: &[&str]) -> Value {
    json!({
        "site_id": street.site, "action": "disconnect", "reason": "works on the riser",
        "selection": { "meter_ids": meters },
    })
}

/// The fields of an object, with others in their place.
fn with(body: &Value, changes: &Value) -> Value {
    let mut body = body.clone();
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

impl Api {
    async fn guard(&self, meter: &str) {
        let guard = json!({ "guarded": true, "reason": "life support" });
        self.send("PUT", &format!("/api/v1/meters/{meter}/guard"), &[], &guard).await.ok();
    }

    async fn orders_of(&self, street: &Street) -> usize {
        let orders = self.get(&format!("/api/v1/meters/{}/relay_orders", street.meter)).await.ok();
        orders["items"].as_array().unwrap().len()
    }

    async fn by(&self, key: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("Idempotency-Key", key.get(..12).unwrap())];
        self.ask("POST", path, key, &headers, &body.to_string()).await
    }
}

#[actix_web::test]
async fn a_group_orders_each_meter_once() {
    let api = Api::start().await;
    let street = api.street().await;
    let asked = api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter])).await;
    assert_eq!(asked.status, 202);
    let address = asked.header("location").unwrap().to_owned();
    let group = asked.ok();
    assert_eq!(
        (&group["state"], &group["cause"], &group["reservations"]),
        (&json!("done"), &json!("operator"), &json!([]))
    );
    assert_eq!(group["counts"], json!({ "ordered": 1 }));
    let order = group["meters"][0]["order_id"].as_str().unwrap();
    let order = api.get(&format!("/api/v1/relay_orders/{order}")).await.ok();
    assert_eq!((&order["action"], &order["why"]), (&json!("disconnect"), &json!("works on the riser")));

    assert_eq!(api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter])).await.ok(), group);
    assert_eq!(api.get(&address).await.ok(), group);
    let other = with(&cut(&street, &[&street.meter]), &json!({ "reason": "another" }));
    assert_eq!(api.post_once(GROUPS, "g-1", &other).await.problem(), (409, "idempotency_key_reused"));
    assert_eq!(api.orders_of(&street).await, 1, "once");

    let whole = with(
        &cut(&street, &[]),
        &json!({ "selection": { "concentrator_id": street.concentrator, "account_state": "active" } }),
    );
    assert_eq!(api.post_once(GROUPS, "g-2", &whole).await.ok()["meters"][0]["meter_id"], json!(street.meter));
    let list = api.get(&format!("{GROUPS}?site_id={}", street.site)).await.ok();
    assert_eq!((&list["items"][1]["id"], list["items"].as_array().unwrap().len()), (&group["id"], 2));
    api.stop().await;
}

#[actix_web::test]
async fn a_bad_selection_is_refused_with_what_is_wrong_with_it() {
    let api = Api::start().await;
    let street = api.street().await;
    let foreign = api.street().await;
    let bad = api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter, &street.meter, &foreign.meter])).await;
    assert_eq!(bad.problem(), (422, "selection"));
    assert_eq!(bad.json["errors"].as_array().unwrap().len(), 2);
    assert_eq!(bad.field(), Some("selection.meter_ids[1]"));
    for (selection, code) in [
        (json!({}), "selection"),
        (json!({ "meter_ids": [street.meter], "account_state": "active" }), "selection"),
        (json!({ "meter_ids": [] }), "selection_empty"),
        (json!({ "customer_id": foreign.customer }), "selection_empty"),
        (json!({ "concentrator_id": street.concentrator, "account_state": "suspended" }), "selection_empty"),
    ] {
        let refused = api.post_once(GROUPS, "g-1", &with(&cut(&street, &[]), &json!({ "selection": selection }))).await;
        assert_eq!((refused.problem(), refused.field()), ((422, code), Some("selection")), "{selection}");
    }
    assert_eq!(api.orders_of(&street).await, 0);
    let elsewhere = api.key(Role::Admin, Some(&foreign.site)).await;
    assert_eq!(api.by(&elsewhere, GROUPS, &cut(&street, &[&street.meter])).await.problem(), (403, "other_site"));
    api.stop().await;
}

#[actix_web::test]
async fn a_guarded_supply_is_cut_only_with_a_second_operators_approval() {
    let api = Api::start().await;
    let street = api.street().await;
    api.guard(&street.meter).await;
    let alone = json!({ "action": "disconnect", "reason": "works on the riser" });
    let path = format!("/api/v1/meters/{}/relay_orders", street.meter);
    let refused = api.post_once(&path, "o-1", &alone).await;
    assert_eq!(refused.problem(), (422, "supply_guard"));
    assert!(refused.json["detail"].as_str().unwrap().contains("relay order group"), "{}", refused.json);

    let group = api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter])).await.ok();
    assert_eq!((&group["state"], &group["reservations"]), (&json!("awaiting_approval"), &json!(["supply_guard"])));
    let address = format!("{GROUPS}/{}", group["id"].as_str().unwrap());
    let (approve, reject) = (format!("{address}/approve"), format!("{address}/reject"));
    assert_eq!(api.post(&approve, &json!({})).await.problem(), (422, "same_operator"));
    wattgate::operations::order_group::go_on(&api.app).await.unwrap();
    assert_eq!((api.get(&address).await.ok(), api.orders_of(&street).await), (group, 0), "nothing is sent before that");

    let second = api.key(Role::Operator, None).await;
    let approved = api.by(&second, &approve, &json!({})).await;
    assert_eq!((approved.status, &approved.json["state"]), (202, &json!("done")));
    assert_eq!(approved.json["counts"], json!({ "ordered": 1 }));
    assert_eq!(approved.json["decided_by"], json!(wattgate::keys::prefix_of(&second).unwrap()));
    assert_eq!(api.orders_of(&street).await, 1);
    assert_eq!(api.by(&second, &approve, &json!({})).await.problem(), (409, "not_awaiting_approval"));
    assert_eq!(api.post(&reject, &json!({})).await.problem(), (409, "not_awaiting_approval"));
    let lines = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok().to_string();
    assert!(lines.contains("approve_order_group") && lines.contains("\"order_group\""), "{lines}");
    api.stop().await;
}

#[actix_web::test]
async fn what_is_rejected_is_never_sent() {
    let api = Api::start().await;
    let street = api.street().await;
    api.guard(&street.meter).await;
    let group = api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter])).await.id();
    let rejected = api.post(&format!("{GROUPS}/{group}/reject"), &json!({})).await.ok();
    assert_eq!((&rejected["state"], &rejected["counts"]), (&json!("rejected"), &json!({ "waiting": 1 })));
    let second = api.key(Role::Operator, None).await;
    let approve = format!("{GROUPS}/{group}/approve");
    assert_eq!(api.by(&second, &approve, &json!({})).await.problem(), (409, "not_awaiting_approval"));
    wattgate::operations::order_group::go_on(&api.app).await.unwrap();
    assert_eq!(api.orders_of(&street).await, 0);
    api.stop().await;
}

#[actix_web::test]
async fn an_emergency_is_an_administrators_or_a_second_operators_and_only_its_like_lifts_it() {
    let api = Api::start().await;
    let street = api.street().await;
    let emergency =
        with(&cut(&street, &[&street.meter]), &json!({ "emergency": true, "reason": "smoke in the riser" }));
    let operator = api.key(Role::Operator, None).await;
    let waits = api.by(&operator, GROUPS, &emergency).await.ok();
    assert_eq!((&waits["state"], &waits["reservations"]), (&json!("awaiting_approval"), &json!(["emergency"])));
    assert_eq!(api.orders_of(&street).await, 0);
    let done = api.post_once(GROUPS, "g-1", &emergency).await.ok();
    assert_eq!((&done["state"], &done["cause"], &done["emergency"]), (&json!("done"), &json!("safety"), &json!(true)));

    let back = with(&emergency, &json!({ "action": "reconnect", "emergency": false, "reason": "all is well" }));
    let refused = api.post_once(GROUPS, "g-2", &back).await.ok();
    assert_eq!(
        (&refused["counts"], &refused["meters"][0]["code"]),
        (&json!({ "refused": 1 }), &json!("supply_not_wanted"))
    );
    let back = with(&back, &json!({ "emergency": true }));
    assert_eq!(api.post_once(GROUPS, "g-3", &back).await.ok()["counts"], json!({ "ordered": 1 }));
    api.stop().await;
}

#[actix_web::test]
async fn the_stop_button_ends_groups_of_disconnects() {
    let api = Api::start().await;
    let street = api.street().await;
    api.guard(&street.meter).await;
    let group = api.post_once(GROUPS, "g-1", &cut(&street, &[&street.meter])).await.ok();
    let address = format!("{GROUPS}/{}", group["id"].as_str().unwrap());
    let stop = format!("/api/v1/sites/{}/stop", street.site);
    let stopped = api.post(&stop, &json!({ "reason": "fire" })).await.ok();
    assert_eq!(stopped["groups_rejected"], json!([group["id"]]));
    assert_eq!(api.post(&stop, &json!({ "reason": "fire" })).await.ok()["groups_rejected"], json!([]), "told once");
    assert_eq!(api.get(&address).await.ok()["state"], "rejected");
    let second = api.key(Role::Operator, None).await;
    let approved = api.by(&second, &format!("{address}/approve"), &json!({})).await;
    assert_eq!((approved.problem(), api.orders_of(&street).await), ((409, "not_awaiting_approval"), 0));
    api.stop().await;
}
