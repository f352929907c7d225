//! Vending (售电): one transaction, durable before the answer, once per idempotency key.

use domain::{
    bug::{Bug, is_planted},
    calendar::{day_of, midnight},
    debt::Change,
    ids::{AccountId, VendId},
    ledger::{self, Tender, TransactionKind},
    money::Money,
    notice::Notice,
    relay::Cause,
    vending::{self, Facts, Refused, Split},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Conn;
use utoipa::ToSchema;

use super::{
    Error, balance, books,
    books::Books,
    counter::{Counter, Seller},
    debts, decide_relay, notices, once,
    post::{Entry, post},
    receipt::Heading,
};
use crate::{app::App, changes::Changed, settings::Settings};

/// A vend to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vend {
    /// The account it is for.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// What is paid in, in minor units.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
    /// What the amount is in; must be the account's currency.
    pub currency: String,
    /// How it is paid: `cash`, `wechat`, `alipay`, `bank` or `card`.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// The terminal it is made at, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
}

/// What a vend came to. Stored with it, and the same for every repetition of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The vend.
    #[schema(value_type = String)]
    pub vend_id: VendId,
    /// Gapless in the terminal's shift: `terminal-shift-n`; `terminal-n` where the terminal is not registered.
    pub receipt_number: String,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// The account's number for people.
    pub account_number: String,
    /// What the amounts are in.
    pub currency: String,
    /// What was paid in.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// Tax contained in it.
    #[schema(value_type = i64)]
    pub tax: Money,
    /// The part of the amount that recovered debt.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_recovered: Money,
    /// The debt still owed after.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_left: Money,
    /// How it was paid.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// Where it was made.
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
    /// Whether supply comes back, or stays, with it: there is enough, and nothing but credit keeps it cut.
    pub restores: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Names as they were then; none on receipts of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub heading: Option<Heading>,
}

/// What a vend would come to. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Trial {
    /// What the amounts are in.
    pub currency: String,
    /// What would be paid in.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// Tax contained in it.
    #[schema(value_type = i64)]
    pub tax: Money,
    /// The part of the amount that would recover debt.
    #[schema(value_type = i64)]
    pub debt_recovered: Money,
    /// The debt still owed after.
    #[schema(value_type = i64)]
    pub debt_left: Money,
    /// The posted balance before.
    #[schema(value_type = i64)]
    pub balance_before: Money,
    /// The posted balance after.
    #[schema(value_type = i64)]
    pub balance_after: Money,
    /// Posted less accrued, after.
    #[schema(value_type = i64)]
    pub available_after: Money,
    /// Whether supply would come back, or stay, with it.
    pub restores: bool,
}

/// Makes a vend. `true` beside the receipt: the key was used before with the same content, and this is its receipt.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn vend(app: &App, vend: Vend, key: &str, seller: impl Into<Seller>) -> Result<(Receipt, bool), Error> {
    let (key, seller, now) = (key.to_owned(), seller.into(), app.clock.now());
    let settings = app.settings.clone();
    let account = vend.account_id;
    let trusted = if is_planted(Bug::TrustHotBalance) { app.hot.get(account).await?.account } else { None };
    let content_hash = once::content_hash(&vend)?;
    let (receipt, done) = app
        .db
        .write(move |conn| {
            let sold = is_planted(Bug::ForgetKey) && store::vend::by_key(conn, account.site(), &key)?.is_some();
            let key = if sold { format!("{key} again at {now}") } else { key.clone() };
            if let Some(repeated) = repeated(conn, &vend, &key, &content_hash)? {
                return Ok((repeated, None));
            }
            let mut books = Books::lock(conn, vend.account_id)?;
            // Whoever used the key meanwhile held the lock; look again now that it is ours.
            if let Some(repeated) = repeated(conn, &vend, &key, &content_hash)? {
                return Ok((repeated, None));
            }
            store::fault::point("vend.locked");
            if let Some(hot) = &trusted {
                books.account.posted = hot.posted;
            }
            let mut counter = Counter::of(conn, &settings, account.site(), &vend.terminal)?;
            counter.check_seller(&seller)?;
            counter.lock_credit(conn)?;
            let by = seller.key.as_str();
            let sold = sold_today(conn, &settings, &books, by, now)?;
            let split = check(conn, &settings, (&books, &counter), &vend, sold, now)?;
            let made = Made { vend: &vend, counter: &counter, key: &key, content_hash: &content_hash, by, now };
            let receipt = made.write(conn, &mut books, &split)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, Some(receipt.vend_id), now)?;
            store::fault::point("vend.written");
            Ok::<_, Error>((receipt, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok((receipt, true)) };
    store::fault::point("vend.committed");
    // The money is in; what follows is a hint and may fail.
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought up to a vend");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Vend { vend: receipt.vend_id, account });
    Ok((receipt, false))
}

/// All checks of a vend and what it would come to, with nothing stored.
///
/// # Errors
/// A refusal by the rule that stands against it.
pub async fn trial(app: &App, vend: Vend, seller: Seller) -> Result<Trial, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    app.db
        .snapshot(move |conn| {
            let row = store::account::by_id(conn, vend.account_id)?;
            let books = Books::load(conn, row)?;
            let counter = Counter::of(conn, &settings, vend.account_id.site(), &vend.terminal)?;
            counter.check_seller(&seller)?;
            let sold = sold_since_midnight(conn, &books, &seller.key, now)?;
            let split = check(conn, &settings, (&books, &counter), &vend, sold, now)?;
            Ok(Trial {
                currency: vend.currency,
                amount: split.amount,
                tax: split.tax,
                debt_recovered: split.debt_recovered,
                debt_left: split.debt_left,
                balance_before: split.balance_before,
                balance_after: split.balance_after,
                available_after: split.available_after,
                restores: split.restores,
            })
        })
        .await
}

/// The receipt of an earlier vend with this key.
fn repeated(conn: &mut Conn, vend: &Vend, key: &str, content_hash: &str) -> Result<Option<Receipt>, Error> {
    let site = vend.account_id.site();
    let Some(earlier) = store::vend::by_key(conn, site, key)? else {
        return once::free_for_a_vend(conn, site, key).map(|()| None);
    };
    if earlier.content_hash != content_hash {
        return Err(once::reused());
    }
    serde_json::from_str(&earlier.receipt)
        .map(Some)
        .map_err(|bad| books::corrupt(format!("receipt of vend {}: {bad}", earlier.id)))
}

fn sold_since_midnight(conn: &mut Conn, books: &Books, by: &str, now: Timestamp) -> Result<Money, Error> {
    let since = midnight(day_of(now, &books.zone), &books.zone);
    Ok(store::vend::sold_by(conn, books.account.id.site(), by, since)?)
}

/// What a cashier sold today. Near its limit for a day, the cashier is held until the transaction ends: sales to several accounts
/// at once would count past each other.
fn sold_today(conn: &mut Conn, settings: &Settings, books: &Books, by: &str, now: Timestamp) -> Result<Money, Error> {
    let sold = sold_since_midnight(conn, books, by, now)?;
    let policy = &settings.policy.vending;
    let at_once = policy.maximum_per_vend.get().saturating_mul(i64::from(settings.database.pool_size));
    if sold.get().saturating_add(at_once) < policy.maximum_per_cashier_day.get() {
        return Ok(sold);
    }
    store::api_key::lock(conn, by)?;
    sold_since_midnight(conn, books, by, now)
}

fn check(
    conn: &mut Conn,
    settings: &Settings,
    (books, counter): (&Books, &Counter<'_>),
    vend: &Vend,
    cashier_sold_today: Money,
    now: Timestamp,
) -> Result<Split, Error> {
    if vend.currency != books.account.currency {
        let detail = format!("the account is kept in {}", books.account.currency);
        return Err(Error::field("currency_mismatch", "currency", detail));
    }
    let today = day_of(now, &books.zone);
    let version = books.tariff.at(today).ok_or(domain::charge::ChargeError::NoVersion(today))?;
    let facts = Facts {
        state: books.account.state,
        balance: books.account.posted,
        available: books.available()?,
        cashier_sold_today,
        owed: debts::owed(conn, settings, books, now)?,
        emergency: books.account.limits().active_emergency(&books.account.credit()),
    };
    let mut split = vending::split(vend.amount, &facts, &books.account.limits(), version, &settings.policy.vending)
        .map_err(|refused| match refused {
            Refused::AmountNotPositive | Refused::BelowMinimum { .. } | Refused::AboveMaximum { .. } => {
                Error::field(refused.code(), "amount", refused.to_string())
            }
            _ => Error::refused(refused.code(), refused.to_string()),
        })?;
    counter.check_credit(conn, vend.amount)?;
    // Money lifts nothing but credit: what an operator cut stays cut.
    let causes = store::meter::causes_of_account(conn, books.account.id)?;
    split.restores &= causes.values().all(|causes| causes.without(Cause::Credit).is_empty());
    Ok(split)
}

struct Made<'a> {
    vend: &'a Vend,
    counter: &'a Counter<'a>,
    key: &'a str,
    content_hash: &'a str,
    by: &'a str,
    now: Timestamp,
}

impl Made<'_> {
    /// Writes the transaction, the vend with its receipt, and the notice.
    fn write(&self, conn: &mut Conn, books: &mut Books, split: &Split) -> Result<Receipt, Error> {
        let (account, site) = (books.account.id, books.account.id.site());
        let id: VendId = store::ids::next(conn, site)?;
        let entry = Entry {
            kind: TransactionKind::Vend,
            key: format!("vend:{}", self.key),
            object: format!("vend:{id}"),
            postings: [
                ledger::vend(account, self.vend.tender, split.amount),
                ledger::debt_recovery(account, split.debt_recovered),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        let transaction_id = post(conn, &mut books.account, entry, self.now)?;
        let (change, amount) = (Change::Recovered, split.debt_recovered);
        let (by, now) = (self.by, self.now);
        debts::Changing { change, amount, posted: transaction_id, vend: Some(id), reason: None, by, now }
            .write(conn, &mut books.account)?;
        store::fault::point("vend.posted");
        let receipt = Receipt {
            vend_id: id,
            receipt_number: self.counter.receipt_number(conn)?,
            account_id: account,
            account_number: books.account.number.clone(),
            currency: self.vend.currency.clone(),
            amount: split.amount,
            tax: split.tax,
            debt_recovered: split.debt_recovered,
            debt_left: split.debt_left,
            tender: self.vend.tender,
            terminal: self.vend.terminal.clone(),
            balance_before: split.balance_before,
            balance_after: split.balance_after,
            available_after: split.available_after,
            restores: split.restores,
            created_at: self.now,
            heading: Some(Heading::of(conn, &books.account)?),
        };
        let row = store::vend::Vend {
            id,
            key: self.key.to_owned(),
            content_hash: self.content_hash.to_owned(),
            account_id: account,
            transaction_id,
            terminal: self.vend.terminal.clone(),
            tender: self.vend.tender,
            amount: split.amount,
            tax: split.tax,
            balance_before: split.balance_before,
            balance_after: split.balance_after,
            receipt_number: receipt.receipt_number.clone(),
            operator_key: self.by.to_owned(),
            created_at: self.now,
            receipt: books::json(&receipt)?,
            shift_id: self.counter.shift(),
        };
        store::vend::insert(conn, &row)?;
        let told = Notice::VendReceipt {
            receipt: receipt.receipt_number.clone(),
            amount: split.amount,
            balance: split.balance_after,
        };
        notices::write(conn, &books.account, &books.tariff.currency, &told, self.now)?;
        Ok(receipt)
    }
}
