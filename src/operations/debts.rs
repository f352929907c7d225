//! Debts (旧欠): entered by an operator, recovered by a share of each vend, settled or written off where an account ends. What is
//! owed stands on the account's row, apart from its balance, and each change of it is a line posted with its transaction.

use domain::{
    account::State,
    calendar::{day_of, midnight, monday},
    debt::{Change, Owed, Terms},
    ids::{AccountId, DebtLineId, TransactionId, VendId},
    ledger::{self, LedgerAccount, Posting, TransactionKind},
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account};
use utoipa::ToSchema;

use super::{
    Error, audit_line,
    books::Books,
    label, once,
    post::{Entry, post},
};
use crate::{app::App, changes::Changed, settings::Settings};

/// A debt to be entered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDebt {
    /// How much, in minor units.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
    /// What the amounts are in; must be the account's currency.
    pub currency: String,
    /// Where it comes from.
    pub reason: String,
    /// The share, in millionths, of what each vend brings beyond what supply needs. It holds from now on for all that the
    /// account owes. The settings' if absent.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub share_ppm: Option<u32>,
    /// Most that the vends of a local week recover, in minor units. The settings' if absent.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub weekly_cap: Option<Money>,
}

/// A debt to be written off.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteOffDebt {
    /// How much, in minor units; all of it if absent.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub amount: Option<Money>,
    /// Why nobody pays it.
    pub reason: String,
}

/// A change of what an account owes apart from its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DebtLine {
    /// Identifier; it grows.
    #[schema(value_type = String)]
    pub id: DebtLineId,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// `entered`, `recovered` by a vend, `restored` by its reversal, `settled` or `written_off`.
    #[schema(value_type = String)]
    pub change: Change,
    /// What the amounts are in.
    pub currency: String,
    /// How much, above 0.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// What is owed after it.
    #[schema(value_type = i64)]
    pub owed_after: Money,
    /// Where a debt was entered: the share of vends that recovers it, in millionths.
    pub share_ppm: Option<u32>,
    /// Most that a week's vends recover.
    #[schema(value_type = Option<i64>)]
    pub weekly_cap: Option<Money>,
    /// The vend that recovered it, or whose reversal restored it.
    #[schema(value_type = Option<String>)]
    pub vend_id: Option<VendId>,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Prefix of the API key that asked.
    pub operator_key: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl DebtLine {
    /// A stored line, with its amounts in `currency`.
    #[must_use]
    pub fn of(row: store::debt_line::DebtLine, currency: &str) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            change: row.change,
            currency: currency.to_owned(),
            amount: row.amount,
            owed_after: row.owed_after,
            share_ppm: row.share_ppm,
            weekly_cap: row.weekly_cap,
            vend_id: row.vend_id,
            reason: row.reason,
            operator_key: row.operator_key,
            created_at: row.created_at,
        }
    }
}

/// Enters a debt. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn enter(app: &App, id: AccountId, new: NewDebt, key: &str, by: &str) -> Result<(DebtLine, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("enter_debt", id, &new))?;
    let reason = label("reason", &new.reason)?;
    let defaults = app.settings.policy.debts.terms;
    let terms = Terms {
        share_ppm: new.share_ppm.unwrap_or(defaults.share_ppm),
        weekly_cap: new.weekly_cap.or(defaults.weekly_cap),
    };
    if let Some((field, problem)) = terms.problem() {
        return Err(Error::field(field, field, problem));
    }
    let (key, by, now, settings) = (key.to_owned(), by.to_owned(), app.clock.now(), app.settings.clone());
    let entered = app
        .db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find(conn, &asked)? {
                return Ok((earlier, true));
            }
            is_open(&account)?;
            if new.currency != account.currency {
                let detail = format!("the account is kept in {}", account.currency);
                return Err(Error::field("currency_mismatch", "currency", detail));
            }
            check_amount(&settings, account.debt, new.amount, "amount")?;
            let debt = Debt { amount: new.amount, terms, source: LedgerAccount::Adjustment, reason: &reason };
            let line = debt.enter(conn, &mut account, format!("debt:{key}"), (&by, now))?;
            store::account::save(conn, &account)?;
            let detail = format!("{}: {reason}", line.amount);
            audit_line::write(conn, id.site(), (&by, now), "enter_debt", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &line, now)?;
            store::fault::point("debt.written");
            Ok::<_, Error>((line, false))
        })
        .await?;
    app.announce(Changed::Account { account: id });
    Ok(entered)
}

/// Writes a debt off, or a part of it. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn write_off(
    app: &App,
    id: AccountId,
    off: WriteOffDebt,
    key: &str,
    by: &str,
) -> Result<(DebtLine, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("write_off_debt", id, &off))?;
    let reason = label("reason", &off.reason)?;
    let (key, by, now) = (key.to_owned(), by.to_owned(), app.clock.now());
    let written = app
        .db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find(conn, &asked)? {
                return Ok((earlier, true));
            }
            is_open(&account)?;
            let amount = off.amount.unwrap_or(account.debt);
            if amount <= Money::ZERO || amount > account.debt {
                let detail = format!("{} minor units are owed", account.debt);
                return Err(Error::field("above_debt", "amount", detail));
            }
            let key = format!("debt_write_off:{key}");
            let line = give_up(conn, &mut account, amount, key, &reason, (&by, now))?;
            store::account::save(conn, &account)?;
            let detail = format!("{amount}: {reason}");
            audit_line::write(conn, id.site(), (&by, now), "write_off_debt", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &line, now)?;
            store::fault::point("debt.written");
            Ok::<_, Error>((line, false))
        })
        .await?;
    app.announce(Changed::Account { account: id });
    Ok(written)
}

/// What an account owes as a vend made now sees it.
///
/// # Errors
/// The database fails.
pub fn owed(conn: &mut Conn, settings: &Settings, books: &Books, now: Timestamp) -> Result<Owed, Error> {
    let (account, left) = (books.account.id, books.account.debt);
    if left == Money::ZERO {
        return Ok(Owed::NOTHING);
    }
    let terms = store::debt_line::terms(conn, account)?.unwrap_or(settings.policy.debts.terms);
    let week = midnight(monday(day_of(now, &books.zone)), &books.zone);
    Ok(Owed { left, terms, recovered_this_week: store::debt_line::recovered_since(conn, account, week)? })
}

/// Refuses a debt that is none, or with which a locked account would owe more than it may.
pub(super) fn check_amount(settings: &Settings, owed: Money, amount: Money, field: &'static str) -> Result<(), Error> {
    let maximum = settings.policy.debts.maximum;
    let fits = owed.checked_add(amount).is_some_and(|sum| sum <= maximum);
    if amount > Money::ZERO && fits {
        return Ok(());
    }
    let detail = format!("must be above 0, and all that is owed at most {maximum} minor units");
    Err(Error::field("debt_amount", field, detail))
}

fn is_open(account: &Account) -> Result<(), Error> {
    match account.state {
        State::Active | State::Suspended => Ok(()),
        State::Pending | State::Closed => Err(Error::refused("account_not_active", "the account is not open")),
    }
}

/// A debt as it is entered on a locked account.
pub(super) struct Debt<'a> {
    pub(super) amount: Money,
    pub(super) terms: Terms,
    /// Where the ledger says that it comes from.
    pub(super) source: LedgerAccount,
    pub(super) reason: &'a str,
}

impl Debt<'_> {
    /// Posts it under `key`; the caller saves the account's row.
    pub(super) fn enter(
        &self,
        conn: &mut Conn,
        account: &mut Account,
        key: String,
        (by, now): (&str, Timestamp),
    ) -> Result<DebtLine, Error> {
        let posting = ledger::debt(account.id, self.source, self.amount);
        let posted = entry(conn, account, TransactionKind::Debt, key, posting, now)?;
        let (amount, reason) = (self.amount, Some(self.reason));
        let change = Changing { change: Change::Entered, amount, posted, vend: None, reason, by, now };
        let row = change.row(conn, account)?;
        let (share_ppm, weekly_cap) = (Some(self.terms.share_ppm), self.terms.weekly_cap);
        store(conn, account, store::debt_line::DebtLine { share_ppm, weekly_cap, ..row })
    }
}

/// Takes a debt, or a part of it, off a locked account: nobody pays it.
fn give_up(
    conn: &mut Conn,
    account: &mut Account,
    amount: Money,
    key: String,
    reason: &str,
    (by, now): (&str, Timestamp),
) -> Result<DebtLine, Error> {
    let posting = ledger::debt_write_off(account.id, amount);
    let posted = entry(conn, account, TransactionKind::WriteOff, key, posting, now)?;
    let change = Changing { change: Change::WrittenOff, amount, posted, vend: None, reason: Some(reason), by, now };
    let row = change.row(conn, account)?;
    store(conn, account, row)
}

/// Takes what a locked account that ends owes out of what is left on it, and writes off the rest; gives both.
///
/// # Errors
/// `account_owes` where something is left to be written off and `may_write_off` is not said.
pub(super) fn leave(
    conn: &mut Conn,
    account: &mut Account,
    may_write_off: bool,
    reason: &str,
    (by, now): (&str, Timestamp),
) -> Result<(Money, Money), Error> {
    let settled = account.debt.min(account.posted).max(Money::ZERO);
    if settled > Money::ZERO {
        let posting = ledger::debt_recovery(account.id, settled);
        let key = format!("debt_recovery:{}", account.id);
        let posted = entry(conn, account, TransactionKind::DebtRecovery, key, posting, now)?;
        let change =
            Changing { change: Change::Settled, amount: settled, posted, vend: None, reason: Some(reason), by, now };
        let row = change.row(conn, account)?;
        store(conn, account, row)?;
    }
    let left = account.debt;
    if left > Money::ZERO {
        if !may_write_off {
            let detail = format!(
                "{left} minor units of the account's debt are more than its balance: vend them first, or write them off"
            );
            return Err(Error::field("account_owes", "write_off", detail));
        }
        give_up(conn, account, left, format!("debt_left:{}", account.id), reason, (by, now))?;
    }
    Ok((settled, left))
}

/// A change of what a locked account owes, whose transaction is posted.
pub(super) struct Changing<'a> {
    pub(super) change: Change,
    /// How much; 0: there is no change.
    pub(super) amount: Money,
    /// The transaction.
    pub(super) posted: TransactionId,
    pub(super) vend: Option<VendId>,
    pub(super) reason: Option<&'a str>,
    pub(super) by: &'a str,
    pub(super) now: Timestamp,
}

impl Changing<'_> {
    /// Writes its line; the caller saves the account's row, which follows.
    pub(super) fn write(&self, conn: &mut Conn, account: &mut Account) -> Result<(), Error> {
        if self.amount == Money::ZERO {
            return Ok(());
        }
        let row = self.row(conn, account)?;
        store(conn, account, row).map(drop)
    }

    fn row(&self, conn: &mut Conn, account: &Account) -> Result<store::debt_line::DebtLine, Error> {
        let owed_after = if self.change.adds() { account.debt + self.amount } else { account.debt - self.amount };
        Ok(store::debt_line::DebtLine {
            id: store::ids::next(conn, account.id.site())?,
            account_id: account.id,
            transaction_id: self.posted,
            change: self.change,
            amount: self.amount,
            owed_after,
            share_ppm: None,
            weekly_cap: None,
            vend_id: self.vend,
            reason: self.reason.map(str::to_owned),
            operator_key: self.by.to_owned(),
            created_at: self.now,
        })
    }
}

fn store(conn: &mut Conn, account: &mut Account, row: store::debt_line::DebtLine) -> Result<DebtLine, Error> {
    store::debt_line::insert(conn, &row)?;
    account.debt = row.owed_after;
    Ok(DebtLine::of(row, &account.currency))
}

fn entry(
    conn: &mut Conn,
    account: &mut Account,
    kind: TransactionKind,
    key: String,
    posting: Option<Posting>,
    now: Timestamp,
) -> Result<TransactionId, Error> {
    let object = format!("account:{}", account.id);
    post(conn, account, Entry { kind, key, object, postings: Vec::from_iter(posting) }, now)
}
