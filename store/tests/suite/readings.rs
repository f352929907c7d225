//! Readings: stored in batches, once per key, and found by time.

use domain::{
    energy::Energy,
    ids::ReadingId,
    reading::{Kind, Quality},
};
use jiff::Timestamp;
use proptest::prelude::*;
use store::{Conn, Db, Error, ids, reading};

use crate::support::{Base, Town, at, found_town, new_reading};

fn add(conn: &mut Conn, town: Town, second: i64, kind: Kind, quality: Quality) -> store::Result<ReadingId> {
    let id = ids::next(conn, town.site)?;
    let row = reading::Reading { quality, ..new_reading(id, town.meter, at(second), kind, second) };
    reading::insert_batch(conn, &[row])?;
    Ok(id)
}

on_both! {
    async fn a_batch_tells_which_readings_were_new(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let ids: Vec<ReadingId> = ids::many(conn, town.site, 2200)?;
            let rows: Vec<_> = (0..).zip(&ids)
                .map(|(minute, id)| new_reading(*id, town.meter, at(1 + minute % 2000), Kind::Instant, minute))
                .collect();
            let stored = reading::insert_batch(conn, &rows)?;
            assert_eq!(stored, ids.iter().take(2000).copied().collect());
            let again = reading::Reading { id: ids::next(conn, town.site)?, ..rows.first().unwrap().clone() };
            assert!(reading::insert_batch(conn, &[again])?.is_empty());
            assert!(reading::insert_batch(conn, &[])?.is_empty());
            Ok(())
        }).await.unwrap();
    }

    async fn a_reading_comes_back_with_every_register(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let id = ids::next(conn, town.site)?;
            let row = reading::Reading {
                unwrapped: Energy::new(10_000_000_001),
                sharp: Some(Energy::new(1)),
                deep_valley: Some(Energy::new(5)),
                reverse: Some(Energy::new(6)),
                copied_at: Some(at(99)),
                reason: Some("k7d2: read by eye".to_owned()),
                ..new_reading(id, town.meter, at(60), Kind::Manual, 1)
            };
            reading::insert_batch(conn, std::slice::from_ref(&row))?;
            assert_eq!(reading::by_id(conn, id)?, row);
            assert_eq!(reading::live_at(conn, town.meter, at(60), Kind::Manual)?, Some(row.clone()));
            assert_eq!(reading::live_at(conn, town.meter, at(60), Kind::Instant)?, None);
            assert_eq!(row.registers().periods, [Some(1), Some(1), None, None, Some(5)].map(|one| one.map(Energy::new)));
            Ok(())
        }).await.unwrap();
    }

    async fn one_key_has_one_live_reading_and_any_number_beside_it(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let suspect = add(conn, town, 60, Kind::Instant, Quality::Suspect)?;
            add(conn, town, 60, Kind::Instant, Quality::Conflict)?;
            add(conn, town, 60, Kind::Instant, Quality::Conflict)?;
            reading::set_quality(conn, suspect, Quality::Superseded, Some("a later one came"))?;
            assert_eq!(reading::live_at(conn, town.meter, at(60), Kind::Instant)?, None);
            let good = add(conn, town, 60, Kind::Instant, Quality::Good)?;
            assert_eq!(reading::live_at(conn, town.meter, at(60), Kind::Instant)?.map(|row| row.id), Some(good));
            let second = conn.transaction(|conn| reading::set_quality(conn, suspect, Quality::Good, None));
            assert_eq!(second, Err(Error::Unique { constraint: "readings_meter_id_as_of_kind".to_owned() }));
            assert_eq!(reading::page(conn, town.meter, Some(at(1)), None, None, 9)?.len(), 4);
            Ok(())
        }).await.unwrap();
    }

    async fn only_what_may_cost_money_is_a_neighbour(base) {
        let town = base.town().await;
        base.run(move |conn| {
            for (second, kind, quality) in [
                (10, Kind::Instant, Quality::Good),
                (20, Kind::Instant, Quality::Suspect),
                (30, Kind::Manual, Quality::Estimated),
                (40, Kind::Final, Quality::Estimated),
                (50, Kind::DailyFreeze, Quality::Conflict),
                (60, Kind::DailyFreeze, Quality::Good),
                (70, Kind::Instant, Quality::Superseded),
            ] {
                add(conn, town, second, kind, quality)?;
            }
            let around = |conn: &mut Conn, second| {
                let (before, after) = reading::neighbours(conn, town.meter, at(second))?;
                Ok::<_, Error>((before.map(|row| row.as_of), after.map(|row| row.as_of)))
            };
            assert_eq!(around(conn, 35)?, (Some(at(10)), Some(at(40))));
            assert_eq!(around(conn, 40)?, (Some(at(10)), Some(at(60))));
            assert_eq!(around(conn, 0)?, (None, Some(at(10))));
            assert_eq!(around(conn, 99)?, (Some(at(60)), None));
            assert_eq!(reading::latest_good(conn, town.meter)?.map(|row| row.as_of), Some(at(60)));
            let between = reading::good_between(conn, town.meter, at(10), at(60))?;
            assert_eq!(between.iter().map(|row| row.as_of).collect::<Vec<_>>(), [at(10), at(40), at(60)]);
            let known = reading::known_between(conn, town.meter, at(10), at(60))?;
            let counts = |row: &reading::Reading| (row.id, row.as_of, row.kind, row.unwrapped);
            let same: Vec<_> = known.iter().map(|one| (one.id, one.as_of, one.kind, one.total)).collect();
            assert_eq!(same, between.iter().map(counts).collect::<Vec<_>>());
            assert_eq!(reading::withdraw_after(conn, town.meter, at(10), "in_the_future")?, 2);
            assert_eq!(reading::latest_good(conn, town.meter)?.map(|row| row.as_of), Some(at(10)));
            Ok(())
        }).await.unwrap();
    }

    async fn held_freezes_are_listed_per_concentrator(base) {
        base.run(|conn| {
            let (town, other) = (found_town(conn, 1)?, found_town(conn, 2)?);
            for (second, kind, quality) in [
                (100, Kind::DailyFreeze, Quality::Good),
                (200, Kind::DailyFreeze, Quality::Suspect),
                (300, Kind::DailyFreeze, Quality::Superseded),
                (400, Kind::Instant, Quality::Good),
            ] {
                add(conn, town, second, kind, quality)?;
            }
            add(conn, other, 200, Kind::DailyFreeze, Quality::Good)?;
            add(conn, town, 500, Kind::DailyFreeze, Quality::Good)?;
            let all = reading::freezes_since(conn, town.concentrator, at(0))?;
            assert_eq!(all, [(town.meter, at(100)), (town.meter, at(500))], "a suspect one is asked for again");
            assert_eq!(reading::freezes_since(conn, town.concentrator, at(101))?.len(), 1);
            Ok(())
        }).await.unwrap();
    }

    async fn a_page_of_readings_goes_on_where_the_last_one_ended(base) {
        let town = base.town().await;
        base.run(move |conn| {
            for second in [10, 20, 20, 20, 30] {
                add(conn, town, second, Kind::Instant, Quality::Conflict)?;
            }
            let (from, to) = (Some(at(10)), Some(at(30)));
            let first = reading::page(conn, town.meter, from, to, None, 2)?;
            let last = first.last().map(|row| (row.as_of, row.id));
            let rest = reading::page(conn, town.meter, from, to, last, 9)?;
            assert_eq!((first.len(), rest.len()), (2, 2), "to is not included");
            assert!(rest.iter().all(|row| !first.contains(row)));
            Ok(())
        }).await.unwrap();
    }
}

/// Stores readings at these instants and reads them back by time.
async fn round_trip(db: &Db, number: i64, instants: Vec<Timestamp>) -> store::Result<Vec<Timestamp>> {
    db.write(move |conn| {
        let town = found_town(conn, number)?;
        let ids: Vec<ReadingId> = ids::many(conn, town.site, instants.len())?;
        let rows: Vec<_> = ids
            .into_iter()
            .zip(&instants)
            .map(|(id, as_of)| {
                let row = new_reading(id, town.meter, *as_of, Kind::LoadProfile, 0);
                reading::Reading { quality: Quality::Conflict, ..row }
            })
            .collect();
        reading::insert_batch(conn, &rows)?;
        let back = reading::page(conn, town.meter, None, None, None, 1000)?;
        let back = back.into_iter().filter(|row| row.kind == Kind::LoadProfile).map(|row| row.as_of);
        Ok(back.collect())
    })
    .await
}

/// Every instant of the calendar from 1970 on, to the microsecond, comes back from both databases, in order.
#[test]
fn instants_come_back_in_order_and_to_the_microsecond() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bases = runtime.block_on(async { [Base::sqlite().await, Base::postgres().await] });
    let last = Timestamp::MAX.as_microsecond();
    let number = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(mut stored in proptest::collection::vec(1..last, 1..40))| {
        number.set(number.get() + 1);
        let instants: Vec<_> = stored.iter().map(|us| Timestamp::from_microsecond(*us).unwrap()).collect();
        stored.sort_unstable();
        for base in &bases {
            let back = runtime.block_on(round_trip(&base.db, number.get(), instants.clone())).unwrap();
            prop_assert_eq!(back.iter().map(|at| at.as_microsecond()).collect::<Vec<_>>(), stored.clone());
        }
    });
}
