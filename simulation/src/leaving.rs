//! Customers who want money back, and those who leave: how an office goes about it.

use domain::{ledger::Tender, money::Money};
use jiff::Timestamp;
use rand::RngExt;
use wattgate::{
    app::App,
    operations::{
        Error, books,
        close_account::{self, CloseAccount, FinalReading},
        refund::{self, RefundMoney},
    },
};

use crate::{
    auditor::Request,
    clock::shift,
    errand::{Call, done},
    fate::{Event, minutes},
    plan::{self, Random, Size, between},
    world::{Place, World},
};

/// How an account is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// Whether the last reading is entered by hand.
    pub by_hand: bool,
    /// Whether what is owed is written off.
    pub write_off: bool,
    /// Whether supply is cut.
    pub disconnect: bool,
}

/// The request to pay money back, and the call.
pub fn refund(app: App, place: &Place, amount: i64, key: String) -> (Request, Call) {
    let (account, amount) = (place.account, Money::new(amount));
    let new = RefundMoney {
        account_id: account,
        amount,
        currency: "CNY".to_owned(),
        tender: Tender::Cash,
        terminal: "counter-1".to_owned(),
        reason: "simulated".to_owned(),
    };
    let request = Request::Refund { key: key.clone(), account, amount };
    let call = async move {
        let (receipt, _repeated) = refund::refund(&app, new, &key, "operator").await?;
        Ok::<_, Error>(Some(books::json(&receipt)?))
    };
    (request, Box::pin(call))
}

/// The request to close an account, and the call.
pub fn close(world: &World, app: App, place: &Place, how: Farewell, key: &str) -> (Request, Call) {
    let account = place.account;
    let shown = |meter_id| FinalReading {
        meter_id,
        total: plan::displayed(&place.handle.registers()),
        registers: domain::reading::registers::ByPeriod::new(),
    };
    let new = CloseAccount {
        final_readings: how.by_hand.then(|| shown(place.meter)).into_iter().collect(),
        reason: "simulated".to_owned(),
        tender: Tender::Bank,
        terminal: "counter-2".to_owned(),
        write_off: how.write_off,
        disconnect: how.disconnect,
    };
    // What is read off the display anew is asked anew.
    let key = if how.by_hand { format!("{key}-{}", world.number()) } else { key.to_owned() };
    let request = Request::Close { account, write_off: how.write_off };
    (request, done(async move { close_account::close(&app, account, new, &key, "operator").await }))
}

/// Customers who get money back, and those who leave.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(120)), usize::from(size.meters));
    let refund = |random: &mut Random| Event::Refund {
        meter: random.random_range(0..meters),
        amount: random.random_range(1..5_000),
    };
    let close = |random: &mut Random| Event::Close {
        meter: random.random_range(0..meters),
        how: Farewell {
            by_hand: random.random_bool(0.3),
            write_off: random.random_bool(0.7),
            disconnect: random.random_bool(0.5),
        },
    };
    let days = i64::from(size.days);
    let refunds = random.random_range(0..=4 * days);
    let closings = random.random_range(0..=days);
    let mut all: Vec<_> = (0..refunds).map(|_| (between(random, begin, quiet_from), refund(random))).collect();
    all.extend((0..closings).map(|_| (between(random, begin, quiet_from), close(random))));
    all
}
