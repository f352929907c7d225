//! Polls, freezes, read nows: batches, halving, what is not available, silent meters, full queues.

use std::time::Duration;

use actors::{FleetSettings, ReadNowError};
use domain::{
    energy::Energy,
    reading::{Kind, TimeSource},
};
use jiff::civil::date;
use protocols::{
    dlt645::{Answer, Item, MeterError, Request, Value},
    qgdw376::{AnswerHeader, Confirmation, Downlink, Frame, Uplink},
};

use crate::{
    figure, figure_of, local, pass,
    terminal::{Terminal, energy, freeze, no_freeze},
    world::{World, concentrator, meter, settings},
};

/// Links that are never given up for silence.
fn patient() -> FleetSettings {
    FleetSettings { heartbeat_interval_ms: 7 * 86_400_000, ..settings() }
}

#[tokio::test(start_paused = true)]
async fn a_round_asks_for_eight_points_a_request_in_every_slot() {
    local(async {
        let world = World::with_meters(10);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        for round in 0..3 {
            let first: Vec<u16> = (101..=108).collect();
            let asked = terminal.asked_for_points(&first).await;
            terminal.answer_points(&asked, &first).await;
            let asked = terminal.asked_for_points(&[109, 110]).await;
            terminal.answer_points(&asked, &[109, 110]).await;
            let expected = ["10:07", "10:15", "10:30"][round];
            assert_eq!(terminal.local(world.now()).strftime("%H:%M").to_string(), expected);
        }
        pass(1).await;
        assert_eq!(world.memory().observations.len(), 30);
        assert!((figure_of(&registry, "wattgate_polls_total", "kept") - 30.0).abs() < 0.1);
        assert!(figure_of(&registry, "wattgate_polls_total", "missed").abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_request_has_the_next_number_and_the_other_fcb() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.keeps_house = false;
        let mut last = None;
        while world.memory().observations.len() < 20 {
            let asked = terminal.hear().await.unwrap();
            let now = (asked.frame.sequence.number, asked.frame.control.fcb);
            if let Some((number, fcb)) = last.replace(now) {
                assert_eq!(now, ((number + 1) & 0x0F, !fcb));
            }
            match &asked.what {
                Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points.clone()).await,
                _ => terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await,
            }
            pass(1).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn points_left_out_are_asked_for_again_in_smaller_requests() {
    local(async {
        let world = World::with_meters(4);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101, 102, 103, 104]).await;
        terminal.answer_points(&asked, &[101]).await;
        let asked = terminal.asked_for_points(&[102, 103]).await;
        terminal.answer_points(&asked, &[103]).await;
        let again = [terminal.asked().await, terminal.asked().await];
        assert_eq!(again[0].what, Downlink::QueryEnergy(vec![104]));
        assert_eq!(again[1].what, Downlink::QueryEnergy(vec![102]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_halved_down_to_single_points() {
    local(async {
        let world = World::with_meters(4);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let mut sizes = Vec::new();
        while world.memory().observations.len() < 4 {
            let asked = terminal.asked().await;
            let Downlink::QueryEnergy(points) = asked.what.clone() else { panic!("{:?}", asked.what) };
            sizes.push(points.len());
            if points.len() > 1 {
                terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
            } else {
                terminal.answer_points(&asked, &points).await;
                pass(1).await;
            }
        }
        assert_eq!(sizes, [4, 2, 1, 1, 1, 1]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_several_frames_is_one_answer() {
    local(async {
        let world = World::with_meters(3);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101, 102, 103]).await;
        let minute = terminal.local(world.now()).with().second(0).subsec_nanosecond(0).build().unwrap();
        for (index, point) in [101, 102, 103].into_iter().enumerate() {
            let number = (asked.frame.sequence.number + u8::try_from(index).unwrap()) & 0x0F;
            let header = AnswerHeader { address: asked.frame.address, number, events: None, time_tag: None };
            let mut frame: Frame = Uplink::Energy(vec![energy(point, Some(minute))]).frame(&header).unwrap();
            (frame.sequence.first, frame.sequence.last) = (index == 0, index == 2);
            assert!(world.memory().observations.is_empty());
            terminal.send(&frame.encode().unwrap()).await;
            pass(15).await;
        }
        assert_eq!(world.memory().observations.len(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_an_earlier_request_is_not_taken_for_this_one() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let late = terminal.asked_for_points(&[101]).await;
        let again = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&late, &[101]).await;
        pass(1).await;
        assert!(world.memory().observations.is_empty());
        terminal.answer_points(&again, &[101]).await;
        pass(1).await;
        assert_eq!(world.memory().observations.len(), 1);
        assert!((figure_of(&registry, "wattgate_frames_bad_total", "stale") - 1.0).abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn live_values_have_our_time_and_remembered_ones_the_concentrators() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101, 102]).await;
        let now = terminal.local(world.now()).with().second(0).subsec_nanosecond(0).build().unwrap();
        let earlier = date(2026, 3, 2).at(9, 45, 0, 0);
        let answer = vec![energy(101, Some(now)), energy(102, Some(earlier))];
        terminal.answer(&asked, Uplink::Energy(answer)).await;
        pass(1).await;
        let memory = world.memory();
        let [live, remembered] = memory.observations.as_slice() else { panic!() };
        assert_eq!((live.time_source, live.as_of), (TimeSource::HeadEnd, live.received_at));
        assert_eq!(remembered.time_source, TimeSource::Concentrator);
        assert_eq!(terminal.local(remembered.as_of), earlier);
        assert_eq!(live.registers.total, Energy::new(927_900));
        assert_eq!(live.registers.periods[0], Some(Energy::new(329_700)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_meter_backs_off_and_its_neighbour_is_polled_in_every_slot() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(patient());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let mut asked_for_dead = Vec::new();
        while world.memory().observations.len() < 24 {
            let asked = terminal.asked().await;
            let Downlink::QueryEnergy(points) = asked.what.clone() else { panic!("{:?}", asked.what) };
            let minute = terminal.local(world.now()).with().second(0).subsec_nanosecond(0).build().unwrap();
            let answers = points.iter().map(|point| energy(*point, (*point == 102).then_some(minute)));
            if points.contains(&101) {
                asked_for_dead.push(minute.strftime("%H:%M").to_string());
            }
            terminal.answer(&asked, Uplink::Energy(answers.collect())).await;
            pass(1).await;
        }
        // Slots of 15 minutes; after the first two silences the pause doubles: 30, 60, 120 minutes..
        assert_eq!(asked_for_dead, ["10:07", "10:15", "10:45", "11:45", "13:45"]);
        let memory = world.memory();
        let times: Vec<_> = memory.observations.iter().map(|seen| seen.as_of).collect();
        assert!(times.windows(2).skip(1).all(|pair| pair[1].duration_since(pair[0]).as_mins() == 15));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_is_not_available_is_asked_for_hourly_until_noon_and_older_ones_are_filled_in() {
    local(async {
        // Just after midnight: nothing before 00:05.
        let world = World::at("2026-03-01T16:01:00Z", 1);
        world.memory().plan.as_mut().unwrap().meters[0].since = date(2026, 2, 28);
        let (fleet, _) = world.fleet(patient());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let (yesterday, before) = (date(2026, 3, 1), date(2026, 2, 28));
        let mut asked_at = Vec::new();
        while terminal.local(world.now()).date() == date(2026, 3, 2) {
            let asked = terminal.asked().await;
            match asked.what.clone() {
                Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points).await,
                Downlink::QueryDailyFreeze(requests) => {
                    let request = requests[0];
                    asked_at.push((request.day, terminal.local(world.now()).strftime("%H:%M").to_string()));
                    let answer = if request.day == before { freeze(101, before) } else { no_freeze(101, request.day) };
                    terminal.answer(&asked, Uplink::DailyFreeze(vec![answer])).await;
                }
                other => panic!("{other:?}"),
            }
        }
        let of =
            |day| asked_at.iter().filter(|(asked, _)| *asked == day).map(|(_, at)| at.as_str()).collect::<Vec<_>>();
        assert_eq!(of(before), ["00:05"], "there, so asked for once");
        let hourly: Vec<String> = (0..12).map(|hour| format!("{hour:02}:05")).collect();
        assert_eq!(of(yesterday), hourly);
        let memory = world.memory();
        let stored: Vec<_> = memory.observations.iter().filter(|seen| seen.kind == Kind::DailyFreeze).collect();
        assert_eq!(stored.len(), 1);
        assert_eq!(terminal.local(stored[0].as_of), yesterday.at(0, 0, 0, 0), "24:00 of the day before");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_now_goes_before_the_polls_and_waits_for_the_commit() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(FleetSettings { batch_linger_ms: 60_000, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.is_left_alone_for(Duration::from_secs(5)).await;
        let reading = {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(2)).await })
        };
        let (asked, request) = terminal.asked_to_forward(2).await;
        assert_eq!(request, Request::Read(Item::ForwardActiveBlock));
        let held = std::sync::Arc::new(tokio::sync::Notify::new());
        world.memory().slow = Some(held.clone());
        let registers = vec![Ok(Some(Energy::new(100))); 4];
        let block = Value::ForwardActiveBlock { total: Ok(Some(Energy::new(1_234_500))), periods: registers };
        terminal.meter_answers(&asked, 2, &Answer::Value(block)).await;
        pass(5).await;
        assert!(!reading.is_finished(), "no answer before the commit");
        held.notify_waiters();
        let acks = reading.await.unwrap().unwrap();
        assert_eq!((acks[0].meter, acks[0].registers.total), (meter(2), Energy::new(1_234_500)));
        assert!(world.memory().observations[0].identity_verified, "a meter's own answer names it");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_meter_without_the_block_is_asked_for_the_total() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        let reading = {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(1)).await })
        };
        let (asked, _) = terminal.asked_to_forward(1).await;
        let refused = Answer::Refused { function: 0x11, error: MeterError::NO_DATA };
        terminal.meter_answers(&asked, 1, &refused).await;
        let (asked, request) = terminal.asked_to_forward(1).await;
        assert_eq!(request, Request::Read(Item::ForwardActiveTotal));
        let total = Value::ForwardActiveTotal(Ok(Some(Energy::new(500))));
        terminal.meter_answers(&asked, 1, &Answer::Value(total)).await;
        assert_eq!(reading.await.unwrap().unwrap()[0].registers.total, Energy::new(500));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_read_now_is_answered_with_its_reason() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        assert_eq!(fleet.read_now(concentrator(), meter(1)).await, Err(ReadNowError::Offline));
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        assert_eq!(fleet.read_now(concentrator(), meter(9)).await, Err(ReadNowError::UnknownMeter));

        let ask = || {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(1)).await })
        };
        let readings = [ask(), ask(), ask()];
        let (asked, _) = terminal.asked_to_forward(1).await;
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        let mut answers = Vec::new();
        for reading in readings {
            answers.push(reading.await.unwrap());
        }
        let no_answer = Err(ReadNowError::NoAnswer);
        assert_eq!(
            answers,
            [no_answer.clone(), no_answer, Err(ReadNowError::Full)],
            "two share an exchange, a third is too many"
        );

        let reading = ask();
        let (_, _) = terminal.asked_to_forward(1).await;
        drop(terminal);
        assert_eq!(reading.await.unwrap(), Err(ReadNowError::Offline), "the link broke");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_says_so() {
    local(async {
        let world = World::with_meters(6);
        let (fleet, registry) = world.fleet(FleetSettings { queue_jobs: 4, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        pass(1).await;
        terminal.asked().await;
        assert!(figure(&registry, "wattgate_jobs_refused_total") >= 2.0);
        // The archive check and the clock have their places too; whoever was refused is asked for in a later slot.
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn polls_pause_while_commits_are_outstanding() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, registry) = world.fleet(FleetSettings { port_deadline_ms: 7_200_000, ..patient() });
        let held = std::sync::Arc::new(tokio::sync::Notify::new());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        world.memory().slow = Some(held.clone());
        terminal.answer_points(&asked, &[101]).await;
        terminal.is_left_alone_for(Duration::from_secs(3_000)).await;
        held.notify_waiters();
        terminal.asked_for_points(&[101]).await;
        assert!(figure(&registry, "wattgate_readings_not_stored_total").abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_not_stored_is_counted_and_read_again() {
    local(async {
        let world = World::at("2026-03-01T16:06:00Z", 1);
        world.memory().plan.as_mut().unwrap().meters[0].since = date(2026, 3, 1);
        world.memory().full = true;
        let (fleet, registry) = world.fleet(patient());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let mut freezes = 0;
        while freezes < 2 {
            let asked = terminal.asked().await;
            match asked.what.clone() {
                Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points).await,
                Downlink::QueryDailyFreeze(requests) => {
                    freezes += 1;
                    terminal.answer(&asked, Uplink::DailyFreeze(vec![freeze(101, requests[0].day)])).await;
                    pass(1).await;
                    world.memory().full = false;
                }
                other => panic!("{other:?}"),
            }
        }
        pass(1).await;
        assert!(figure(&registry, "wattgate_readings_not_stored_total") >= 2.0, "a poll and a freeze");
        let stored = world.memory().observations.iter().filter(|seen| seen.kind == Kind::DailyFreeze).count();
        assert_eq!(stored, 1);
    })
    .await;
}
