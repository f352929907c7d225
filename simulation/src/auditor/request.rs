//! What people ask of the head end.

use domain::{
    ids::{AccountId, MeterId, TariffId},
    money::Money,
};
use jiff::{
    Timestamp,
    civil::{Date, Time},
};

use super::{Automatic, Limits, Supply, Terms};

/// Who but an operator has supply cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The customer, where an operator allows it.
    Customer,
    /// Whoever works on the line.
    Safety,
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
        /// What it owes apart from that, and how that is recovered.
        debt: Option<(Money, Terms)>,
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
    /// Print the receipt of a vend again; answered with the number of that.
    Reprint {
        /// Idempotency key.
        key: String,
        /// The key under which it was sold.
        vend: String,
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
    /// Pass an account to another customer.
    Transfer {
        /// Idempotency key.
        key: String,
        /// Which.
        account: AccountId,
        /// Whether what it owes apart from the balance is written off.
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
    /// Put a balance right.
    Adjust {
        /// Idempotency key.
        key: String,
        /// Whose.
        account: AccountId,
        /// By how much; negative where it is taken.
        amount: Money,
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
    /// Give an account limits of its own.
    Limits {
        /// Which.
        account: AccountId,
        /// These.
        to: Limits,
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
    /// Say that a payment is in flight; answered with its begin and the end of what it holds.
    Announce {
        /// Whose.
        account: AccountId,
    },
    /// Say that an account's payments in flight are over.
    Withdraw {
        /// Whose.
        account: AccountId,
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
    /// Let an account's customer switch its meters, or no longer.
    Allow {
        /// Which.
        account: AccountId,
        /// May.
        on: bool,
    },
    /// An order to a relay by the customer's wish, or for safety: off adds that cause, on lifts it.
    Wish {
        /// Idempotency key.
        key: String,
        /// Whose.
        whose: Whose,
        /// The meter.
        meter: MeterId,
        /// What it is to be.
        supply: Supply,
    },
    /// Operators' orders to several meters, each given or refused alone; told as `meter=ordered`, `refused`, `lifted` or
    /// `waiting`.
    Group {
        /// Idempotency key.
        key: String,
        /// All meters that may be meant.
        meters: Vec<MeterId>,
        /// What they are to be.
        supply: Supply,
        /// Whether it is for safety, so that another operator must approve it.
        emergency: bool,
        /// Whether another one does, where that is needed; otherwise nothing may come of one for safety.
        approved: bool,
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
    /// Puts a building's supply guard on or off.
    GuardBuilding {
        /// The meters that hang in it.
        meters: Vec<MeterId>,
        /// Whether it is guarded.
        on: bool,
    },
    /// Cuts meters each day from one local time until a later one.
    Schedule {
        /// Idempotency key.
        key: String,
        /// The meters.
        meters: Vec<MeterId>,
        /// From when on they are off.
        off: Time,
        /// From when on they are on again.
        on: Time,
    },
    /// Ends what cuts this meter by a calendar.
    EndSchedule {
        /// One of its meters.
        meter: MeterId,
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
