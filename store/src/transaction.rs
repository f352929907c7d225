//! The ledger: what happened to an account's money, and the postings that say so. Append-only.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, SiteId, TransactionId},
    ledger::{LedgerAccount, Posting, TransactionKind},
    money::{Carry, Exact, Money},
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{postings, transactions},
};

row! {
    /// A transaction.
    pub struct Transaction in transactions {
        /// Its identifier.
        pub id: TransactionId,
        /// The account.
        pub account_id: AccountId,
        /// Its place among the account's: 1, 2, 3, .. See [`next_sequence`].
        pub sequence: i64,
        /// What it is about.
        pub kind: TransactionKind,
        /// Makes it happen once: unique within the site.
        pub key: String,
        /// The business object it came from.
        pub object: String,
        /// When it was made.
        pub at: Timestamp,
        /// Exact cost of the account's settled energy before; none where nothing was charged.
        pub cost_before: Option<Exact>,
        /// The same after.
        pub cost_after: Option<Exact>,
        /// The account's carry before.
        pub carry_before: Option<Carry>,
        /// The same after.
        pub carry_after: Option<Carry>,
        /// The account's posted balance after.
        pub balance_after: Money,
    }
}

row! {
    /// A posting where it stands.
    pub struct Entry in postings {
        /// The transaction it belongs to.
        pub transaction_id: TransactionId,
        /// Its place in that: 1, 2, ..
        pub line: i64,
        /// The ledger account that has less afterwards.
        pub from_account: LedgerAccount,
        /// The ledger account that has more afterwards.
        pub to_account: LedgerAccount,
        /// How much; above 0.
        pub amount: Money,
    }
}

impl Entry {
    /// The movement alone.
    #[must_use]
    pub fn posting(&self) -> Posting {
        Posting { from: self.from_account, to: self.to_account, amount: self.amount }
    }
}

/// The place of an account's next transaction. The account must be locked: see [`crate::account::lock`].
///
/// # Errors
/// Whatever the database answers.
pub fn next_sequence(conn: &mut Conn, account: AccountId) -> Result<i64> {
    let last: Option<i64> = on!(conn, |c| transactions::table
        .filter(transactions::site_id.eq(val(account.site())))
        .filter(transactions::account_id.eq(val(account)))
        .order(transactions::sequence.desc())
        .select(transactions::sequence)
        .first(c)
        .optional())?;
    Ok(last.unwrap_or(0) + 1)
}

/// Stores a transaction with its postings.
///
/// # Errors
/// [`crate::Error::Unique`] `transactions_key` where it happened already, `transactions_account_id_sequence` where the
/// account was not locked.
pub fn insert(conn: &mut Conn, new: &Transaction, movements: &[Posting]) -> Result<()> {
    let site = new.id.site();
    let values = (new, transactions::site_id.eq(val(site)));
    on!(conn, |c| diesel::insert_into(transactions::table).values(values).execute(c))?;
    let entries = (1_i64..).zip(movements).map(|(line, posting)| Entry {
        transaction_id: new.id,
        line,
        from_account: posting.from,
        to_account: posting.to,
        amount: posting.amount,
    });
    for entry in entries {
        let values = (&entry, postings::site_id.eq(val(site)));
        on!(conn, |c| diesel::insert_into(postings::table).values(values).execute(c))?;
    }
    Ok(())
}

/// The transaction with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: TransactionId) -> Result<Transaction> {
    let row = on!(conn, |c| transactions::table
        .find((val(id.site()), val(id)))
        .select(Transaction::as_select())
        .first(c)
        .optional())?;
    found("transaction", row)
}

/// A site's transaction with this key.
///
/// # Errors
/// Whatever the database answers.
pub fn by_key(conn: &mut Conn, site: SiteId, key: &str) -> Result<Option<Transaction>> {
    on!(conn, |c| transactions::table
        .filter(transactions::site_id.eq(val(site)))
        .filter(transactions::key.eq(key))
        .select(Transaction::as_select())
        .first(c)
        .optional())
}

/// At most `limit` of an account's transactions after a place (0: from the first), in their order.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId, after: i64, limit: i64) -> Result<Vec<Transaction>> {
    on!(conn, |c| transactions::table
        .filter(transactions::site_id.eq(val(account.site())))
        .filter(transactions::account_id.eq(val(account)))
        .filter(transactions::sequence.gt(after))
        .order(transactions::sequence)
        .limit(limit)
        .select(Transaction::as_select())
        .load(c))
}

/// At most `limit` of an account's transactions before a place, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn statement(conn: &mut Conn, account: AccountId, before: Option<i64>, limit: i64) -> Result<Vec<Transaction>> {
    on!(conn, |c| transactions::table
        .filter(transactions::site_id.eq(val(account.site())))
        .filter(transactions::account_id.eq(val(account)))
        .filter(transactions::sequence.lt(before.unwrap_or(i64::MAX)))
        .order(transactions::sequence.desc())
        .limit(limit)
        .select(Transaction::as_select())
        .load(c))
}

/// The movements of a transaction, in their order.
///
/// # Errors
/// Whatever the database answers.
pub fn postings(conn: &mut Conn, id: TransactionId) -> Result<Vec<Posting>> {
    let entries: Vec<Entry> = on!(conn, |c| postings::table
        .filter(postings::site_id.eq(val(id.site())))
        .filter(postings::transaction_id.eq(val(id)))
        .order(postings::line)
        .select(Entry::as_select())
        .load(c))?;
    Ok(entries.iter().map(Entry::posting).collect())
}

/// At most `limit` of a site's postings after one, by transaction and line.
///
/// # Errors
/// Whatever the database answers.
pub fn postings_page(
    conn: &mut Conn,
    site: SiteId,
    after: Option<(TransactionId, i64)>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let (transaction, line) = after.map_or((0, 0), |(transaction, line)| (transaction.get(), line));
    on!(conn, |c| postings::table
        .filter(postings::site_id.eq(val(site)))
        .filter(
            postings::transaction_id
                .gt(val(transaction))
                .or(postings::transaction_id.eq(val(transaction)).and(postings::line.gt(line))),
        )
        .order((postings::transaction_id, postings::line))
        .limit(limit)
        .select(Entry::as_select())
        .load(c))
}
