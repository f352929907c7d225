//! Explaining a balance: every transaction of a span, from the readings over boundaries, energies and blocks to the posting
//! and the carry. All of it is reckoned again; what does not agree with the rows is told.

mod text;
mod view;

use std::str::FromStr;

use domain::{
    calendar::{day_of, midnight, next_day},
    charge::Priced,
    explain::{FixedPart, fixed_parts, fixed_parts_back, rounded},
    ids::{AccountId, BatchCreditId, RefundId, ReversalId, VendId},
    ledger::TransactionKind,
    money::{Carry, Currency, Exact, Money},
    notice::Language,
    tariff::{Period, number_within},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use store::{Conn, account::Account, transaction::Transaction};

use self::view::{Boundary, EarlierDay, EnergyCharge, ExplainedRegister, FixedCharge, Line, Moved, PeriodEnergy};
use super::{
    Error, books, fixed_charges,
    replay::{self, Replay, Step},
    subsidize::Entered,
};
use crate::settings::ExplainSettings;

pub(super) use self::text::period_words;
pub use self::view::{Explained, ExplainedDay, Explanation, Now};

/// An end of a span: a local date or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Moment {
    /// A local date of the site.
    Date(Date),
    /// An instant.
    Instant(Timestamp),
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let date = || text.parse().map(Self::Date);
        let read = if text.contains(['T', 't', ' ']) { text.parse().map(Self::Instant) } else { date() };
        read.map_err(|_| {
            "must be a local date such as 2026-05-31 or an instant such as 2026-05-31T08:00:00Z".to_owned()
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A span: dates are both included; of instants the first is, the last is not.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// From here.
    pub from: Moment,
    /// To here.
    pub to: Moment,
}

impl Span {
    /// Its first instant, and the one after its last.
    fn instants(self, zone: &TimeZone, limits: &ExplainSettings) -> Result<(Timestamp, Timestamp), Error> {
        let instant = |moment, of_date: fn(Date) -> Date| match moment {
            Moment::Date(date) => midnight(of_date(date), zone),
            Moment::Instant(at) => at,
        };
        let (from, to) = (instant(self.from, |date| date), instant(self.to, next_day));
        if to <= from {
            return Err(Error::field("span", "to", "must be after from"));
        }
        // A span of whole days that holds a change of clocks may have an hour more.
        if to.duration_since(from).as_hours() > i64::from(limits.days) * 24 + 1 {
            return Err(Error::field("span_too_long", "to", format!("at most {} days after from", limits.days)));
        }
        Ok((from, to))
    }
}

/// Explains what was posted to an account within a span.
///
/// # Errors
/// [`Error::NotFound`]; a refusal of a span that is empty, too long or holds too much; the database fails.
pub fn explain(conn: &mut Conn, id: AccountId, span: Span, limits: &ExplainSettings) -> Result<Explanation, Error> {
    let account = store::account::by_id(conn, id)?;
    let now = Now::of(conn, &account)?;
    let mut replay = Replay::load(conn, account)?;
    let (from, to) = span.instants(&replay.zone, limits)?;
    let mut explained: Option<Explanation> = None;
    let mut after = 0;
    loop {
        let page = store::transaction::of_account(conn, id, after, limits.rows)?;
        let Some(last) = page.last().map(|transaction| transaction.sequence) else { break };
        after = last;
        for transaction in page {
            if !(from..to).contains(&transaction.at) {
                replay.pass(&transaction)?;
                continue;
            }
            let explanation = explained.get_or_insert_with(|| Explanation::begin(&replay, from, to));
            if explanation.transactions.len() >= limits.transactions {
                let most = format!("more than {} transactions; a shorter span is needed", limits.transactions);
                return Err(Error::field("span_too_large", "to", most));
            }
            let step = replay.step(conn, transaction)?;
            explanation.transactions.push(one(conn, &replay, step)?);
            explanation.end(replay.balance, replay.carry);
        }
    }
    let explained = explained.unwrap_or_else(|| Explanation::begin(&replay, from, to));
    Ok(Explanation { now, ..explained })
}

/// The same as a text for the customer.
#[must_use]
pub fn text(explanation: &Explanation, language: Language) -> String {
    text::write(explanation, language)
}

/// What the customer of an account reads.
///
/// # Errors
/// A row is missing; the database fails.
pub fn language(conn: &mut Conn, id: AccountId) -> Result<Language, Error> {
    let account = store::account::by_id(conn, id)?;
    Ok(store::customer::by_id(conn, account.customer_id)?.language)
}

fn one(conn: &mut Conn, replay: &Replay, mut step: Step) -> Result<Explained, Error> {
    let (receipt_number, reason) = said(conn, replay.account.id, &step)?;
    let fixed = fixed(&replay.account, replay, &step);
    if let Some(fixed) = &fixed {
        let due: Money = fixed.parts.iter().map(|part| part.amount).sum();
        if due != -step.moved {
            step.differences.push(format!("charged {}, replayed {due}", -step.moved));
        }
    }
    Ok(Explained { reason, ..explained(conn, &replay.tariff.currency, step, receipt_number, fixed)? })
}

/// The number on the receipt of a vend, a reversal or a refund, and the reason that somebody gave.
fn said(conn: &mut Conn, account: AccountId, step: &Step) -> Result<(Option<String>, Option<String>), Error> {
    let posted = step.transaction.id;
    let (kind, number) = (step.transaction.kind, step.transaction.object.split_once(':').map(|(_, number)| number));
    // An object that is no identifier was corrupted: the replay tells it.
    Ok(match (kind, number) {
        (TransactionKind::Vend, Some(id)) => match id.parse::<VendId>() {
            Ok(id) => (Some(store::vend::by_id(conn, id)?.receipt_number), None),
            Err(_) => (None, None),
        },
        (TransactionKind::Reversal, Some(id)) => match id.parse::<ReversalId>() {
            Ok(id) => {
                let row = store::reversal::by_id(conn, id)?;
                (Some(row.receipt_number), row.reason)
            }
            Err(_) => (None, None),
        },
        (TransactionKind::Refund, Some(id)) => match id.parse::<RefundId>() {
            Ok(id) => {
                let row = store::refund::by_id(conn, id)?;
                (Some(row.receipt_number), Some(row.reason))
            }
            Err(_) => (None, None),
        },
        (TransactionKind::Subsidy | TransactionKind::Adjustment, Some(id)) => (None, entered(conn, step, id)?),
        (TransactionKind::Debt | TransactionKind::WriteOff, _) => {
            (None, store::debt_line::of_transaction(conn, account, posted)?.and_then(|line| line.reason))
        }
        _ => (None, None),
    })
}

/// Why a subsidy or an adjustment was entered: with its batch, or under its key.
fn entered(conn: &mut Conn, step: &Step, id: &str) -> Result<Option<String>, Error> {
    let Transaction { id: posted, key, object, .. } = &step.transaction;
    if object.starts_with("batch_credit:") {
        let Ok(batch) = id.parse::<BatchCreditId>() else { return Ok(None) };
        return Ok(Some(store::batch_credit::by_id(conn, batch)?.reason));
    }
    let Some((_, key)) = key.split_once(':') else { return Ok(None) };
    let earlier = store::idempotency::find(conn, posted.site(), key)?;
    let entered = earlier.and_then(|earlier| serde_json::from_str::<Entered>(&earlier.body).ok());
    Ok(entered.filter(|entered| entered.transaction_id == *posted).map(|entered| entered.reason))
}

/// A fixed charge that a transaction posts.
struct Fixed {
    name: String,
    /// The day that it begins with; none: it is given back at the closing.
    day: Option<Date>,
    parts: Vec<FixedPart>,
}

fn fixed(account: &Account, replay: &Replay, step: &Step) -> Option<Fixed> {
    if step.transaction.kind != TransactionKind::FixedCharge {
        return None;
    }
    let (day, name) = fixed_charges::named(&step.transaction.object)?;
    let (tariff, opened) = (&replay.tariff, books::opened(account, &replay.zone));
    let parts = match day {
        Some(day) => fixed_parts(tariff, &name, day, opened),
        None => {
            let (closed, posted_to) = account.closed_at.zip(account.fixed_to)?;
            fixed_parts_back(tariff, &name, day_of(closed, &replay.zone), opened, posted_to)
        }
    };
    Some(Fixed { name, day, parts })
}

fn exact(carry: Carry) -> Exact {
    Exact::new(i128::from(carry.get()))
}

impl Explanation {
    /// An explanation that begins where an account is replayed to.
    fn begin(replay: &Replay, from: Timestamp, to: Timestamp) -> Self {
        Self {
            account_id: replay.account.id,
            account_number: replay.account.number.clone(),
            currency: replay.tariff.currency.clone(),
            time_zone: replay.zone.clone(),
            from,
            to,
            balance_before: replay.balance,
            balance_after: replay.balance,
            carry_before: exact(replay.carry),
            carry_after: exact(replay.carry),
            transactions: Vec::new(),
            now: None,
        }
    }

    /// What stands after the last transaction.
    fn end(&mut self, balance: Money, carry: Carry) {
        (self.balance_after, self.carry_after) = (balance, exact(carry));
    }

    /// Whether everything agrees with the rows.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.transactions.iter().all(|transaction| transaction.differences.is_empty())
    }
}

fn explained(
    conn: &mut Conn,
    currency: &Currency,
    step: Step,
    receipt_number: Option<String>,
    fixed: Option<Fixed>,
) -> Result<Explained, Error> {
    let days = step.days.into_iter().map(|day| of_day(conn, day)).collect::<Result<Vec<_>, _>>()?;
    Ok(Explained {
        id: step.transaction.id,
        sequence: step.transaction.sequence,
        kind: step.transaction.kind,
        object: step.transaction.object,
        at: step.transaction.at,
        receipt_number,
        reason: None,
        postings: step.postings.into_iter().map(Moved::from).collect(),
        amount: step.moved,
        balance_before: step.balance_before,
        balance_after: step.balance_before + step.moved,
        carry_before: exact(step.carry_before),
        carry_after: exact(step.carry_after),
        energy_charge: step.charged.map(|charged| energy_charge(currency, days, &charged)),
        fixed_charge: fixed.map(FixedCharge::from),
        differences: step.differences,
    })
}

fn energy_charge(currency: &Currency, days: Vec<ExplainedDay>, charged: &replay::Charged) -> EnergyCharge {
    let costs: Vec<Exact> = charged.lines.iter().map(|line| line.cost).collect();
    let amounts = rounded(&costs, charged.amount, currency);
    let lines = charged.lines.iter().zip(amounts).map(|(slice, amount)| {
        let (block, period) = match slice.priced {
            Priced::Block(block) => (Some(block), None),
            Priced::Period(period) => (None, Some(period)),
        };
        let (window, tariff_version) = (slice.window, number_within(slice.version));
        let (energy, price, cost) = (slice.energy, slice.price, slice.cost);
        Line { window, tariff_version, block, period, energy, price, cost, amount }
    });
    EnergyCharge {
        days,
        lines: lines.collect(),
        cost_before: charged.cost_before,
        cost_after: charged.cost_after,
        cost: costs.into_iter().sum(),
        posted: charged.amount,
    }
}

fn of_day(conn: &mut Conn, day: replay::Day) -> Result<ExplainedDay, Error> {
    let meter = store::meter::by_id(conn, day.installation.meter_id)?;
    let earlier = |old: store::settled_day::SettledDay| EarlierDay {
        revision: old.revision,
        end_value: old.end_value,
        energy: old.energy,
    };
    let register = |(period, start, end): (Period, replay::Boundary, replay::Boundary)| {
        let before = day.old.as_ref().and_then(|old| old.registers.get(&period)).map(|rise| rise.to);
        ExplainedRegister { period, start: start.into(), end: end.into(), before }
    };
    Ok(ExplainedDay {
        day: day.row.day,
        meter_id: meter.id,
        meter_address: meter.address,
        revision: day.row.revision,
        multiplier: day.installation.multiplier,
        start: day.start.into(),
        ends: day.ends.into_iter().map(Boundary::from).collect(),
        registers: day.registers.into_iter().map(register).collect(),
        energies: day.energies.into_iter().map(|(period, energy)| PeriodEnergy { period, energy }).collect(),
        energy: day.row.energy,
        before: day.old.map(earlier),
    })
}
