//! Relay orders from the row to the read-back.

use std::time::Duration;

use actors::{FleetSettings, ports::Report};
use domain::relay::{
    Action,
    order::{Event, State},
};
use protocols::{
    dlt645::{Answer, MeterError, RelayCommand},
    qgdw376::{Confirmation, Downlink, Forward, Timeout, Uplink},
};

use crate::{
    local, pass,
    terminal::{CONNECTED, CUT, PERMITTED, Terminal},
    world::{World, concentrator, meter, password, settings},
};

/// A terminal whose meters are read and quiet.
async fn quiet(fleet: &actors::Fleet, world: &std::sync::Arc<World>) -> Terminal {
    let mut terminal = Terminal::logged_in(fleet, world).await;
    let asked = terminal.asked().await;
    let Downlink::QueryEnergy(points) = asked.what.clone() else { panic!("{:?}", asked.what) };
    terminal.answer_points(&asked, &points).await;
    terminal.is_left_alone_for(Duration::from_secs(2)).await;
    terminal
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_is_sent_acknowledged_and_confirmed_by_read_back() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(2), Action::Disconnect, false);
        fleet.wake(concentrator());

        let (asked, control) = terminal.commanded(2, RelayCommand::Disconnect).await;
        assert_eq!(world.state(order), State::Sent, "marked before its bytes");
        assert!(asked.frame.password.is_some());
        let Downlink::Forward(Forward { frame_timeout, port, .. }) = &asked.what else { panic!() };
        assert_eq!((*frame_timeout, *port), (Timeout::Seconds(60), 31));
        assert_eq!((control.password, control.operator), (password(), 1));
        let expiry = control.expiry.unwrap().duration_since(terminal.local(world.now()));
        assert!((299..=300).contains(&expiry.as_secs()), "{expiry}");
        terminal.meter_answers(&asked, 2, &Answer::RelayTaken).await;

        let asked = terminal.asked_for_relay(2).await;
        assert_eq!(world.state(order), State::Acknowledged);
        terminal.relay_is(&asked, 2, CONNECTED).await;
        let asked = terminal.asked_for_relay(2).await;
        assert_eq!(world.state(order), State::Acknowledged, "the answer 9C proves nothing");
        terminal.relay_is(&asked, 2, CUT).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
        let seen = world.memory().reports.iter().filter(|report| matches!(report, Report::RelaySeen { .. })).count();
        assert_eq!(seen, 2);
        terminal.is_left_alone_for(Duration::from_secs(300)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_does_not_depend_on_the_meters_clock() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Reconnect, false);
        let (asked, control) = terminal.commanded(1, RelayCommand::Reconnect).await;
        assert_eq!(control.expiry.unwrap().year(), 2099);
        terminal.meter_answers(&asked, 1, &Answer::RelayTaken).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CONNECTED).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_permit_awaits_the_customer_and_is_not_sent_again() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Reconnect, true);
        let (asked, _) = terminal.commanded(1, RelayCommand::PermitReconnect).await;
        terminal.meter_answers(&asked, 1, &Answer::RelayTaken).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, PERMITTED).await;
        pass(1).await;
        assert_eq!(world.state(order), State::AwaitingCustomer);
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CONNECTED).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_timeout_the_relay_is_read_before_anything_is_sent_again() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        terminal.commanded(1, RelayCommand::Disconnect).await;
        // Silence for longer than the forward may take: the next thing asked is the relay.
        let asked = terminal.asked_for_relay(1).await;
        assert!(world.memory().events.contains(&(order, Event::NoAnswer)));
        terminal.relay_is(&asked, 1, CUT).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
        assert_eq!(world.memory().orders[&order].attempts, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_denied_forward_means_that_the_meter_is_silent() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        let (asked, _) = terminal.commanded(1, RelayCommand::Disconnect).await;
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        terminal.asked_for_relay(1).await;
        assert!(world.memory().events.contains(&(order, Event::NoAnswer)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_superseded_before_its_turn_never_becomes_bytes() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        // The port is busy with a read now while the order waits for its turn.
        let reading = {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(1)).await })
        };
        let (asked, _) = terminal.asked_to_forward(1).await;
        let order = world.order(1, meter(2), Action::Disconnect, false);
        fleet.wake(concentrator());
        pass(2).await;
        world.supersede(order);
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        terminal.is_left_alone_for(Duration::from_secs(60)).await;
        assert!(reading.await.unwrap().is_err());
        assert_eq!(world.memory().events, [(order, Event::Superseded)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_order_overtakes_the_polls_that_wait() {
    local(async {
        let world = World::with_meters(3);
        world.memory().plan.as_mut().unwrap().profile.points_per_request = 1;
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        world.order(1, meter(3), Action::Disconnect, false);
        fleet.wake(concentrator());
        pass(1).await;
        terminal.answer_points(&asked, &[101]).await;
        terminal.commanded(3, RelayCommand::Disconnect).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_link_lost_in_mid_exchange_fails_it_once_and_the_relay_is_read_after_the_next_login() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Reconnect, false);
        terminal.commanded(1, RelayCommand::Reconnect).await;
        drop(terminal);
        pass(120).await;
        let failures = world.memory().events.iter().filter(|(_, event)| *event == Event::NoAnswer).count();
        assert_eq!(failures, 1);
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_relay(1).await;
        terminal.relay_is(&asked, 1, CONNECTED).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_order_made_while_the_concentrator_was_away_goes_out_at_its_login() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        world.order(1, meter(1), Action::Reconnect, false);
        pass(60).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        loop {
            let asked = terminal.asked().await;
            match &asked.what {
                Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points.clone()).await,
                Downlink::Forward(_) => break,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_waits_no_longer_once_a_silent_meter_answers() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(FleetSettings { heartbeat_interval_ms: 86_400_000, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Reconnect, false);
        // For two hours nobody answers: forwards and points alike.
        let begin = world.now();
        while world.now().duration_since(begin).as_hours() < 2 {
            let asked = terminal.asked().await;
            terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        }
        let failures = world.memory().orders[&order].failures;
        assert!(failures > 5, "{failures}");
        // The meter answers a read now; the relay is read at once, not after ten minutes.
        let reading = {
            let fleet = fleet.clone();
            actix::spawn(async move { fleet.read_now(concentrator(), meter(1)).await })
        };
        let asked = loop {
            let asked = terminal.asked().await;
            if asked.what.afn() == protocols::qgdw376::Afn::Forward && crate::terminal::reads_registers(&asked) {
                break asked;
            }
            terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        };
        let answer = protocols::dlt645::Value::ForwardActiveBlock {
            total: Ok(Some(domain::energy::Energy::new(700))),
            periods: Vec::new(),
        };
        terminal.meter_answers(&asked, 1, &Answer::Value(answer)).await;
        let answered = world.now();
        reading.await.unwrap().unwrap();
        let asked = terminal.asked_for_relay(1).await;
        assert!(world.now().duration_since(answered).as_secs() <= 2);
        terminal.relay_is(&asked, 1, CONNECTED).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Confirmed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_told_apart_and_not_tried_again() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        let (asked, _) = terminal.commanded(1, RelayCommand::Disconnect).await;
        let refused = Answer::Refused { function: 0x1C, error: MeterError::PASSWORD };
        terminal.meter_answers(&asked, 1, &refused).await;
        terminal.is_left_alone_for(Duration::from_secs(300)).await;
        assert_eq!(world.state(order), State::Failed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_meter_is_no_answer() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = quiet(&fleet, &world).await;
        let order = world.order(1, meter(1), Action::Disconnect, false);
        let (asked, _) = terminal.commanded(1, RelayCommand::Disconnect).await;
        terminal.meter_answers(&asked, 7, &Answer::RelayTaken).await;
        pass(1).await;
        assert_eq!(world.state(order), State::Sent);
        assert!(world.memory().events.contains(&(order, Event::NoAnswer)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn relays_are_checked_daily_without_an_order() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(FleetSettings { relay_check_s: 86_400, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let mut checks = Vec::new();
        while checks.len() < 4 {
            let asked = terminal.asked().await;
            match asked.what.clone() {
                Downlink::QueryEnergy(points) => terminal.answer_points(&asked, &points).await,
                Downlink::QueryDailyFreeze(requests) => {
                    let freezes = requests.iter().map(|request| crate::terminal::freeze(request.point, request.day));
                    terminal.answer(&asked, Uplink::DailyFreeze(freezes.collect())).await;
                }
                Downlink::Forward(Forward { frame_timeout, .. }) => {
                    assert_eq!(
                        frame_timeout,
                        Timeout::Seconds(20),
                        "a scheduled forward does not block the port for long"
                    );
                    checks.push(world.now());
                    terminal.relay_is(&asked, 1, CUT).await;
                }
                other => panic!("{other:?}"),
            }
        }
        let gaps: Vec<_> = checks.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
        // What was sent before this program began to look may take effect late: once more soon, then daily.
        assert_eq!(gaps[0].as_secs(), 400);
        assert!(gaps[1..].iter().all(|gap| gap.as_hours() == 24));
        let reports = &world.memory().reports;
        assert!(reports.iter().any(|report| matches!(report, Report::RelaySeen { reading, .. } if *reading == CUT)));
    })
    .await;
}
