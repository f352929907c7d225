//! Registered counters: their vendor, the shifts that cashiers open and close there, and what the vendor hands over.

use domain::{
    ids::{ShiftId, SiteId, TerminalId, VendorId},
    money::Money,
};
use jiff::Timestamp;
use rand::RngExt;
use wattgate::{
    app::App,
    operations::{
        shifts::{self, CloseShift, OpenShift},
        vendors::{self, NewDeposit, NewTerminal, NewVendor},
    },
};

use crate::{
    auditor::{Answer, Request},
    clock::shift,
    errand::{Call, Wish, done},
    fate::{Event, minutes},
    leaving::Leave,
    plan::{Random, Size, between},
    run::Failure,
    world::World,
};

/// Counters of a site.
pub const COUNTERS: usize = 3;

/// The counters as the head end knows them.
#[derive(Debug, Clone)]
pub struct Tills {
    vendor: VendorId,
    terminals: Vec<TerminalId>,
}

/// What is done at a counter, named by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Till {
    /// A shift is opened.
    Open(usize),
    /// The open one is closed.
    Close(usize),
    /// The vendor hands money over.
    Deposit(i64),
}

/// The names of all outcomes, as the coverage lists them.
pub const NAMES: &[&str] = &[
    "shift opened",
    "shift opened refused: shift_open",
    "shift closed",
    "deposit",
    "refused: no_open_shift",
    "refused: vendor_credit",
    "refused: supervisor_needed",
];

/// Enters the vendor and its terminals, where the plan has them.
///
/// # Errors
/// A verb is refused.
pub async fn enter(world: &World, app: &App, site_id: SiteId) -> Result<Option<Tills>, Failure> {
    let Some(limit) = world.plan.tills else { return Ok(None) };
    let new = NewVendor { site_id, name: "simulated".to_owned(), credit_limit: limit.map(Money::new) };
    let vendor = vendors::enter(app, new, "simulation").await.map_err(Failure::other)?.id;
    let mut terminals = Vec::new();
    for nth in 0..COUNTERS {
        let new = NewTerminal { vendor_id: vendor, name: format!("counter-{nth}") };
        terminals.push(vendors::register_terminal(app, new, "simulation").await.map_err(Failure::other)?.id);
    }
    Ok(Some(Tills { vendor, terminals }))
}

/// The request and the call.
#[must_use]
pub fn ask(world: &World, app: App, what: Till, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let Tills { vendor, terminals } = entered.tills.as_ref()?;
    let (vendor, key) = (*vendor, key.to_owned());
    let call: Call = match what {
        Till::Open(nth) => {
            let new = OpenShift { terminal_id: *terminals.get(nth)?, float: Money::new(10_000) };
            done(async move { shifts::open(&app, new, &key, "cashier").await })
        }
        Till::Close(nth) => {
            let (terminal, how) = (*terminals.get(nth)?, CloseShift { counted_cash: Money::new(12_345) });
            let open = world.read(move |conn| Ok(store::shift::open_of(conn, terminal)?)).ok()??;
            let id: ShiftId = open.id;
            // Another shift is another request.
            let key = format!("{key} {id}");
            done(async move { shifts::close(&app, id, how, &key, "cashier").await })
        }
        Till::Deposit(amount) => {
            let (amount, currency, reason) = (Money::new(amount), "CNY".to_owned(), "simulated".to_owned());
            let new = NewDeposit { amount, currency, reason };
            done(async move { vendors::deposit(&app, vendor, new, &key, "operator").await })
        }
    };
    Some((Request::Other, call))
}

/// Counts an answer.
pub fn settle(world: &World, what: Till, answer: &Answer) {
    let name = match what {
        Till::Open(_) => "shift opened",
        Till::Close(_) => "shift closed",
        Till::Deposit(_) => "deposit",
    };
    match answer {
        Answer::Done { .. } => world.count("till", name),
        Answer::Refused { code } => world.count("till", &format!("{name} refused: {code}")),
        Answer::Unknown => {}
    }
}

/// Counts what a registered counter refused.
pub fn refused(world: &World, wish: &Wish, answer: &Answer) {
    let at_counter =
        matches!(wish, Wish::Vend { .. } | Wish::Reverse { .. } | Wish::Leave { what: Leave::Refund { .. }, .. });
    match answer {
        Answer::Refused { code } if at_counter && OWN.contains(&code.as_str()) => {
            world.count("till", &format!("refused: {code}"));
        }
        _ => {}
    }
}

/// Why a registered counter refuses.
const OWN: [&str; 3] = ["no_open_shift", "vendor_credit", "supervisor_needed"];

/// Shifts, one after the other at each counter, and deposits.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, days) = (shift(start, minutes(5)), usize::from(size.days));
    let mut all = Vec::new();
    for counter in 0..COUNTERS {
        all.push((begin, Till::Open(counter)));
        for _ in 0..random.random_range(0..=2 * days) {
            let closed = between(random, shift(start, minutes(120)), quiet_from);
            let again = shift(closed, minutes(random.random_range(0..90))).min(quiet_from);
            all.push((closed, Till::Close(counter)));
            all.push((again, Till::Open(counter)));
        }
    }
    let deposits = random.random_range(0..=4 * days);
    all.extend(
        (0..deposits).map(|_| (between(random, begin, quiet_from), Till::Deposit(random.random_range(1..30_000)))),
    );
    all.into_iter().map(|(at, what)| (at, Event::Till(what))).collect()
}
