//! Actors that panic: nobody else notices.

use actors::fleet::Where;
use jiff::Timestamp;

use crate::support::{Court, Database, HeadEnd, Rest, SOON, Supply, eventually, on_both};

on_both!(a_meter_actor_that_panics_is_started_again, a_meter_actor_that_never_starts_is_left_out_and_told_of);

/// How often actors of a kind were started again.
fn restarts(head_end: &HeadEnd, actor: &str) -> f64 {
    let families = head_end.app.registry.gather();
    let restarts = families.iter().filter(|family| family.name() == "wattgate_actor_restarts_total");
    let counters = restarts.flat_map(|family| family.get_metric());
    let of_kind = counters.filter(|counter| counter.get_label().iter().any(|label| label.value() == actor));
    of_kind.map(|counter| counter.get_counter().get_value()).sum()
}

/// Whoever shares a concentrator with `hero` was read as often since `from` as those behind the other one, or nearly.
async fn neighbours_were_on_time(court: &Court, hero: &Supply, rest: &Rest, from: Timestamp) {
    let (mut beside, mut elsewhere) = (usize::MAX, 0);
    for supply in court.supplies.iter().filter(|supply| supply.meter != hero.meter) {
        let read = supply.readings(rest, from).await.len();
        match supply.concentrator == hero.concentrator {
            true => beside = beside.min(read),
            false => elsewhere = elsewhere.max(read),
        }
    }
    assert!(elsewhere >= 4 && beside * 3 >= elsewhere * 2, "{beside} readings beside, {elsewhere} elsewhere");
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
    let hero = &court.supplies[0];
    let link = format!("/concentrators/{}/link", hero.concentrator);
    let online_since = rest.get(&link).await["online_since"].clone();
    let from = Timestamp::now();
    for (place, times) in [(Where::Handler, 1.0), (Where::Future, 2.0)] {
        head_end.app.fleet().unwrap().poison(hero.meter, place);
        eventually(SOON, "it is started again", async || (restarts(&head_end, "meter") == times).then_some(())).await;
        hero.polled(rest, 4).await;
    }
    neighbours_were_on_time(&court, hero, rest, from).await;
    assert_eq!(rest.get(&link).await["online_since"], online_since, "its session went on");
    assert_eq!(restarts(&head_end, "concentrator"), 0.0);
    assert_eq!(court.alarms(rest).await, [], "nothing is worth an alarm");
    // It still does its main job.
    hero.run_out(rest).await;
    head_end.audited().await;
}

async fn a_meter_actor_that_never_starts_is_left_out_and_told_of(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = street(&head_end).await;
    let hero = &court.supplies[0];
    let fleet = head_end.app.fleet().unwrap();
    let link = format!("/concentrators/{}/link", hero.concentrator);
    let from = Timestamp::now();
    fleet.poison(hero.meter, Where::Started);
    eventually(SOON, "it is quarantined", async || (rest.get(&link).await["quarantined_meters"] == 1).then_some(()))
        .await;
    let told = ("quarantined".to_owned(), format!("meter:{}", hero.meter));
    eventually(SOON, "somebody is told", async || court.alarms(rest).await.contains(&told).then_some(())).await;
    neighbours_were_on_time(&court, hero, rest, from).await;
    assert_eq!(restarts(&head_end, "concentrator"), 0.0);

    fleet.cure(hero.meter);
    head_end.app.reload(hero.concentrator);
    hero.polled(rest, 2).await;
    assert_eq!(rest.get(&link).await["quarantined_meters"], 0);
}
