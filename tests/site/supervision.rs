//! Actors that panic: nobody else notices.

use actors::fleet::Where;
use jiff::{SignedDuration, Timestamp};

use crate::support::{Court, Database, HeadEnd, Rest, SOON, Supply, eventually, on_both, time};

on_both!(a_meter_actor_that_panics_is_started_again, a_meter_actor_that_never_starts_is_left_out_and_told_of);

/// Polls are due each half second; a neighbour that waits for this long was delayed.
const ON_TIME: SignedDuration = SignedDuration::from_secs(4);

/// The readings of these meters came without a gap, from `from` until now.
async fn on_time(neighbours: &[&Supply], rest: &Rest, from: Timestamp) {
    for neighbour in neighbours {
        let readings = neighbour.readings(rest, from).await;
        let mut instants: Vec<_> = readings.iter().map(|reading| time(&reading["received_at"])).collect();
        instants.push(Timestamp::now());
        let mut last = from;
        for at in instants {
            assert!(at.duration_since(last) < ON_TIME, "meter {}: {last} to {at}", neighbour.meter);
            last = at;
        }
    }
}

/// How often meter actors were started again.
fn restarts(head_end: &HeadEnd) -> f64 {
    let families = head_end.app.registry.gather();
    let restarts = families.iter().filter(|family| family.name() == "wattgate_actor_restarts_total");
    let counters = restarts.flat_map(|family| family.get_metric());
    let of_meters = counters.filter(|counter| counter.get_label().iter().any(|label| label.value() == "meter"));
    of_meters.map(|counter| counter.get_counter().get_value()).sum()
}

async fn street(head_end: &HeadEnd) -> Court {
    let court = Court::enter_with(head_end, "dlt645_direct", |spec| (spec.concentrators, spec.meters) = (2, 6)).await;
    court.read(&head_end.rest).await;
    court
}

async fn a_meter_actor_that_panics_is_started_again(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = street(&head_end).await;
    let (hero, neighbours) = court.supplies.split_first().unwrap();
    let from = Timestamp::now();
    for (place, times) in [(Where::Handler, 1.0), (Where::Future, 2.0)] {
        head_end.app.fleet().unwrap().poison(hero.meter, place);
        eventually(SOON, "it is started again", async || (restarts(&head_end) == times).then_some(())).await;
        hero.polled(rest, 2).await;
    }
    on_time(&neighbours.iter().collect::<Vec<_>>(), rest, from).await;
    assert!(court.alarms(rest).await.is_empty());
    // It still does its main job.
    hero.run_out(rest).await;
    head_end.audited().await;
}

async fn a_meter_actor_that_never_starts_is_left_out_and_told_of(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = street(&head_end).await;
    let (hero, neighbours) = court.supplies.split_first().unwrap();
    let fleet = head_end.app.fleet().unwrap();
    let link = format!("/concentrators/{}/link", hero.concentrator);
    let from = Timestamp::now();
    fleet.poison(hero.meter, Where::Started);
    eventually(SOON, "it is quarantined", async || (rest.get(&link).await["quarantined_meters"] == 1).then_some(()))
        .await;
    assert!(!court.alarms(rest).await.is_empty(), "somebody is told");
    neighbours[0].polled(rest, 3).await;
    on_time(&neighbours.iter().collect::<Vec<_>>(), rest, from).await;

    fleet.cure(hero.meter);
    head_end.app.reload(hero.concentrator);
    hero.polled(rest, 2).await;
    assert_eq!(rest.get(&link).await["quarantined_meters"], 0);
}
