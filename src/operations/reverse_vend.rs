//! Reversing a vend (冲正): all of its money goes back the way it came, once, in one transaction that is durable before the
//! answer. A client that does not know whether it sold withdraws the vend by its key.

use std::sync::Arc;

use domain::{
    bug::{Bug, is_planted},
    debt::Change,
    ids::{AccountId, ReversalId, VendId},
    ledger::{self, Tender, TransactionKind},
    money::Money,
    vending::{self, NotReversed, Sold, Undone},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Conn;
use utoipa::ToSchema;

use super::{
    Error, balance, books,
    books::Books,
    counter::{Counter, Seller, check_name},
    debts,
    decide_relay::{self, Reviewed},
    label, once,
    post::{Entry, post},
    receipt::Heading,
};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// How a vend is reversed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReverseVend {
    /// The terminal it is reversed at, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
    /// Why; needed where less than 0 would be available afterwards.
    pub reason: Option<String>,
}

/// That a vend was reversed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reversed {
    /// The reversal's receipt.
    pub receipt_number: String,
    /// Where it was reversed.
    pub terminal: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<store::reversal::Reversal> for Reversed {
    fn from(row: store::reversal::Reversal) -> Self {
        Self { receipt_number: row.receipt_number, terminal: row.terminal, reason: row.reason, at: row.created_at }
    }
}

/// What a reversal came to. Stored with it, and the same for every repetition of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reversal {
    /// The reversal.
    #[schema(value_type = String)]
    pub reversal_id: ReversalId,
    /// Numbered together with those of vends.
    pub receipt_number: String,
    /// The vend that it undoes.
    #[schema(value_type = String)]
    pub vend_id: VendId,
    /// The vend's receipt.
    pub vend_receipt_number: String,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// The account's number for people.
    pub account_number: String,
    /// What the amounts are in.
    pub currency: String,
    /// What is given back: all that was paid in.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// Tax contained in it.
    #[schema(value_type = i64)]
    pub tax: Money,
    /// The part of the vend that had recovered debt, which is owed again.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_restored: Money,
    /// How it is given back: as it was paid.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// Where it was reversed.
    pub terminal: String,
    /// The posted balance before.
    #[schema(value_type = i64)]
    pub balance_before: Money,
    /// The posted balance after.
    #[schema(value_type = i64)]
    pub balance_after: Money,
    /// Posted less accrued, after.
    #[schema(value_type = i64)]
    pub available_after: Money,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// When it was reversed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Names as they were then; none on receipts of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub heading: Option<Heading>,
}

/// A vend that its client does not know the end of, to be taken back whether it was made or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawVend {
    /// The account that the vend was for.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// The `Idempotency-Key` that the vend was, or will be, asked for with.
    #[schema(min_length = 1, max_length = 255)]
    pub vend_key: String,
    /// The terminal it is withdrawn at, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
    /// Why; needed where less than 0 would be available afterwards.
    pub reason: Option<String>,
}

/// What the withdrawal of a vend came to. Stored, and the same for every repetition of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Withdrawn {
    /// The reversal of the vend; none where nothing had been sold, and nothing will be under this key.
    pub reversal: Option<Reversal>,
}

/// Reverses a vend, as part of the shift of the terminal that does it. What another shift sold is undone by who
/// supervises. `true` beside the receipt: the key was used before with the same content, and this is its receipt.
///
/// # Errors
/// No such vend; a conflict where the key was used with other content or the vend was reversed under another key; a
/// refusal by the rule that stands against it.
pub async fn reverse(
    app: &App,
    id: VendId,
    how: ReverseVend,
    key: &str,
    seller: impl Into<Seller>,
) -> Result<(Reversal, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("reverse_vend", id, &how))?;
    let undoing = Undoing::new(app, how, key, seller.into())?;
    let (receipt, done) = app
        .db
        .write(move |conn| {
            if let Some(repeated) = once::find(conn, &asked)? {
                return Ok((repeated, None));
            }
            let vend = store::vend::by_id(conn, id)?;
            let mut books = Books::lock(conn, vend.account_id)?;
            // Whoever used the key meanwhile held the lock; look again now that it is ours.
            if let Some(repeated) = once::find(conn, &asked)? {
                return Ok((repeated, None));
            }
            store::fault::point("reversal.locked");
            let (receipt, reviewed) = undoing.undo(conn, &mut books, &vend)?;
            once::store(conn, &asked, &receipt, undoing.now)?;
            store::fault::point("reversal.written");
            Ok::<_, Error>((receipt, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some(done) = done else { return Ok((receipt, true)) };
    follow(app, &receipt, done).await;
    Ok((receipt, false))
}

/// Withdraws the vend that was, or will be, asked for with a key: one that was made is reversed, and one that was not never
/// will be. For a client that must be rid of a sale it does not know the end of, in whatever order its requests arrive.
/// `true`: the key was used before with the same content, and this is its answer.
///
/// # Errors
/// A conflict where a key was used for something else, or the vend was reversed already; a refusal by the rule that stands
/// against the reversal.
pub async fn withdraw(
    app: &App,
    what: WithdrawVend,
    key: &str,
    seller: impl Into<Seller>,
) -> Result<(Withdrawn, bool), Error> {
    let account = what.account_id;
    let asked = once::Asked::new(account.site(), key, &("withdraw_vend", &what))?;
    if !once::is_key(&what.vend_key) {
        return Err(Error::field("idempotency_key", "vend_key", "must be 1 to 255 visible ASCII characters"));
    }
    if key == what.vend_key {
        return Err(Error::field("key_of_its_own", "vend_key", "the withdrawal needs a key of its own"));
    }
    let WithdrawVend { vend_key, terminal, reason, .. } = what;
    let undoing = Undoing::new(app, ReverseVend { terminal, reason }, key, seller.into())?;
    let (answer, done) = app
        .db
        .write(move |conn| {
            // The vend holds this lock as well: it comes wholly before, or wholly after.
            let mut books = Books::lock(conn, account)?;
            if let Some(repeated) = once::find(conn, &asked)? {
                return Ok((repeated, None));
            }
            let made = match store::vend::by_key(conn, account.site(), &vend_key)? {
                Some(vend) if vend.account_id != account => {
                    return Err(Error::conflict(
                        "idempotency_key_reused",
                        "the vend of this vend_key is another account's",
                    ));
                }
                Some(vend) => Some(undoing.undo(conn, &mut books, &vend)?),
                // No money moves: that needs no shift.
                None => {
                    once::bar(conn, (account.site(), &vend_key), undoing.now)?;
                    None
                }
            };
            let (reversal, reviewed) = made.unzip();
            let answer = Withdrawn { reversal };
            once::store(conn, &asked, &answer, undoing.now)?;
            store::fault::point("withdrawal.written");
            Ok::<_, Error>((answer, Some(reviewed.map(|reviewed| (reviewed, books.hot())))))
        })
        .await?;
    let repeated = done.is_none();
    if let (Some(receipt), Some(done)) = (&answer.reversal, done.flatten()) {
        follow(app, receipt, done).await;
    }
    Ok((answer, repeated))
}

/// What follows the commit of a reversal.
async fn follow(app: &App, receipt: &Reversal, (reviewed, hot): (Reviewed, Update)) {
    store::fault::point("reversal.committed");
    let account = receipt.account_id;
    // The money is out; what follows is a hint and may fail.
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought down to a reversal");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Reversal { vend: receipt.vend_id, account });
}

/// How a vend is undone, and by whom.
struct Undoing {
    terminal: String,
    reason: Option<String>,
    key: String,
    seller: Seller,
    settings: Arc<Settings>,
    now: Timestamp,
}

impl Undoing {
    fn new(app: &App, how: ReverseVend, key: &str, seller: Seller) -> Result<Self, Error> {
        check_name("terminal", &how.terminal)?;
        let reason = how.reason.as_deref().map(|reason| label("reason", reason)).transpose()?;
        let (key, now) = (key.to_owned(), app.clock.now());
        Ok(Self { terminal: how.terminal, reason, key, seller, settings: app.settings.clone(), now })
    }

    /// Undoes a vend of the account whose row is locked, and decides over its supply.
    fn undo(
        &self,
        conn: &mut Conn,
        books: &mut Books,
        vend: &store::vend::Vend,
    ) -> Result<(Reversal, Reviewed), Error> {
        let reversed = store::reversal::of_vend(conn, vend.id)?.is_some();
        let recovered = store::debt_line::recovered_by(conn, vend.id)?;
        let counter = Counter::of(conn, &self.settings, vend.id.site(), &self.terminal)?;
        counter.check_seller(&self.seller)?;
        if counter.shift() != vend.shift_id && !self.seller.supervises {
            let detail = "another shift sold it: an operator must reverse it";
            return Err(Error::refused("supervisor_needed", detail));
        }
        let undone = check(books, (vend, recovered), reversed, self.reason.is_some())?;
        let (reason, by) = (self.reason.as_deref(), &self.seller.key);
        let made = Made { vend, recovered, counter: &counter, reason, key: &self.key, by, now: self.now };
        let receipt = made.write(conn, books, &undone, reversed)?;
        let reviewed = decide_relay::in_transaction(conn, &self.settings, books, None, self.now)?;
        Ok((receipt, reviewed))
    }
}

fn check(
    books: &Books,
    (vend, debt_recovered): (&store::vend::Vend, Money),
    reversed: bool,
    has_reason: bool,
) -> Result<Undone, Error> {
    let sold = Sold {
        amount: vend.amount,
        debt_recovered,
        reversed,
        state: books.account.state,
        balance: books.account.posted,
        available: books.available()?,
    };
    vending::reverse(&sold, has_reason).map_err(|refused| match refused {
        NotReversed::AlreadyReversed => Error::conflict(refused.code(), refused.to_string()),
        NotReversed::ReasonMissing { .. } => Error::field(refused.code(), "reason", refused.to_string()),
        NotReversed::AccountNotActive | NotReversed::BalanceTooSmall => {
            Error::refused(refused.code(), refused.to_string())
        }
    })
}

struct Made<'a> {
    vend: &'a store::vend::Vend,
    /// The debt that the vend recovered.
    recovered: Money,
    counter: &'a Counter<'a>,
    reason: Option<&'a str>,
    key: &'a str,
    by: &'a str,
    now: Timestamp,
}

impl Made<'_> {
    /// Writes the transaction and the reversal with its receipt.
    fn write(&self, conn: &mut Conn, books: &mut Books, undone: &Undone, reversed: bool) -> Result<Reversal, Error> {
        let (account, site) = (books.account.id, books.account.id.site());
        let id: ReversalId = store::ids::next(conn, site)?;
        let entry = Entry {
            kind: TransactionKind::Reversal,
            key: format!("reversal:{}", self.key),
            object: format!("reversal:{id}"),
            postings: [
                ledger::reversal(account, self.vend.tender, undone.amount),
                ledger::debt_recovery(account, -self.recovered),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        let transaction_id = post(conn, &mut books.account, entry, self.now)?;
        let owed_again = if is_planted(Bug::ForgetRestoredDebt) { Money::ZERO } else { self.recovered };
        let (change, amount, reason) = (Change::Restored, owed_again, self.reason);
        let (by, now) = (self.by, self.now);
        debts::Changing { change, amount, posted: transaction_id, vend: Some(self.vend.id), reason, by, now }
            .write(conn, &mut books.account)?;
        store::fault::point("reversal.posted");
        let receipt_number = self.counter.receipt_number(conn)?;
        let receipt = Reversal {
            reversal_id: id,
            receipt_number,
            vend_id: self.vend.id,
            vend_receipt_number: self.vend.receipt_number.clone(),
            account_id: account,
            account_number: books.account.number.clone(),
            currency: books.account.currency.clone(),
            amount: undone.amount,
            tax: self.vend.tax,
            debt_restored: self.recovered,
            tender: self.vend.tender,
            terminal: self.counter.terminal().to_owned(),
            balance_before: undone.balance_before,
            balance_after: undone.balance_after,
            available_after: undone.available_after,
            reason: self.reason.map(str::to_owned),
            created_at: self.now,
            heading: Some(Heading::of(conn, &books.account)?),
        };
        let row = store::reversal::Reversal {
            id,
            vend_id: self.vend.id,
            account_id: account,
            transaction_id,
            terminal: self.counter.terminal().to_owned(),
            tender: self.vend.tender,
            amount: undone.amount,
            balance_before: undone.balance_before,
            balance_after: undone.balance_after,
            receipt_number: receipt.receipt_number.clone(),
            operator_key: self.by.to_owned(),
            reason: self.reason.map(str::to_owned),
            created_at: self.now,
            receipt: books::json(&receipt)?,
            shift_id: self.counter.shift(),
        };
        // A second row is what the database refuses: the planted bug posts without one.
        if !reversed {
            store::reversal::insert(conn, &row)?;
        }
        Ok(receipt)
    }
}
