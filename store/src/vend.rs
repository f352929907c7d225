//! Vends (售电): money paid in, with the receipt as it was answered. Append-only.

use std::ops::Range;

use diesel::{dsl::exists, prelude::*};
use domain::{
    ids::{AccountId, ShiftId, SiteId, TransactionId, VendId},
    ledger::Tender,
    money::Money,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{receipt_counters, reversals, vends},
    search::begins,
};

row! {
    /// A vend.
    pub struct Vend in vends {
        /// Its identifier.
        pub id: VendId,
        /// Idempotency key made by the client; unique within the site, for ever.
        pub key: String,
        /// SHA-256 of what was asked, hexadecimal.
        pub content_hash: String,
        /// The account it was paid to.
        pub account_id: AccountId,
        /// The transaction that posted it.
        pub transaction_id: TransactionId,
        /// The counter or machine that sold.
        pub terminal: String,
        /// How it was paid.
        pub tender: Tender,
        /// How much.
        pub amount: Money,
        /// Tax contained in it.
        pub tax: Money,
        /// Posted balance before.
        pub balance_before: Money,
        /// Posted balance after.
        pub balance_after: Money,
        /// Unique within the site.
        pub receipt_number: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// When it was sold.
        pub created_at: Timestamp,
        /// The receipt as answered, JSON.
        pub receipt: String,
        /// The shift it passed through; none: its terminal is not registered.
        pub shift_id: Option<ShiftId>,
    }
}

/// The number of a terminal's next receipt, of a vend or a reversal: 1, 2, 3, .. without gaps, since it is given back with
/// the transaction. Other receipts of the terminal wait for the transaction's end.
///
/// # Errors
/// Whatever the database answers.
pub fn next_receipt(conn: &mut Conn, site: SiteId, terminal: &str) -> Result<i64> {
    let first = (
        receipt_counters::site_id.eq(val(site)),
        receipt_counters::terminal.eq(terminal),
        receipt_counters::last.eq(1_i64),
    );
    on!(conn, |c| diesel::insert_into(receipt_counters::table)
        .values(first)
        .on_conflict((receipt_counters::site_id, receipt_counters::terminal))
        .do_update()
        .set(receipt_counters::last.eq(receipt_counters::last + 1))
        .returning(receipt_counters::last)
        .get_result(c))
}

/// Terminals that are not registered and gave receipts, whose names are `name`, a hyphen and something.
///
/// # Errors
/// Whatever the database answers.
pub fn unregistered_after(conn: &mut Conn, site: SiteId, name: &str) -> Result<Vec<String>> {
    let wanted = begins(&format!("{name}-"));
    on!(conn, |c| receipt_counters::table
        .filter(receipt_counters::site_id.eq(val(site)))
        .filter(receipt_counters::terminal.like(&wanted).escape('!'))
        .select(receipt_counters::terminal)
        .load(c))
}

/// Stores a vend.
///
/// # Errors
/// [`crate::Error::Unique`] `vends_key` where it was sold already, `vends_receipt_number`.
pub fn insert(conn: &mut Conn, new: &Vend) -> Result<()> {
    let values = (new, vends::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(vends::table).values(values).execute(c)).map(drop)
}

/// The vend with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: VendId) -> Result<Vend> {
    let row =
        on!(conn, |c| vends::table.find((val(id.site()), val(id))).select(Vend::as_select()).first(c).optional())?;
    found("vend", row)
}

/// A site's vend with this idempotency key.
///
/// # Errors
/// Whatever the database answers.
pub fn by_key(conn: &mut Conn, site: SiteId, key: &str) -> Result<Option<Vend>> {
    on!(conn, |c| vends::table
        .filter(vends::site_id.eq(val(site)))
        .filter(vends::key.eq(key))
        .select(Vend::as_select())
        .first(c)
        .optional())
}

/// The last vend of a terminal.
///
/// # Errors
/// Whatever the database answers.
pub fn last_of_terminal(conn: &mut Conn, site: SiteId, terminal: &str) -> Result<Option<Vend>> {
    on!(conn, |c| vends::table
        .filter(vends::site_id.eq(val(site)))
        .filter(vends::terminal.eq(terminal))
        .order((vends::created_at.desc(), vends::id.desc()))
        .select(Vend::as_select())
        .first(c)
        .optional())
}

/// At most `limit` of an account's vends before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(
    conn: &mut Conn,
    account: AccountId,
    before: Option<(Timestamp, VendId)>,
    limit: i64,
) -> Result<Vec<Vend>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| vends::table
        .filter(vends::site_id.eq(val(account.site())))
        .filter(vends::account_id.eq(val(account)))
        .filter(vends::created_at.lt(val(at)).or(vends::created_at.eq(val(at)).and(vends::id.lt(val(id)))))
        .order((vends::created_at.desc(), vends::id.desc()))
        .limit(limit)
        .select(Vend::as_select())
        .load(c))
}

/// At most `limit` of a site's vends made within a span and before one of them, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    within: Range<Timestamp>,
    before: Option<(Timestamp, VendId)>,
    limit: i64,
) -> Result<Vec<Vend>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| vends::table
        .filter(vends::site_id.eq(val(site)))
        .filter(vends::created_at.ge(val(within.start)).and(vends::created_at.lt(val(within.end))))
        .filter(vends::created_at.lt(val(at)).or(vends::created_at.eq(val(at)).and(vends::id.lt(val(id)))))
        .order((vends::created_at.desc(), vends::id.desc()))
        .limit(limit)
        .select(Vend::as_select())
        .load(c))
}

/// What one API key sold since an instant, without what was reversed.
///
/// # Errors
/// Whatever the database answers.
pub fn sold_by(conn: &mut Conn, site: SiteId, operator_key: &str, since: Timestamp) -> Result<Money> {
    let amounts: Vec<Money> = on!(conn, |c| vends::table
        .filter(vends::site_id.eq(val(site)))
        .filter(vends::operator_key.eq(operator_key))
        .filter(vends::created_at.ge(val(since)))
        .filter(diesel::dsl::not(exists(
            reversals::table.filter(reversals::site_id.eq(vends::site_id)).filter(reversals::vend_id.eq(vends::id)),
        )))
        .select(vends::amount)
        .load(c))?;
    Ok(amounts.into_iter().sum())
}
