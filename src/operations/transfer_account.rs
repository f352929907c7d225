//! Transferring an account (过户): the old one is settled to its meters' last readings and closed, and the same meters count on
//! for a new account of another customer, which the balance goes to unless it is paid out. One transaction, durable before the answer.

use std::cmp::Ordering;

use domain::{
    account::{Credit, State},
    calendar::day_of,
    ids::{AccountId, CustomerId},
    ledger::{self, Tender, TransactionKind},
    money::{Carry, Money},
    notice::Notice,
    reading::registers::ByPeriod,
    relay::Cause,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account, account_tariff::AccountTariff, installation::Installation};
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance, books,
    books::Books,
    close_account::{self, FinalReading, RemovedMeter},
    counter::{Counter, check_name},
    customer_control, debts,
    decide_relay::{self, Reviewed},
    fixed_charges, label, notices, once,
    post::{Entry, post},
    refund::{Made, Refund},
};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// Who an account goes to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferAccount {
    /// The customer who has the new account.
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// The new account's number; its identifier if absent.
    pub number: Option<String>,
    /// Readings entered by hand; meters that are not named are read now.
    #[serde(default)]
    pub final_readings: Vec<FinalReading>,
    /// Why it is transferred, or a reading was entered by hand.
    pub reason: String,
    /// Whether debt that the balance does not settle is written off; otherwise an account that owes such is not transferred.
    /// `false` if absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_off: bool,
    /// How what is left is paid out in place of going over; absent: it goes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_out: Option<PayOut>,
}

/// How a balance is paid out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayOut {
    /// How.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// The terminal that pays it out, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
}

/// What a transfer came to: the same for every repetition of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// The account that was closed.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// Its number for people.
    pub account_number: String,
    /// The account that takes its place.
    #[schema(value_type = String)]
    pub new_account_id: AccountId,
    /// Its number for people.
    pub new_account_number: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub transferred_at: Timestamp,
    /// The meters, with the readings at which they passed over.
    pub meters: Vec<RemovedMeter>,
    /// What amounts are in.
    pub currency: String,
    /// What went over; negative where the account owed, 0 where it was paid out.
    #[schema(value_type = i64)]
    pub balance: Money,
    /// The receipt of what was paid out in place of going over.
    #[serde(default)]
    pub refund: Option<Refund>,
    /// Debt that was taken out of the balance before it went over.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_settled: Money,
    /// Debt that nobody pays any more.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_written_off: Money,
}

/// Transfers an account. Its tariff, limits and guard go on; a new window of blocks begins. What its customer was allowed to
/// switch ends.
///
/// # Errors
/// A conflict where the key was used with other content or the account is not open; a refusal by the rule that stands
/// against it.
pub async fn transfer(app: &App, id: AccountId, to: TransferAccount, key: &str, by: &str) -> Result<Transfer, Error> {
    if to.customer_id.site() != id.site() {
        return Err(Error::field("customer", "customer_id", "belongs to another site"));
    }
    let asked = once::Asked::new(id.site(), key, &("transfer_account", id, &to))?;
    let earlier = asked.clone();
    if let Some(earlier) = app.db.read(move |conn| once::find::<Transfer>(conn, &earlier)).await? {
        return Ok(earlier);
    }
    if let Some(how) = &to.pay_out {
        check_name("terminal", &how.terminal)?;
    }
    let reason = label("reason", &to.reason)?;
    let last = close_account::last_readings(app, id, &to.final_readings, by).await?;
    let (key, by, now, settings) = (key.to_owned(), by.to_owned(), app.clock.now(), app.settings.clone());
    let (transfer, done) = app
        .db
        .write(move |conn| {
            let mut old = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find::<Transfer>(conn, &asked)? {
                return Ok((earlier, None));
            }
            to.to_another(conn, &old)?;
            let running = store::installation::of_account(conn, id)?;
            let meters = close_account::settle_up(conn, &settings, &mut old, &last, &reason, now)?;
            let (debt_settled, debt_written_off) = debts::leave(conn, &mut old, to.write_off, &reason, (&by, now))?;
            let refund = pay_out(conn, &settings, &mut old, &to, (&key, &reason), (&by, now))?;
            let mut new = successor(conn, &old, &to, now)?;
            let transfer = Transfer {
                account_id: id,
                account_number: old.number.clone(),
                new_account_id: new.id,
                new_account_number: new.number.clone(),
                transferred_at: now,
                meters,
                currency: old.currency.clone(),
                balance: old.posted,
                refund,
                debt_settled,
                debt_written_off,
            };
            pass(conn, &mut old, &mut new, transfer.balance, now)?;
            close_account::end(&mut old, now);
            store::account::save(conn, &old)?;
            store::customer_control::forbid(conn, id)?;
            for one in running.iter().filter(|one| one.end_at.is_none()) {
                go_on(conn, one, new.id)?;
            }
            let detail = format!("{reason}; to account {}, balance {}", new.number, transfer.balance);
            audit_line::write(conn, id.site(), (&by, now), "transfer_account", format!("account:{id}"), detail)?;
            let done = begin(conn, &settings, new, (&by, now))?;
            once::store(conn, &asked, &transfer, now)?;
            store::fault::point("transfer.written");
            Ok::<_, Error>((transfer, Some(done)))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok(transfer) };
    store::fault::point("transfer.committed");
    if let Err(error) = app.hot.forget(id).await {
        app.hot_failed(&error);
    }
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(account = %transfer.new_account_id, %error, "a hot balance was not filled after a transfer");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account: id });
    app.announce(Changed::Account { account: transfer.new_account_id });
    Ok(transfer)
}

/// Pays out what is left of the old account, where that is asked for.
fn pay_out(
    conn: &mut Conn,
    settings: &Settings,
    old: &mut Account,
    to: &TransferAccount,
    (key, reason): (&str, &str),
    (by, now): (&str, Timestamp),
) -> Result<Option<Refund>, Error> {
    let Some(how) = &to.pay_out else { return Ok(None) };
    match old.posted.cmp(&Money::ZERO) {
        Ordering::Less => {
            let detail = format!("the account owes {} minor units: vend them first, or let them go over", -old.posted);
            Err(Error::field("account_owes", "pay_out", detail))
        }
        Ordering::Equal => Ok(None),
        Ordering::Greater => {
            let counter = Counter::of(conn, settings, old.id.site(), &how.terminal)?;
            let made = Made { counter: &counter, tender: how.tender, reason, key, by, now };
            made.rest(conn, old).map(Some)
        }
    }
}

impl TransferAccount {
    /// Whether it is for a customer who does not have the account already.
    fn to_another(&self, conn: &mut Conn, old: &Account) -> Result<(), Error> {
        store::customer::by_id(conn, self.customer_id)?;
        if self.customer_id == old.customer_id {
            return Err(Error::field("same_customer", "customer_id", "the account is this customer's already"));
        }
        Ok(())
    }
}

/// The account that takes another's place, stored, with nothing on it yet.
fn successor(conn: &mut Conn, old: &Account, to: &TransferAccount, now: Timestamp) -> Result<Account, Error> {
    let id: AccountId = store::ids::next(conn, old.id.site())?;
    let number = match &to.number {
        Some(number) => label("number", number)?,
        None => id.to_string(),
    };
    let mut new = Account {
        id,
        number,
        customer_id: to.customer_id,
        state: State::Active,
        posted: Money::ZERO,
        carry: Carry::ZERO,
        decide_at: None,
        opened_at: Some(now),
        fixed_to: None,
        closed_at: None,
        hold_until: None,
        version: 1,
        ..old.clone()
    };
    new.set_credit(&Credit::default());
    let to_come = tariffs_from(conn, &mut new, old.id, now)?;
    store::account::insert(conn, &new)?;
    for change in to_come {
        store::account_tariff::insert(conn, &change)?;
    }
    Ok(new)
}

/// The tariff that the old account has by now becomes the new one's first; gives its changes to come.
fn tariffs_from(
    conn: &mut Conn,
    new: &mut Account,
    old: AccountId,
    now: Timestamp,
) -> Result<Vec<AccountTariff>, Error> {
    let site = store::site::by_id(conn, old.site())?;
    let today = day_of(now, &books::zone(&site)?);
    // A change takes the place of those that were entered before it for its day or later.
    let mut lasting: Vec<AccountTariff> = Vec::new();
    for change in store::account_tariff::of_account(conn, old)? {
        lasting.retain(|before| before.valid_from < change.valid_from);
        lasting.push(change);
    }
    let (mut to_come, mut place) = (Vec::new(), 0);
    for change in lasting {
        if change.valid_from <= today {
            new.tariff_id = change.tariff_id;
        } else {
            place += 1;
            to_come.push(AccountTariff { account_id: new.id, place, ..change });
        }
    }
    Ok(to_come)
}

/// Moves what one account has, or owes, to the other.
fn pass(conn: &mut Conn, old: &mut Account, new: &mut Account, amount: Money, now: Timestamp) -> Result<(), Error> {
    let entry = |from: &str, object: AccountId, posting| Entry {
        kind: TransactionKind::Transfer,
        key: format!("transfer:{from}:{}", old.id),
        object: format!("account:{object}"),
        postings: Vec::from_iter(posting),
    };
    let out = entry("out", new.id, ledger::transfer_out(old.id, amount));
    let into = entry("in", old.id, ledger::transfer_in(new.id, amount));
    post(conn, old, out, now)?;
    post(conn, new, into, now)?;
    Ok(())
}

/// A meter counts on for the new account from the reading at which it ended for the old one.
fn go_on(conn: &mut Conn, before: &Installation, account_id: AccountId) -> Result<(), Error> {
    let ended = store::installation::by_id(conn, before.id)?;
    let end = ended.end_at.zip(ended.end_value).zip(ended.end_reading_id);
    let Some(((start_at, start_value), start_reading_id)) = end else {
        return Err(Error::conflict("meters_changed", "the account's meters changed meanwhile; ask again"));
    };
    let installation = Installation {
        id: store::ids::next(conn, account_id.site())?,
        account_id,
        start_at,
        start_value,
        start_reading_id,
        end_at: None,
        end_value: None,
        end_reading_id: None,
        resettle_since: None,
        start_registers: ended.end_registers,
        end_registers: ByPeriod::new(),
        ..ended
    };
    Ok(store::installation::insert(conn, &installation)?)
}

/// The new account's first charges, its notice, and the decision over its supply.
fn begin(
    conn: &mut Conn,
    settings: &Settings,
    mut new: Account,
    (by, now): (&str, Timestamp),
) -> Result<(Reviewed, Update), Error> {
    let brought = new.posted;
    fixed_charges::post_until(conn, &mut new, now, settings.jobs.fixed_charge_days)?;
    let mut books = Books::load(conn, new)?;
    // A cut for what the customer before owed is decided anew, and one by that customer's own wish is over.
    for meter in &books.meters {
        let id = meter.installation.meter_id;
        customer_control::leave(conn, settings, id, Some(&books), (by, now))?;
        let live = store::relay_order::live_of(conn, id)?.filter(|order| order.cause == Cause::Credit);
        if live.is_some() {
            decide_relay::supersede(conn, id, None, &settings.policy.relay, now)?;
        }
    }
    let told = Notice::AccountOpened { balance: brought };
    notices::write(conn, &books.account, &books.tariff.currency, &told, now)?;
    let reviewed = decide_relay::in_transaction(conn, settings, &mut books, None, now)?;
    Ok((reviewed, books.hot()))
}
