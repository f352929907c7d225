//! A concentrator whose archive names other meters than ours.

use domain::energy::Energy;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Court, Database, FEN_PER_KWH, HeadEnd, Rest, SOON, Supply, eventually, on_both};

on_both!(an_archive_swapped_while_the_link_was_down_bills_nobody, an_archive_swapped_under_a_live_session_bills_nobody,);

/// What each customer brings along, in fen.
const CREDIT: i64 = 1_000_000;

/// Enters three meters with open accounts; what had flowed through each meter when its account was opened.
async fn opened(head_end: &HeadEnd) -> (Court, Vec<Energy>) {
    let court = Court::enter(head_end, 3).await;
    court.read(&head_end.rest).await;
    let mut flowed = Vec::new();
    for supply in &court.supplies {
        // Before the reading that opens the account, which shows tens of Wh only.
        flowed.push(supply.truth.true_energy() - Energy::new(100));
        supply.open(&head_end.rest, CREDIT).await;
    }
    (court, flowed)
}

/// Somebody swaps the first two meters in the concentrator's archive.
fn swap(court: &Court) {
    let fate = &court.concentrators[0].fate;
    let mut archive = fate.archive();
    (archive[0].meter, archive[1].meter) = (archive[1].meter, archive[0].meter);
    assert!(fate.replace_archive(archive));
}

async fn available(supply: &Supply, rest: &Rest) -> i64 {
    supply.balance(rest).await["available"].as_i64().unwrap()
}

/// Our archive goes over the foreign one, and each customer pays again, but never more than for what flowed.
async fn put_right(court: &Court, rest: &Rest, flowed: &[Energy]) {
    rest.post(&format!("/concentrators/{}/archive/sync", court.concentrators[0].id), &json!({})).await;
    for (supply, flowed) in court.supplies.iter().zip(flowed) {
        let before = available(supply, rest).await;
        eventually(SOON, "its own readings cost again", async || {
            let verified = supply.shown(rest).await["identity"] == "verified";
            (verified && available(supply, rest).await < before).then_some(())
        })
        .await;
        let used = CREDIT - available(supply, rest).await;
        let most = (supply.truth.true_energy() - *flowed).get() * FEN_PER_KWH / 10_000 + 1;
        assert!(used <= most, "charged {used} fen, {most} fen flowed");
    }
}

async fn an_archive_swapped_while_the_link_was_down_bills_nobody(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let (court, flowed) = opened(&head_end).await;
    let [first, second, bystander] = &court.supplies[..] else { panic!("three meters") };
    court.concentrators[0].fate.drop_link(SignedDuration::from_secs(1));
    swap(&court);
    for supply in [first, second] {
        eventually(SOON, "the foreign archive is found", async || {
            let alarm = ("foreign_archive".to_owned(), format!("meter:{}", supply.meter));
            court.alarms(rest).await.contains(&alarm).then_some(())
        })
        .await;
        assert_eq!(supply.shown(rest).await["identity"], "foreign");
    }

    let before = [available(first, rest).await, available(second, rest).await, available(bystander, rest).await];
    for supply in [first, second] {
        let readings = supply.polled(rest, 3).await;
        assert!(readings.iter().all(|reading| reading["quality"] != "good"), "{readings:?}");
    }
    let after = [available(first, rest).await, available(second, rest).await, available(bystander, rest).await];
    assert_eq!(before[..2], after[..2], "nobody pays for a reading that may be another's");
    assert!(after[2] < before[2], "the others go on");

    put_right(&court, rest, &flowed).await;
    let kinds: Vec<_> = court.alarms(rest).await.into_iter().map(|(kind, _)| kind).collect();
    assert!(!kinds.contains(&"foreign_archive".to_owned()), "{kinds:?}");
    head_end.audited().await;
}

async fn an_archive_swapped_under_a_live_session_bills_nobody(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let (court, flowed) = opened(&head_end).await;
    swap(&court);
    for supply in &court.supplies[..2] {
        eventually(SOON, "another's register is doubted", async || {
            let alarm = ("suspect_reading".to_owned(), format!("meter:{}", supply.meter));
            court.alarms(rest).await.contains(&alarm).then_some(())
        })
        .await;
    }
    put_right(&court, rest, &flowed).await;
    head_end.audited().await;
}
