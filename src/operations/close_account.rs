//! Closing an account (销户): its meters' last readings, everything settled to them, what is left refunded, in one transaction
//! that is durable before the answer.

use std::collections::BTreeMap;

use domain::{
    account::{Credit, State},
    bug::{Bug, is_planted},
    energy::Energy,
    ids::{AccountId, MeterId},
    ledger::{self, Tender, TransactionKind},
    money::{Carry, Money},
    reading::registers::ByPeriod,
    relay::{Action, Cause, ask::is_guarded, order::Wish},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account, reading::Reading};
use utoipa::ToSchema;

use super::{
    Error, audit_line,
    boundary_reading::{Shown, Source},
    counter::{Counter, check_name},
    customer_control, debts,
    decide_relay::{self, Asked, Reviewed},
    end_installation::{self, Ending},
    fixed_charges, label, once,
    post::{Entry, post},
    refund::{Made, Refund},
    schedule,
};
use crate::{app::App, changes::Changed, settings::Settings};

/// A meter's last total, read off its display.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinalReading {
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// What its total showed last, in kWh.
    #[schema(value_type = String)]
    pub total: Energy,
    /// Its billed period registers in kWh, where it is billed by these.
    #[schema(value_type = Option<Object>, example = json!({ "peak": "120.50", "valley": "80.25" }))]
    #[serde(default, skip_serializing_if = "ByPeriod::is_empty")]
    pub registers: ByPeriod,
    /// Whether somebody looked twice: this stands though it does not agree with what was known of the meter. `false` if
    /// absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

/// How an account is closed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAccount {
    /// Last readings entered by hand, with a reason; meters that are not named are read now.
    #[serde(default)]
    pub final_readings: Vec<FinalReading>,
    /// Why it is closed, or a reading was entered by hand.
    pub reason: String,
    /// How what is left is paid out.
    #[schema(value_type = String)]
    pub tender: Tender,
    /// The terminal that pays it out, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
    /// Whether what is still owed, debt included, is written off; otherwise an account that owes is not closed. `false` if absent.
    #[serde(default)]
    pub write_off: bool,
    /// Whether supply is cut. `false` if absent.
    #[serde(default)]
    pub disconnect: bool,
}

/// What became of an account's meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedMeter {
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// Its last total for the account, in kWh.
    #[schema(value_type = String)]
    pub final_reading: Energy,
    /// When it showed that.
    #[schema(value_type = String, format = DateTime)]
    pub end_at: Timestamp,
}

/// The final statement of an account: the same for every repetition of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Closing {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// Its number for people.
    pub account_number: String,
    /// When it was closed.
    #[schema(value_type = String, format = DateTime)]
    pub closed_at: Timestamp,
    /// Its meters.
    pub meters: Vec<RemovedMeter>,
    /// What amounts are in.
    pub currency: String,
    /// What was left once everything was settled, before debt; negative where it owed.
    #[schema(value_type = i64)]
    pub balance: Money,
    /// The receipt of what was paid out.
    pub refund: Option<Refund>,
    /// What it owed and nobody pays any more.
    #[schema(value_type = i64)]
    pub written_off: Money,
    /// Debt that was taken out of what was left.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_settled: Money,
    /// Debt that nobody pays any more.
    #[schema(value_type = i64)]
    #[serde(default)]
    pub debt_written_off: Money,
}

/// Closes an account.
///
/// # Errors
/// A conflict where the key was used with other content or the account is not open; a refusal by the rule that stands
/// against it, such as `account_owes`.
pub async fn close(app: &App, id: AccountId, how: CloseAccount, key: &str, by: &str) -> Result<Closing, Error> {
    let asked = once::Asked::new(id.site(), key, &("close_account", id, &how))?;
    let earlier = asked.clone();
    if let Some(earlier) = app.db.read(move |conn| once::find::<Closing>(conn, &earlier)).await? {
        return Ok(earlier);
    }
    check_name("terminal", &how.terminal)?;
    let reason = label("reason", &how.reason)?;
    let last = last_readings(app, id, &how.final_readings, by).await?;
    let (key, by, now, settings) = (key.to_owned(), by.to_owned(), app.clock.now(), app.settings.clone());
    let (closing, reviewed) = app
        .db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find::<Closing>(conn, &asked)? {
                return Ok((earlier, None));
            }
            let meters = settle_up(conn, &settings, &mut account, &last, &reason, now)?;
            let counter = Counter::of(conn, &settings, id.site(), &how.terminal)?;
            let made = Made { counter: &counter, tender: how.tender, reason: &reason, key: &key, by: &by, now };
            let closing = leave(conn, &mut account, &made, how.write_off, meters)?;
            end(&mut account, now);
            store::account::save(conn, &account)?;
            store::customer_control::forbid(conn, id)?;
            for meter in &closing.meters {
                schedule::leave(conn, meter.meter_id)?;
                customer_control::leave(conn, &settings, meter.meter_id, None, (&by, now))?;
            }
            let mut reviewed = Reviewed::default();
            for meter in closing.meters.iter().filter(|_| how.disconnect) {
                let why = format!("account closed: {reason}");
                cut(conn, &settings, &account, meter.meter_id, (&by, now), why, &mut reviewed)?;
            }
            let detail = format!("{reason}; balance {}, written off {}", closing.balance, closing.written_off);
            audit_line::write(conn, id.site(), (&by, now), "close_account", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &closing, now)?;
            store::fault::point("close.written");
            Ok::<_, Error>((closing, Some(reviewed)))
        })
        .await?;
    let Some(reviewed) = reviewed else { return Ok(closing) };
    store::fault::point("close.committed");
    if let Err(error) = app.hot.forget(id).await {
        app.hot_failed(&error);
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account: id });
    Ok(closing)
}

/// Reads each meter of an account, or takes what was entered for it.
///
/// # Errors
/// A meter that is named is not the account's; a meter cannot be read.
pub(super) async fn last_readings(
    app: &App,
    id: AccountId,
    entered: &[FinalReading],
    by: &str,
) -> Result<BTreeMap<MeterId, Source>, Error> {
    let meters: Vec<MeterId> = app
        .db
        .read(move |conn| {
            is_open(&store::account::by_id(conn, id)?)?;
            let all = store::installation::of_account(conn, id)?;
            Ok::<_, Error>(all.iter().filter(|one| one.end_at.is_none()).map(|one| one.meter_id).collect())
        })
        .await?;
    let shown =
        |one: &FinalReading| Shown { total: one.total, registers: one.registers.clone(), confirmed: one.confirmed };
    for (nth, one) in entered.iter().enumerate() {
        if entered.iter().take(nth).any(|before| before.meter_id == one.meter_id) {
            let field = format!("final_readings[{nth}].meter_id");
            return Err(Error::field("meter", field, "its last reading is named twice"));
        }
    }
    let mut entered: BTreeMap<MeterId, Shown> = entered.iter().map(|one| (one.meter_id, shown(one))).collect();
    if let Some(strange) = entered.keys().find(|meter| !meters.contains(meter)) {
        let detail = format!("meter {strange} does not count for the account");
        return Err(Error::field("meter", "final_readings", detail));
    }
    let mut last = BTreeMap::new();
    for meter in meters {
        last.insert(meter, Source::of(app, meter, entered.remove(&meter), by).await?);
    }
    Ok(last)
}

fn is_open(account: &Account) -> Result<(), Error> {
    match account.state {
        State::Active | State::Suspended => Ok(()),
        State::Pending | State::Closed => Err(Error::conflict("account_not_active", "the account is not open")),
    }
}

/// Settles a locked account to the last readings of its meters, and gives fixed charges back from today on. What is left of a
/// minor unit is dropped. Gives its meters.
///
/// # Errors
/// The account is not open; a refusal where a reading does not agree with what is known.
pub(super) fn settle_up(
    conn: &mut Conn,
    settings: &Settings,
    account: &mut Account,
    last: &BTreeMap<MeterId, Source>,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<RemovedMeter>, Error> {
    is_open(account)?;
    let mut removed = Vec::new();
    for one in store::installation::of_account(conn, account.id)? {
        if one.end_at.is_some() {
            if one.resettle_since.is_some() {
                super::settle::one(conn, account, &one, one.resettle_since, now, &settings.policy)?;
                store::installation::set_resettle(conn, one.id, None)?;
            }
            continue;
        }
        let changed = || Error::conflict("meters_changed", "the account's meters changed meanwhile; ask again");
        let source = last.get(&one.meter_id).cloned().ok_or_else(changed)?;
        let (field, registers_field) = ("final_readings", "final_readings");
        let ending = Ending { source, field, registers_field, reason: Some(reason) };
        let (Reading { as_of, total, .. }, _) = end_installation::end(conn, settings, account, &one, ending, now)?;
        removed.push(RemovedMeter { meter_id: one.meter_id, final_reading: total, end_at: as_of });
    }
    fixed_charges::give_back(conn, account, now, settings.jobs.fixed_charge_days)?;
    Ok(removed)
}

/// Pays out what is left, or writes off what is owed.
fn leave(
    conn: &mut Conn,
    account: &mut Account,
    made: &Made<'_>,
    write_off: bool,
    meters: Vec<RemovedMeter>,
) -> Result<Closing, Error> {
    let balance = account.posted;
    let mut closing = Closing {
        account_id: account.id,
        account_number: account.number.clone(),
        closed_at: made.now,
        meters,
        currency: account.currency.clone(),
        balance,
        refund: None,
        written_off: Money::ZERO,
        debt_settled: Money::ZERO,
        debt_written_off: Money::ZERO,
    };
    let (why, by) = (made.reason, (made.by, made.now));
    (closing.debt_settled, closing.debt_written_off) = debts::leave(conn, account, write_off, why, by)?;
    let balance = account.posted;
    if balance > Money::ZERO && !is_planted(Bug::KeepBalance) {
        closing.refund = Some(made.rest(conn, account)?);
    } else if balance < Money::ZERO {
        if !write_off {
            let detail = format!("the account owes {} minor units: vend them first, or write them off", -balance);
            return Err(Error::field("account_owes", "write_off", detail));
        }
        closing.written_off = -balance;
        let entry = Entry {
            kind: TransactionKind::WriteOff,
            key: format!("write_off:{}", account.id),
            object: format!("account:{}", account.id),
            postings: Vec::from_iter(ledger::write_off(account.id, -balance)),
        };
        post(conn, account, entry, made.now)?;
    }
    Ok(closing)
}

/// The account is over: nothing is decided, settled or sold for it any more.
pub(super) fn end(account: &mut Account, now: Timestamp) {
    account.set_credit(&Credit::default());
    (account.state, account.closed_at, account.decide_at) = (State::Closed, Some(now), None);
    account.carry = Carry::ZERO;
}

/// Orders supply cut at a meter that counts for nobody any more.
///
/// # Errors
/// A refusal where its relay cannot be moved or its supply is guarded.
pub(super) fn cut(
    conn: &mut Conn,
    settings: &Settings,
    account: &Account,
    id: MeterId,
    (by, now): (&str, Timestamp),
    why: String,
    reviewed: &mut Reviewed,
) -> Result<(), Error> {
    let meter = store::meter::by_id(conn, id)?;
    let facts = decide_relay::meter_facts(conn, settings, &meter)?;
    if facts.relay_control == domain::relay::RelayControl::None {
        return Err(Error::field(
            "no_relay_control",
            "disconnect",
            "the meter's profile does not let its relay be moved",
        ));
    }
    if account.guarded || is_guarded(&facts, None) {
        return Err(Error::field("supply_guard", "disconnect", "the supply is guarded and must not be cut"));
    }
    decide_relay::save_causes(conn, id, &facts.causes, &facts.causes.with(Cause::AccountClosed))?;
    let permit = decide_relay::permit(settings, &meter);
    let wish = Wish { action: Action::Disconnect, cause: Cause::AccountClosed, permit };
    let asked = Asked { account: Some(account.id), vend: None, by: Some(by.to_owned()), why };
    reviewed.orders.push(decide_relay::place(conn, &meter, wish, asked, &settings.policy.relay, now)?);
    reviewed.wake.push(meter.concentrator_id);
    Ok(())
}
