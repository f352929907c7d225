//! A concentrator whose archive names other meters than ours.

use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(a_foreign_archive_bills_nobody);

async fn a_foreign_archive_bills_nobody(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 3).await;
    court.read(rest).await;
    let [first, second, bystander] = &court.supplies[..] else { panic!("three meters") };
    for supply in &court.supplies {
        supply.open(rest, 1_000_000).await;
    }

    // Somebody swaps two meters while the link is down.
    let fate = &court.concentrators[0].fate;
    fate.drop_link(SignedDuration::from_secs(1));
    let mut archive = fate.archive();
    (archive[0].meter, archive[1].meter) = (archive[1].meter, archive[0].meter);
    assert!(fate.replace_archive(archive));
    for supply in [first, second] {
        eventually(SOON, "the foreign archive is found", async || {
            let alarm = ("foreign_archive".to_owned(), format!("meter:{}", supply.meter));
            court.alarms(rest).await.contains(&alarm).then_some(())
        })
        .await;
        assert_eq!(supply.shown(rest).await["identity"], "foreign");
    }

    let before = [first.balance(rest).await["available"].clone(), second.balance(rest).await["available"].clone()];
    let by_then = bystander.balance(rest).await["available"].as_i64().unwrap();
    for supply in [first, second] {
        let readings = supply.polled(rest, 3).await;
        assert!(readings.iter().all(|reading| reading["quality"] == "suspect"), "{readings:?}");
    }
    let after = [first.balance(rest).await["available"].clone(), second.balance(rest).await["available"].clone()];
    assert_eq!(before, after, "nobody pays for a reading that may be another's");
    assert!(bystander.balance(rest).await["available"].as_i64().unwrap() < by_then, "the others go on");

    rest.post(&format!("/concentrators/{}/archive/sync", court.concentrators[0].id), &json!({})).await;
    for (supply, before) in [first, second].into_iter().zip(before) {
        eventually(SOON, "its own readings cost again", async || {
            let charged = supply.balance(rest).await["available"].as_i64()? < before.as_i64()?;
            (charged && supply.shown(rest).await["identity"] == "verified").then_some(())
        })
        .await;
        let newest = supply.polled(rest, 1).await.pop().unwrap();
        assert_eq!(newest["quality"], "good");
        assert!(
            newest["total"].as_str().unwrap().parse::<domain::energy::Energy>().unwrap()
                <= supply.truth.registers().total
        );
    }
    let kinds: Vec<_> = court.alarms(rest).await.into_iter().map(|(kind, _)| kind).collect();
    assert!(!kinds.contains(&"foreign_archive".to_owned()), "{kinds:?}");
    head_end.audited().await;
}
