//! What an acknowledged commit rests on.

use store::Durability;

use crate::support::{Database, HeadEnd, on_both};

on_both!(a_commit_is_on_disk_before_it_is_acknowledged);

async fn a_commit_is_on_disk_before_it_is_acknowledged(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let durability = head_end.app.db.durability().await.unwrap();
    let wanted = match database.url().split_once(':') {
        Some(("sqlite", _)) => Durability::SqliteSynchronous(2),
        _ => Durability::PostgresSynchronousCommit("on".to_owned()),
    };
    assert_eq!(durability, wanted);
    assert!(durability.is_full());
}
