//! One entry in the ledger of a locked account that is not about energy.

use domain::{
    bug::{Bug, is_planted},
    ids::TransactionId,
    ledger::{LedgerAccount, Posting, TransactionKind, balance_of},
};
use jiff::Timestamp;
use store::{Conn, account::Account, transaction::Transaction};

use super::Error;

/// What is entered.
pub struct Entry {
    /// What it is about.
    pub kind: TransactionKind,
    /// Makes it happen once: unique within the site.
    pub key: String,
    /// The business object it comes from.
    pub object: String,
    /// How the money moves; none: nothing does.
    pub postings: Vec<Posting>,
}

/// Posts an entry; the account's balance follows. The caller saves the account's row.
///
/// # Errors
/// A conflict where the key was used; the database fails.
pub fn post(conn: &mut Conn, account: &mut Account, entry: Entry, now: Timestamp) -> Result<TransactionId, Error> {
    let before = account.posted;
    account.posted = before + balance_of(LedgerAccount::Balance(account.id), &entry.postings);
    let forgets = entry.kind == TransactionKind::Vend && is_planted(Bug::ForgetBalanceAfter);
    let transaction = Transaction {
        id: store::ids::next(conn, account.id.site())?,
        account_id: account.id,
        sequence: store::transaction::next_sequence(conn, account.id)?,
        kind: entry.kind,
        key: entry.key,
        object: entry.object,
        at: now,
        cost_before: None,
        cost_after: None,
        carry_before: None,
        carry_after: None,
        balance_after: if forgets { before } else { account.posted },
    };
    store::transaction::insert(conn, &transaction, &entry.postings)?;
    Ok(transaction.id)
}
