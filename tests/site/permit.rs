//! Homes, where supply comes back only when the customer presses the meter's button.

use domain::relay::RelayState;

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(supply_that_was_permitted_waits_for_the_customer_to_press_the_button);

async fn supply_that_was_permitted_waits_for_the_customer_to_press_the_button(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter_with(&head_end, "dlt645_permit", |_| ()).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.run_out(rest).await;
    hero.vend(rest, "vend-1", 100_000).await;

    let waiting = eventually(SOON, "the order waits for the customer", async || {
        let newest = hero.orders(rest).await.pop()?;
        (newest["state"] == "awaiting_customer").then_some(newest)
    })
    .await;
    assert_eq!(waiting["permit"], true);
    assert_eq!((hero.truth.relay(), hero.truth.command()), (RelayState::Disconnected, RelayState::Connected));
    let notices = rest.get(&format!("/accounts/{}/notices", hero.account)).await;
    // The promise: from the vend to the permission, which is ours to keep, and to supply, which is the customer's.
    assert_eq!(promises(&head_end), [("permitted".to_owned(), 1)]);
    let told = notices["items"].as_array().unwrap().iter().filter(|notice| notice["kind"] == "press_button").count();
    assert_eq!(told, 1, "the customer is told to press it");

    assert!(hero.truth.press());
    let restored = hero.confirmed(rest, "reconnect").await;
    assert_eq!((&restored["id"], &restored["attempts"]), (&waiting["id"], &1.into()));
    assert_eq!(hero.shown(rest).await["relay"], "connected");
    eventually(SOON, "both steps are counted", async || {
        (promises(&head_end) == [("permitted".to_owned(), 1), ("supplied".to_owned(), 1)]).then_some(())
    })
    .await;

    // An operator's reconnect kept no promise.
    let orders = format!("/meters/{}/relay_orders", hero.meter);
    for action in ["disconnect", "reconnect"] {
        let body = serde_json::json!({ "action": action, "reason": "works" });
        rest.post_once(&orders, action, &body).await.ok();
        if action == "reconnect" {
            eventually(SOON, "it waits for the customer", async || {
                (hero.orders(rest).await.pop()?["state"] == "awaiting_customer").then_some(())
            })
            .await;
            assert!(hero.truth.press());
        }
        hero.confirmed(rest, action).await;
    }
    assert_eq!(promises(&head_end), [("permitted".to_owned(), 1), ("supplied".to_owned(), 1)]);
    head_end.audited().await;
}

/// How often each step of the restore promise was come to, as `/metrics` tells.
fn promises(head_end: &HeadEnd) -> Vec<(String, u64)> {
    let families = head_end.app.registry.gather();
    let family = families.iter().find(|family| family.name() == "wattgate_restore_seconds");
    let mut steps: Vec<_> = family
        .into_iter()
        .flat_map(|family| family.get_metric())
        .map(|one| (one.get_label()[0].value().to_owned(), one.get_histogram().get_sample_count()))
        .collect();
    steps.sort();
    steps
}
