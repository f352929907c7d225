//! What an office changes of an account beside its money: its tariff from a day on, its limits, its meters, and whether it is
//! suspended.

use domain::{
    ids::{AccountId, TariffId},
    money::Money,
    reading::registers::ByPeriod,
    relay::Action,
};
use jiff::{SignedDuration, Span, Timestamp};
use rand::RngExt;
use wattgate::{
    app::App,
    operations::{
        attach_meter::{self, AttachMeter},
        change_limits::{self, ChangeLimits},
        change_tariff::{self, ChangeTariff},
        customer_control::{self, SetCustomerControl},
        hold::{self, Hold},
        mass_cut::{self, ReleaseCuts},
        order_relay::{self, Maker, OrderRelay},
        remove_meter::{self, RemoveMeter},
        suspend_account,
    },
};

use crate::{
    auditor::{Answer, Limits, Request, Supply, Whose},
    clock::shift,
    errand::{Call, done},
    fate::{Event, minutes},
    plan::{self, Random, Size, between},
    world::{Entered, World},
};

/// What is changed. Meters are named by their place in the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contract {
    /// Another tariff.
    Tariff {
        /// Whose.
        meter: usize,
        /// Which, by its place in the plan.
        tariff: usize,
        /// From so many days after today on.
        after: i64,
    },
    /// A further meter: the one that a concentrator has to spare.
    Attach {
        /// Whose.
        meter: usize,
        /// The concentrator.
        concentrator: usize,
        /// Whether the reading is entered by hand.
        by_hand: bool,
    },
    /// That meter is removed again.
    Remove {
        /// The concentrator.
        concentrator: usize,
        /// Whether the reading is entered by hand.
        by_hand: bool,
        /// Whether its supply is cut.
        disconnect: bool,
    },
    /// Held without money for so long, or no longer held.
    Hold {
        /// Whose.
        meter: usize,
        /// How long.
        minutes: Option<i64>,
    },
    /// Cuts above a day's limit are let go on.
    ReleaseCuts,
    /// Other limits, in minor units.
    Limits {
        /// Whose.
        meter: usize,
        /// How far below zero.
        overdraft: i64,
        /// How much above that it is restored.
        restore_margin: i64,
        /// Where credit is low.
        low: i64,
    },
    /// The customer may switch the own meter, or may not.
    Allow {
        /// Whose.
        meter: usize,
        /// May.
        on: bool,
    },
    /// The meter is switched by the customer's wish, or for work on the line.
    Wish {
        /// Whose.
        meter: usize,
        /// By whose wish.
        whose: Whose,
        /// Off or on.
        off: bool,
    },
    /// Suspended, or let go on.
    Suspend {
        /// Whose.
        meter: usize,
        /// Suspended.
        on: bool,
    },
}

/// The names of all outcomes, as the coverage lists them.
pub const NAMES: &[&str] = &[
    "tariff changed",
    "tariff changed refused: account_not_active",
    "tariff changed refused: tariff",
    "meter attached",
    "meter attached refused: account_not_active",
    "meter attached refused: meter_in_use",
    "meter removed",
    "meter removed refused: meter_not_in_use",
    "held",
    "held refused: account_closed",
    "hold lifted",
    "cuts released",
    "limits changed",
    "limits changed refused: account_closed",
    "limits changed refused: limits",
    "customer allowed to switch",
    "customer not allowed to switch",
    "cut by the customer",
    "cut by the customer refused: customer_control_not_allowed",
    "reconnected by the customer",
    "reconnected by the customer refused: supply_not_wanted",
    "locked",
    "unlocked",
    "suspended",
    "suspended refused: account_not_active",
    "resumed",
];

/// The request and the call.
#[must_use]
pub fn ask(world: &World, app: App, what: &Contract, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let (reason, key) = ("simulated".to_owned(), key.to_owned());
    Some(match *what {
        Contract::Tariff { meter, tariff, after } => {
            another_tariff(world, app, &entered, (meter, tariff, after), &key)?
        }
        Contract::Attach { meter, concentrator, by_hand } => {
            further_meter(world, app, &entered, (meter, concentrator, by_hand), key)?
        }
        Contract::Remove { concentrator, by_hand, disconnect } => {
            let spare = entered.spares.iter().find(|spare| spare.concentrator == concentrator)?;
            let meter = spare.meter;
            let shown = by_hand.then(|| plan::displayed(&spare.handle.registers()));
            let how = RemoveMeter {
                final_reading: shown,
                final_registers: ByPeriod::new(),
                reason,
                disconnect,
                confirmed: false,
            };
            let key = if by_hand { format!("{key}-{}", world.number()) } else { key };
            world.blur_removed(meter);
            (
                Request::Remove { meter },
                done(async move { remove_meter::remove(&app, meter, how, &key, "operator").await }),
            )
        }
        Contract::Hold { meter, minutes } => {
            let account = entered.places.get(meter)?.account;
            let until = minutes.map(|minutes| shift(world.time.now(), SignedDuration::from_mins(minutes)));
            let hold = Hold { until, reason };
            let request = Request::Hold { account, until };
            (request, done(async move { hold::set(&app, account, hold, "operator").await }))
        }
        Contract::ReleaseCuts => {
            let what = ReleaseCuts { site_id: entered.site?, meters: None, reason };
            (Request::ReleaseCuts, done(async move { mass_cut::release(&app, what, "operator").await }))
        }
        Contract::Limits { meter, overdraft, restore_margin, low } => {
            other_limits(app, entered.places.get(meter)?.account, [overdraft, restore_margin, low].map(Money::new))
        }
        Contract::Allow { meter, on } => {
            let account = entered.places.get(meter)?.account;
            let new = SetCustomerControl { allowed: on, reason };
            let request = Request::Allow { account, on };
            (request, done(async move { customer_control::set(&app, account, new, "operator").await }))
        }
        Contract::Wish { meter, whose, off } => {
            let meter = entered.places.get(meter)?.meter;
            let (action, supply) =
                if off { (Action::Disconnect, Supply::Off) } else { (Action::Reconnect, Supply::On) };
            let cause = if whose == Whose::Customer { Maker::Customer } else { Maker::Safety };
            let order = OrderRelay { action, reason, cause };
            let request = Request::Wish { key: key.clone(), whose, meter, supply };
            (request, done(async move { order_relay::order(&app, meter, order, &key, "operator").await }))
        }
        Contract::Suspend { meter, on } => {
            let account = entered.places.get(meter)?.account;
            let request = Request::Suspend { account, on };
            (request, done(async move { suspend_account::set(&app, account, on, &reason, "operator").await }))
        }
    })
}

/// Another tariff from a day on.
fn another_tariff(
    world: &World,
    app: App,
    entered: &Entered,
    (meter, tariff, after): (usize, usize, i64),
    key: &str,
) -> Option<(Request, Call)> {
    let reason = "simulated".to_owned();
    let place = entered.places.get(meter)?;
    let id_of = |wanted: usize| entered.tariffs.iter().find(|(_, nth)| **nth == wanted).map(|(id, _)| *id);
    let by_time = world.plan.tariffs.iter().flatten().any(|version| version.time_of_use.is_some());
    // What the auditor knows of energy by the time of day is rough: nobody goes over to such prices, or away.
    let stays = by_time && (tariff == 0 || entered.tariffs.get(&place.tariff) == Some(&0));
    let tariff_id: TariffId = if stays { place.tariff } else { id_of(tariff)? };
    let today = world.plan.zone.to_datetime(world.time.now()).date();
    let from = today.saturating_add(Span::new().days(after));
    let account = place.account;
    let request = Request::Tariff { account, tariff: tariff_id, from };
    let to = ChangeTariff { tariff_id, valid_from: Some(from), reason };
    // Another day is another request.
    let key = format!("{key} {from}");
    Some((request, done(async move { change_tariff::change(&app, account, to, &key, "operator").await })))
}

/// The further meter of a concentrator.
fn further_meter(
    world: &World,
    app: App,
    entered: &Entered,
    (meter, concentrator, by_hand): (usize, usize, bool),
    key: String,
) -> Option<(Request, Call)> {
    let reason = "simulated".to_owned();
    let account = entered.places.get(meter)?.account;
    let spare = entered.spares.iter().find(|spare| spare.concentrator == concentrator)?;
    let shown = by_hand.then(|| plan::displayed(&spare.handle.registers()));
    let multiplier = world.plan.multiplier(meter);
    let new = AttachMeter {
        meter_id: spare.meter,
        multiplier,
        initial_reading: shown,
        initial_registers: ByPeriod::new(),
        reason,
        confirmed: false,
    };
    // What is read off the display anew is asked anew.
    let key = if by_hand { format!("{key}-{}", world.number()) } else { key };
    let request = Request::Attach { account, meter: spare.meter };
    Some((request, done(async move { attach_meter::attach(&app, account, new, &key, "operator").await })))
}

/// Other limits: how far below zero, how much above that it is restored, where credit is low.
fn other_limits(app: App, account: AccountId, [overdraft, restore_margin, low]: [Money; 3]) -> (Request, Call) {
    let reason = "simulated".to_owned();
    let to = ChangeLimits {
        alarm_1: Some(low.max(Money::new(HIGH))),
        alarm_2: Some(low),
        rearm_margin: None,
        overdraft: Some(overdraft),
        restore_margin: Some(restore_margin),
        emergency_credit: None,
        reason,
    };
    let request = Request::Limits { account, to: Limits { overdraft, restore_margin, low } };
    (request, done(async move { change_limits::change(&app, account, to, None, "operator").await }))
}

/// An account was closed: a further meter of its may have been removed.
pub fn blur_further(world: &World) {
    if world.plan.further {
        world.entered.borrow().spares.iter().for_each(|spare| world.blur_removed(spare.meter));
    }
}

/// Counts an answer.
pub fn settle(world: &World, what: &Contract, answer: &Answer) {
    let name = match what {
        Contract::Attach { .. } => "meter attached",
        Contract::Remove { .. } => "meter removed",
        Contract::Tariff { .. } => "tariff changed",
        Contract::Hold { minutes: Some(_), .. } => "held",
        Contract::Hold { minutes: None, .. } => "hold lifted",
        Contract::ReleaseCuts => "cuts released",
        Contract::Limits { .. } => "limits changed",
        Contract::Allow { on: true, .. } => "customer allowed to switch",
        Contract::Allow { on: false, .. } => "customer not allowed to switch",
        Contract::Wish { whose: Whose::Customer, off: true, .. } => "cut by the customer",
        Contract::Wish { whose: Whose::Customer, off: false, .. } => "reconnected by the customer",
        Contract::Wish { whose: Whose::Safety, off: true, .. } => "locked",
        Contract::Wish { whose: Whose::Safety, off: false, .. } => "unlocked",
        Contract::Suspend { on: true, .. } => "suspended",
        Contract::Suspend { on: false, .. } => "resumed",
    };
    match answer {
        Answer::Done { .. } => world.count("contract", name),
        Answer::Refused { code } => world.count("contract", &format!("{name} refused: {code}")),
        Answer::Unknown => {}
    }
}

/// Above every level of low credit that is drawn.
const HIGH: i64 = 2_000;

/// Customers who switch their own meters, where that is allowed, and work on the line.
#[must_use]
pub fn wishes(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(20)), usize::from(size.meters));
    let mut all = Vec::new();
    for _ in 0..random.random_range(0..=4 * usize::from(size.days)) {
        let meter = random.random_range(0..meters);
        let from = between(random, begin, quiet_from);
        let until = between(random, from, quiet_from);
        if random.random_bool(0.7) {
            all.push((begin, Contract::Allow { meter, on: true }));
        }
        if random.random_bool(0.2) {
            all.push((between(random, from, quiet_from), Contract::Allow { meter, on: false }));
        }
        let whose = if random.random_bool(0.6) { Whose::Customer } else { Whose::Safety };
        all.push((from, Contract::Wish { meter, whose, off: true }));
        if random.random_bool(0.9) {
            all.push((until, Contract::Wish { meter, whose, off: false }));
        }
    }
    all.into_iter().map(|(at, what)| (at, Event::Contract(what))).collect()
}

/// Accounts with limits of their own, some of which cannot be.
#[must_use]
pub fn limits(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(20)), usize::from(size.meters));
    let count = random.random_range(0..=4 * usize::from(size.days));
    let limits = |random: &mut Random| Contract::Limits {
        meter: random.random_range(0..meters),
        overdraft: random.random_range(0..1_500),
        restore_margin: random.random_range(1..500),
        low: random.random_range(-300..1_500),
    };
    (0..count).map(|_| (between(random, begin, quiet_from), Event::Contract(limits(random)))).collect()
}

/// Changes of tariffs, further meters, suspensions with their ends, and holds.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters, days) = (shift(start, minutes(20)), usize::from(size.meters), usize::from(size.days));
    let mut all = Vec::new();
    let changes = random.random_range(0..=4 * days);
    for _ in 0..changes {
        let meter = random.random_range(0..meters);
        // Today is refused.
        let after = random.random_range(0..10).clamp(0, 3);
        let what = Contract::Tariff { meter, tariff: random.random_range(0..3), after };
        all.push((between(random, begin, quiet_from), what));
    }
    for concentrator in 0..usize::from(size.concentrators) {
        for _ in 0..random.random_range(1..=3) {
            let meter = random.random_range(0..meters);
            let from = between(random, begin, quiet_from);
            let until = between(random, from, quiet_from);
            let (by_hand, disconnect) = (random.random_bool(0.4), random.random_bool(0.4));
            all.push((from, Contract::Attach { meter, concentrator, by_hand }));
            if random.random_bool(0.6) {
                all.push((until, Contract::Remove { concentrator, by_hand, disconnect }));
            }
        }
    }
    let suspensions = random.random_range(0..=2 * days);
    for _ in 0..suspensions {
        let meter = random.random_range(0..meters);
        let from = between(random, begin, quiet_from);
        let until = between(random, from, quiet_from);
        all.push((from, Contract::Suspend { meter, on: true }));
        if random.random_bool(0.9) {
            all.push((until, Contract::Suspend { meter, on: false }));
        }
    }
    let holds = random.random_range(0..=4 * days);
    for _ in 0..holds {
        let meter = random.random_range(0..meters);
        let from = between(random, begin, quiet_from);
        all.push((from, Contract::Hold { meter, minutes: Some(random.random_range(10..3_000)) }));
        if random.random_bool(0.3) {
            all.push((between(random, from, quiet_from), Contract::Hold { meter, minutes: None }));
        }
    }
    let releases = random.random_range(0..=days);
    all.extend((0..releases).map(|_| (between(random, begin, quiet_from), Contract::ReleaseCuts)));
    all.into_iter().map(|(at, what)| (at, Event::Contract(what))).collect()
}
