//! What an explanation says, as JSON. Energy, prices and exact amounts are decimal strings, money is in minor units.

use domain::{
    energy::Energy,
    ids::{AccountId, MeterId, ReadingId, TransactionId},
    ledger::{self, LedgerAccount, TransactionKind},
    money::{Exact, Price},
    reading::{Kind, Quality},
    tariff::{Every, Period, number_within},
};
use serde::{Serialize, Serializer};
use store::{Conn, account::Account};
use utoipa::ToSchema;

use super::{Currency, Date, Fixed, Money, TimeZone, Timestamp};
use crate::operations::{Error, books::Books, replay};

/// Why an account's balance is what it is. Money is in minor units of `currency`; what is exact is in whole units of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explanation {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// Its number for people.
    pub account_number: String,
    /// ISO 4217.
    #[serde(serialize_with = "code")]
    #[schema(value_type = String)]
    pub currency: Currency,
    /// Where its days begin.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub time_zone: TimeZone,
    /// The first instant of the span.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// The first instant after the span.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// The posted balance before the first transaction.
    #[schema(value_type = i64)]
    pub balance_before: Money,
    /// The posted balance after the last.
    #[schema(value_type = i64)]
    pub balance_after: Money,
    /// What was used beyond whole minor units before.
    #[schema(value_type = String)]
    pub carry_before: Exact,
    /// The same after.
    #[schema(value_type = String)]
    pub carry_after: Exact,
    /// What was posted, in the order of the ledger.
    pub transactions: Vec<Explained>,
    /// How the account stands now, whatever the span; none where its rows do not agree.
    pub now: Option<Now>,
}

/// How an account stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Now {
    /// The posted balance.
    #[schema(value_type = i64)]
    pub balance: Money,
    /// What was used since and is not posted yet.
    #[schema(value_type = i64)]
    pub accrued: Money,
    /// What is left of the balance then: by it supply is decided.
    #[schema(value_type = i64)]
    pub available: Money,
}

impl Now {
    pub(super) fn of(conn: &mut Conn, account: &Account) -> Result<Option<Self>, Error> {
        let balance = account.posted;
        let books = match Books::load(conn, account.clone()) {
            Ok(books) => books,
            Err(error) if error.is_of_the_database() => return Err(error),
            Err(_) => return Ok(None),
        };
        Ok(books.available().ok().map(|available| Self { balance, accrued: balance - available, available }))
    }
}

/// A transaction and where it comes from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explained {
    /// Identifier.
    #[schema(value_type = String)]
    pub id: TransactionId,
    /// Its place among the account's transactions, from 1.
    pub sequence: i64,
    /// What it is about.
    #[schema(value_type = String)]
    pub kind: TransactionKind,
    /// The thing it is about.
    pub object: String,
    /// When it was posted.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The number on its receipt, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub receipt_number: Option<String>,
    /// Why, where somebody said so: of a reversal, a refund, a subsidy, an adjustment, and of what is owed apart from the balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub reason: Option<String>,
    /// How the money moved.
    pub postings: Vec<Moved>,
    /// What it added to the balance; negative where it took.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// The posted balance before.
    #[schema(value_type = i64)]
    pub balance_before: Money,
    /// The posted balance after.
    #[schema(value_type = i64)]
    pub balance_after: Money,
    /// What was used beyond whole minor units before.
    #[schema(value_type = String)]
    pub carry_before: Exact,
    /// The same after.
    #[schema(value_type = String)]
    pub carry_after: Exact,
    /// The energy that a charge or correction is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub energy_charge: Option<EnergyCharge>,
    /// What a fixed charge is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub fixed_charge: Option<FixedCharge>,
    /// Where the rows say otherwise than what is reckoned here, in words; else empty.
    pub differences: Vec<String>,
}

/// A movement of money from one ledger account to another.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExplainedPosting)]
pub struct Moved {
    /// The ledger account that has less afterwards.
    #[schema(value_type = String)]
    pub from: LedgerAccount,
    /// The ledger account that has more afterwards.
    #[schema(value_type = String)]
    pub to: LedgerAccount,
    /// How much, above 0.
    #[schema(value_type = i64)]
    pub amount: Money,
}

/// Energy in money: `cost_after - cost_before` and the transaction's `carry_before` are `posted` and its `carry_after`, exactly.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EnergyCharge {
    /// The days it settles or corrects.
    pub days: Vec<ExplainedDay>,
    /// What makes up the change of the exact cost; their amounts sum to `posted`.
    pub lines: Vec<Line>,
    /// The exact cost before, of the windows that could change.
    #[schema(value_type = String)]
    pub cost_before: Exact,
    /// The same after.
    #[schema(value_type = String)]
    pub cost_after: Exact,
    /// The difference: what the lines cost together.
    #[schema(value_type = String)]
    pub cost: Exact,
    /// Whole minor units posted; negative where they were given back.
    #[schema(value_type = i64)]
    pub posted: Money,
}

/// Energy at one price: of a block (阶梯) of a window, or of a period (时段) of the day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Line {
    /// First local day of the window of blocks.
    #[schema(value_type = String, format = Date)]
    pub window: Date,
    /// Number of the tariff version.
    pub tariff_version: i32,
    /// The block, from 1, where a block prices it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub block: Option<usize>,
    /// The period, where the time of day prices it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub period: Option<Period>,
    /// The energy, in kWh after the multiplier.
    #[schema(value_type = String)]
    pub energy: Energy,
    /// The price per kWh.
    #[schema(value_type = String)]
    pub price: Price,
    /// Energy times price.
    #[schema(value_type = String)]
    pub cost: Exact,
    /// The same in whole minor units, so that all lines sum to what is posted.
    #[schema(value_type = i64)]
    pub amount: Money,
}

/// A day of a meter as it was settled.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedDay {
    /// The local day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// What is printed on it.
    pub meter_address: String,
    /// 1, and one more with each correction.
    pub revision: i64,
    /// Energy is this times what the register counts.
    pub multiplier: u32,
    /// The register where the day begins.
    pub start: Boundary,
    /// The register at each change of the period, and where the day ends.
    pub ends: Vec<Boundary>,
    /// Each period register where the meter is billed by these; `start` and `ends` are their sums then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub registers: Vec<ExplainedRegister>,
    /// The energies by period, in the order of the day.
    pub energies: Vec<PeriodEnergy>,
    /// The day's energy in kWh, after the multiplier.
    #[schema(value_type = String)]
    pub energy: Energy,
    /// What it was before the correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub before: Option<EarlierDay>,
}

/// A day as it was settled before.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EarlierDay {
    /// Its revision.
    pub revision: i64,
    /// The register where the day ended.
    #[schema(value_type = String)]
    pub end_value: Energy,
    /// The day's energy in kWh, after the multiplier.
    #[schema(value_type = String)]
    pub energy: Energy,
}

/// A billed period register over a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedRegister {
    /// The period that it counts.
    #[schema(value_type = String)]
    pub period: Period,
    /// The register where the day begins.
    pub start: Boundary,
    /// The register where the day ends.
    pub end: Boundary,
    /// Where it ended before the correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub before: Option<Energy>,
}

/// Energy of a period of a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PeriodEnergy {
    /// The period.
    #[schema(value_type = String)]
    pub period: Period,
    /// In kWh, after the multiplier.
    #[schema(value_type = String)]
    pub energy: Energy,
}

/// What a register showed at an instant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Boundary {
    /// The instant.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The value that counts, in kWh before the multiplier, as if the register had never begun again at 0.
    #[schema(value_type = String)]
    pub value: Energy,
    /// What the readings tell by themselves: less where the register had shown more before.
    #[schema(value_type = String)]
    pub told: Energy,
    /// Whether it lies between two readings, in proportion to the time.
    pub interpolated: bool,
    /// The readings it comes from.
    pub readings: Vec<Seen>,
}

/// A reading behind a boundary.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExplainedReading)]
pub struct Seen {
    /// Identifier.
    #[schema(value_type = String)]
    pub id: ReadingId,
    /// When the register stood so.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// How it came about.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// What it is good for today.
    #[schema(value_type = String)]
    pub quality: Quality,
    /// What the register showed.
    #[schema(value_type = String)]
    pub total: Energy,
    /// The same as if it had never begun again at 0.
    #[schema(value_type = String)]
    pub unwrapped: Energy,
    /// When the head end received it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
}

/// A fixed charge (基本电费) and what it is for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExplainedFixedCharge)]
pub struct FixedCharge {
    /// What it is called.
    pub name: String,
    /// The local day that begins it; none where it is given back at the closing.
    #[schema(value_type = Option<String>, format = Date)]
    pub day: Option<Date>,
    /// What sums to it.
    pub parts: Vec<Part>,
}

/// A part of a fixed charge: `amount` for `days` of `of_days` days at `price`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExplainedFixedPart)]
pub struct Part {
    /// Number of the tariff version.
    pub tariff_version: i32,
    /// `day` or `month`.
    #[schema(value_type = String)]
    pub every: Every,
    /// For the whole day or month.
    #[schema(value_type = i64)]
    pub price: Money,
    /// First local day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// Days from there on.
    pub days: i8,
    /// Days of the month; 1 for a charge by the day.
    pub of_days: i8,
    /// What is charged; negative where it is given back.
    #[schema(value_type = i64)]
    pub amount: Money,
}

fn code<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.code())
}

fn name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

impl From<ledger::Posting> for Moved {
    fn from(posting: ledger::Posting) -> Self {
        Self { from: posting.from, to: posting.to, amount: posting.amount }
    }
}

impl From<replay::Boundary> for Boundary {
    fn from(boundary: replay::Boundary) -> Self {
        let shows = |row: &store::reading::Reading| match boundary.register {
            None => (row.total, row.unwrapped),
            Some(period) => (
                row.registers().of(period).unwrap_or_default(),
                row.unwrapped_registers.get(&period).copied().unwrap_or_default(),
            ),
        };
        let seen = |row: store::reading::Reading| {
            let (total, unwrapped) = shows(&row);
            Seen {
                id: row.id,
                as_of: row.as_of,
                kind: row.kind,
                quality: row.quality,
                total,
                unwrapped,
                received_at: row.received_at,
            }
        };
        Self {
            at: boundary.at,
            value: boundary.value,
            told: boundary.told,
            interpolated: boundary.readings.len() > 1,
            readings: boundary.readings.into_iter().map(seen).collect(),
        }
    }
}

impl From<Fixed> for FixedCharge {
    fn from(fixed: Fixed) -> Self {
        let part = |part: domain::explain::FixedPart| Part {
            tariff_version: number_within(part.version),
            every: part.every,
            price: part.price,
            from: part.from,
            days: part.days,
            of_days: part.of_days,
            amount: part.amount,
        };
        Self { name: fixed.name, day: fixed.day, parts: fixed.parts.into_iter().map(part).collect() }
    }
}
