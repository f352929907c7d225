//! Identifiers: never twice, whoever asks and however transactions end.

use std::collections::BTreeSet;

use domain::ids::{AccountId, MeterId, SiteId};
use store::{Db, Error, ids};

use crate::support::{Base, settings};

/// Takes identifiers in 60 transactions of which every third is undone; gives those of the others.
fn take(db: &Db, site: SiteId, thread: usize) -> Vec<MeterId> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut kept = Vec::new();
    for round in 0..60 {
        let undone = (round + thread).is_multiple_of(3);
        let taken = runtime.block_on(db.write(move |conn| {
            let mut taken: Vec<MeterId> = ids::many(conn, site, 1 + (round * 7 + thread) % 90)?;
            taken.push(ids::next(conn, site)?);
            if undone { Err(Error::Stale) } else { Ok(taken) }
        }));
        match taken {
            Ok(taken) => kept.extend(taken),
            Err(error) => assert_eq!(error, Error::Stale),
        }
    }
    kept
}

on_both! {
    /// Four threads of one program and four of another on the same database.
    async fn no_identifier_is_given_twice_under_eight_threads(base) {
        let site = base.town().await.site;
        let programs = [base.db.clone(), Db::open(&settings(&base.url)).unwrap()];
        let threads: Vec<_> = (0..8).map(|thread| {
            let db = programs.get(thread % 2).unwrap().clone();
            std::thread::spawn(move || take(&db, site, thread))
        }).collect();
        let all: Vec<MeterId> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(all.len() > 8 * 40 * 20, "{}", all.len());
        assert!(all.iter().all(|id| id.site() == site));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    async fn identifiers_asked_for_together_rise(base) {
        let site = base.town().await.site;
        let taken: Vec<AccountId> = base.run(move |conn| ids::many(conn, site, 2500)).await.unwrap();
        assert!(taken.is_sorted() && taken.len() == 2500);
        let none: Vec<AccountId> = base.run(move |conn| ids::many(conn, site, 0)).await.unwrap();
        assert!(none.is_empty());
    }

    async fn an_identifier_that_is_given_later_is_higher_whoever_asked_before(base) {
        let site = base.town().await.site;
        let mut last = 0;
        for round in 0..40_usize {
            let many: Vec<AccountId> = base.run(move |conn| ids::many(conn, site, 1 + round * 97 % 1300)).await.unwrap();
            let one: MeterId = base.run(move |conn| ids::next(conn, site)).await.unwrap();
            let undone = base.db.write(move |conn| {
                ids::many::<MeterId>(conn, site, 1200)?;
                Err::<(), _>(Error::Stale)
            });
            assert_eq!(undone.await, Err(Error::Stale));
            assert!(many.first().unwrap().get() > last, "round {round}");
            assert!(one.get() > many.last().unwrap().get(), "round {round}");
            last = one.get();
        }
    }

    async fn a_site_that_is_not_there_has_no_identifiers(base) {
        let nowhere = SiteId::new(99).unwrap();
        let refused = base.run(move |conn| ids::next::<AccountId>(conn, nowhere)).await;
        assert_eq!(refused, Err(Error::NotFound { noun: "site" }));
    }
}

/// On SQLite nobody commits while another writes.
#[tokio::test]
async fn a_transaction_that_began_first_is_given_higher_identifiers_than_one_that_committed_meanwhile() {
    let base = Base::postgres().await;
    let site = base.town().await.site;
    let db = base.db.clone();
    let given = base.run(move |conn| {
        let first: MeterId = ids::next(conn, site)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // It needs a block of its own, and waits for nobody.
        let many = db.write(move |conn| ids::many::<MeterId>(conn, site, 1500));
        let meanwhile = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(many)).join().unwrap())?;
        Ok((first, meanwhile, ids::next::<MeterId>(conn, site)?))
    });
    let (first, meanwhile, then) = given.await.unwrap();
    assert!(first < *meanwhile.first().unwrap() && *meanwhile.last().unwrap() < then);
}
