//! What the auditor sees the rows with: reads what is new since the last look, or everything, and says it in the auditor's
//! words.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    ids::{AccountId, MeterId, OrderId, SiteId},
    ledger::TransactionKind,
    money::Money,
    notice,
    reading::Quality,
    relay::{self, Action, order},
    settlement::Cut,
    tariff::Period,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use store::{Conn, account::Account, reading::Reading, relay_order::RelayOrder, transaction::Transaction};
use wattgate::operations::{Error, books::Books};

use crate::{
    auditor::{
        AccountSeen, Cause, CutSeen, DaySeen, InstallationSeen, Kind, Limits, LineSeen, MeterSeen, OrderSeen,
        RefundSeen, ReversalSeen, Seen, ShiftSeen, State, Supply, TariffSeen, TransactionSeen, VendSeen,
    },
    clock::shift,
};

/// More rows than any run has.
const ALL: i64 = i64::MAX;
/// Newest orders and notices that are read where something changed: more than come about between two looks.
const NEWEST: i64 = 12;
/// Settled days older than this before the newest are not corrected any more.
const CORRECTED: SignedDuration = SignedDuration::from_hours(24 * 40);
/// Readings older than this are no evidence for anything.
const EVIDENCE: SignedDuration = SignedDuration::from_hours(48);

/// Remembers how far it has read.
#[derive(Debug)]
pub struct Eyes {
    site: SiteId,
    accounts: BTreeMap<AccountId, Read>,
    orders: BTreeMap<OrderId, Followed>,
    live: BTreeSet<OrderId>,
}

/// How far an account was read.
#[derive(Debug, Clone, Default)]
struct Read {
    version: i64,
    sequence: i64,
    meters: BTreeSet<MeterId>,
    newest_day: Option<Date>,
}

/// An order as last seen, with its lines.
#[derive(Debug, Clone)]
struct Followed {
    row: RelayOrder,
    lines: Vec<LineSeen>,
}

impl Eyes {
    /// Eyes on a site that have read nothing.
    #[must_use]
    pub fn new(site: SiteId) -> Self {
        Self { site, accounts: BTreeMap::new(), orders: BTreeMap::new(), live: BTreeSet::new() }
    }

    /// What is new since the last look.
    ///
    /// # Errors
    /// A row does not parse; the database fails.
    pub fn look(&mut self, conn: &mut Conn) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        for row in store::account::page(conn, self.site, None, ALL)? {
            let mut read = self.accounts.get(&row.id).cloned().unwrap_or_default();
            if read.version != row.version {
                read.version = row.version;
                account(conn, &row, &mut read, &mut seen)?;
                for meter in read.meters.iter().copied() {
                    let newest = store::relay_order::of_meter(conn, meter, None, NEWEST)?;
                    self.follow(conn, newest, &mut seen)?;
                }
                self.accounts.insert(row.id, read);
            }
            seen.accounts.insert(row.id, account_seen(&row));
        }
        self.orders(conn, &mut seen)?;
        Ok(seen)
    }

    /// Everything there is, whatever was read before.
    ///
    /// # Errors
    /// A row does not parse; the database fails.
    pub fn all(&mut self, conn: &mut Conn) -> Result<Seen, Error> {
        let mut seen = Seen { whole: true, ..Seen::default() };
        for row in store::account::page(conn, self.site, None, ALL)? {
            account(conn, &row, &mut Read::default(), &mut seen)?;
            let mut now = account_seen(&row);
            if now.active {
                now.available = Some(Books::load(conn, row.clone())?.available()?);
            }
            seen.accounts.insert(row.id, now);
        }
        // Those that no transaction names would not have been found above.
        let vends = store::vend::page(conn, self.site, Timestamp::UNIX_EPOCH..Timestamp::MAX, None, ALL)?;
        for vend in &vends {
            let numbers = store::reprint::of_vend(conn, vend.id)?.into_iter().map(|row| (vend.key.clone(), row.number));
            seen.reprints.extend(numbers);
        }
        seen.vends = vends.into_iter().map(vend_seen).collect();
        shifts(conn, self.site, &mut seen)?;
        let orders = store::relay_order::page(conn, self.site, None, ALL)?;
        self.orders.clear();
        self.follow(conn, orders, &mut seen)?;
        for meter in store::meter::page(conn, self.site, None, ALL)? {
            seen.repeated_readings.extend(repeated(conn, meter.id)?);
        }
        Ok(seen)
    }

    /// Orders that are live or were, and the newest: one may begin and end between two looks.
    fn orders(&mut self, conn: &mut Conn, seen: &mut Seen) -> Result<(), Error> {
        let live = store::relay_order::live(conn, self.site)?;
        let now: BTreeSet<OrderId> = live.iter().map(|row| row.id).collect();
        let before = std::mem::replace(&mut self.live, now);
        self.follow(conn, live, seen)?;
        let ended: Vec<OrderId> = before.difference(&self.live).copied().collect();
        for id in ended {
            let row = store::relay_order::by_id(conn, id)?;
            self.follow(conn, vec![row], seen)?;
        }
        let newest = store::relay_order::page(conn, self.site, None, NEWEST)?;
        self.follow(conn, newest, seen)
    }

    /// Tells orders that changed since they were last seen.
    fn follow(&mut self, conn: &mut Conn, rows: Vec<RelayOrder>, seen: &mut Seen) -> Result<(), Error> {
        for row in rows {
            let known = self.orders.get(&row.id);
            if known.is_some_and(|known| known.row == row) {
                continue;
            }
            let mut lines = known.map(|known| known.lines.clone()).unwrap_or_default();
            for line in store::relay_order::lines(conn, row.id)?.into_iter().skip(lines.len()) {
                let line = line_seen(conn, &row, &line)?;
                lines.push(line);
            }
            seen.orders.push(order_seen(&row, lines.clone()));
            self.orders.insert(row.id, Followed { row, lines });
        }
        Ok(())
    }
}

/// An account whose row changed: what is new of its money, its meter, its warnings.
fn account(conn: &mut Conn, row: &Account, read: &mut Read, seen: &mut Seen) -> Result<(), Error> {
    let transactions = store::transaction::of_account(conn, row.id, read.sequence, ALL)?;
    let new: BTreeSet<_> = transactions.iter().map(|one| one.id).collect();
    let (mut charged, mut reversed, mut refunded) = (false, false, false);
    for one in transactions {
        (read.sequence, charged) = (one.sequence, charged || is_charge(&one));
        reversed |= one.kind == TransactionKind::Reversal;
        refunded |= one.kind == TransactionKind::Refund;
        if let Some(vend) = one.object.strip_prefix("vend:").filter(|_| !seen.whole) {
            let id = vend.parse().map_err(|_| corrupt(format!("transaction {} of {}", one.id, one.object)))?;
            seen.vends.push(vend_seen(store::vend::by_id(conn, id)?));
        }
        seen.transactions.push(transaction_seen(conn, &one)?);
    }
    if reversed || seen.whole {
        let rows = store::reversal::of_account(conn, row.id)?;
        for one in rows.into_iter().filter(|one| new.contains(&one.transaction_id)) {
            seen.reversals.push(reversal_seen(conn, one)?);
        }
    }
    if refunded {
        let rows = store::refund::of_account(conn, row.id)?;
        seen.refunds.extend(rows.into_iter().filter(|one| new.contains(&one.transaction_id)).map(refund_seen));
    }
    if charged {
        let from = read.newest_day.map(|day| day.saturating_sub(CORRECTED));
        for day in store::settled_day::history(conn, row.id, from)? {
            read.newest_day = read.newest_day.max(Some(day.day));
            if new.contains(&day.transaction_id) {
                seen.days.push(DaySeen {
                    account: day.account_id,
                    installation: day.installation_id,
                    day: day.day,
                    revision: day.revision,
                    end_value: day.end_value,
                    ends_at_peak: day.period == Period::Peak,
                    cuts: day.cuts.iter().map(cut_seen).collect(),
                });
            }
        }
    }
    for one in store::account_tariff::of_account(conn, row.id)? {
        let (account, place, tariff, from) = (one.account_id, one.place, one.tariff_id, one.valid_from);
        seen.tariffs.push(TariffSeen { account, place, tariff, from });
    }
    for one in store::installation::of_account(conn, row.id)? {
        if one.end_at.is_none() {
            read.meters.insert(one.meter_id);
        }
        seen.installations.push(InstallationSeen {
            id: one.id,
            account: one.account_id,
            meter: one.meter_id,
            start_at: one.start_at,
            start_value: one.start_value,
            multiplier: one.multiplier,
            end: one.end_at.zip(one.end_value),
        });
    }
    for meter in &read.meters {
        let blocked = store::meter::by_id(conn, *meter)?.relay_blocked;
        seen.meters.insert(*meter, MeterSeen { blocked });
    }
    let notices = store::notice::of_account(conn, row.id, None, if seen.whole { ALL } else { NEWEST })?;
    let warnings = notices.into_iter().filter(|one| one.kind == notice::Kind::DisconnectWarning);
    seen.warnings.extend(warnings.filter_map(|one| Some((row.id, one.sent_at?))));
    Ok(())
}

/// Shifts of registered counters, and what their vendor handed over.
fn shifts(conn: &mut Conn, site: SiteId, seen: &mut Seen) -> Result<(), Error> {
    for vendor in store::vendor::page(conn, site, None, ALL)? {
        seen.vendor_limit = vendor.credit_limit;
        seen.deposited = seen.deposited + store::vendor::deposited(conn, vendor.id)?;
    }
    for row in store::shift::page(conn, site, None, None, ALL)? {
        let terminal = store::terminal::by_id(conn, row.terminal_id)?.name;
        let prefix = format!("{terminal}-{}", row.number);
        seen.shifts.push(ShiftSeen { prefix, receipts: row.receipts, net: row.net });
    }
    Ok(())
}

fn cut_seen(cut: &Cut) -> CutSeen {
    CutSeen { at: cut.at, ends_peak: cut.period == Period::Peak, value: cut.value }
}

fn is_charge(transaction: &Transaction) -> bool {
    matches!(transaction.kind, TransactionKind::Charge | TransactionKind::Correction)
}

fn account_seen(row: &Account) -> AccountSeen {
    AccountSeen {
        version: row.version,
        opened_at: row.opened_at,
        fixed_to: row.fixed_to,
        closed_at: row.closed_at,
        active: matches!(row.state, domain::account::State::Active | domain::account::State::Suspended),
        suspended: row.state == domain::account::State::Suspended,
        limits: Limits { overdraft: row.overdraft, restore_margin: row.restore_margin, low: row.alarm_2 },
        posted: row.posted,
        debt: row.debt,
        carry: row.carry.get(),
        warned_at: row.warning_served_at,
        available: None,
    }
}

fn transaction_seen(conn: &mut Conn, one: &Transaction) -> Result<TransactionSeen, Error> {
    let postings = store::transaction::postings(conn, one.id)?;
    Ok(TransactionSeen {
        id: one.id,
        account: one.account_id,
        sequence: one.sequence,
        kind: match one.kind {
            TransactionKind::Opening => Kind::Opening,
            TransactionKind::Vend => Kind::Vend,
            TransactionKind::Reversal => Kind::Reversal,
            TransactionKind::Charge | TransactionKind::Correction => Kind::Charge,
            TransactionKind::FixedCharge => Kind::Fixed,
            TransactionKind::Refund => Kind::Refund,
            TransactionKind::WriteOff => Kind::WriteOff,
            TransactionKind::Transfer => Kind::Transfer,
            TransactionKind::Debt => Kind::Debt,
            TransactionKind::DebtRecovery => Kind::DebtRecovery,
            TransactionKind::Subsidy => Kind::Subsidy,
            TransactionKind::Adjustment => Kind::Adjustment,
        },
        key: one.key.clone(),
        object: one.object.clone(),
        postings: postings.iter().map(|one| (one.from.to_string(), one.to.to_string(), one.amount)).collect(),
        balance_after: Some(one.balance_after),
    })
}

fn vend_seen(row: store::vend::Vend) -> VendSeen {
    VendSeen {
        key: row.key,
        account: row.account_id,
        transaction: row.transaction_id,
        amount: row.amount,
        told_balance: told(&row.receipt, "balance_after"),
        at: row.created_at,
        available_after: told(&row.receipt, "available_after"),
        receipt: row.receipt,
        receipt_number: row.receipt_number,
    }
}

/// An amount that a receipt tells.
fn told(receipt: &str, what: &str) -> Option<Money> {
    let receipt: serde_json::Value = serde_json::from_str(receipt).ok()?;
    receipt.get(what)?.as_i64().map(Money::new)
}

fn reversal_seen(conn: &mut Conn, row: store::reversal::Reversal) -> Result<ReversalSeen, Error> {
    Ok(ReversalSeen {
        vend: store::vend::by_id(conn, row.vend_id)?.key,
        account: row.account_id,
        transaction: row.transaction_id,
        amount: row.amount,
        told_balance: told(&row.receipt, "balance_after"),
        receipt: row.receipt,
        receipt_number: row.receipt_number,
    })
}

fn refund_seen(row: store::refund::Refund) -> RefundSeen {
    RefundSeen {
        account: row.account_id,
        transaction: row.transaction_id,
        amount: row.amount,
        told_balance: told(&row.receipt, "balance_after"),
        receipt: row.receipt,
        receipt_number: row.receipt_number,
    }
}

fn order_seen(row: &RelayOrder, lines: Vec<LineSeen>) -> OrderSeen {
    OrderSeen {
        id: row.id,
        meter: row.meter_id,
        account: row.account_id,
        supply: match row.action {
            Action::Disconnect => Supply::Off,
            Action::Reconnect => Supply::On,
        },
        cause: match row.cause {
            relay::Cause::Credit => Cause::Credit,
            relay::Cause::Operator => Cause::Operator,
            relay::Cause::Schedule => Cause::Schedule,
            relay::Cause::Safety => Cause::Safety,
            _ => Cause::Other,
        },
        state: state_seen(row.state),
        attempts: row.attempts,
        created_at: row.created_at,
        sent_at: row.sent_at,
        read_at: row.read_at,
        lines,
    }
}

fn state_seen(state: order::State) -> State {
    match state {
        order::State::Ordered => State::Ordered,
        order::State::Sent => State::Sent,
        order::State::Acknowledged => State::Acknowledged,
        order::State::AwaitingCustomer => State::AwaitingCustomer,
        order::State::Confirmed => State::Confirmed,
        order::State::Failed => State::Failed,
        order::State::Expired => State::Expired,
        order::State::Superseded => State::Superseded,
    }
}

/// The line of an authorization, in the words that `decide_relay::authorize` writes.
const SENDS: &str = "bytes may leave";

fn line_seen(conn: &mut Conn, row: &RelayOrder, line: &store::relay_order::Line) -> Result<LineSeen, Error> {
    let sends = line.detail == SENDS;
    let cut = sends && row.action == Action::Disconnect && row.cause == relay::Cause::Credit;
    let evidence = if cut { evidence(conn, row, line.at)? } else { None };
    Ok(LineSeen { at: line.at, state: state_seen(line.state), sends, evidence })
}

/// The time of the newest good reading that was known then: received by then, or stored before the order was, whatever the
/// head end's clock said when it came.
fn evidence(conn: &mut Conn, order: &RelayOrder, then: Timestamp) -> Result<Option<Timestamp>, Error> {
    let (from, to) = (shift(then, -EVIDENCE), shift(then, EVIDENCE));
    let readings = store::reading::good_between(conn, order.meter_id, from, to)?;
    let known = |one: &&Reading| one.received_at <= then || one.id.get() < order.id.get();
    Ok(readings.iter().filter(known).map(|one| one.as_of).max())
}

/// Readings that share meter, instant and kind with another live one, in words.
fn repeated(conn: &mut Conn, meter: MeterId) -> Result<Vec<String>, Error> {
    let live = |quality| !matches!(quality, Quality::Superseded | Quality::Conflict);
    let mut keys = BTreeSet::new();
    let all = store::reading::page(conn, meter, None, None, None, ALL)?;
    let twice = all.into_iter().filter(|one| live(one.quality) && !keys.insert((one.as_of, one.kind.as_str())));
    Ok(twice.map(|one| format!("meter {meter}, {} of {}", one.kind, one.as_of)).collect())
}

fn corrupt(what: String) -> Error {
    Error::Store(store::Error::Corrupt { what })
}

#[cfg(test)]
mod tests;
