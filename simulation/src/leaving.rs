//! Customers who want money back, those who leave, and those who pass their account on: how an office goes about it.

use domain::{ids::AccountId, ledger::Tender, money::Money};
use jiff::Timestamp;
use rand::RngExt;
use wattgate::{
    app::App,
    operations::{
        Error, books,
        close_account::{self, CloseAccount, FinalReading},
        refund::{self, RefundMoney},
        transfer_account::{self, Transfer, TransferAccount},
    },
};

use crate::{
    auditor::{Answer, Fact, Request},
    clock::shift,
    contract,
    errand::{Call, done},
    fate::{Event, minutes},
    plan::{self, Random, Size, between},
    world::{Place, World},
};

/// What a customer wants. Meters are named by their place in the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Money back.
    Refund {
        /// Whose.
        meter: usize,
        /// Minor units.
        amount: i64,
    },
    /// To close the account.
    Close {
        /// Whose.
        meter: usize,
        /// How.
        how: Farewell,
    },
    /// To pass the account on to the customer next door.
    Transfer {
        /// Whose.
        meter: usize,
        /// Whether the last reading is entered by hand.
        by_hand: bool,
        /// Whether what is owed apart from the balance is written off.
        write_off: bool,
    },
}

impl Leave {
    /// The meter whose handling it concerns; what is asked for money concerns none.
    #[must_use]
    pub fn meter(&self) -> Option<usize> {
        match self {
            Self::Refund { .. } => None,
            Self::Close { meter, .. } | Self::Transfer { meter, .. } => Some(*meter),
        }
    }
}

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

/// The request and the call.
#[must_use]
pub fn ask(world: &World, app: App, what: Leave, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let place = |nth: usize| entered.places.get(nth);
    // What is read off the display anew is asked anew.
    let anew = |by_hand| if by_hand { format!("{key}-{}", world.number()) } else { key.to_owned() };
    Some(match what {
        Leave::Refund { meter, amount } => refund(app, place(meter)?, amount, key.to_owned()),
        Leave::Close { meter, how } => close(app, place(meter)?, how, anew(how.by_hand)),
        Leave::Transfer { meter, by_hand, write_off } => {
            let place = place(meter)?;
            let next_door = entered.places.get((meter + 1) % entered.places.len().max(1))?.account;
            let customer_id = world.read(move |conn| Ok(store::account::by_id(conn, next_door)?.customer_id)).ok()?;
            let final_readings = by_hand.then(|| shown(place)).into_iter().collect();
            let reason = "simulated".to_owned();
            let to = TransferAccount { customer_id, number: None, final_readings, reason, write_off, pay_out: None };
            let (account, key) = (place.account, anew(by_hand));
            let request = Request::Transfer { key: key.clone(), account, write_off };
            let call = async move {
                let transfer = transfer_account::transfer(&app, account, to, &key, "operator").await?;
                Ok::<_, Error>(Some(books::json(&transfer)?))
            };
            (request, Box::pin(call))
        }
    })
}

/// What an operator reads off a meter's display.
fn shown(place: &Place) -> FinalReading {
    FinalReading {
        meter_id: place.meter,
        total: plan::displayed(&place.handle.registers()),
        registers: domain::reading::registers::ByPeriod::new(),
        confirmed: false,
    }
}

fn refund(app: App, place: &Place, amount: i64, key: String) -> (Request, Call) {
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

fn close(app: App, place: &Place, how: Farewell, key: String) -> (Request, Call) {
    let account = place.account;
    let new = CloseAccount {
        final_readings: how.by_hand.then(|| shown(place)).into_iter().collect(),
        reason: "simulated".to_owned(),
        tender: Tender::Bank,
        terminal: "counter-2".to_owned(),
        write_off: how.write_off,
        disconnect: how.disconnect,
    };
    let request = Request::Close { account, write_off: how.write_off };
    (request, done(async move { close_account::close(&app, account, new, &key, "operator").await }))
}

/// Whether an earlier attempt, whose answer was lost, passed an account on: the office asks before trying again.
#[must_use]
pub fn has_passed(world: &World, what: Leave) -> bool {
    let Leave::Transfer { meter: nth, .. } = what else { return false };
    let place = world.entered.borrow().places.get(nth).map(|place| (place.meter, place.account));
    let Some((meter, account)) = place else { return false };
    let now = world.read(move |conn| Ok(store::account::by_meter(conn, meter)?.map(|row| row.id))).ok().flatten();
    let passed = now.filter(|now| *now != account);
    passed.into_iter().for_each(|to| pass(world, nth, account, to));
    passed.is_some()
}

/// Another account has a meter from now on.
fn pass(world: &World, nth: usize, from: AccountId, to: AccountId) {
    if let Some(place) = world.entered.borrow_mut().places.get_mut(nth).filter(|place| place.account == from) {
        place.account = to;
        world.blur_removed(place.meter);
    }
    contract::blur_further(world);
    world.tell(Fact::Passed { from, to });
}

/// What an answer means to those who asked.
pub fn settle(world: &World, what: Leave, answer: &Answer) {
    let group = if what.meter().is_some() { "account" } else { "money" };
    let (name, refused) = match what {
        Leave::Refund { .. } => ("refund", "refund refused"),
        Leave::Close { .. } => ("closed", "closing refused"),
        Leave::Transfer { by_hand: true, .. } => ("transferred by hand", "transfer refused"),
        Leave::Transfer { by_hand: false, .. } => ("transferred", "transfer refused"),
    };
    match answer {
        Answer::Done { .. } => world.count(group, name),
        Answer::Refused { .. } => world.count(group, refused),
        Answer::Unknown => {}
    }
    match (what, answer) {
        (Leave::Close { meter, .. }, Answer::Done { .. }) => {
            let meter = world.entered.borrow().places.get(meter).map(|place| place.meter);
            meter.into_iter().for_each(|meter| world.blur_removed(meter));
            contract::blur_further(world);
        }
        (Leave::Transfer { meter, .. }, Answer::Done { receipt: Some(told) }) => {
            if let Ok(transfer) = serde_json::from_str::<Transfer>(told) {
                pass(world, meter, transfer.account_id, transfer.new_account_id);
            }
        }
        _ => {}
    }
}

/// Customers who get money back, and those who leave.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(120)), usize::from(size.meters));
    let refund = |random: &mut Random| Leave::Refund {
        meter: random.random_range(0..meters),
        amount: random.random_range(1..5_000),
    };
    let close = |random: &mut Random| Leave::Close {
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
    all.into_iter().map(|(at, what)| (at, Event::Leave(what))).collect()
}

/// Accounts that pass to other customers, some of them again.
#[must_use]
pub fn transfers(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let begin = shift(start, minutes(120));
    let count = random.random_range(1..=4 * i64::from(size.days));
    let transfer = |random: &mut Random| Leave::Transfer {
        meter: random.random_range(0..usize::from(size.meters)),
        by_hand: random.random_bool(0.3),
        write_off: random.random_bool(0.7),
    };
    (0..count).map(|_| (between(random, begin, quiet_from), Event::Leave(transfer(random)))).collect()
}
