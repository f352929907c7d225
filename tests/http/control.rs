//! Whose wish a relay order is, as the office sees it: what the customer may do, and locks for work on the line.

use serde_json::{Value, json};
use store::api_key::Role;

use super::{Answer, Api, Street};

impl Street {
    fn control(&self) -> String {
        format!("/api/v1/accounts/{}/customer_control", self.account)
    }

    async fn allow(&self, api: &Api, allowed: bool) -> Answer {
        let body = json!({ "allowed": allowed, "reason": "asked for in writing" });
        api.send("PUT", &self.control(), &[], &body).await
    }

    async fn shown(&self, api: &Api) -> Value {
        api.get(&format!("/api/v1/accounts/{}", self.account)).await.ok()
    }

    async fn switch(&self, api: &Api, key: &str, action: &str, cause: &str) -> Answer {
        let order = json!({ "action": action, "reason": "a wish", "cause": cause });
        api.post_once(&format!("/api/v1/meters/{}/relay_orders", self.meter), key, &order).await
    }
}

#[actix_web::test]
async fn an_operator_lets_the_customer_switch_and_no_longer() {
    let api = Api::start().await;
    let street = api.street().await;
    assert_eq!(street.shown(&api).await["customer_control"], false);
    assert_eq!(
        street.switch(&api, "a", "disconnect", "customer").await.problem(),
        (422, "customer_control_not_allowed")
    );
    let cashier = api.key(Role::Cashier, None).await;
    let body = json!({ "allowed": true, "reason": "r" }).to_string();
    let headers = [("content-type", "application/json")];
    assert_eq!(api.ask("PUT", &street.control(), &cashier, &headers, &body).await.status, 403);
    let nothing = json!({ "allowed": true, "reason": " " });
    assert_eq!(api.send("PUT", &street.control(), &[], &nothing).await.problem(), (422, "label"));

    assert_eq!(street.allow(&api, true).await.status, 204);
    assert_eq!(street.allow(&api, true).await.status, 204, "as it stands already");
    assert_eq!(street.shown(&api).await["customer_control"], true);
    let listed = api.get(&format!("/api/v1/accounts?site_id={}", street.site)).await.ok();
    assert_eq!(listed["items"][0]["customer_control"], true);
    let control = api.get(&street.control()).await.ok();
    assert_eq!((&control["allowed"], &control["reason"]), (&json!(true), &json!("asked for in writing")));
    assert!(control["allowed_by"].is_string() && control["allowed_at"].is_string(), "{control}");

    let order = street.switch(&api, "a", "disconnect", "customer").await.ok();
    assert_eq!((&order["cause"], &order["action"]), (&json!("customer"), &json!("disconnect")));
    let meter = api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok();
    assert_eq!(meter["causes"], json!(["customer"]));
    assert_eq!(street.switch(&api, "b", "reconnect", "customer").await.ok()["action"], "reconnect");

    assert_eq!(street.allow(&api, false).await.status, 204);
    assert_eq!(street.shown(&api).await["customer_control"], false);
    assert_eq!(api.get(&street.control()).await.ok()["allowed"], false);
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=3", street.site)).await.ok();
    let verbs: Vec<&Value> = log["items"].as_array().unwrap().iter().map(|line| &line["verb"]).collect();
    assert_eq!(verbs[..2], [&json!("forbid_customer_control"), &json!("allow_customer_control")], "once each");
    api.stop().await;
}

#[actix_web::test]
async fn a_customer_of_no_active_account_does_not_switch_and_no_guard_is_passed() {
    let api = Api::start().await;
    let street = api.street().await;
    street.allow(&api, true).await;
    let guard = json!({ "guarded": true, "reason": "life support" });
    api.send("PUT", &format!("/api/v1/meters/{}/guard", street.meter), &[], &guard).await.ok();
    for cause in ["customer", "safety", "operator"] {
        assert_eq!(street.switch(&api, cause, "disconnect", cause).await.problem(), (422, "supply_guard"), "{cause}");
    }
    let suspension = json!({ "suspended": true, "reason": "away" });
    api.send("PUT", &format!("/api/v1/accounts/{}/suspension", street.account), &[], &suspension).await.ok();
    let refused = street.switch(&api, "a", "reconnect", "customer").await;
    assert_eq!(refused.problem(), (422, "customer_control_not_allowed"));
    let of_nobody = json!({ "concentrator_id": street.concentrator, "name": "new", "address": "000000000077", "profile": "dlt645_direct" });
    let meter = api.post("/api/v1/meters", &of_nobody).await.id();
    let order = json!({ "action": "disconnect", "reason": "a wish", "cause": "customer" });
    let refused = api.post_once(&format!("/api/v1/meters/{meter}/relay_orders"), "b", &order).await;
    assert_eq!(refused.problem(), (422, "customer_control_not_allowed"));
    let refused = street.switch(&api, "c", "disconnect", "schedule").await;
    assert_eq!((refused.problem(), refused.field()), ((400, "body"), Some("cause")));
    api.stop().await;
}

#[actix_web::test]
async fn a_lock_that_is_lifted_tells_what_else_keeps_supply_off() {
    let api = Api::start().await;
    let street = api.street().await;
    street.switch(&api, "off", "disconnect", "operator").await.ok();
    assert_eq!(street.switch(&api, "lock", "disconnect", "safety").await.ok()["cause"], "safety");
    let refused = street.switch(&api, "on", "reconnect", "operator").await;
    assert_eq!(refused.problem(), (422, "supply_not_wanted"));
    let unlocked = street.switch(&api, "unlock", "reconnect", "safety").await;
    assert_eq!((unlocked.status, unlocked.header("location")), (200, None), "no order was given");
    let unlocked = unlocked.ok();
    assert_eq!((&unlocked["lifted"], &unlocked["causes"]), (&json!("safety"), &json!(["operator"])));
    assert_eq!(street.switch(&api, "unlock", "reconnect", "safety").await.ok(), unlocked);
    assert_eq!(street.switch(&api, "again", "reconnect", "safety").await.problem(), (422, "supply_not_wanted"));
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=2", street.site)).await.ok();
    let verbs: Vec<&Value> = log["items"].as_array().unwrap().iter().map(|line| &line["verb"]).collect();
    assert_eq!(verbs, [&json!("unlock_supply"), &json!("lock_supply")]);
    let orders = api.get(&format!("/api/v1/meters/{}/relay_orders", street.meter)).await.ok();
    assert_eq!(orders["items"][0]["cause"], "operator", "who still wants it off is asked for in place of the lock");
    api.stop().await;
}
