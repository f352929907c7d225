//! What people want of the head end, and how they go about it: they wait, lose patience, click twice, ask again with the
//! same key after a crash, and give up only when they were answered.

use std::{rc::Rc, time::Duration};

use domain::{
    energy::Energy,
    ids::{AccountId, MeterId, SiteId},
    money::Money,
    relay::Action,
    site::AutomaticDisconnection,
};
use jiff::SignedDuration;
use rand::RngExt;
use tokio::time::timeout;
use wattgate::{
    app::App,
    hot::Snapshot,
    operations::{
        Error, archive, books,
        guard::{self, Target},
        open_account::{self, OpenAccount},
        order_relay::{self, OrderRelay},
        read_now, site,
    },
};

use crate::{
    aid::{self, Aid},
    auditor::{Answer, Automatic, Fact, Request, Supply},
    contract::{self, Contract},
    control::{self, Control},
    counter::{Sold, keep, reprint, reverse, sell, vend_of, withdraws},
    coverage,
    fate::Event,
    leaving::{self, Leave},
    plan, replacement,
    till::{self, Till},
    world::World,
};

/// What is to be done at a moment.
#[derive(Debug, Clone)]
pub enum Deed {
    /// The plan has it.
    Happens(Event),
    /// Somebody asks, perhaps again.
    Run(Errand),
    /// A customer presses the meter's button.
    Press(usize),
    /// A customer pays after all.
    PayUp(usize),
    /// Hot balances of long ago come back.
    OldHot {
        /// What they were.
        kept: Vec<(AccountId, Snapshot)>,
        /// In place of all that is there.
        dump: bool,
    },
}

/// What somebody wants of the head end.
#[derive(Debug, Clone)]
pub struct Errand {
    /// What is asked for.
    pub what: Wish,
    /// How long the client waits for its answer.
    pub patience: Duration,
    /// Whether it asks again where it got no answer.
    pub persistent: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Open an account.
    Open {
        /// Whose.
        meter: usize,
        /// Opening credit in minor units.
        credit: i64,
        /// Whether the reading is entered by hand.
        by_hand: bool,
        /// The idempotency key.
        key: String,
    },
    /// Sell.
    Vend {
        /// To whom.
        meter: usize,
        /// Minor units.
        amount: i64,
        /// The idempotency key.
        key: String,
    },
    /// Take a vend back.
    Reverse {
        /// Which.
        sold: Sold,
        /// Why, where the counter says so.
        reason: Option<&'static str>,
        /// The idempotency key.
        key: String,
    },
    /// Print a vend's receipt again.
    Reprint {
        /// Which.
        sold: Sold,
        /// The idempotency key.
        key: String,
    },
    /// Move a relay.
    Order {
        /// Whose.
        meter: usize,
        /// Off or on.
        off: bool,
        /// The idempotency key.
        key: String,
    },
    /// Replace a meter by the one that its concentrator has to spare.
    Replace {
        /// Whose.
        meter: usize,
        /// Whether the readings are entered by hand.
        by_hand: bool,
        /// The idempotency key.
        key: String,
    },
    /// Pay money back, close an account, or pass it on.
    Leave {
        /// What.
        what: Leave,
        /// The idempotency key.
        key: String,
    },
    /// Something beside selling.
    Aid {
        /// What.
        what: Aid,
        /// The idempotency key.
        key: String,
    },
    /// Change an account.
    Contract {
        /// What of it.
        what: Contract,
        /// The idempotency key.
        key: String,
    },
    /// Order many meters, or stop cuts.
    Control {
        /// What.
        what: Control,
        /// The idempotency key.
        key: String,
    },
    /// Begin or end a shift, or hand money over.
    Till {
        /// What.
        what: Till,
        /// The idempotency key.
        key: String,
    },
    /// Set or lift a guard.
    Guard {
        /// Whose.
        meter: usize,
        /// Whether on the account.
        account: bool,
        /// Set or lifted.
        on: bool,
    },
    /// Turn the site's switch.
    Switch(AutomaticDisconnection),
    /// Allow orders again to a meter that refused a password.
    ClearBlock(usize),
    /// Write the archive over a foreign one.
    SyncArchive(usize),
    /// Read a meter now.
    ReadNow(usize),
}

impl Errand {
    /// One whose client waits as long as it takes, and asks again.
    #[must_use]
    pub fn patient(what: Wish) -> Self {
        Self { what, patience: Duration::from_secs(60), persistent: true }
    }
}

impl Wish {
    /// The meter whose handling it concerns; what is asked for money concerns none.
    #[must_use]
    pub fn meter(&self) -> Option<usize> {
        match self {
            Self::Open { meter, .. }
            | Self::Order { meter, .. }
            | Self::Guard { meter, .. }
            | Self::Replace { meter, .. }
            | Self::ClearBlock(meter)
            | Self::ReadNow(meter) => Some(*meter),
            Self::Leave { what, .. } => what.meter(),
            Self::Vend { .. }
            | Self::Reverse { .. }
            | Self::Reprint { .. }
            | Self::Aid { .. }
            | Self::Contract { .. }
            | Self::Control { .. }
            | Self::Till { .. }
            | Self::Switch(_)
            | Self::SyncArchive(_) => None,
        }
    }

    /// Whether it replaces a meter.
    #[must_use]
    pub fn replaces(&self) -> bool {
        matches!(self, Self::Replace { .. })
    }
}

/// Somebody sets out; whatever becomes of it is told to the auditor.
pub fn set_out(world: &Rc<World>, app: &App, errand: Errand) {
    if replacement::collides(world, &errand.what) {
        let minutes = world.random.borrow_mut().random_range(5..15);
        world.later(SignedDuration::from_mins(minutes), Deed::Run(errand));
        return;
    }
    if let (true, Some(meter)) = (errand.what.replaces(), errand.what.meter()) {
        world.replacing.borrow_mut().insert(meter);
    }
    let (world, app) = (Rc::clone(world), app.clone());
    let number = world.number();
    if errand.persistent {
        world.outstanding.borrow_mut().insert(number, errand.clone());
    }
    tokio::task::spawn_local(async move {
        let definite = run(&world, &app, &errand).await;
        world.outstanding.borrow_mut().remove(&number);
        if let (true, true, Some(meter)) = (definite, errand.what.replaces(), errand.what.meter()) {
            world.replacing.borrow_mut().remove(&meter);
        }
        if !definite && errand.persistent {
            let minutes = world.random.borrow_mut().random_range(1..15);
            world.later(SignedDuration::from_mins(minutes), Deed::Run(Errand::patient(errand.what)));
        }
    });
}

/// Asks once; `true` where the answer leaves nothing open.
async fn run(world: &Rc<World>, app: &App, errand: &Errand) -> bool {
    if let Wish::Replace { meter, .. } = &errand.what
        && replacement::is_done(world, *meter)
    {
        world.note(&format!("meter {meter} was replaced before"));
        replacement::hung_up(world, app, *meter);
        return true;
    }
    if let Wish::Leave { what, .. } = &errand.what
        && leaving::has_passed(world, *what)
    {
        world.note(&format!("passed on before: {what:?}"));
        return true;
    }
    let Some((request, call)) = prepare(world, app, &errand.what) else { return true };
    let number = world.ask(request);
    let Ok(outcome) = timeout(errand.patience, call).await else {
        world.note(&format!("{number}: the client went away"));
        world.count("money", "client cut off");
        return false;
    };
    let answer = match outcome {
        Ok(receipt) => Answer::Done { receipt },
        Err(Error::Busy | Error::Store(_) | Error::Hot(_)) => Answer::Unknown,
        Err(Error::NotFound(what)) => Answer::Refused { code: format!("no {what}") },
        Err(Error::Conflict { code, .. } | Error::Refused { code, .. } | Error::Many { code, .. }) => {
            Answer::Refused { code: code.to_owned() }
        }
    };
    world.note(&format!("answered {number}: {answer:?}"));
    let how = match &answer {
        Answer::Done { .. } => "done",
        Answer::Refused { .. } => "refused",
        Answer::Unknown => "unknown",
    };
    world.count("request", &format!("{} {how}", coverage::kind(&errand.what)));
    settle(world, app, &errand.what, &answer);
    // A refusal for now: the meter cannot be read, the concentrator is away.
    let later =
        matches!(&answer, Answer::Refused { code } if code == "no_fresh_reading" || code == "concentrator_offline");
    let definite = answer != Answer::Unknown && !later;
    world.tell(Fact::Answered { request: number, answer });
    definite
}

/// A call under way; a receipt where there is one.
pub type Call = std::pin::Pin<Box<dyn Future<Output = Result<Option<String>, Error>>>>;

/// The request as the auditor is told of it, and the call.
fn prepare(world: &Rc<World>, app: &App, wish: &Wish) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let app = app.clone();
    let place = |nth: &usize| entered.places.get(*nth);
    Some(match wish {
        Wish::Open { meter, credit, by_hand, key } => {
            let place = place(meter)?;
            let shown = by_hand.then(|| plan::displayed(&place.handle.registers()));
            // What is read off the display anew is asked anew.
            let key = if *by_hand { format!("{key}-{}", world.number()) } else { key.clone() };
            let (credit, debt) = (Money::new(*credit), aid::brought(&world.plan, *meter));
            let request = Request::Open { key: key.clone(), account: place.account, credit, debt };
            let meter = (place.meter, world.plan.multiplier(*meter));
            (request, open(app, place.account, meter, (credit, debt.map(|(amount, _)| amount)), shown, key))
        }
        Wish::Vend { meter, amount, key } => {
            let (account, key) = (place(meter)?.account, key.clone());
            let vend = vend_of(account, *amount, *meter);
            let amount = vend.amount;
            let content = books::json(&vend).ok()?;
            let request = Request::Vend { key: key.clone(), account, amount, content };
            (request, Box::pin(async move { sell(app, vend, key).await }))
        }
        Wish::Reverse { sold, reason, key } => reverse(app, sold, *reason, key.clone())?,
        Wish::Reprint { sold, key } => reprint(app, sold, key.clone()),
        Wish::Order { meter, off, key } => {
            let (meter, key) = (place(meter)?.meter, key.clone());
            let (action, supply) =
                if *off { (Action::Disconnect, Supply::Off) } else { (Action::Reconnect, Supply::On) };
            let order = OrderRelay { action, reason: "simulated".to_owned(), cause: order_relay::Maker::Operator };
            let request = Request::Order { key: key.clone(), meter, supply };
            (request, done(async move { order_relay::order(&app, meter, order, &key, "operator").await }))
        }
        Wish::Replace { meter, by_hand, key } => replacement::ask(world, app, *meter, *by_hand, key)?,
        Wish::Leave { what, key } => leaving::ask(world, app, *what, key)?,
        Wish::Aid { what, key } => aid::ask(world, app, what, key)?,
        Wish::Contract { what, key } => contract::ask(world, app, what, key)?,
        Wish::Control { what, key } => control::ask(world, app, what, key)?,
        Wish::Till { what, key } => till::ask(world, app, *what, key)?,
        Wish::Guard { meter, account, on } => {
            let place = place(meter)?;
            let (on, reason) = (*on, on.then(|| "simulated".to_owned()));
            if *account {
                let account = place.account;
                let set = async move { guard::set(&app, Target::Account(account), on, reason, "operator").await };
                (Request::GuardAccount { account, on }, done(set))
            } else {
                let meter = place.meter;
                let set = async move { guard::set(&app, Target::Meter(meter), on, reason, "operator").await };
                (Request::GuardMeter { meter, on }, done(set))
            }
        }
        Wish::Switch(switch) => turn(app, entered.site?, *switch),
        Wish::ClearBlock(meter) => {
            let meter = place(meter)?.meter;
            let clear = async move { order_relay::clear_block(&app, meter, "operator").await };
            (Request::ClearBlock { meter }, done(clear))
        }
        Wish::SyncArchive(nth) => {
            let concentrator = entered.stations.get(*nth)?.id;
            (Request::Other, done(async move { archive::sync(&app, concentrator).await }))
        }
        Wish::ReadNow(meter) => {
            let meter = place(meter)?.meter;
            (Request::Other, done(async move { read_now::request(&app, meter, "operator").await }))
        }
    })
}

fn turn(app: App, site: SiteId, switch: AutomaticDisconnection) -> (Request, Call) {
    let automatic = match switch {
        AutomaticDisconnection::Off => Automatic::Off,
        AutomaticDisconnection::ReportOnly => Automatic::ReportOnly,
        AutomaticDisconnection::On => Automatic::On,
    };
    let set = async move { site::set_switch(&app, site, switch, None, "operator").await };
    (Request::Switch { automatic }, done(set))
}

/// A call without a receipt.
pub fn done<T>(call: impl Future<Output = Result<T, Error>> + 'static) -> Call {
    Box::pin(async move { call.await.map(|_| None) })
}

fn open(
    app: App,
    account: AccountId,
    (meter_id, multiplier): (MeterId, Option<u32>),
    (credit, opening_debt): (Money, Option<Money>),
    shown: Option<Energy>,
    key: String,
) -> Call {
    let new = OpenAccount {
        meter_id,
        multiplier,
        initial_reading: shown,
        initial_registers: domain::reading::registers::ByPeriod::new(),
        reason: shown.map(|_| "read off the display".to_owned()),
        opening_credit: Some(credit),
        opening_debt,
        confirmed: false,
        relay_waiver: None,
    };
    done(async move { open_account::open(&app, account, new, &key, "operator").await })
}

/// What an answer means to those who asked.
fn settle(world: &World, app: &App, wish: &Wish, answer: &Answer) {
    till::refused(world, wish, answer);
    let done = matches!(answer, Answer::Done { .. });
    match wish {
        Wish::Open { by_hand, .. } if done => {
            world.count("account", if *by_hand { "opened by hand" } else { "opened" });
        }
        Wish::Vend { key, .. } if done => {
            world.count("money", "vend");
            keep(world, key, answer);
        }
        Wish::Reverse { key, .. } if done => {
            world.count("money", if withdraws(key) { "vend withdrawn" } else { "reversal" });
        }
        Wish::Reverse { .. } if matches!(answer, Answer::Refused { .. }) => world.count("money", "reversal refused"),
        Wish::Vend { .. } => match answer {
            Answer::Refused { code } if code == "idempotency_key_reused" => world.count("money", "key reused"),
            Answer::Refused { code } => {
                world.count("money", "vend refused");
                world.count("money", &format!("vend refused: {code}"));
            }
            _ => {}
        },
        Wish::Leave { what, .. } => leaving::settle(world, *what, answer),
        Wish::Replace { meter, by_hand, .. } if done => {
            world.count("meter", if *by_hand { "replaced by hand" } else { "replaced" });
            replacement::hung_up(world, app, *meter);
        }
        Wish::Replace { .. } => world.count("meter", "replacement refused"),
        Wish::Aid { what, .. } => aid::settle(world, what, answer),
        Wish::Contract { what, .. } => contract::settle(world, what, answer),
        Wish::Control { what, .. } => control::settle(world, what, answer),
        Wish::Till { what, .. } => till::settle(world, *what, answer),
        Wish::ClearBlock(meter) if done => drop(world.blocked.borrow_mut().remove(meter)),
        _ => {}
    }
}
