//! Panics on purpose, quarantine, and a graceful stop.

use std::time::Duration;

use actors::{
    FleetSettings, ReadNowError,
    fleet::Where,
    ports::{Report, Supervised},
};
use domain::{
    ids::MeterId,
    relay::{
        Action,
        order::{Event, State},
    },
};
use jiff::civil::date;
use protocols::{
    dlt645::{Answer, RelayCommand},
    qgdw376::{Confirmation, Downlink, LinkReport, Uplink},
};

use crate::{
    figure, figure_of, local, pass,
    terminal::{CUT, Terminal, freeze},
    world::{World, concentrator, meter, settings},
};

/// Answers polls for this long and returns the points asked for, with the minute of the hour.
async fn polls(terminal: &mut Terminal, world: &World, minutes: i64) -> Vec<(u16, i8)> {
    let begin = world.now();
    let mut asked_for = Vec::new();
    let left = Duration::from_secs(u64::try_from(minutes * 60).unwrap());
    let end = tokio::time::Instant::now() + left;
    while let Ok(asked) = tokio::time::timeout_at(end, terminal.asked()).await {
        let Downlink::QueryEnergy(points) = asked.what.clone() else { panic!("{:?}", asked.what) };
        asked_for.extend(points.iter().map(|point| (*point, terminal.local(world.now()).minute())));
        terminal.answer_points(&asked, &points).await;
    }
    assert!(world.now().duration_since(begin).as_mins() >= minutes);
    asked_for
}

fn of(polls: &[(u16, i8)], point: u16) -> Vec<i8> {
    polls.iter().filter(|(asked, _)| *asked == point).map(|(_, minute)| *minute).collect()
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_meter_actor_leaves_its_neighbours_polls_on_time_and_it_comes_back() {
    for place in [Where::Handler, Where::Future] {
        local(async {
            let world = World::with_meters(3);
            let (fleet, registry) = world.fleet(settings());
            let mut terminal = Terminal::logged_in(&fleet, &world).await;
            polls(&mut terminal, &world, 1).await;
            fleet.poison(meter(2), place);
            let polls = polls(&mut terminal, &world, 45).await;
            for point in [101, 102, 103] {
                assert_eq!(of(&polls, point), [15, 30, 45], "{place:?}, point {point}");
            }
            assert!((figure_of(&registry, "wattgate_actor_restarts_total", "meter") - 1.0).abs() < 0.1);
            assert!(figure_of(&registry, "wattgate_polls_total", "missed").abs() < 0.1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_freeze_of_an_unproved_meter_is_asked_for_again_by_an_actor_that_was_started_anew() {
    local(async {
        let world = World::at("2026-03-01T17:00:00Z", 1);
        world.memory().plan.as_mut().unwrap().meters[0].since = date(2026, 3, 1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.keeps_house = false;
        let mut asked_for = 0;
        for anew in [false, true] {
            let end = tokio::time::Instant::now() + Duration::from_secs(60);
            while let Ok(asked) = tokio::time::timeout_at(end, terminal.asked()).await {
                match asked.what.clone() {
                    Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points).await,
                    Downlink::QueryDailyFreeze(requests) => {
                        asked_for += 1;
                        let frozen = freeze(101, requests[0].day);
                        terminal.answer(&asked, Uplink::DailyFreeze(vec![frozen])).await;
                    }
                    _ => terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await,
                }
            }
            assert_eq!(asked_for, if anew { 2 } else { 1 });
            fleet.poison(meter(1), Where::Handler);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_meter_actor_that_always_panics_at_its_start_is_quarantined_and_reload_releases_it() {
    local(async {
        let world = World::with_meters(3);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        polls(&mut terminal, &world, 1).await;
        fleet.poison(meter(2), Where::Started);
        let before = polls(&mut terminal, &world, 45).await;
        assert_eq!(
            (of(&before, 101), of(&before, 102), of(&before, 103)),
            (vec![15, 30, 45], vec![], vec![15, 30, 45])
        );
        assert!((figure_of(&registry, "wattgate_actor_restarts_total", "meter") - 3.0).abs() < 0.1);
        assert!((figure(&registry, "wattgate_actors_quarantined") - 1.0).abs() < 0.1);
        assert_eq!(fleet.link(concentrator()).await.unwrap().quarantined_meters, 1);
        let what = Supervised::Meter(meter(2));
        let told = world
            .memory()
            .reports
            .iter()
            .any(|report| matches!(report, Report::Quarantined { what: told, restarts: 3, .. } if *told == what));
        assert!(told);
        assert_eq!(fleet.read_now(concentrator(), meter(2)).await, Err(ReadNowError::Gone));

        fleet.cure(meter(2));
        fleet.reload(concentrator());
        let after = polls(&mut terminal, &world, 15).await;
        assert!(of(&after, 102).contains(&0), "{after:?}");
        assert!(figure(&registry, "wattgate_actors_quarantined").abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_now_is_answered_when_its_meter_actor_dies() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        polls(&mut terminal, &world, 1).await;
        let reading = {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(1)).await })
        };
        let (asked, _) = terminal.asked_to_forward(1).await;
        fleet.poison(meter(1), Where::Handler);
        assert_eq!(reading.await.unwrap(), Err(ReadNowError::Gone));
        terminal.meter_answers(&asked, 1, &Answer::RelayTaken).await;
        assert!(!polls(&mut terminal, &world, 30).await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_meter_actor_dies_in_mid_exchange_is_read_back_by_the_next_one() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        polls(&mut terminal, &world, 1).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        let (asked, _) = terminal.commanded(1, RelayCommand::Disconnect).await;
        fleet.poison(meter(1), Where::Handler);
        pass(3).await;
        terminal.meter_answers(&asked, 1, &Answer::RelayTaken).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CUT).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
        assert_eq!(world.memory().orders[&order].attempts, 1, "never sent twice");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_concentrator_actor_that_panics_comes_back_with_the_next_login() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        polls(&mut terminal, &world, 1).await;
        fleet.poison_concentrator(concentrator());
        terminal.is_closed().await;
        assert!(figure(&registry, "wattgate_sessions").abs() < 0.1);
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let polls = polls(&mut terminal, &world, 30).await;
        assert_eq!(of(&polls, 101), [8, 15, 30], "at once, as this world tells no last reading, then by the slots");
        assert!((figure_of(&registry, "wattgate_actor_restarts_total", "concentrator") - 1.0).abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_concentrator_actor_that_keeps_panicking_is_quarantined_and_its_neighbour_goes_on() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, registry) = world.fleet(settings());
        let mut neighbour = Terminal::neighbour_logged_in(&fleet, &world).await;
        polls(&mut neighbour, &world, 1).await;
        // Whoever serves it fails the test when its link closes.
        let neighbours_polls = {
            let world = world.clone();
            actix::spawn(async move { polls(&mut neighbour, &world, 45).await })
        };
        let restarts = settings().restart_limit;
        for _ in 0..=restarts {
            assert!(figure(&registry, "wattgate_actors_quarantined").abs() < 0.1);
            let mut terminal = Terminal::logged_in(&fleet, &world).await;
            assert!(!polls(&mut terminal, &world, 1).await.is_empty());
            fleet.poison_concentrator(concentrator());
            terminal.is_closed().await;
            pass(30).await;
        }
        assert!((figure(&registry, "wattgate_actors_quarantined") - 1.0).abs() < 0.1);
        let restarted = figure_of(&registry, "wattgate_actor_restarts_total", "concentrator");
        assert!((restarted - f64::from(restarts)).abs() < 0.1);
        let quarantined = |report: &Report| match report {
            Report::Quarantined { what, restarts, .. } => Some((*what, *restarts)),
            _ => None,
        };
        let told: Vec<_> = world.memory().reports.iter().filter_map(quarantined).collect();
        assert_eq!(told, [(Supervised::Concentrator(concentrator()), restarts)]);

        let mut refused = Terminal::dial(&fleet, &world);
        refused.report(LinkReport::Login).await;
        assert!(refused.hear().await.is_none(), "not even confirmed");
        assert!((figure_of(&registry, "wattgate_links_refused_total", "quarantined") - 1.0).abs() < 0.1);
        assert!((figure(&registry, "wattgate_sessions") - 1.0).abs() < 0.1, "the neighbour's");

        fleet.reload(concentrator());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        assert!(figure(&registry, "wattgate_actors_quarantined").abs() < 0.1);
        fleet.poison_concentrator(concentrator());
        terminal.is_closed().await;
        pass(30).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let at = of(&polls(&mut terminal, &world, 20).await, 101);
        assert_eq!(at, [14, 15, 30], "its failures before the reload are forgiven; at once, then by the slots");
        drop(terminal);

        let neighbours_polls = neighbours_polls.await.unwrap();
        for point in [151, 152] {
            assert_eq!(of(&neighbours_polls, point), [15, 30, 45], "point {point}");
        }
        assert!(figure_of(&registry, "wattgate_polls_total", "missed").abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_the_exchange_and_its_record_and_begins_nothing_new() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        polls(&mut terminal, &world, 1).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        let (asked, _) = terminal.commanded(1, RelayCommand::Disconnect).await;
        let stopping = actix::spawn(fleet.stop(Duration::from_secs(30)));
        pass(5).await;
        assert!(!stopping.is_finished());
        terminal.meter_answers(&asked, 1, &Answer::RelayTaken).await;
        terminal.is_closed().await;
        stopping.await.unwrap();
        assert!(world.memory().events.contains(&(order, Event::Acknowledged)));
        assert!(figure(&registry, "wattgate_sessions").abs() < 0.1);
        assert!(figure(&registry, "wattgate_jobs_waiting").abs() < 0.1);
        let mut late = Terminal::dial(&fleet, &world);
        assert!(late.hear().await.is_none(), "no new links");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(FleetSettings { answer_deadline_ms: 3_600_000, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.asked_for_points(&[101]).await;
        let begin = world.now();
        fleet.stop(Duration::from_secs(30)).await;
        assert_eq!(world.now().duration_since(begin).as_secs(), 30);
        terminal.is_closed().await;
    })
    .await;
}

/// The same seed and the same dialogue give the same run, to the microsecond.
#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_day() {
    async fn day() -> Vec<(MeterId, jiff::Timestamp)> {
        local(async {
            let world = World::with_meters(5);
            let (fleet, _) = world.fleet(FleetSettings { poll_spread_percent: 50, ..settings() });
            let mut terminal = Terminal::logged_in(&fleet, &world).await;
            polls(&mut terminal, &world, 60).await;
            let memory = world.memory();
            memory.observations.iter().map(|seen| (seen.meter, seen.as_of)).collect()
        })
        .await
    }
    let first = day().await;
    assert!(first.len() >= 20);
    assert_eq!(first, day().await);
}
