//! Reversals (冲正): vends undone, each with its receipt as it was answered. Append-only.

use std::ops::Range;

use diesel::prelude::*;
use domain::{
    ids::{AccountId, ReversalId, ShiftId, SiteId, TransactionId, VendId},
    ledger::Tender,
    money::Money,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::reversals,
};

row! {
    /// A reversal.
    pub struct Reversal in reversals {
        /// Its identifier.
        pub id: ReversalId,
        /// The vend that it undoes; unique.
        pub vend_id: VendId,
        /// The account that was paid.
        pub account_id: AccountId,
        /// The transaction that posted it.
        pub transaction_id: TransactionId,
        /// The counter or machine that reversed.
        pub terminal: String,
        /// How the money is given back: as it was paid.
        pub tender: Tender,
        /// How much: all of the vend.
        pub amount: Money,
        /// Posted balance before.
        pub balance_before: Money,
        /// Posted balance after.
        pub balance_after: Money,
        /// From the same counter as those of vends.
        pub receipt_number: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// Why, where somebody said so.
        pub reason: Option<String>,
        /// When it was reversed.
        pub created_at: Timestamp,
        /// The receipt as answered, JSON.
        pub receipt: String,
        /// The shift it passed through; none: its terminal is not registered.
        pub shift_id: Option<ShiftId>,
    }
}

/// Stores a reversal.
///
/// # Errors
/// [`crate::Error::Unique`] `reversals_vend_id` where the vend was reversed already, `reversals_receipt_number`.
pub fn insert(conn: &mut Conn, new: &Reversal) -> Result<()> {
    let values = (new, reversals::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(reversals::table).values(values).execute(c)).map(drop)
}

/// The reversal with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ReversalId) -> Result<Reversal> {
    let row = on!(conn, |c| reversals::table
        .find((val(id.site()), val(id)))
        .select(Reversal::as_select())
        .first(c)
        .optional())?;
    found("reversal", row)
}

/// The reversal of a vend.
///
/// # Errors
/// Whatever the database answers.
pub fn of_vend(conn: &mut Conn, vend: VendId) -> Result<Option<Reversal>> {
    on!(conn, |c| reversals::table
        .filter(reversals::site_id.eq(val(vend.site())))
        .filter(reversals::vend_id.eq(val(vend)))
        .select(Reversal::as_select())
        .first(c)
        .optional())
}

/// All reversals of an account, the oldest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Vec<Reversal>> {
    on!(conn, |c| reversals::table
        .filter(reversals::site_id.eq(val(account.site())))
        .filter(reversals::account_id.eq(val(account)))
        .order((reversals::created_at, reversals::id))
        .select(Reversal::as_select())
        .load(c))
}

/// At most `limit` of a site's reversals made within a span and before one of them, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    within: Range<Timestamp>,
    before: Option<(Timestamp, ReversalId)>,
    limit: i64,
) -> Result<Vec<Reversal>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| reversals::table
        .filter(reversals::site_id.eq(val(site)))
        .filter(reversals::created_at.ge(val(within.start)).and(reversals::created_at.lt(val(within.end))))
        .filter(reversals::created_at.lt(val(at)).or(reversals::created_at.eq(val(at)).and(reversals::id.lt(val(id)))))
        .order((reversals::created_at.desc(), reversals::id.desc()))
        .limit(limit)
        .select(Reversal::as_select())
        .load(c))
}
