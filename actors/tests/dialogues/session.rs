//! Login, heartbeat, logout, replaced and silent links, garbage.

use std::time::Duration;

use actors::{Link, ports::SessionEvent};
use protocols::qgdw376::{Downlink, LinkReport};
use tokio::io::AsyncReadExt;

use crate::{
    figure, figure_of, local, pass,
    terminal::Terminal,
    world::{World, concentrator, settings},
};

#[tokio::test(start_paused = true)]
async fn login_heartbeat_and_logout_are_confirmed_with_their_own_number() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        for _ in 0..17 {
            let clock_or_confirmation = terminal.report(LinkReport::Heartbeat).await;
            let heard = terminal.asked().await;
            assert!(matches!(heard.what, Downlink::Confirm(_)));
            assert_eq!(heard.frame.sequence.number, clock_or_confirmation);
        }
        let number = terminal.report(LinkReport::Logout).await;
        let heard = terminal.asked().await;
        assert_eq!(heard.frame.sequence.number, number);
        assert!(terminal.hear().await.is_none(), "closed after the logout");
        let sessions = &world.memory().sessions;
        assert!(matches!(sessions.first(), Some(SessionEvent::Login { peer, .. }) if peer == "10.0.0.7:50000"));
        assert!(matches!(sessions.last(), Some(SessionEvent::Logout { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_reported_at_a_limited_rate() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        for _ in 0..12 {
            terminal.report(LinkReport::Heartbeat).await;
            terminal.asked().await;
            pass(10).await;
        }
        let heartbeats =
            world.memory().sessions.iter().filter(|event| matches!(event, SessionEvent::Heartbeat { .. })).count();
        assert_eq!(heartbeats, 1, "of 12 within 2 minutes, at most one a minute");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_login_of_the_same_terminal_replaces_the_first() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut first = Terminal::logged_in(&fleet, &world).await;
        let mut second = Terminal::logged_in(&fleet, &world).await;
        first.is_closed().await;
        let number = second.report(LinkReport::Heartbeat).await;
        assert_eq!(second.asked().await.frame.sequence.number, number);
        assert!((figure(&registry, "wattgate_sessions") - 1.0).abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_misses_its_heartbeats_is_given_up() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let begin = world.now();
        terminal.is_closed().await;
        assert_eq!(world.now().duration_since(begin).as_mins(), 20, "three heartbeats of 5 minutes missed");
        assert!(figure(&registry, "wattgate_sessions").abs() < 0.1);
        assert!(matches!(world.memory().sessions.last(), Some(SessionEvent::Lost { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_terminal_is_refused_without_a_confirmation() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut stranger = Terminal::dial(&fleet, &world);
        let login = [
            0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x05, 0x21, 0xB2, 0xA1, 0x00, 0x02, 0x71, 0x00, 0x00, 0x01, 0x00,
            0xB6, 0x16,
        ];
        stranger.send(&login).await;
        assert!(stranger.hear().await.is_none());
        assert_eq!(world.memory().identified, 1);
        assert!((figure_of(&registry, "wattgate_links_refused_total", "unknown") - 1.0).abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_is_closed_and_makes_room() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut silent: Vec<_> = (0..4).map(|_| Terminal::dial(&fleet, &world)).collect();
        pass(1).await;
        let (mut fifth, ours) = tokio::io::duplex(64);
        fleet.accept(Link::Memory(ours), "10.0.0.8:1".into()).await;
        assert_eq!(fifth.read(&mut [0; 1]).await.unwrap(), 0, "no fifth link");
        assert!((figure_of(&registry, "wattgate_links_refused_total", "full") - 1.0).abs() < 0.1);
        for terminal in &mut silent {
            assert!(terminal.hear().await.is_none());
        }
        Terminal::logged_in(&fleet, &world).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_checksum_in_mid_session_is_counted_and_the_session_goes_on() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let broken = [
            0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x05, 0x21, 0x07, 0x00, 0x00, 0x02, 0x75, 0x00, 0x00, 0x04, 0x00,
            0x00, 0x16,
        ];
        terminal.send(&broken).await;
        let number = terminal.report(LinkReport::Heartbeat).await;
        assert_eq!(terminal.asked().await.frame.sequence.number, number);
        assert!((figure_of(&registry, "wattgate_frames_bad_total", "checksum") - 1.0).abs() < 0.1);
        let link = fleet.link(concentrator()).await.unwrap();
        assert!(link.bad_frames >= 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_afn_is_counted_and_not_confirmed() {
    local(async {
        let world = World::with_meters(0);
        let (fleet, registry) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.is_left_alone_for(Duration::from_secs(5)).await;
        // AFN0F F1, a file: nothing here takes it, so nothing confirms it.
        let body = [0xC4, 0x05, 0x21, 0x07, 0x00, 0x00, 0x0F, 0x71, 0x00, 0x00, 0x01, 0x00];
        let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let frame = [&[0x68, 0x32, 0x00, 0x32, 0x00, 0x68][..], &body, &[sum, 0x16]].concat();
        terminal.send(&frame).await;
        terminal.is_left_alone_for(Duration::from_secs(60)).await;
        assert!((figure_of(&registry, "wattgate_frames_bad_total", "unknown_afn") - 1.0).abs() < 0.1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_link_state_tells_what_operators_ask() {
    local(async {
        let world = World::with_meters(3);
        let (fleet, _) = world.fleet(settings());
        assert_eq!(fleet.link(concentrator()).await, None);
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101, 102, 103]).await;
        terminal.answer_points(&asked, &[101, 102, 103]).await;
        terminal.is_left_alone_for(Duration::from_secs(1)).await;
        let links = fleet.links().await;
        let [link] = links.as_slice() else { panic!("{links:?}") };
        assert_eq!(link.peer.as_deref(), Some("10.0.0.7:50000"));
        assert_eq!((link.meters, link.verified_meters, link.jobs_waiting, link.bad_frames), (3, 3, 0, 0));
        drop(terminal);
        pass(1).await;
        assert_eq!(fleet.link(concentrator()).await.unwrap().online_since, None);
    })
    .await;
}
