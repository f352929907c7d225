//! What the rows and the hot balances say, in the auditor's own words. A look tells what is new; the last one tells all.

use std::collections::BTreeMap;

use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId, OrderId, TariffId, TransactionId},
    money::Money,
};
use jiff::{Timestamp, civil::Date};

use super::{Limits, Supply};

/// What was seen of the head end in one look. Times in it are by the head end's clock.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whether it holds everything there is, rather than what is new since the look before.
    pub whole: bool,
    /// Every account's row.
    pub accounts: BTreeMap<AccountId, AccountSeen>,
    /// Rows of meters, where they may have changed.
    pub meters: BTreeMap<MeterId, MeterSeen>,
    /// Which meters count for which accounts, and from when on.
    pub installations: Vec<InstallationSeen>,
    /// Changes of tariffs, in each account's order.
    pub tariffs: Vec<TariffSeen>,
    /// Transactions, in each account's order.
    pub transactions: Vec<TransactionSeen>,
    /// Vends.
    pub vends: Vec<VendSeen>,
    /// Reversals of vends.
    pub reversals: Vec<ReversalSeen>,
    /// Refunds.
    pub refunds: Vec<RefundSeen>,
    /// Revisions of settled days, in each account's order.
    pub days: Vec<DaySeen>,
    /// Orders that are new or changed, with all their lines.
    pub orders: Vec<OrderSeen>,
    /// Warnings of a disconnection, with the time at which they were sent.
    pub warnings: Vec<(AccountId, Timestamp)>,
    /// Shifts of registered counters, what their vendor handed over and may hold back; in a whole look only.
    pub shifts: Vec<ShiftSeen>,
    /// See [`Seen::shifts`].
    pub deposited: Money,
    /// See [`Seen::shifts`].
    pub vendor_limit: Option<Money>,
    /// Readings with the meter, instant and kind of another live one, in words; looked for in a whole look only.
    pub repeated_readings: Vec<String>,
    /// Receipts that were printed again: the vend's key, and the number of that; in a whole look only.
    pub reprints: Vec<(String, i64)>,
    /// Hot balances.
    pub hot: BTreeMap<AccountId, HotSeen>,
}

/// A shift of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftSeen {
    /// What its receipts begin with.
    pub prefix: String,
    /// How many it gave.
    pub receipts: i64,
    /// What is left of all that passed through it; none: it is open.
    pub net: Option<Money>,
}

/// An account's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSeen {
    /// Grows with every change.
    pub version: i64,
    /// Whether it was opened, and not closed since.
    pub active: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// How far its money carries its supply.
    pub limits: Limits,
    /// When.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The first day whose fixed charges are not posted.
    pub fixed_to: Option<Date>,
    /// The balance.
    pub posted: Money,
    /// What is owed apart from it.
    pub debt: Money,
    /// What was used beyond posted minor units, in 1e-10 currency units.
    pub carry: i64,
    /// When the warning of the present credit episode was sent.
    pub warned_at: Option<Timestamp>,
    /// Posted less accrued, as the head end makes it of its rows; in a whole look only.
    pub available: Option<Money>,
}

/// A meter's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterSeen {
    /// It refused a password: nothing automatic goes to it.
    pub blocked: bool,
}

/// A meter that counts for an account, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationSeen {
    /// Its row.
    pub id: InstallationId,
    /// The account.
    pub account: AccountId,
    /// The meter.
    pub meter: MeterId,
    /// From when on.
    pub start_at: Timestamp,
    /// Its register then, unwrapped.
    pub start_value: Energy,
    /// What its register counts times this is the energy.
    pub multiplier: u32,
    /// When it was removed, and its register then, unwrapped.
    pub end: Option<(Timestamp, Energy)>,
}

/// An account's change to another tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffSeen {
    /// The account.
    pub account: AccountId,
    /// Its place among the account's, from 1.
    pub place: i64,
    /// What it changed to.
    pub tariff: TariffId,
    /// The first local day it holds for.
    pub from: Date,
}

/// What a transaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What an account brought along.
    Opening,
    /// Money paid in.
    Vend,
    /// Money given back.
    Reversal,
    /// Energy of days, for the first time or corrected.
    Charge,
    /// What comes whatever is used.
    Fixed,
    /// Something owed apart from the balance is entered.
    Debt,
    /// What an account that ends has is taken for it.
    DebtRecovery,
    /// Money that somebody else gives.
    Subsidy,
    /// What an operator puts right.
    Adjustment,
    /// Money paid back.
    Refund,
    /// What nobody pays any more.
    WriteOff,
    /// What goes from an account to the one that takes its place.
    Transfer,
}

/// A transaction of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionSeen {
    /// Its row.
    pub id: TransactionId,
    /// The account.
    pub account: AccountId,
    /// Its place among the account's, from 1.
    pub sequence: i64,
    /// What it is about.
    pub kind: Kind,
    /// Makes it happen once.
    pub key: String,
    /// What it says that it is about.
    pub object: String,
    /// From one ledger account to another, how much.
    pub postings: Vec<(String, String, Money)>,
    /// The account's balance after it, as the row says; none: not looked at.
    pub balance_after: Option<Money>,
}

/// A vend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendSeen {
    /// Idempotency key.
    pub key: String,
    /// The account it was for.
    pub account: AccountId,
    /// The transaction that posted it.
    pub transaction: TransactionId,
    /// How much.
    pub amount: Money,
    /// Its receipt, whole.
    pub receipt: String,
    /// The receipt's number.
    pub receipt_number: String,
    /// The balance after it, as the receipt says; none: not looked at.
    pub told_balance: Option<Money>,
    /// When it was made.
    pub at: Timestamp,
    /// What was available after it, as the receipt says; none: not looked at.
    pub available_after: Option<Money>,
}

/// A reversal of a vend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalSeen {
    /// The vend's idempotency key.
    pub vend: String,
    /// The account it was for.
    pub account: AccountId,
    /// The transaction that posted it.
    pub transaction: TransactionId,
    /// How much.
    pub amount: Money,
    /// Its receipt, whole.
    pub receipt: String,
    /// The receipt's number.
    pub receipt_number: String,
    /// The balance after it, as the receipt says; none: not looked at.
    pub told_balance: Option<Money>,
}

/// A revision of a settled day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySeen {
    /// The account.
    pub account: AccountId,
    /// The meter, as it was installed then.
    pub installation: InstallationId,
    /// The local day.
    pub day: Date,
    /// The highest counts.
    pub revision: i64,
    /// The meter's register at the midnight that ends the day, or when it was removed; unwrapped.
    pub end_value: Energy,
    /// Whether the day ends at peak.
    pub ends_at_peak: bool,
    /// Changes between peak and valley before that.
    pub cuts: Vec<CutSeen>,
}

/// A change between peak and valley inside a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutSeen {
    /// When.
    pub at: Timestamp,
    /// Whether the peak ends.
    pub ends_peak: bool,
    /// The meter's register then, unwrapped.
    pub value: Energy,
}

/// Why supply is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The account's credit.
    Credit,
    /// An operator's will.
    Operator,
    /// A calendar.
    Schedule,
    /// Work on the line.
    Safety,
    /// Anything else.
    Other,
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Stored.
    Ordered,
    /// Its bytes may have left.
    Sent,
    /// The meter took it.
    Acknowledged,
    /// The customer must press a button.
    AwaitingCustomer,
    /// The relay was read as wanted.
    Confirmed,
    /// Given up.
    Failed,
    /// Not sent in time.
    Expired,
    /// No longer wanted.
    Superseded,
}

impl State {
    /// Whether it is the last.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Confirmed | Self::Failed | Self::Expired | Self::Superseded)
    }
}

/// A relay order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSeen {
    /// Its row.
    pub id: OrderId,
    /// The meter.
    pub meter: MeterId,
    /// The account it was decided for.
    pub account: Option<AccountId>,
    /// What it makes of supply.
    pub supply: Supply,
    /// Why.
    pub cause: Cause,
    /// How far it has come.
    pub state: State,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last marked as sent.
    pub sent_at: Option<Timestamp>,
    /// When the relay was last read since.
    pub read_at: Option<Timestamp>,
    /// All that happened to it.
    pub lines: Vec<LineSeen>,
}

impl OrderSeen {
    /// Whether its bytes may ever have left.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.lines.iter().any(|line| line.sends)
    }
}

/// A line of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSeen {
    /// When.
    pub at: Timestamp,
    /// The state it came to, or stayed in.
    pub state: State,
    /// Whether it says that the bytes may leave.
    pub sends: bool,
    /// Where it sends a cut for credit: the time of the newest good reading that was known then.
    pub evidence: Option<Timestamp>,
}

/// An account's hot balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotSeen {
    /// The version of the row it was made from.
    pub version: i64,
    /// The balance.
    pub posted: Money,
    /// Posted less accrued; needed at the end only.
    pub available: Option<Money>,
}

/// Money that was paid back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundSeen {
    /// The account whose it was.
    pub account: AccountId,
    /// The transaction that posted it.
    pub transaction: TransactionId,
    /// How much.
    pub amount: Money,
    /// Its receipt, whole.
    pub receipt: String,
    /// The receipt's number.
    pub receipt_number: String,
    /// The balance after it, as the receipt says.
    pub told_balance: Option<Money>,
}
