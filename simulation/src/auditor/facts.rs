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

use super::{FixedCharge, Limits, Request};

/// What holds for the whole of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where the site's days begin.
    pub zone: TimeZone,
    /// Each tariff's versions, in the order of their dates.
    pub tariffs: BTreeMap<TariffId, Vec<Version>>,
    /// How far an account's money carries its supply, where it was not changed.
    pub limits: Limits,
    /// How much further a customer in need may go who asks for it; 0: not offered.
    pub emergency: Money,
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
    /// What a vend may be: the least, the most, and the most that its cashier sells in a local day.
    pub vends: [Money; 3],
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
    /// Those who asked learned which account took another's place.
    Passed {
        /// The old one.
        from: AccountId,
        /// The new one.
        to: AccountId,
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
    /// What it tells is what it counted: a reading that cannot be is kept aside, and charges nothing.
    pub truthful: bool,
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
