//! A mistake darkens a few homes, not a town: what is above the mass-cut limits waits; and who waits for supply to follow the
//! money is listed with the reason.

use serde_json::{Value, json};

use crate::support::{Court, Database, HeadEnd, Rest, SOON, eventually, on_both};

on_both!(
    cuts_above_a_days_limit_wait_for_an_operator,
    cuts_above_an_hours_limit_wait_for_the_next,
    who_should_be_off_and_who_waits_to_be_restored_is_listed_with_the_reason,
);

fn limits(per_hour: u32, per_day: u32) -> String {
    format!(
        "[policy.disconnection.mass_cut]\nper_hour = {per_hour}\nper_day = {per_day}\nper_day_percent = 0\n\
         [policy.disconnection]\nheld_recheck = \"1s\"\n"
    )
}

impl Court {
    async fn waits(&self, rest: &Rest, filter: &str) -> Vec<Value> {
        rest.get(&format!("/supply_waits?site_id={}&{filter}", self.site)).await["items"].as_array().unwrap().clone()
    }

    /// The causes of cuts that were sent.
    async fn cuts(&self, rest: &Rest) -> usize {
        let mut cuts = 0;
        for supply in &self.supplies {
            cuts += supply.orders(rest).await.iter().filter(|order| order["attempts"].as_u64() > Some(0)).count();
        }
        cuts
    }

    async fn waits_of(&self, rest: &Rest, filter: &str, wanted: usize) -> Vec<Value> {
        eventually(SOON, "waits are listed", async || {
            let waits = self.waits(rest, filter).await;
            (waits.len() == wanted).then_some(waits)
        })
        .await
    }
}

async fn cuts_above_a_days_limit_wait_for_an_operator(database: Database) {
    let head_end = HeadEnd::start_with(&database, &limits(10, 1)).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 3).await;
    court.read(rest).await;
    for supply in &court.supplies {
        supply.open(rest, 60).await;
    }
    let waiting = court.waits_of(rest, "quarantined=true", 2).await;
    assert_eq!(court.cuts(rest).await, 1, "{waiting:?}");
    let object = format!("site:{}", court.site);
    assert!(court.alarms(rest).await.contains(&("cuts_quarantined".to_owned(), object.clone())));
    let first = eventually(SOON, "decided again", async || {
        court.waits(rest, "quarantined=true").await.into_iter().find(|wait| wait["guards"] == json!(["quarantine"]))
    })
    .await;
    assert_eq!(first["wanted"], "disconnected");

    let release = |meters: Value| json!({ "site_id": court.site, "meters": meters, "reason": "they really owe" });
    let (one, other) = (waiting[0]["meter_id"].clone(), waiting[1]["meter_id"].clone());
    let released = rest.post("/quarantine/release", &release(json!([one]))).await;
    assert_eq!(released["meters"], json!([one]));
    let again = rest.post("/quarantine/release", &release(json!([one]))).await;
    assert_eq!(again["meters"], json!([]), "released once");
    let hero = |meter: &Value| court.supplies.iter().find(|one| json!(one.meter) == *meter).unwrap();
    assert_eq!(hero(&one).confirmed(rest, "disconnect").await["cause"], "credit");
    let log = rest.get(&format!("/audit_log?site_id={}&limit=1", court.site)).await;
    assert_eq!(
        (&log["items"][0]["verb"], &log["items"][0]["detail"]),
        (&json!("release_cut"), &json!("they really owe"))
    );
    assert!(court.alarms(rest).await.iter().any(|(kind, _)| kind == "cuts_quarantined"), "one is left");

    // Who pays is no longer due, and begins anew when it is.
    hero(&other).vend(rest, "paid", 90_000).await;
    assert_eq!(court.waits(rest, "quarantined=true").await, Vec::<Value>::new());
    assert_eq!(court.cuts(rest).await, 2);
    head_end.audited().await;
}

async fn cuts_above_an_hours_limit_wait_for_the_next(database: Database) {
    let head_end = HeadEnd::start_with(&database, &limits(1, 10)).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    for supply in &court.supplies {
        supply.open(rest, 60).await;
    }
    let held = eventually(SOON, "one is held by the hour", async || {
        let waits = court.waits(rest, "wanted=disconnected").await;
        waits.into_iter().find(|wait| wait["order"]["last"] == "held by cut_limit")
    })
    .await;
    assert_eq!((&held["order"]["state"], &held["order"]["attempts"]), (&json!("ordered"), &json!(0)));
    assert_eq!((&held["quarantined_at"], court.cuts(rest).await), (&Value::Null, 1));
    head_end.audited().await;
}

async fn who_should_be_off_and_who_waits_to_be_restored_is_listed_with_the_reason(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 2).await;
    court.read(rest).await;
    let [guarded, paid] = &court.supplies[..] else { panic!("two meters") };
    let guard = json!({ "guarded": true, "reason": "a ventilator" });
    rest.put(&format!("/meters/{}/guard", guarded.meter), &guard).await;
    guarded.open(rest, 60).await;
    let waits = eventually(SOON, "it should be off", async || {
        let waits = court.waits(rest, "wanted=disconnected").await;
        waits.first().is_some_and(|wait| wait["guards"] == json!(["supply_guard"])).then_some(waits)
    })
    .await;
    assert_eq!((waits.len(), &waits[0]["meter_id"]), (1, &json!(guarded.meter)));
    assert_eq!(court.waits(rest, "wanted=disconnected&for_hours=1").await, Vec::<Value>::new(), "not for long yet");

    paid.run_out(rest).await;
    let order = json!({ "action": "disconnect", "reason": "works on the riser" });
    rest.post_once(&format!("/meters/{}/relay_orders", paid.meter), "works", &order).await.ok();
    paid.confirmed(rest, "disconnect").await;
    paid.vend(rest, "paid", 90_000).await;
    let waits = court.waits_of(rest, "wanted=connected", 1).await;
    assert_eq!((&waits[0]["meter_id"], &waits[0]["causes"]), (&json!(paid.meter), &json!(["operator"])));
    let order = json!({ "action": "reconnect", "reason": "done" });
    rest.post_once(&format!("/meters/{}/relay_orders", paid.meter), "done", &order).await.ok();
    paid.confirmed(rest, "reconnect").await;
    court.waits_of(rest, "wanted=connected", 0).await;
    head_end.audited().await;
}
