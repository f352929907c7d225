//! Hand-made rows for the auditor's tests.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId, OrderId, SiteId, TariffId, TransactionId},
    money::{Money, Price},
};
use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};

use super::{
    Limits, Rules, Supply, Version,
    seen::{
        AccountSeen, Cause, InstallationSeen, Kind, LineSeen, OrderSeen, ReversalSeen, State, TransactionSeen, VendSeen,
    },
};

fn site() -> SiteId {
    SiteId::new(1).unwrap()
}

pub fn account(nth: i64) -> AccountId {
    AccountId::new(site(), nth).unwrap()
}

pub fn meter(nth: i64) -> MeterId {
    MeterId::new(site(), nth).unwrap()
}

pub fn tariff() -> TariffId {
    TariffId::new(site(), 1).unwrap()
}

pub fn installation_id(nth: i64) -> InstallationId {
    InstallationId::new(site(), nth).unwrap()
}

pub fn transaction_id(nth: i64) -> TransactionId {
    TransactionId::new(site(), nth).unwrap()
}

/// So many seconds after noon of 2026-05-01 in Shanghai, a Friday.
pub fn at(second: i64) -> Timestamp {
    let noon = date(2026, 5, 1).at(12, 0, 0, 0).to_zoned(TimeZone::get("Asia/Shanghai").unwrap()).unwrap();
    noon.timestamp() + SignedDuration::from_secs(second)
}

/// A price list since January 2026, with windows from the first of each month.
pub fn monthly(blocks: Vec<(Option<Energy>, Price)>) -> Version {
    let (window_start_month, prorated, peak, fixed) = (None, false, None, Vec::new());
    Version { valid_from: date(2026, 1, 1), window_start_day: 1, window_start_month, prorated, peak, fixed, blocks }
}

/// One yuan per kWh: 0.1 Wh costs 1e-4 yuan, so that 100 of them cost a fen.
pub fn rules() -> Rules {
    let blocks = vec![(None, Price::new(1_000_000))];
    let version = monthly(blocks);
    Rules {
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        tariffs: BTreeMap::from([(tariff(), vec![version])]),
        limits: Limits { overdraft: Money::ZERO, restore_margin: Money::new(1), low: Money::ZERO },
        emergency: Money::ZERO,
        friendly_hours: Vec::new(),
        protected_weekdays: Vec::new(),
        holidays: Vec::new(),
        warning_lead: SignedDuration::from_hours(1),
        cut_limits: None,
        vends: [1, 100_000, 1_000_000].map(Money::new),
        reading_freshness: SignedDuration::from_hours(2),
        restore_within: SignedDuration::from_mins(30),
        cut_within: SignedDuration::from_hours(2),
        slack: Energy::new(100),
    }
}

pub fn vend(key: &str, of: i64, amount: i64, receipt: &str) -> VendSeen {
    VendSeen {
        key: key.to_owned(),
        account: account(of),
        transaction: transaction_id(1000 + amount),
        amount: Money::new(amount),
        receipt: receipt.to_owned(),
        receipt_number: "t-1".to_owned(),
        told_balance: None,
        at: at(0),
        available_after: None,
    }
}

/// The reversal of such a vend.
pub fn reversal(vend: &str, of: i64, amount: i64, receipt: &str) -> ReversalSeen {
    ReversalSeen {
        vend: vend.to_owned(),
        account: account(of),
        transaction: transaction_id(1000 - amount),
        amount: Money::new(amount),
        receipt: receipt.to_owned(),
        receipt_number: "t-2".to_owned(),
        told_balance: None,
    }
}

/// A transaction of account 1 that moves `amount` to its balance, or from it where that is negative.
pub fn transaction(sequence: i64, kind: Kind, amount: i64) -> TransactionSeen {
    let balance = format!("balance:{}", account(1));
    let sale = matches!(kind, Kind::Vend | Kind::Reversal);
    let revenue = if kind == Kind::Fixed { "revenue:fixed" } else { "revenue:energy" };
    let other = if sale { "tender:cash" } else { revenue }.to_owned();
    let postings = match amount {
        0 => Vec::new(),
        1.. => vec![(other, balance, Money::new(amount))],
        _ => vec![(balance, other, Money::new(-amount))],
    };
    let id = if sale { transaction_id(1000 + amount) } else { transaction_id(sequence) };
    let (key, object) = (String::new(), String::new());
    TransactionSeen { id, account: account(1), sequence, kind, key, object, postings, balance_after: None }
}

pub fn account_seen(version: i64, posted: i64, carry: i64) -> AccountSeen {
    AccountSeen {
        version,
        active: true,
        suspended: false,
        limits: rules().limits,
        opened_at: None,
        fixed_to: None,
        closed_at: None,
        posted: Money::new(posted),
        debt: Money::ZERO,
        carry,
        warned_at: None,
        available: None,
    }
}

/// Meter 1 counts for account 1 since noon, from a register of 5000.
pub fn installation() -> InstallationSeen {
    InstallationSeen {
        id: installation_id(1),
        account: account(1),
        meter: meter(1),
        start_at: at(0),
        start_value: Energy::new(5000),
        multiplier: 1,
        end: None,
    }
}

/// An order to a meter of account 1 that was stored at noon and nothing else.
pub fn order(nth: i64, of: i64, supply: Supply, cause: Cause) -> OrderSeen {
    OrderSeen {
        id: OrderId::new(site(), nth).unwrap(),
        meter: meter(of),
        account: Some(account(of)),
        supply,
        cause,
        state: State::Ordered,
        attempts: 0,
        created_at: at(0),
        sent_at: None,
        read_at: None,
        lines: vec![line(0, State::Ordered)],
    }
}

pub fn line(second: i64, state: State) -> LineSeen {
    LineSeen { at: at(second), state, sends: false, evidence: None }
}

/// The order as it is after something happened to it.
pub fn then(mut order: OrderSeen, second: i64, state: State) -> OrderSeen {
    let sends = state == State::Sent;
    if sends {
        order.attempts += 1;
        (order.sent_at, order.read_at) = (Some(at(second)), None);
    }
    if state == State::Confirmed {
        order.read_at = Some(at(second));
    }
    order.state = state;
    order.lines.push(LineSeen { sends, ..line(second, state) });
    order
}
