//! The store on both databases. Every test takes a database of its own, migrated.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[macro_use]
mod support;

mod accounts;
mod archive;
mod doors;
mod ids;
mod ledger;
mod notices;
mod orders;
mod readings;
mod schema;
