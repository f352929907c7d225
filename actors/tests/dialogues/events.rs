//! Events: what a concentrator counts is asked for in its order, and told to the world.

use std::time::Duration;

use actors::{
    FleetSettings,
    ports::{EventSeen, Report},
};
use jiff::{Timestamp, civil::date, tz::TimeZone};
use protocols::qgdw376::{
    Confirmation, EventClass::*, EventCounters, EventRange, EventRecord, Events, LinkReport, Uplink,
};

use crate::{
    local, pass,
    terminal::{CONNECTED, Terminal},
    world::{World, meter, settings},
};

/// 2 March, 10:05.
const AT: [u8; 5] = [0x05, 0x10, 0x02, 0x03, 0x26];

fn record(code: u8, rest: &[u8]) -> EventRecord {
    EventRecord { code, content: [&AT[..], rest].concat() }
}

/// The meter at this point has stopped, or goes on.
fn stopped(point: u8, over: bool) -> EventRecord {
    record(30, &[point, if over { 0 } else { 0x80 }, 0, 0, 0, 0, 0, 1])
}

const fn counters(important: u8, general: u8) -> Option<EventCounters> {
    Some(EventCounters { important, general })
}

fn told(world: &World) -> Vec<(bool, EventSeen)> {
    let memory = world.memory();
    let read = memory.reports.iter().filter_map(|report| match report {
        Report::Events(read) => Some(read.clone()),
        _ => None,
    });
    read.flat_map(|read| read.events.into_iter().map(move |event| (read.important, event))).collect()
}

/// A concentrator with a meter at point 101 that was polled, and a world that knows its events as far as that.
async fn polled(world: &std::sync::Arc<World>, settings: FleetSettings, read_to: Option<u8>) -> Terminal {
    world.memory().plan.as_mut().unwrap().important_events_read_to = read_to;
    let (fleet, _) = world.fleet(settings);
    let mut terminal = Terminal::logged_in(&fleet, world).await;
    let asked = terminal.asked_for_points(&[101]).await;
    terminal.answer_points(&asked, &[101]).await;
    terminal.is_left_alone_for(Duration::from_secs(1)).await;
    terminal
}

#[tokio::test(start_paused = true)]
async fn events_that_are_counted_are_asked_for_in_their_order_and_told() {
    local(async {
        let world = World::with_meters(1);
        let mut terminal = polled(&world, settings(), Some(254)).await;
        terminal.counters = counters(3, 0);
        let number = terminal.report(LinkReport::Heartbeat).await;
        terminal.is_confirmed(number).await;
        let asked = terminal.asked_for_events(Important, 254, 1).await;
        terminal.answer_events(&asked, &[record(14, &[0xEE; 5]), stopped(101, false), record(200, &[7])]).await;
        let asked = terminal.asked_for_events(Important, 1, 3).await;
        terminal.answer_events(&asked, &[stopped(101, true)]).await;
        let asked = terminal.asked_for_events(Important, 2, 3).await;
        terminal.answer_events(&asked, &[stopped(99, false)]).await;
        pass(1).await;

        let told = told(&world);
        let shown: Vec<_> =
            told.iter().map(|(_, event)| (event.number, event.code, event.meter, event.is_end)).collect();
        let first = Some(meter(1));
        assert_eq!(
            shown,
            [
                (254, 14, None, false),
                (255, 30, first, false),
                (0, 200, None, false),
                (1, 30, first, true),
                (2, 30, None, false)
            ],
            "point 99 is no meter of ours"
        );
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let at: Timestamp = date(2026, 3, 2).at(10, 5, 0, 0).to_zoned(shanghai).unwrap().timestamp();
        assert_eq!((told[0].1.occurred_at, told[0].1.name.as_str()), (Some(at), "terminal power off and on"));
        assert_eq!((told[2].1.occurred_at, told[2].1.content.as_slice()), (None, &record(200, &[7]).content[..]));
        terminal.is_left_alone_for(Duration::from_secs(60)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_concentrator_that_is_heard_for_the_first_time_the_newest_event_is_told() {
    local(async {
        let world = World::with_meters(1);
        let mut terminal = polled(&world, settings(), None).await;
        terminal.counters = counters(9, 4);
        terminal.report(LinkReport::Heartbeat).await;
        terminal.hear().await;
        let asked = terminal.asked_for_events(Important, 8, 9).await;
        terminal.answer_events(&asked, &[stopped(101, false)]).await;
        let asked = terminal.asked_for_events(General, 3, 4).await;
        terminal.answer_events(&asked, &[record(12, &[101, 0x80])]).await;
        pass(1).await;
        let told: Vec<_> = told(&world).into_iter().map(|(important, event)| (important, event.code)).collect();
        assert_eq!(told, [(true, 30), (false, 12)]);
        terminal.is_left_alone_for(Duration::from_secs(60)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_that_nobody_tells_of_are_asked_for_again_after_a_while_and_denied_ones_never() {
    local(async {
        let world = World::with_meters(1);
        let settings = FleetSettings { check_retry_s: 120, ..settings() };
        let (attempts, pause) = (settings.attempts, settings.check_retry_s);
        let mut terminal = polled(&world, settings, Some(0)).await;
        terminal.counters = counters(2, 0);
        terminal.report(LinkReport::Heartbeat).await;
        terminal.hear().await;
        for _ in 0..attempts {
            terminal.asked_for_events(Important, 0, 2).await;
        }
        terminal.is_left_alone_for(Duration::from_secs(pause / 2)).await;
        let asked = terminal.asked_for_events(Important, 0, 2).await;
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        terminal.is_left_alone_for(Duration::from_secs(60)).await;
        terminal.counters = counters(3, 0);
        terminal.report(LinkReport::Heartbeat).await;
        terminal.hear().await;
        let asked = terminal.asked_for_events(Important, 2, 3).await;
        terminal.answer_events(&asked, &[stopped(101, false)]).await;
        pass(1).await;
        assert_eq!(told(&world).len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_that_the_world_did_not_hear_of_are_asked_for_again() {
    local(async {
        let world = World::with_meters(1);
        let mut terminal = polled(&world, settings(), Some(0)).await;
        terminal.counters = counters(1, 0);
        world.memory().deaf = true;
        terminal.report(LinkReport::Heartbeat).await;
        terminal.hear().await;
        let asked = terminal.asked_for_events(Important, 0, 1).await;
        terminal.counters = None;
        let range = EventRange { class: Important, from: 0, to: 1 };
        let events = Events { range, counters: counters(1, 0).unwrap(), records: vec![stopped(101, false)] };
        terminal.answer(&asked, Uplink::Events(events.clone())).await;
        let asked = terminal.asked_for_events(Important, 0, 1).await;
        world.memory().deaf = false;
        terminal.answer(&asked, Uplink::Events(events)).await;
        pass(1).await;
        assert_eq!(told(&world).len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_concentrator_that_tells_by_itself_is_confirmed_and_asked() {
    local(async {
        let world = World::with_meters(1);
        let mut terminal = polled(&world, settings(), Some(0)).await;
        let range = EventRange { class: Important, from: 0, to: 1 };
        let events = Events { range, counters: counters(1, 0).unwrap(), records: vec![stopped(101, false)] };
        terminal.tell(Uplink::Events(events.clone())).await;
        let asked = terminal.asked_for_events(Important, 0, 1).await;
        terminal.answer(&asked, Uplink::Events(events)).await;
        pass(1).await;
        assert_eq!(told(&world).len(), 1, "once, though it was told twice");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn changed_parameters_put_the_archive_in_doubt_and_a_changed_status_the_relay() {
    local(async {
        let world = World::with_meters(1);
        let settings = FleetSettings { relay_check_s: 86_400, ..settings() };
        world.memory().plan.as_mut().unwrap().important_events_read_to = Some(0);
        let (fleet, _) = world.fleet(settings);
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CONNECTED).await;
        terminal.is_left_alone_for(Duration::from_secs(60)).await;

        let reads = terminal.archive_reads;
        terminal.counters = counters(2, 0);
        terminal.report(LinkReport::Heartbeat).await;
        terminal.hear().await;
        let asked = terminal.asked_for_events(Important, 0, 2).await;
        terminal.answer_events(&asked, &[record(3, &[1, 0, 0, 2, 1]), record(33, &[101, 0, 0x50, 0])]).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CONNECTED).await;
        assert!(terminal.archive_reads > reads);
    })
    .await;
}
