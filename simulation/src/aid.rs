//! What an office does for, and about, customers beside selling: debts entered and written off, subsidies to one or to many,
//! emergency credit, payments in flight.

use domain::{
    ids::{AccountId, PaymentId},
    ledger::Tender,
    money::Money,
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use wattgate::{
    app::App,
    operations::{
        Error,
        adjust::{self, NewAdjustment},
        batch_credit::{self, NewBatchCredit, NewLine},
        books,
        debts::{self, NewDebt, WriteOffDebt},
        emergency_credit,
        payment_in_flight::{self, AnnouncePayment},
        subsidize::{self, NewSubsidy},
    },
};

use crate::{
    auditor::{Answer, Request, Terms},
    clock::shift,
    errand::{Call, Deed, Errand, Wish, done},
    fate::{Event, minutes},
    plan::{Plan, Random, Size, between},
    world::World,
};

/// What is done. Meters are named by their place in the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aid {
    /// A debt is entered.
    Owe {
        /// Whose.
        meter: usize,
        /// Minor units.
        amount: i64,
        /// The share of vends that recovers it, in millionths.
        share_ppm: u32,
        /// Most that a week's vends recover.
        weekly_cap: Option<i64>,
    },
    /// A debt is written off.
    Forgive {
        /// Whose.
        meter: usize,
        /// Minor units; none: all of it.
        amount: Option<i64>,
    },
    /// Somebody gives money.
    Give {
        /// To whom.
        meter: usize,
        /// Minor units.
        amount: i64,
    },
    /// Somebody gives money to many.
    GiveMany {
        /// The first and how many.
        meters: (usize, usize),
        /// Minor units for the first; the others get a little more each.
        amount: i64,
    },
    /// A balance is put right.
    Adjust {
        /// Whose.
        meter: usize,
        /// Minor units; negative where it is taken.
        amount: i64,
    },
    /// A customer begins to pay; the money comes later, or never.
    Announce {
        /// Who.
        meter: usize,
        /// Minor units.
        amount: i64,
    },
    /// A customer's payment is over, whatever became of it.
    Withdraw {
        /// Whose.
        meter: usize,
        /// The payment.
        payment: PaymentId,
    },
    /// A customer asks for emergency credit.
    Help {
        /// Who.
        meter: usize,
    },
}

impl Aid {
    /// Its name in the coverage.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Owe { .. } => "debt",
            Self::Forgive { .. } => "debt written off",
            Self::Give { .. } => "subsidy",
            Self::GiveMany { .. } => "batch of subsidies",
            Self::Adjust { .. } => "adjustment",
            Self::Announce { .. } => "payment in flight",
            Self::Withdraw { .. } => "payment over",
            Self::Help { .. } => "emergency credit",
        }
    }
}

/// The names of all outcomes, as the coverage lists them.
pub const NAMES: &[&str] = &[
    "debt",
    "debt refused: account_not_active",
    "debt written off",
    "debt written off refused: above_debt",
    "subsidy",
    "subsidy refused: account_not_active",
    "batch of subsidies",
    "batch of subsidies refused: batch_lines",
    "adjustment",
    "adjustment refused: account_not_active",
    "payment over",
    "payment in flight",
    "payment in flight refused: account_not_active",
    "emergency credit",
    "emergency credit refused: no_credit_episode",
    "emergency credit refused: emergency_credit_used",
    "emergency credit refused: emergency_credit_not_offered",
    "emergency credit refused: emergency_credit_too_little",
    "debt recovered",
    "debt restored",
    "debt settled",
];

/// The request and the call.
#[must_use]
pub fn ask(world: &World, app: App, aid: &Aid, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let account = |nth: usize| entered.places.get(nth).map(|place| place.account);
    let (key, reason, currency) = (key.to_owned(), "simulated".to_owned(), "CNY".to_owned());
    Some(match *aid {
        Aid::Owe { meter, amount, share_ppm, weekly_cap } => {
            let (account, amount, weekly_cap) = (account(meter)?, Money::new(amount), weekly_cap.map(Money::new));
            let new = NewDebt { amount, currency, reason, share_ppm: Some(share_ppm), weekly_cap };
            let request = Request::Owe { key: key.clone(), account, amount, share_ppm, weekly_cap };
            (
                request,
                Box::pin(async move {
                    Ok(Some(books::json(&debts::enter(&app, account, new, &key, "operator").await?.0)?))
                }),
            )
        }
        Aid::Forgive { meter, amount } => {
            let (account, amount) = (account(meter)?, amount.map(Money::new));
            let off = WriteOffDebt { amount, reason };
            let request = Request::Forgive { key: key.clone(), account, amount };
            let call = async move {
                Ok::<_, Error>(Some(books::json(&debts::write_off(&app, account, off, &key, "operator").await?.0)?))
            };
            (request, Box::pin(call))
        }
        Aid::Give { meter, amount } => {
            let (account, amount) = (account(meter)?, Money::new(amount));
            let new = NewSubsidy { amount, currency, reason };
            let request = Request::Give { key: key.clone(), lines: vec![(account, amount)] };
            let call = async move {
                Ok::<_, Error>(Some(books::json(&subsidize::subsidize(&app, account, new, &key, "operator").await?.0)?))
            };
            (request, Box::pin(call))
        }
        Aid::GiveMany { meters: (first, count), amount } => {
            let accounts: Vec<_> = (first..first + count).filter_map(account).collect();
            let lines: Vec<_> = accounts.into_iter().zip((amount..).map(Money::new)).collect();
            let line = |(account, amount): &(domain::ids::AccountId, Money)| NewLine {
                account_number: account.to_string(),
                amount: *amount,
            };
            let new =
                NewBatchCredit { site_id: entered.site?, currency, reason, lines: lines.iter().map(line).collect() };
            let request = Request::Give { key: key.clone(), lines };
            (
                request,
                Box::pin(
                    async move { Ok(Some(books::json(&batch_credit::credit(&app, new, &key, "operator").await?.0)?)) },
                ),
            )
        }
        Aid::Adjust { meter, amount } => put_right(app, account(meter)?, Money::new(amount), key),
        Aid::Withdraw { meter, payment } => {
            let request = Request::Withdraw { account: account(meter)? };
            (request, done(async move { payment_in_flight::end(&app, payment).await }))
        }
        Aid::Announce { meter, amount } => announce(app, account(meter)?, Money::new(amount), key),
        Aid::Help { meter } => {
            let account = account(meter)?;
            let request = Request::Help { key: key.clone(), account };
            (
                request,
                Box::pin(async move {
                    Ok(Some(books::json(&emergency_credit::activate(&app, account, &key, "operator").await?)?))
                }),
            )
        }
    })
}

/// A balance is put right.
fn put_right(app: App, account: AccountId, amount: Money, key: String) -> (Request, Call) {
    let new = NewAdjustment { amount, currency: "CNY".to_owned(), reason: "simulated".to_owned() };
    let request = Request::Adjust { key: key.clone(), account, amount };
    let call = async move {
        Ok::<_, Error>(Some(books::json(&adjust::adjust(&app, account, new, &key, "operator").await?.0)?))
    };
    (request, Box::pin(call))
}

/// A payment begins.
fn announce(app: App, account: AccountId, amount: Money, key: String) -> (Request, Call) {
    let (currency, tender) = ("CNY".to_owned(), Tender::Wechat);
    let new = AnnouncePayment { account_id: account, amount, currency, tender };
    let call = async move {
        let payment = payment_in_flight::announce(&app, new, &key, "cashier").await?;
        Ok::<_, Error>(Some(format!("{} {} {}", payment.begun_at, payment.holds_until, payment.id)))
    };
    (Request::Announce { account }, Box::pin(call))
}

/// What an answer means to those who asked: whoever was helped may ask for more.
pub fn settle(world: &World, aid: &Aid, answer: &Answer) {
    match answer {
        Answer::Done { .. } => world.count("aid", aid.name()),
        Answer::Refused { code } => world.count("aid", &format!("{} refused: {code}", aid.name())),
        Answer::Unknown => {}
    }
    if let (Aid::Announce { meter, .. }, Answer::Done { receipt: Some(told) }) = (aid, answer)
        && let Some(payment) = told.rsplit(' ').next().and_then(|id| id.parse().ok())
        && world.random.borrow_mut().random_bool(0.3)
    {
        let after = SignedDuration::from_secs(world.random.borrow_mut().random_range(5..900));
        let (what, key) = (Aid::Withdraw { meter: *meter, payment }, format!("over-{payment}"));
        world.later(after, Deed::Run(Errand::patient(Wish::Aid { what, key })));
    }
    if let (Aid::Help { meter }, Answer::Done { .. }) = (aid, answer)
        && world.random.borrow_mut().random_bool(0.5)
    {
        in_need(world, *meter);
    }
}

/// A customer who is short asks for emergency credit after a while, where it is offered.
pub fn in_need(world: &World, nth: usize) {
    if world.plan.settings.policy.credit.limits.emergency_credit <= Money::ZERO {
        return;
    }
    let after = SignedDuration::from_secs(world.random.borrow_mut().random_range(10..20_000));
    let key = format!("help-{}", world.number());
    world.later(after, Deed::Run(Errand::patient(Wish::Aid { what: Aid::Help { meter: nth }, key })));
}

/// What an account is opened with that it owes: in runs with debts every third does.
#[must_use]
pub fn brought(plan: &Plan, meter: usize) -> Option<(Money, Terms)> {
    if plan.seed % 3 != 1 || !meter.is_multiple_of(3) {
        return None;
    }
    let amount = Random::seed_from_u64(plan.seed ^ u64::try_from(meter).ok()?).random_range(1..4_000);
    let domain::debt::Terms { share_ppm, weekly_cap } = plan.settings.policy.debts.terms;
    Some((Money::new(amount), Terms { share_ppm, weekly_cap }))
}

/// Payments that begin.
#[must_use]
pub fn payments(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(30)), usize::from(size.meters));
    let count = random.random_range(0..=20 * usize::from(size.days));
    let announce = |random: &mut Random| Aid::Announce {
        meter: random.random_range(0..meters),
        amount: random.random_range(1..9_000),
    };
    (0..count).map(|_| (between(random, begin, quiet_from), Event::Aid(announce(random)))).collect()
}

/// Balances that are put right.
#[must_use]
pub fn adjustments(
    random: &mut Random,
    size: Size,
    start: Timestamp,
    quiet_from: Timestamp,
) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(30)), usize::from(size.meters));
    let count = random.random_range(0..=2 * usize::from(size.days));
    let adjust = |random: &mut Random| {
        let amount = random.random_range(1..3_000);
        let amount = if random.random_bool(0.5) { amount } else { -amount };
        Aid::Adjust { meter: random.random_range(0..meters), amount }
    };
    (0..count).map(|_| (between(random, begin, quiet_from), Event::Aid(adjust(random)))).collect()
}

/// Debts, subsidies and calls for help.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, meters) = (shift(start, minutes(30)), usize::from(size.meters));
    let days = usize::from(size.days);
    let mut all = Vec::new();
    let debts = random.random_range(0..=2 * meters);
    for _ in 0..debts {
        let meter = random.random_range(0..meters);
        let weekly_cap = random.random_bool(0.7).then(|| random.random_range(1..2_000));
        let amount = random.random_range(1..20_000);
        let share_ppm = random.random_range(1..=1_000_000);
        all.push(Aid::Owe { meter, amount, share_ppm, weekly_cap });
    }
    let rest = random.random_range(0..=8 * days);
    for _ in 0..rest {
        let meter = random.random_range(0..meters);
        let amount = random.random_range(1..4_000);
        all.push(match random.random_range(0..8) {
            0 => Aid::Forgive { meter, amount: None },
            1 => Aid::Forgive { meter, amount: Some(amount) },
            2..=4 => Aid::Give { meter, amount },
            5 => Aid::GiveMany { meters: (meter, random.random_range(1..30)), amount },
            _ => Aid::Help { meter },
        });
    }
    all.into_iter().map(|aid| (between(random, begin, quiet_from), Event::Aid(aid))).collect()
}
