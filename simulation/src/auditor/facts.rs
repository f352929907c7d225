//! What the auditor is told: the rules of the site, what was asked and answered, and what is true in the field.

use std::{collections::BTreeMap, fmt};

use domain::{
    energy::Energy,
    ids::{AccountId, MeterId, TariffId},
    money::{Money, Price},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

use super::FixedCharge;

/// What holds for the whole of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where the site's days begin.
    pub zone: TimeZone,
    /// Each tariff's versions, in the order of their dates.
    pub tariffs: BTreeMap<TariffId, Vec<Version>>,
    /// How far below zero an account may go before it is cut.
    pub overdraft: Money,
    /// How much further a customer in need may go who asks for it; 0: not offered.
    pub emergency: Money,
    /// Where credit is low.
    pub low: Money,
    /// How much above the end of its overdraft an account is restored.
    pub restore_margin: Money,
    /// Local times, `[from, to)`, in which nobody is cut; one whose end is not after its begin goes over midnight.
    pub friendly_hours: Vec<(Time, Time)>,
    /// Days of the week on which nobody is cut.
    pub protected_weekdays: Vec<Weekday>,
    /// Days on which nobody is cut.
    pub holidays: Vec<Date>,
    /// How long before a cut its warning must have been sent.
    pub warning_lead: SignedDuration,
    /// Most automatic disconnects in a local hour and a local day; none: so many that nothing waits for it.
    pub cut_limits: Option<(usize, usize)>,
    /// How old the last good reading before a cut may be.
    pub reading_freshness: SignedDuration,
    /// Who has paid and is reachable is supplied within this.
    pub restore_within: SignedDuration,
    /// Who has not paid and is held by nothing is cut within this.
    pub cut_within: SignedDuration,
    /// By how much an instant reading may be off the truth, in time and by rounding.
    pub slack: Energy,
}

/// A price list from a date on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// First local day it holds for.
    pub valid_from: Date,
    /// Day of the month on which a window of blocks begins.
    pub window_start_day: i8,
    /// The month in which a window begins that lasts a year; none: one begins every month.
    pub window_start_month: Option<i8>,
    /// Whether bounds are lower by the days gone for an account that is opened inside a window.
    pub prorated: bool,
    /// Prices by the time of day, to which those of blocks are added.
    pub peak: Option<Peak>,
    /// Charges that come whatever is used.
    pub fixed: Vec<FixedCharge>,
    /// Upper bounds of energy in a window with the price below them; none: all the rest.
    pub blocks: Vec<(Option<Energy>, Price)>,
}

/// Peak from one local hour of working days to another, valley otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// The first hour.
    pub from: i8,
    /// The hour after the last.
    pub to: i8,
    /// The price in it.
    pub peak: Price,
    /// The price otherwise.
    pub valley: Price,
}

/// Something that happened, in the order of true time.
#[derive(Debug, Clone)]
pub enum Fact {
    /// An account that may be opened.
    Account {
        /// Its row.
        account: AccountId,
        /// Its only meter.
        meter: MeterId,
        /// What prices it.
        tariff: TariffId,
        /// Whether a reconnect waits for the customer's button.
        permit: bool,
        /// Whether the meter's relay can be moved from afar.
        switchable: bool,
    },
    /// A client sends a request. A repeat is a request of its own, with the same key.
    Asked {
        /// Its number, unique in the run.
        request: u64,
        /// What it asks for.
        what: Request,
    },
    /// It was answered. What is never answered may have been done or not.
    Answered {
        /// Its number.
        request: u64,
        /// What was answered.
        answer: Answer,
    },
    /// The head end's process died.
    Crashed,
    /// The head end's process began.
    Started,
    /// The head end's wall clock is ahead by this from now on.
    Clock {
        /// How far.
        offset: SignedDuration,
    },
    /// Something that may delay reading, cutting or restoring begins, happens or ends now.
    Fault {
        /// What it is, in words.
        what: &'static str,
        /// The meter it concerns; none: all.
        meter: Option<MeterId>,
    },
}

/// What is asked of the head end, or done at a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Open an account.
    Open {
        /// Idempotency key.
        key: String,
        /// The account.
        account: AccountId,
        /// What it begins with.
        credit: Money,
    },
    /// Sell electricity.
    Vend {
        /// Idempotency key.
        key: String,
        /// Who it is for.
        account: AccountId,
        /// How much is paid.
        amount: Money,
        /// Two vends with one key are the same exactly where this is equal.
        content: String,
    },
    /// Take a vend back.
    Reverse {
        /// Idempotency key.
        key: String,
        /// The key under which it was sold.
        vend: String,
        /// Who it was sold to.
        account: AccountId,
        /// How much was paid.
        amount: Money,
        /// Two requests with one key are the same exactly where this is equal.
        content: String,
    },
    /// Pay money back.
    Refund {
        /// Idempotency key.
        key: String,
        /// Whose.
        account: AccountId,
        /// How much.
        amount: Money,
    },
    /// Close an account.
    Close {
        /// Which.
        account: AccountId,
        /// Whether what it owes is written off.
        write_off: bool,
    },
    /// Enter a debt.
    Owe {
        /// Idempotency key.
        key: String,
        /// Who owes it.
        account: AccountId,
        /// How much.
        amount: Money,
        /// The share of vends that recovers it, in millionths.
        share_ppm: u32,
        /// Most that a week's vends recover.
        weekly_cap: Option<Money>,
    },
    /// Write a debt off.
    Forgive {
        /// Idempotency key.
        key: String,
        /// Who owed it.
        account: AccountId,
        /// How much; none: all of it.
        amount: Option<Money>,
    },
    /// Give money: to one account, or to those of a batch, whose key then begins with `batch`.
    Give {
        /// Idempotency key.
        key: String,
        /// To whom, and how much.
        lines: Vec<(AccountId, Money)>,
    },
    /// Give an account another tariff.
    Tariff {
        /// Which.
        account: AccountId,
        /// The tariff.
        tariff: TariffId,
        /// The first local day it holds for.
        from: Date,
    },
    /// Suspend an account, or let it go on.
    Suspend {
        /// Which.
        account: AccountId,
        /// Suspended.
        on: bool,
    },
    /// Keep an account from being cut without money until a moment of the head end's clock; none: no longer.
    Hold {
        /// Which.
        account: AccountId,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// Attach a further meter to an account.
    Attach {
        /// The account.
        account: AccountId,
        /// The meter, whose relay can be moved.
        meter: MeterId,
    },
    /// Remove one of an account's meters.
    Remove {
        /// The meter.
        meter: MeterId,
    },
    /// Activate emergency credit.
    Help {
        /// Idempotency key.
        key: String,
        /// Whose.
        account: AccountId,
    },
    /// An operator's order to a relay: off adds the cause `operator`, on lifts it.
    Order {
        /// Idempotency key.
        key: String,
        /// The meter.
        meter: MeterId,
        /// What it is to be.
        supply: Supply,
    },
    /// Operators' orders to several meters, each given or refused alone; told as `meter=ordered`, `refused` or `waiting`.
    Group {
        /// Idempotency key.
        key: String,
        /// The meters.
        meters: Vec<MeterId>,
        /// What they are to be.
        supply: Supply,
    },
    /// The stop button: nothing is cut that was not sent yet, whoever ordered it, and from then on cuts are only reported.
    Stop,
    /// A meter takes the place of another.
    Replace {
        /// The meter that is removed.
        old: MeterId,
        /// The meter that is installed.
        new: MeterId,
        /// Whether its relay can be moved from afar.
        switchable: bool,
    },
    /// Puts a meter's supply guard (保电) on or off.
    GuardMeter {
        /// The meter.
        meter: MeterId,
        /// Whether it is guarded.
        on: bool,
    },
    /// Puts an account's supply guard on or off.
    GuardAccount {
        /// The account.
        account: AccountId,
        /// Whether it is guarded.
        on: bool,
    },
    /// Turns the site's switch.
    Switch {
        /// What it is turned to.
        automatic: Automatic,
    },
    /// Lets cuts go on that are above a day's limit.
    ReleaseCuts,
    /// Allows automatic orders to a meter that refused a password.
    ClearBlock {
        /// The meter.
        meter: MeterId,
    },
    /// The customer presses the meter's button.
    Press {
        /// The meter.
        meter: MeterId,
    },
    /// Anything without effect on money or supply.
    Other,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or was done before.
    Done {
        /// A vend's or a reversal's receipt, whole.
        receipt: Option<String>,
    },
    /// It is not done.
    Refused {
        /// Why, as a code.
        code: String,
    },
    /// It may have been done; asking again with the same key tells.
    Unknown,
}

/// A relay, or what it is wanted to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Supply {
    /// Current may flow.
    On,
    /// It may not.
    Off,
}

impl fmt::Display for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// The site's switch of automatic disconnection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Automatic {
    /// Nobody is cut.
    Off,
    /// Who would be cut is listed.
    ReportOnly,
    /// Who is due is cut.
    On,
}

/// What is true in the field at a moment.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Every meter.
    pub meters: BTreeMap<MeterId, MeterTruth>,
    /// Whether the head end runs.
    pub up: bool,
}

/// What is true of a meter.
#[derive(Debug, Clone)]
pub struct MeterTruth {
    /// All that flowed since the meter was made.
    pub energy: Energy,
    /// Its register, unwrapped: what it began with and `energy`.
    pub register: Energy,
    /// Its relay.
    pub supply: Supply,
    /// Off, and waiting for the button.
    pub permitted: bool,
    /// Its concentrator is logged in, it answers, and no fault of it stands.
    pub reachable: bool,
    /// Nothing around now makes what is known of it inexact.
    pub exact: bool,
    /// From which day until which the ends of days may be settled otherwise than they truly were: a clock was off, or
    /// another's register taken for this one's. All others must agree to the last unit.
    pub inexact: Vec<(Date, Date)>,
    /// When its relay moved since the last look, and where to.
    pub moves: Vec<(Timestamp, Supply)>,
    /// When it took a command to disconnect since the last look.
    pub disconnects_taken: Vec<Timestamp>,
    /// The local days that ended since the last look, and [`MeterTruth::energy`] at the true midnights that ended them.
    pub midnights: Vec<(Date, Energy)>,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// The rule that does not hold: `I1` to `I8`, `restore`, `cut`, `emergency`, `free energy` or `double charge`.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

impl Violation {
    /// One of `invariant`.
    pub(super) fn of(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}
