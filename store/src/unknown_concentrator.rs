//! Addresses that logged in and stand in no archive.

use diesel::prelude::*;
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::unknown_concentrators,
};

row! {
    /// An address that logged in and stands in no archive.
    pub struct UnknownConcentrator in unknown_concentrators {
        /// Administrative code A1, four digits.
        pub region: String,
        /// Terminal address A2.
        pub terminal: u16,
        /// Network address it last came from.
        pub peer: String,
        /// When it first logged in.
        pub first_seen_at: Timestamp,
        /// When it last logged in.
        pub last_seen_at: Timestamp,
        /// How often it logged in.
        pub attempts: i64,
    }
}

/// Counts a login. Where `most` addresses are listed already, a further one is not.
///
/// # Errors
/// Whatever the database answers.
pub fn record(conn: &mut Conn, region: &str, terminal: u16, peer: &str, now: Timestamp, most: i64) -> Result<()> {
    let known = on!(conn, |c| diesel::update(unknown_concentrators::table.find((region, val(terminal))))
        .set((
            unknown_concentrators::peer.eq(peer),
            unknown_concentrators::last_seen_at.eq(val(now)),
            unknown_concentrators::attempts.eq(unknown_concentrators::attempts + 1),
        ))
        .execute(c))?;
    let listed: i64 = on!(conn, |c| unknown_concentrators::table.count().get_result(c))?;
    if known > 0 || listed >= most {
        return Ok(());
    }
    let new = UnknownConcentrator {
        region: region.to_owned(),
        terminal,
        peer: peer.to_owned(),
        first_seen_at: now,
        last_seen_at: now,
        attempts: 1,
    };
    // Two logins at once: the second finds the row there and is not counted.
    on!(conn, |c| diesel::insert_into(unknown_concentrators::table).values(&new).on_conflict_do_nothing().execute(c))
        .map(drop)
}

/// At most `limit` of them after one, by address.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, after: Option<(String, u16)>, limit: i64) -> Result<Vec<UnknownConcentrator>> {
    let (region, terminal) = after.unwrap_or_default();
    on!(conn, |c| unknown_concentrators::table
        .filter(
            unknown_concentrators::region
                .gt(&region)
                .or(unknown_concentrators::region.eq(&region).and(unknown_concentrators::terminal.gt(val(terminal)))),
        )
        .order((unknown_concentrators::region, unknown_concentrators::terminal))
        .limit(limit)
        .select(UnknownConcentrator::as_select())
        .load(c))
}

/// Takes an address off the list: it was entered in the archive.
///
/// # Errors
/// Whatever the database answers.
pub fn forget(conn: &mut Conn, region: &str, terminal: u16) -> Result<()> {
    on!(conn, |c| diesel::delete(unknown_concentrators::table.find((region, val(terminal)))).execute(c)).map(drop)
}
