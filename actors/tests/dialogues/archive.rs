//! The identity check: download, read-back, foreign records.

use actors::{
    FleetSettings,
    ports::{ArchiveFinding, Report},
};
use protocols::qgdw376::{ArchiveRecord, Confirmation, Downlink, MeterProtocol, Uplink};

use crate::{
    local, pass,
    terminal::Terminal,
    world::{World, address, concentrator, meter, settings},
};

fn last_findings(world: &World) -> Vec<(domain::ids::MeterId, ArchiveFinding)> {
    let memory = world.memory();
    let reports = memory.reports.iter().rev();
    let mut found =
        reports.filter_map(|report| if let Report::Archive { meters, .. } = report { Some(meters) } else { None });
    found.next().cloned().expect("an archive report")
}

#[tokio::test(start_paused = true)]
async fn an_empty_archive_is_downloaded_and_read_back_before_anything_is_polled() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.keeps_house = false;
        let mut dialogue = Vec::new();
        let polled = loop {
            let asked = terminal.hear().await.unwrap();
            dialogue.push(asked.what.clone());
            match &asked.what {
                Downlink::QueryArchive(serials) => {
                    let held = serials.iter().filter_map(|serial| terminal.archive.get(serial)).cloned().collect();
                    terminal.answer(&asked, Uplink::Archive(held)).await;
                }
                Downlink::SetArchive(records) => {
                    assert!(asked.frame.password.is_some() && asked.frame.sequence.confirm);
                    terminal.archive.extend(records.iter().map(|record| (record.serial, record.clone())));
                    terminal.answer(&asked, Uplink::Confirm(Confirmation::All)).await;
                }
                _ => break asked,
            }
        };
        let serials = vec![11, 12];
        assert_eq!(dialogue[0], Downlink::QueryArchive(serials.clone()));
        assert!(matches!(&dialogue[1], Downlink::SetArchive(records) if records.len() == 2));
        assert_eq!(dialogue[2], Downlink::QueryArchive(serials));
        assert_eq!(polled.what, Downlink::QueryEnergy(vec![101, 102]));
        assert_eq!(last_findings(&world), [(meter(1), ArchiveFinding::Matches), (meter(2), ArchiveFinding::Matches)]);

        terminal.answer_points(&polled, &[101, 102]).await;
        pass(1).await;
        assert!(world.memory().observations.iter().all(|seen| seen.identity_verified));
    })
    .await;
}

fn foreign(serial: u16) -> ArchiveRecord {
    ArchiveRecord {
        serial,
        point: serial + 90,
        rate: 0,
        port: 31,
        protocol: MeterProtocol::Dlt645Of2007,
        meter: address(999),
        password: protocols::Secret::ZERO,
        periods: 4,
        integer_digits: 6,
        decimals: 2,
        collector: protocols::dlt645::MeterAddress::NONE,
        class: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_record_is_left_alone_and_its_readings_are_not_verified_until_an_operator_orders_it() {
    local(async {
        let world = World::with_meters(2);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.archive.insert(11, foreign(11));
        let asked = terminal.asked_for_points(&[101, 102]).await;
        terminal.answer_points(&asked, &[101, 102]).await;
        pass(1).await;
        let findings = last_findings(&world);
        assert_eq!(findings[0], (meter(1), ArchiveFinding::Foreign { address: address(999) }));
        assert_eq!(findings[1], (meter(2), ArchiveFinding::Matches));
        assert_eq!(terminal.archive[&11].meter, address(999), "never overwritten by itself");
        let verified: Vec<bool> = world.memory().observations.iter().map(|seen| seen.identity_verified).collect();
        assert_eq!(verified, [false, true]);

        fleet.sync_archive(concentrator()).await.unwrap();
        let asked = terminal.asked_for_points(&[101, 102]).await;
        assert_eq!(terminal.archive[&11].meter, address(1), "overwritten by order");
        terminal.answer_points(&asked, &[101, 102]).await;
        pass(1).await;
        assert!(world.memory().observations[2..].iter().all(|seen| seen.identity_verified));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_password_is_written_when_an_operator_orders_it_and_only_then() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let masked = protocols::Secret::new([0xEE; 6]);
        terminal.archive.insert(11, ArchiveRecord { meter: address(1), point: 101, password: masked, ..foreign(11) });
        terminal.asked_for_points(&[101]).await;
        assert_eq!(last_findings(&world), [(meter(1), ArchiveFinding::Matches)]);
        assert_eq!(terminal.archive[&11].password, masked);

        fleet.sync_archive(concentrator()).await.unwrap();
        terminal.asked_for_points(&[101]).await;
        assert_eq!(terminal.archive[&11].password, protocols::Secret::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_meter_under_another_point_is_foreign() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.archive.insert(11, ArchiveRecord { meter: address(1), point: 102, ..foreign(11) });
        terminal.asked_for_points(&[101]).await;
        assert_eq!(last_findings(&world), [(meter(1), ArchiveFinding::Foreign { address: address(1) })]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_check_leaves_the_meters_unverified_and_is_tried_again() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.keeps_house = false;
        loop {
            let asked = terminal.hear().await.unwrap();
            match asked.what {
                Downlink::QueryArchive(_) | Downlink::QueryClock => {
                    terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
                }
                Downlink::QueryEnergy(_) => {
                    terminal.answer_points(&asked, &[101]).await;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        terminal.keeps_house = true;
        for _ in ["10:15", "10:30"] {
            let asked = terminal.asked_for_points(&[101]).await;
            terminal.answer_points(&asked, &[101]).await;
        }
        pass(1).await;
        assert_eq!(terminal.archive_writes, 1, "the check at 10:17 found it absent and wrote it");
        let verified: Vec<bool> = world.memory().observations.iter().map(|seen| seen.identity_verified).collect();
        assert_eq!(verified, [false, false, true]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_short_break_needs_no_new_check_and_a_long_one_does() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        pass(1).await;
        drop(terminal);
        pass(60).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        pass(60).await;
        terminal.is_left_alone_for(std::time::Duration::from_secs(1)).await;
        assert_eq!(terminal.archive_reads, 0);
        drop(terminal);
        pass(700).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.asked_for_points(&[101]).await;
        assert_eq!(terminal.archive_reads, 2, "found absent, written, read back");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_ordered_is_done_though_the_link_broke_in_the_middle() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.archive.insert(11, foreign(11));
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        pass(1).await;
        let archive = terminal.archive.clone();
        terminal.keeps_house = false;
        fleet.sync_archive(concentrator()).await.unwrap();
        pass(2).await;
        drop(terminal);
        pass(30).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.archive = archive;
        terminal.asked_for_points(&[101]).await;
        assert_eq!(terminal.archive[&11].meter, address(1), "overwritten after all");
        assert_eq!(last_findings(&world), [(meter(1), ArchiveFinding::Matches)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_short_break_does_not_put_off_the_next_check() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(FleetSettings { archive_check_s: 3_600, ..settings() });
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        let archive = terminal.archive.clone();
        pass(1).await;
        drop(terminal);
        pass(60).await;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        terminal.archive = archive;
        for _ in ["10:15", "10:30", "10:45", "11:00", "11:15"] {
            let asked = terminal.asked_for_points(&[101]).await;
            terminal.answer_points(&asked, &[101]).await;
        }
        assert_eq!(terminal.archive_reads, 1, "an hour after the first");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_archive_that_was_not_stored_is_repeated_soon() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        world.memory().deaf = true;
        let mut terminal = Terminal::logged_in(&fleet, &world).await;
        let asked = terminal.asked_for_points(&[101]).await;
        terminal.answer_points(&asked, &[101]).await;
        pass(1).await;
        assert_eq!((terminal.archive_reads, world.memory().reports.len()), (2, 0), "found absent, written, read back");
        world.memory().deaf = false;
        for _ in ["10:15", "10:30", "10:45"] {
            let asked = terminal.asked_for_points(&[101]).await;
            terminal.answer_points(&asked, &[101]).await;
        }
        assert_eq!(terminal.archive_reads, 3, "once more at 10:17, and not again");
        assert_eq!(last_findings(&world), [(meter(1), ArchiveFinding::Matches)]);
    })
    .await;
}
