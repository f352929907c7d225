//! What accounts owe apart from their balances (旧欠): a line for each change, in the order in which they came. Append-only.

use std::collections::BTreeSet;

use diesel::prelude::*;
use domain::{
    debt::{Change, Terms},
    ids::{AccountId, DebtLineId, TransactionId, VendId},
    money::Money,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::debt_lines,
};

row! {
    /// A change of what an account owes.
    pub struct DebtLine in debt_lines {
        /// Its identifier; it grows.
        pub id: DebtLineId,
        /// The account that owes.
        pub account_id: AccountId,
        /// The transaction that posted it.
        pub transaction_id: TransactionId,
        /// What happened.
        pub change: Change,
        /// How much; above 0.
        pub amount: Money,
        /// What is owed after it.
        pub owed_after: Money,
        /// See [`Terms::share_ppm`]; only where a debt was entered.
        pub share_ppm: Option<u32>,
        /// See [`Terms::weekly_cap`].
        pub weekly_cap: Option<Money>,
        /// The vend that recovered it, or whose reversal restored it.
        pub vend_id: Option<VendId>,
        /// Why, where somebody said so.
        pub reason: Option<String>,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// When.
        pub created_at: Timestamp,
    }
}

/// Stores a line.
///
/// # Errors
/// [`crate::Error::Unique`] `debt_lines_vend_id_change` where the vend recovered, or was reversed, before.
pub fn insert(conn: &mut Conn, new: &DebtLine) -> Result<()> {
    let values = (new, debt_lines::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(debt_lines::table).values(values).execute(c)).map(drop)
}

/// The line that a transaction of an account posted, if it did.
///
/// # Errors
/// Whatever the database answers.
pub fn of_transaction(conn: &mut Conn, account: AccountId, posted: TransactionId) -> Result<Option<DebtLine>> {
    on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(account.site())))
        .filter(debt_lines::account_id.eq(val(account)))
        .filter(debt_lines::transaction_id.eq(val(posted)))
        .select(DebtLine::as_select())
        .first(c)
        .optional())
}

/// How what an account owes is recovered: as the newest debt says; none where none was ever entered.
///
/// # Errors
/// Whatever the database answers.
pub fn terms(conn: &mut Conn, account: AccountId) -> Result<Option<Terms>> {
    let newest: Option<DebtLine> = on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(account.site())))
        .filter(debt_lines::account_id.eq(val(account)))
        .filter(debt_lines::share_ppm.is_not_null())
        .order(debt_lines::id.desc())
        .select(DebtLine::as_select())
        .first(c)
        .optional())?;
    Ok(newest.and_then(|line| Some(Terms { share_ppm: line.share_ppm?, weekly_cap: line.weekly_cap })))
}

/// What an account's vends recovered since an instant, without those that were reversed.
///
/// # Errors
/// Whatever the database answers.
pub fn recovered_since(conn: &mut Conn, account: AccountId, since: Timestamp) -> Result<Money> {
    let lines: Vec<DebtLine> = on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(account.site())))
        .filter(debt_lines::account_id.eq(val(account)))
        .filter(debt_lines::vend_id.is_not_null())
        .filter(debt_lines::created_at.ge(val(since)))
        .select(DebtLine::as_select())
        .load(c))?;
    let of = |change| lines.iter().filter(move |line: &&DebtLine| line.change == change);
    let restored: BTreeSet<Option<VendId>> = of(Change::Restored).map(|line| line.vend_id).collect();
    Ok(of(Change::Recovered).filter(|line| !restored.contains(&line.vend_id)).map(|line| line.amount).sum())
}

/// What a vend recovered.
///
/// # Errors
/// Whatever the database answers.
pub fn recovered_by(conn: &mut Conn, vend: VendId) -> Result<Money> {
    let amount: Option<Money> = on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(vend.site())))
        .filter(debt_lines::vend_id.eq(val(Some(vend))))
        .filter(debt_lines::change.eq(val(Change::Recovered)))
        .select(debt_lines::amount)
        .first(c)
        .optional())?;
    Ok(amount.unwrap_or_default())
}

/// All lines of an account, the oldest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Vec<DebtLine>> {
    on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(account.site())))
        .filter(debt_lines::account_id.eq(val(account)))
        .order(debt_lines::id)
        .select(DebtLine::as_select())
        .load(c))
}

/// At most `limit` of an account's lines before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, account: AccountId, before: Option<DebtLineId>, limit: i64) -> Result<Vec<DebtLine>> {
    on!(conn, |c| debt_lines::table
        .filter(debt_lines::site_id.eq(val(account.site())))
        .filter(debt_lines::account_id.eq(val(account)))
        .filter(debt_lines::id.lt(val(before.map_or(i64::MAX, DebtLineId::get))))
        .order(debt_lines::id.desc())
        .limit(limit)
        .select(DebtLine::as_select())
        .load(c))
}
