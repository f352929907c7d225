//! The model test: random sequences of everything that an office, a counter and the field do to accounts, over virtual
//! months, against a simple model that reckons every balance anew. After each step the program has the model's balances to the
//! fen; at the end its ledger sums to zero and its audit finds nothing.
//!
//! `WATTGATE_MODEL_SEQUENCES=20000` runs more of them, `WATTGATE_MODEL_FIRST=4711` begins with another seed.

mod books;
mod counter;
mod deeds;
mod sequence;
mod tariffs;
mod truth;

use std::{env, thread};

use store::Db;
use wattgate::audit;

use self::sequence::Sequence;
use crate::support::Database;

/// Sequences on SQLite in memory.
const SQLITE: u64 = 1_000;
/// Sequences on PostgreSQL and Redis.
const POSTGRES: u64 = 50;
/// Rows the audit reads at once.
const AUDIT_ROWS: i64 = 100;
/// Threads that share those on SQLite.
const THREADS: u64 = 2;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn first() -> u64 {
    number("WATTGATE_MODEL_FIRST", 0)
}

#[test]
fn any_sequence_of_operations_leaves_the_models_balances_on_sqlite() {
    let (first, sequences) = (first(), number("WATTGATE_MODEL_SEQUENCES", SQLITE));
    thread::scope(|scope| {
        for part in 0..THREADS {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    for seed in (first..first + sequences).filter(|seed| seed % THREADS == part) {
                        let db = Db::inline().unwrap();
                        Sequence::run(seed, "[hot]\nkind = \"in_process\"\n", db.clone(), 1).await;
                        audited(&db).await;
                    }
                });
            });
        }
    });
}

#[actix_web::test]
async fn any_sequence_of_operations_leaves_the_models_balances_on_postgres() {
    let database = Database::postgres();
    let settings = wattgate::settings::read(Some(&database.toml()), None).unwrap();
    let db = Db::open(&settings.database).unwrap();
    let sequences = number("WATTGATE_MODEL_SEQUENCES", SQLITE) * POSTGRES / SQLITE;
    for nth in 0..sequences {
        Sequence::run(first() + nth, &database.toml(), db.clone(), u16::try_from(nth + 1).unwrap()).await;
    }
    audited(&db).await;
}

/// Every balance is replayed from readings and postings, and nothing differs.
async fn audited(db: &Db) {
    let audit = db.read(|conn| audit::all(conn, AUDIT_ROWS)).await.unwrap();
    assert!(audit.accounts > 0 && audit.differences.is_empty(), "{:#?}", audit.differences);
}
