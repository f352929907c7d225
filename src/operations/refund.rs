//! Refunding money from a balance (退款): one transaction, durable before the answer, once per idempotency key.

use domain::{
    ids::{AccountId, RefundId},
    ledger::{self, Tender, TransactionKind},
    money::Money,
    vending::{self, NotRefunded, Undone},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account};
use utoipa::ToSchema;

use super::{
    Error, balance, books,
    books::Books,
    counter::{Counter, check_name},
    decide_relay, label, once,
    post::{Entry, post},
    receipt::Heading,
};
use crate::{app::App, changes::Changed};

/// Money to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundMoney {
    /// Whose it is.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// How much, in minor units; not more than is available.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// What it is in: the account's currency.
    pub currency: String,
    /// How it is paid out.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// The terminal that pays it out, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
    /// Why.
    pub reason: String,
}

/// What a refund came to. Stored with it, and the same for every repetition of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refund {
    /// The refund.
    #[schema(value_type = String)]
    pub refund_id: RefundId,
    /// Numbered together with those of vends.
    pub receipt_number: String,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// The account's number for people.
    pub account_number: String,
    /// What the amounts are in.
    pub currency: String,
    /// What is given back.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// How it is paid out.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// Where it is paid out.
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
    /// Why.
    pub reason: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Names as they were then; none on receipts of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub heading: Option<Heading>,
}

/// Refunds money. `true` beside the receipt: the key was used before with the same content, and this is its receipt.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn refund(app: &App, new: RefundMoney, key: &str, by: &str) -> Result<(Refund, bool), Error> {
    let account = new.account_id;
    let asked = once::Asked::new(account.site(), key, &("refund", &new))?;
    check_name("terminal", &new.terminal)?;
    let reason = label("reason", &new.reason)?;
    let (key, by, now, settings) = (key.to_owned(), by.to_owned(), app.clock.now(), app.settings.clone());
    let (receipt, done) = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, account)?;
            if let Some(repeated) = once::find(conn, &asked)? {
                return Ok((repeated, None));
            }
            store::fault::point("refund.locked");
            let undone = check(&books, &new)?;
            let counter = Counter::of(conn, &settings, account.site(), &new.terminal)?;
            let made = Made { counter: &counter, tender: new.tender, reason: &reason, key: &key, by: &by, now };
            let receipt = made.write(conn, &mut books.account, &undone)?;
            once::store(conn, &asked, &receipt, now)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            store::fault::point("refund.written");
            Ok::<_, Error>((receipt, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok((receipt, true)) };
    store::fault::point("refund.committed");
    // The money is out; what follows is a hint and may fail.
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought down to a refund");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Refund { refund: receipt.refund_id, account });
    Ok((receipt, false))
}

fn check(books: &Books, new: &RefundMoney) -> Result<Undone, Error> {
    if new.currency != books.account.currency {
        let detail = format!("the account is kept in {}", books.account.currency);
        return Err(Error::field("currency_mismatch", "currency", detail));
    }
    let (posted, available) = (books.account.posted, books.available()?);
    vending::refund(new.amount, books.account.state, posted, available).map_err(|refused| match refused {
        NotRefunded::AccountNotActive => Error::refused(refused.code(), refused.to_string()),
        _ => Error::field(refused.code(), "amount", refused.to_string()),
    })
}

/// Who pays a refund out, how, and why.
pub(super) struct Made<'a> {
    pub(super) counter: &'a Counter<'a>,
    pub(super) tender: Tender,
    pub(super) reason: &'a str,
    pub(super) key: &'a str,
    pub(super) by: &'a str,
    pub(super) now: Timestamp,
}

impl Made<'_> {
    /// Pays out all that is left of an account that ends.
    pub(super) fn rest(&self, conn: &mut Conn, account: &mut Account) -> Result<Refund, Error> {
        let (amount, none) = (account.posted, Money::ZERO);
        let undone = Undone { amount, balance_before: amount, balance_after: none, available_after: none };
        self.write(conn, account, &undone)
    }

    /// Writes the transaction and the refund with its receipt; the account's balance follows.
    pub(super) fn write(&self, conn: &mut Conn, account: &mut Account, undone: &Undone) -> Result<Refund, Error> {
        let site = account.id.site();
        let id: RefundId = store::ids::next(conn, site)?;
        let entry = Entry {
            kind: TransactionKind::Refund,
            key: format!("refund:{}", self.key),
            object: format!("refund:{id}"),
            postings: Vec::from_iter(ledger::refund(account.id, self.tender, undone.amount)),
        };
        let transaction_id = post(conn, account, entry, self.now)?;
        store::fault::point("refund.posted");
        let receipt_number = self.counter.receipt_number(conn)?;
        let receipt = Refund {
            refund_id: id,
            receipt_number,
            account_id: account.id,
            account_number: account.number.clone(),
            currency: account.currency.clone(),
            amount: undone.amount,
            tender: self.tender,
            terminal: self.counter.terminal().to_owned(),
            balance_before: undone.balance_before,
            balance_after: undone.balance_after,
            available_after: undone.available_after,
            reason: self.reason.to_owned(),
            created_at: self.now,
            heading: Some(Heading::of(conn, account)?),
        };
        let row = store::refund::Refund {
            id,
            account_id: account.id,
            transaction_id,
            terminal: self.counter.terminal().to_owned(),
            tender: self.tender,
            amount: undone.amount,
            balance_before: undone.balance_before,
            balance_after: undone.balance_after,
            receipt_number: receipt.receipt_number.clone(),
            operator_key: self.by.to_owned(),
            reason: self.reason.to_owned(),
            created_at: self.now,
            receipt: books::json(&receipt)?,
            shift_id: self.counter.shift(),
        };
        store::refund::insert(conn, &row)?;
        Ok(receipt)
    }
}
