//! Receipts of vends printed again (重印). Append-only.

use diesel::{dsl::max, prelude::*};
use domain::ids::VendId;
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::reprints,
};

row! {
    /// A reprint.
    pub struct Reprint in reprints {
        /// The vend whose receipt was printed again.
        pub vend_id: VendId,
        /// 1, 2, 3, .. for each vend.
        pub number: i64,
        /// The counter or machine that printed.
        pub terminal: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// When.
        pub created_at: Timestamp,
    }
}

/// The number of a vend's last reprint, 0 where there is none. For the next one, the vend's account must be locked: see
/// [`crate::account::lock`].
///
/// # Errors
/// Whatever the database answers.
pub fn last(conn: &mut Conn, vend: VendId) -> Result<i64> {
    let last: Option<i64> = on!(conn, |c| reprints::table
        .filter(reprints::site_id.eq(val(vend.site())))
        .filter(reprints::vend_id.eq(val(vend)))
        .select(max(reprints::number))
        .first(c))?;
    Ok(last.unwrap_or(0))
}

/// Stores a reprint.
///
/// # Errors
/// [`crate::Error::Unique`] where the account was not locked.
pub fn insert(conn: &mut Conn, new: &Reprint) -> Result<()> {
    let values = (new, reprints::site_id.eq(val(new.vend_id.site())));
    on!(conn, |c| diesel::insert_into(reprints::table).values(values).execute(c)).map(drop)
}

/// All reprints of a vend, the first one first: as many as the settings allow at most.
///
/// # Errors
/// Whatever the database answers.
pub fn of_vend(conn: &mut Conn, vend: VendId) -> Result<Vec<Reprint>> {
    on!(conn, |c| reprints::table
        .filter(reprints::site_id.eq(val(vend.site())))
        .filter(reprints::vend_id.eq(val(vend)))
        .order(reprints::number)
        .select(Reprint::as_select())
        .load(c))
}
