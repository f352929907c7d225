//! Subsidies to many accounts at once: the batch, and its lines as they are posted.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, BatchCreditId, TransactionId},
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{batch_credit_lines, batch_credits},
};

/// How far a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Not posted yet.
    Waiting,
    /// Posted.
    Posted,
    /// The account could not be credited any more.
    Refused,
}

row! {
    /// A batch.
    pub struct BatchCredit in batch_credits {
        /// Its identifier.
        pub id: BatchCreditId,
        /// What the amounts are in.
        pub currency: String,
        /// Who gives it, and why.
        pub reason: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// When it was asked.
        pub created_at: Timestamp,
        /// Grows by one with every [`lock`].
        pub version: i64,
    }
}

row! {
    /// A line of a batch.
    pub struct Line in batch_credit_lines {
        /// The batch.
        pub batch_id: BatchCreditId,
        /// Its place in it, from 1.
        pub line: i64,
        /// The account.
        pub account_id: AccountId,
        /// How much; above 0.
        pub amount: Money,
        /// How far it has come.
        pub state: LineState,
        /// The transaction that posted it.
        pub transaction_id: Option<TransactionId>,
        /// Why it was refused.
        pub detail: Option<String>,
    }
}

/// Stores a batch with its lines.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &BatchCredit, lines: &[Line]) -> Result<()> {
    let site = new.id.site();
    let values = (new, batch_credits::site_id.eq(val(site)));
    on!(conn, |c| diesel::insert_into(batch_credits::table).values(values).execute(c))?;
    for line in lines {
        let values = (line, batch_credit_lines::site_id.eq(val(site)));
        on!(conn, |c| diesel::insert_into(batch_credit_lines::table).values(values).execute(c))?;
    }
    Ok(())
}

/// The batch with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: BatchCreditId) -> Result<BatchCredit> {
    let row = on!(conn, |c| batch_credits::table
        .find((val(id.site()), val(id)))
        .select(BatchCredit::as_select())
        .first(c)
        .optional())?;
    found("batch credit", row)
}

/// Holds a batch until the transaction ends, so that one posts its lines at a time.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: BatchCreditId) -> Result<BatchCredit> {
    let row = on!(conn, |c| diesel::update(batch_credits::table.find((val(id.site()), val(id))))
        .set(batch_credits::version.eq(batch_credits::version + 1))
        .returning(BatchCredit::as_returning())
        .get_result(c)
        .optional())?;
    found("batch credit", row)
}

/// All lines of a batch, in their order.
///
/// # Errors
/// Whatever the database answers.
pub fn lines(conn: &mut Conn, id: BatchCreditId) -> Result<Vec<Line>> {
    on!(conn, |c| batch_credit_lines::table
        .filter(batch_credit_lines::site_id.eq(val(id.site())))
        .filter(batch_credit_lines::batch_id.eq(val(id)))
        .order(batch_credit_lines::line)
        .select(Line::as_select())
        .load(c))
}

/// At most `limit` lines that wait, by account, so that two batches lock accounts in the same order.
///
/// # Errors
/// Whatever the database answers.
pub fn waiting(conn: &mut Conn, id: BatchCreditId, limit: i64) -> Result<Vec<Line>> {
    on!(conn, |c| batch_credit_lines::table
        .filter(batch_credit_lines::site_id.eq(val(id.site())))
        .filter(batch_credit_lines::batch_id.eq(val(id)))
        .filter(batch_credit_lines::state.eq(val(LineState::Waiting)))
        .order(batch_credit_lines::account_id)
        .limit(limit)
        .select(Line::as_select())
        .load(c))
}

/// Stores how far a line has come.
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, line: &Line) -> Result<()> {
    on!(conn, |c| diesel::update(batch_credit_lines::table.find((
        val(line.batch_id.site()),
        val(line.batch_id),
        line.line
    )))
    .set((
        batch_credit_lines::state.eq(val(line.state)),
        batch_credit_lines::transaction_id.eq(val(line.transaction_id)),
        batch_credit_lines::detail.eq(line.detail.clone()),
    ))
    .execute(c))
    .map(drop)
}
