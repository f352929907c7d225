//! Payments in flight: money that customers are paying and that has not arrived yet.

use diesel::prelude::*;
use domain::{
    account::payment::Span,
    ids::{AccountId, PaymentId},
    ledger::Tender,
    money::Money,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::payments_in_flight,
};

row! {
    /// A payment that was announced.
    pub struct PaymentInFlight in payments_in_flight {
        /// Its identifier.
        pub id: PaymentId,
        /// The account that it is for.
        pub account_id: AccountId,
        /// How much; above 0.
        pub amount: Money,
        /// How the customer pays.
        pub tender: Tender,
        /// When it was announced.
        pub begun_at: Timestamp,
        /// Until when it holds a cut; its end where it ended before.
        pub holds_until: Timestamp,
        /// Prefix of the API key that announced it.
        pub operator_key: String,
    }
}

/// Stores a payment.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &PaymentInFlight) -> Result<()> {
    let values = (new, payments_in_flight::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(payments_in_flight::table).values(values).execute(c)).map(drop)
}

/// The payment with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`] where there is none.
pub fn by_id(conn: &mut Conn, id: PaymentId) -> Result<PaymentInFlight> {
    let key = (val(id.site()), val(id));
    on!(conn, |c| payments_in_flight::table.find(key).select(PaymentInFlight::as_select()).first(c))
}

/// A payment is over: it holds nothing from `now` on.
///
/// # Errors
/// Whatever the database answers.
pub fn end(conn: &mut Conn, id: PaymentId, now: Timestamp) -> Result<()> {
    let of_it = payments_in_flight::table.find((val(id.site()), val(id)));
    on!(conn, |c| diesel::update(of_it.filter(payments_in_flight::holds_until.gt(val(now))))
        .set(payments_in_flight::holds_until.eq(val(now)))
        .execute(c))
    .map(drop)
}

/// What payments of an account that were announced at `since` or later held, or will.
///
/// # Errors
/// Whatever the database answers.
pub fn spans(conn: &mut Conn, account: AccountId, since: Timestamp) -> Result<Vec<Span>> {
    let rows: Vec<PaymentInFlight> = on!(conn, |c| payments_in_flight::table
        .filter(payments_in_flight::site_id.eq(val(account.site())))
        .filter(payments_in_flight::account_id.eq(val(account)))
        .filter(payments_in_flight::begun_at.ge(val(since)))
        .select(PaymentInFlight::as_select())
        .load(c))?;
    Ok(rows.into_iter().map(|row| (row.begun_at, row.holds_until)).collect())
}

/// Until when payments hold an account's cut that began by `now`; none where none does.
///
/// # Errors
/// Whatever the database answers.
pub fn held_until(conn: &mut Conn, account: AccountId, now: Timestamp) -> Result<Option<Timestamp>> {
    let latest: Option<PaymentInFlight> = on!(conn, |c| payments_in_flight::table
        .filter(payments_in_flight::site_id.eq(val(account.site())))
        .filter(payments_in_flight::account_id.eq(val(account)))
        .filter(payments_in_flight::holds_until.gt(val(now)))
        // One of a clock that was ahead holds nothing.
        .filter(payments_in_flight::begun_at.le(val(now)))
        .order(payments_in_flight::holds_until.desc())
        .select(PaymentInFlight::as_select())
        .first(c)
        .optional())?;
    Ok(latest.map(|row| row.holds_until))
}
