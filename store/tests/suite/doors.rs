//! The two doors: transactions, limits, durability, and which schemas are let in.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicU32, Ordering},
    mpsc,
};

use domain::{
    ids::{AccountId, SiteId},
    money::Money,
    notice::Language,
};
use store::{Conn, Db, DbSettings, Durability, Error, account, customer, ids, site, tariff};

use crate::support::{Base, found_town, new_account, new_site, settings};

fn add_customer(conn: &mut Conn, site: SiteId) -> store::Result<()> {
    let id = ids::next(conn, site)?;
    let new = customer::Customer { id, name: "Wang".to_owned(), phone: None, language: Language::En, version: 1 };
    customer::insert(conn, &new)
}

fn add_tariff(conn: &mut Conn, site: SiteId) -> store::Result<()> {
    let id = ids::next(conn, site)?;
    tariff::insert(conn, &tariff::Tariff { id, name: "Second".to_owned() })
}

on_both! {
    async fn a_refusal_undoes_every_noun_of_the_transaction(base) {
        let town = base.town().await;
        let refused: Result<(), Error> = base.db.write(move |conn| {
            add_customer(conn, town.site)?;
            add_tariff(conn, town.site)?;
            Err(Error::Stale)
        }).await;
        assert_eq!(refused, Err(Error::Stale));
        let left = base.db.read(move |conn| {
            Ok::<_, Error>((customer::page(conn, town.site, None, 9)?.len(), tariff::page(conn, town.site, None, 9)?.len()))
        });
        assert_eq!(left.await, Ok((1, 1)));
    }

    async fn a_savepoint_undoes_only_what_is_in_it(base) {
        let town = base.town().await;
        let inner = move |conn: &mut Conn| -> Result<(), Error> {
            add_customer(conn, town.site)?;
            Err(Error::Stale)
        };
        base.run(move |conn| {
            add_tariff(conn, town.site)?;
            assert_eq!(conn.transaction(inner), Err(Error::Stale));
            Ok(())
        }).await.unwrap();
        assert_eq!(base.run(move |conn| customer::page(conn, town.site, None, 9)).await.unwrap().len(), 1);
        assert_eq!(base.run(move |conn| tariff::page(conn, town.site, None, 9)).await.unwrap().len(), 2);
    }

    async fn a_panic_undoes_the_transaction_and_the_next_one_works(base) {
        let town = base.town().await;
        let db = base.db.clone();
        let panicked = tokio::spawn(async move {
            db.write(move |conn| {
                add_customer(conn, town.site)?;
                assert_eq!(1, 2, "on purpose");
                Ok::<_, Error>(())
            }).await
        });
        assert!(panicked.await.unwrap_err().is_panic());
        for _ in 0..20 {
            assert_eq!(base.run(move |conn| customer::page(conn, town.site, None, 9)).await.unwrap().len(), 1);
        }
    }

    async fn a_commit_is_durable(base) {
        let durability = base.db.durability().await.unwrap();
        let wanted = match base.url.starts_with("sqlite:") {
            true => Durability::SqliteSynchronous(2),
            false => Durability::PostgresSynchronousCommit("on".to_owned()),
        };
        assert_eq!(durability, wanted);
        assert!(durability.is_full());
    }

    async fn waiting_longer_than_the_limit_is_refused_as_busy(base) {
        let db = Db::open(&DbSettings { pool_size: 1, acquire_timeout_ms: 50, ..settings(&base.url) }).unwrap();
        let (let_go, held) = mpsc::channel::<()>();
        let (taken, is_taken) = mpsc::channel::<()>();
        let first = db.clone();
        let holder = tokio::spawn(async move {
            first.read(move |_| {
                taken.send(()).unwrap();
                held.recv().unwrap();
                Ok::<_, Error>(())
            }).await
        });
        tokio::task::spawn_blocking(move || is_taken.recv().unwrap()).await.unwrap();
        assert_eq!(db.read(|conn| site::page(conn, None, 1)).await, Err(Error::Busy));
        let_go.send(()).unwrap();
        assert_eq!(holder.await.unwrap(), Ok(()));
        assert_eq!(db.read(|conn| site::page(conn, None, 1)).await, Ok(Vec::new()));
    }

    async fn the_account_row_lets_one_change_at_a_time_through(base) {
        let town = base.town().await;
        let all: Vec<_> = (0..32).map(|_| {
            let db = base.db.clone();
            tokio::spawn(async move {
                db.write(move |conn| {
                    let mut row = account::lock(conn, town.account)?;
                    row.posted = row.posted + Money::new(1);
                    account::save(conn, &row)
                }).await
            })
        }).collect();
        for one in all {
            assert_eq!(one.await.unwrap(), Ok(()));
        }
        let row = base.run(move |conn| account::by_id(conn, town.account)).await.unwrap();
        assert_eq!((row.posted, row.version), (Money::new(32), 33));
    }

    async fn an_account_is_saved_only_as_it_was_locked(base) {
        let town = base.town().await;
        let stale = base.run(move |conn| {
            let before = account::lock(conn, town.account)?;
            account::lock(conn, town.account)?;
            account::save(conn, &before)
        }).await;
        assert_eq!(stale, Err(Error::Stale));
        let unknown = AccountId::new(town.site, 1 << 40).unwrap();
        assert_eq!(
            base.run(move |conn| account::lock(conn, unknown)).await,
            Err(Error::NotFound { noun: "account" })
        );
    }

    async fn a_database_with_a_newer_schema_is_refused(base) {
        assert_eq!(base.db.check_schema().await, Ok(()));
        base.console("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')").unwrap();
        for refusal in [base.db.check_schema().await, base.db.migrate().await] {
            let Err(Error::Schema { found, wanted }) = refusal else { panic!("{refusal:?}") };
            assert!(found.ends_with("0032, 9999"), "{found}");
            assert!(wanted.ends_with("0032"), "{wanted}");
        }
    }

    async fn a_half_migrated_database_is_refused(base) {
        base.console("DELETE FROM __diesel_schema_migrations WHERE version = '0032'").unwrap();
        let Err(Error::Schema { found, .. }) = base.db.check_schema().await else { panic!("let in") };
        assert!(found.ends_with("0031"), "{found}");
    }

    async fn rows_that_the_rules_do_not_know_are_named(base) {
        base.town().await;
        base.console("UPDATE sites SET automatic_disconnection = 'sometimes'").unwrap();
        let Err(Error::Corrupt { what }) = base.run(|conn| site::page(conn, None, 9)).await else { panic!("read") };
        assert!(what.contains("sometimes"), "{what}");
    }
}

#[tokio::test]
async fn an_empty_sqlite_file_is_refused_until_it_is_migrated() {
    empty_is_refused(Base::empty_sqlite()).await;
}

#[tokio::test]
async fn an_empty_postgresql_database_is_refused_until_it_is_migrated() {
    empty_is_refused(Base::empty_postgres()).await;
}

async fn empty_is_refused(base: Base) {
    let Err(Error::Schema { found, .. }) = base.db.check_schema().await else { panic!("let in") };
    assert_eq!(found, "none");
    assert_eq!(base.db.migrate().await, Ok(()));
    assert_eq!(base.db.migrate().await, Ok(()), "a second time nothing is left to do");
    assert_eq!(base.db.check_schema().await, Ok(()));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["", "mysql://host/db", "sqlite:", "/var/lib/wattgate.db"] {
        assert!(matches!(Db::open(&settings(url)), Err(Error::Open { .. })), "{url}");
    }
    assert!(matches!(Db::open(&settings("sqlite:/no/such/folder/at/all.db")), Err(Error::Open { .. })));
}

/// Two transactions take two accounts in opposite order, both holding one before either asks for the other.
#[tokio::test]
async fn a_deadlock_on_postgresql_is_run_again() {
    let base = Base::postgres().await;
    let town = base.town().await;
    let second: AccountId = base
        .run(move |conn| {
            let id = ids::next(conn, town.site)?;
            account::insert(conn, &new_account(id, town.customer, town.tariff, "0002"))?;
            Ok(id)
        })
        .await
        .unwrap();
    let both_hold = Arc::new(Barrier::new(2));
    let attempts = Arc::new(AtomicU32::new(0));
    let orders = [[town.account, second], [second, town.account]];
    let tasks: Vec<_> = orders
        .into_iter()
        .map(|[first, then]| {
            let (db, both_hold, attempts) = (base.db.clone(), Arc::clone(&both_hold), Arc::clone(&attempts));
            tokio::spawn(async move {
                db.write(move |conn| {
                    account::lock(conn, first)?;
                    if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
                        both_hold.wait();
                    }
                    account::lock(conn, then).map(drop)
                })
                .await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert!(attempts.load(Ordering::SeqCst) >= 3, "nothing was run again");
}

/// A second program on the same file holds its lock: the first one waits, then says that the database is busy.
#[tokio::test]
async fn a_locked_sqlite_file_is_busy_and_later_it_is_not() {
    let base = Base::sqlite().await;
    let impatient = DbSettings { busy_timeout_ms: 20, write_retries: 1, ..settings(&base.url) };
    let other = Db::open(&impatient).unwrap();
    let (let_go, held) = mpsc::channel::<()>();
    let (taken, is_taken) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let first = base.db.clone();
    let holder = tokio::spawn(async move {
        first
            .write(move |_| {
                taken.send(()).unwrap();
                held.lock().unwrap().recv().unwrap();
                Ok::<_, Error>(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || is_taken.recv().unwrap()).await.unwrap();
    let enter = |conn: &mut Conn| site::insert(conn, &new_site(SiteId::new(7).unwrap()));
    assert_eq!(other.write(enter).await, Err(Error::Busy));
    let_go.send(()).unwrap();
    holder.await.unwrap().unwrap();
    assert_eq!(other.write(enter).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_inline_database_works_on_a_paused_clock_without_moving_it() {
    let db = Db::inline().unwrap();
    assert_eq!(db.check_schema().await, Ok(()));
    let before = tokio::time::Instant::now();
    for number in 1..=20 {
        db.write(move |conn| found_town(conn, number)).await.unwrap();
    }
    let sites = db.read(|conn| site::page(conn, None, 100)).await.unwrap();
    assert_eq!((sites.len(), tokio::time::Instant::now()), (20, before));
}

#[tokio::test(start_paused = true)]
async fn the_inline_database_outlives_a_panic_in_a_transaction() {
    let db = Db::inline().unwrap();
    let inside = db.clone();
    let panicked = tokio::spawn(async move {
        inside
            .write(|conn| {
                found_town(conn, 1)?;
                assert_eq!(1, 2, "on purpose");
                Ok::<_, Error>(())
            })
            .await
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(db.read(|conn| site::page(conn, None, 9)).await, Ok(Vec::new()));
    db.write(|conn| found_town(conn, 1)).await.unwrap();
    assert_eq!(db.read(|conn| site::page(conn, None, 9)).await.unwrap().len(), 1);
}
