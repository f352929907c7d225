//! Refunds (退款): money given back from balances, each with its receipt as it was answered. Append-only.

use std::ops::Range;

use diesel::prelude::*;
use domain::{
    ids::{AccountId, RefundId, ShiftId, SiteId, TransactionId},
    ledger::Tender,
    money::Money,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::refunds,
};

row! {
    /// A refund.
    pub struct Refund in refunds {
        /// Its identifier.
        pub id: RefundId,
        /// The account whose money it was.
        pub account_id: AccountId,
        /// The transaction that posted it.
        pub transaction_id: TransactionId,
        /// The counter that paid it out.
        pub terminal: String,
        /// How.
        pub tender: Tender,
        /// How much.
        pub amount: Money,
        /// Posted balance before.
        pub balance_before: Money,
        /// Posted balance after.
        pub balance_after: Money,
        /// From the same counter as those of vends.
        pub receipt_number: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// Why.
        pub reason: String,
        /// When it was paid out.
        pub created_at: Timestamp,
        /// The receipt as answered, JSON.
        pub receipt: String,
        /// The shift it passed through; none: its terminal is not registered.
        pub shift_id: Option<ShiftId>,
    }
}

/// Stores a refund.
///
/// # Errors
/// [`crate::Error::Unique`] `refunds_receipt_number`.
pub fn insert(conn: &mut Conn, new: &Refund) -> Result<()> {
    let values = (new, refunds::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(refunds::table).values(values).execute(c)).map(drop)
}

/// The refund with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: RefundId) -> Result<Refund> {
    let row =
        on!(conn, |c| refunds::table.find((val(id.site()), val(id))).select(Refund::as_select()).first(c).optional())?;
    found("refund", row)
}

/// All refunds of an account, the oldest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Vec<Refund>> {
    on!(conn, |c| refunds::table
        .filter(refunds::site_id.eq(val(account.site())))
        .filter(refunds::account_id.eq(val(account)))
        .order((refunds::created_at, refunds::id))
        .select(Refund::as_select())
        .load(c))
}

/// At most `limit` of a site's refunds made within a span and before one of them, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    within: Range<Timestamp>,
    before: Option<(Timestamp, RefundId)>,
    limit: i64,
) -> Result<Vec<Refund>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| refunds::table
        .filter(refunds::site_id.eq(val(site)))
        .filter(refunds::created_at.ge(val(within.start)).and(refunds::created_at.lt(val(within.end))))
        .filter(refunds::created_at.lt(val(at)).or(refunds::created_at.eq(val(at)).and(refunds::id.lt(val(id)))))
        .order((refunds::created_at.desc(), refunds::id.desc()))
        .limit(limit)
        .select(Refund::as_select())
        .load(c))
}
