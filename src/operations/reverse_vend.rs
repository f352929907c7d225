//! Reversing a vend (冲正): all of its money goes back the way it came, once, in one transaction that is durable before the
//! answer.

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
    debts, decide_relay, label, once,
    post::{Entry, post},
    receipt::Heading,
};
use crate::{app::App, changes::Changed};

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
    check_name("terminal", &how.terminal)?;
    let reason = how.reason.as_deref().map(|reason| label("reason", reason)).transpose()?;
    let (key, seller, now) = (key.to_owned(), seller.into(), app.clock.now());
    let (terminal, settings) = (how.terminal, app.settings.clone());
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
            let reversed = store::reversal::of_vend(conn, id)?.is_some();
            let recovered = store::debt_line::recovered_by(conn, id)?;
            let counter = Counter::of(conn, &settings, id.site(), &terminal)?;
            counter.check_seller(&seller)?;
            if counter.shift() != vend.shift_id && !seller.supervises {
                let detail = "another shift sold it: an operator must reverse it";
                return Err(Error::refused("supervisor_needed", detail));
            }
            let undone = check(&books, (&vend, recovered), reversed, reason.is_some())?;
            let reason = reason.as_deref();
            let made = Made { vend: &vend, recovered, counter: &counter, reason, key: &key, by: &seller.key, now };
            let receipt = made.write(conn, &mut books, &undone, reversed)?;
            once::store(conn, &asked, &receipt, now)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            store::fault::point("reversal.written");
            Ok::<_, Error>((receipt, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok((receipt, true)) };
    store::fault::point("reversal.committed");
    let account = receipt.account_id;
    // The money is out; what follows is a hint and may fail.
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought down to a reversal");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Reversal { vend: id, account });
    Ok((receipt, false))
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
