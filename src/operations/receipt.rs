//! Receipts (收据) as they are handed out: what was stored with a vend, a reversal or a refund, and what was charged since the
//! account's vend before. That is reckoned again from rows that never change, so that a receipt is the same for ever.

mod content;
mod sheet;

use std::collections::BTreeMap;

use domain::{
    charge::{self, Priced, Slice, Usage},
    energy::Energy,
    explain,
    ids::{AccountId, RefundId, TransactionId, VendId},
    ledger::TransactionKind,
    money::{Currency, Exact, Money, Price},
    notice::Language,
    tariff::{Period, Tariff},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{Conn, account::Account};
use utoipa::ToSchema;

pub use self::sheet::Paper;
use self::sheet::Sheet;
use super::{
    Error, books,
    refund::Refund,
    replay::Replay,
    reprint::Reprint,
    reverse_vend::{Reversal, Reversed},
    vend::Receipt,
};

/// Names on a receipt, as they were when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReceiptHeading)]
pub struct Heading {
    /// The site.
    pub site: String,
    /// The customer.
    pub customer: String,
    /// What is printed on the account's meters.
    pub meters: Vec<String>,
}

impl Heading {
    /// What a receipt made now says.
    ///
    /// # Errors
    /// A row is missing; the database fails.
    pub fn of(conn: &mut Conn, account: &Account) -> Result<Self, Error> {
        let installations = store::installation::of_account(conn, account.id)?;
        // Those that count for it; once it is closed, those that did last.
        let counts = installations.iter().any(|one| one.end_at.is_none());
        let ended = installations.iter().filter_map(|one| one.end_at).max().filter(|_| !counts);
        let mut meters = Vec::new();
        for installation in installations.iter().filter(|one| one.end_at == ended) {
            meters.push(store::meter::by_id(conn, installation.meter_id)?.address);
        }
        let customer = store::customer::by_id(conn, account.customer_id)?.name;
        Ok(Self { site: store::site::by_id(conn, account.id.site())?.name, customer, meters })
    }
}

/// A vend's receipt with all that is printed on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FullReceipt {
    /// As the vend was answered.
    pub receipt: Receipt,
    /// What was charged since the account's vend before.
    pub since_last: SinceLast,
    /// That the vend was reversed, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub reversed: Option<Reversed>,
    /// The reprint that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub reprint: Option<Reprint>,
}

/// What moved an account's balance between two vends: `balance - charged - fixed_charges + other` is the balance before the
/// second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SinceLast {
    /// When the vend before was made; none: this is the account's first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// The posted balance after that vend; 0 where there is none.
    #[schema(value_type = i64)]
    pub balance: Money,
    /// The energy that was charged in between, in kWh; negative where a correction took back more.
    #[schema(value_type = String)]
    pub energy: Energy,
    /// What it cost, by blocks and periods; the amounts sum to `charged`.
    pub lines: Vec<UsedLine>,
    /// What was charged for energy.
    #[schema(value_type = i64)]
    pub charged: Money,
    /// What was charged whatever was used.
    #[schema(value_type = i64)]
    pub fixed_charges: Money,
    /// What else came in, or went: opening balance, reversals, refunds, subsidies, debts settled.
    #[schema(value_type = i64)]
    pub other: Money,
}

/// Energy at one price. Where energy is priced by the time of day and a block adds to that, it stands in two lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedLine {
    /// The block, from 1, where a block prices it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub block: Option<usize>,
    /// Whether that comes on top of prices by the time of day.
    pub surcharge: bool,
    /// The period, where the time of day prices it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub period: Option<Period>,
    /// In kWh, after the multiplier.
    #[schema(value_type = String)]
    pub energy: Energy,
    /// The price per kWh.
    #[schema(value_type = String)]
    pub price: Price,
    /// What it cost, in whole minor units.
    #[schema(value_type = i64)]
    pub amount: Money,
}

/// A vend's receipt, or the reprint of this number. `rows`: how many transactions are read at once.
///
/// # Errors
/// [`Error::NotFound`]; the database fails.
pub fn of_vend(conn: &mut Conn, id: VendId, reprint: Option<i64>, rows: i64) -> Result<FullReceipt, Error> {
    let vend = store::vend::by_id(conn, id)?;
    let receipt: Receipt = stored(&vend.receipt)?;
    let reprint = match reprint {
        None => None,
        Some(number) => {
            let mut all = store::reprint::of_vend(conn, id)?.into_iter();
            let row = all.find(|row| row.number == number).ok_or(Error::NotFound("reprint"))?;
            Some(Reprint::of(row, &receipt.receipt_number))
        }
    };
    let account = store::account::by_id(conn, vend.account_id)?;
    let since_last = SinceLast::before(conn, account, vend.transaction_id, rows)?;
    let reversed = store::reversal::of_vend(conn, id)?.map(Reversed::from);
    Ok(FullReceipt { receipt, since_last, reversed, reprint })
}

/// A vend's reversal as it was answered; none where it was not reversed.
///
/// # Errors
/// The database fails, or the row does not parse.
pub fn of_reversal(conn: &mut Conn, vend: VendId) -> Result<Option<Reversal>, Error> {
    store::reversal::of_vend(conn, vend)?.map(|row| stored(&row.receipt)).transpose()
}

/// A refund as it was answered.
///
/// # Errors
/// [`Error::NotFound`]; the database fails, or the row does not parse.
pub fn of_refund(conn: &mut Conn, id: RefundId) -> Result<Refund, Error> {
    stored(&store::refund::by_id(conn, id)?.receipt)
}

fn stored<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|bad| books::corrupt(format!("a receipt: {bad}")))
}

/// How a page of a receipt is written.
pub struct Style {
    /// What it is printed on.
    pub paper: Paper,
    /// What it is written in.
    pub language: Language,
    zone: TimeZone,
    currency: Currency,
}

impl Style {
    /// For an account's receipts: its site's currency and local time, and the language asked for, else the customer's own.
    ///
    /// # Errors
    /// A row is missing or does not parse; the database fails.
    pub fn of(conn: &mut Conn, account: AccountId, paper: Paper, language: Option<Language>) -> Result<Self, Error> {
        let site = store::site::by_id(conn, account.site())?;
        let customer = store::account::by_id(conn, account)?.customer_id;
        let currency = site.currency().map_err(|bad| books::corrupt(format!("currency of site {}: {bad}", site.id)))?;
        let language = match language {
            Some(language) => language,
            None => store::customer::by_id(conn, customer)?.language,
        };
        Ok(Self { paper, language, zone: books::zone(&site)?, currency })
    }
}

/// A receipt as a page of HTML that needs nothing else.
///
/// # Errors
/// Its code cannot be drawn: it holds more than a receipt can.
pub fn page(printed: &impl Printed, style: &Style) -> Result<String, Error> {
    printed.sheet(style).html()
}

/// What is printed as a receipt: [`FullReceipt`], [`Reversal`] and [`Refund`].
pub trait Printed {
    /// What stands on it.
    fn sheet(&self, style: &Style) -> Sheet;
}

impl SinceLast {
    /// What moved the balance before this vend's transaction, from the account's vend before on.
    fn before(conn: &mut Conn, account: Account, vend: TransactionId, rows: i64) -> Result<Self, Error> {
        let id = account.id;
        let mut replay = Replay::load(conn, account)?;
        let mut since = Span::begin(&replay, None);
        let mut after = 0;
        loop {
            let page = store::transaction::of_account(conn, id, after, rows)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for transaction in page {
                if transaction.id == vend {
                    return since.end(&replay);
                }
                let balance = replay.balance;
                replay.pass(&transaction)?;
                match transaction.kind {
                    TransactionKind::Vend => since = Span::begin(&replay, Some(transaction.at)),
                    kind => since.add(kind, replay.balance - balance),
                }
            }
        }
        Err(books::corrupt(format!("account {id} has no transaction {vend}")))
    }
}

/// A [`SinceLast`] that is being gathered.
struct Span {
    last: Option<Timestamp>,
    balance: Money,
    usage: Usage,
    charged: Money,
    fixed_charges: Money,
    other: Money,
}

impl Span {
    /// Begins where an account is replayed to.
    fn begin(replay: &Replay, last: Option<Timestamp>) -> Self {
        let (charged, fixed_charges, other) = (Money::ZERO, Money::ZERO, Money::ZERO);
        Self { last, balance: replay.balance, usage: replay.usage.clone(), charged, fixed_charges, other }
    }

    /// A transaction of this kind added so much to the balance.
    fn add(&mut self, kind: TransactionKind, moved: Money) {
        match kind {
            TransactionKind::Charge | TransactionKind::Correction => self.charged = self.charged - moved,
            TransactionKind::FixedCharge => self.fixed_charges = self.fixed_charges - moved,
            _ => self.other = self.other + moved,
        }
    }

    /// Ends where an account is replayed to.
    fn end(self, replay: &Replay) -> Result<SinceLast, Error> {
        let slices = |usage: &Usage| charge::slices(usage, &replay.tariff);
        let changes = explain::changes(&slices(&self.usage)?, &slices(&replay.usage)?);
        let energy = replay.usage.minus(&self.usage).iter().map(|(_, energy)| energy).sum();
        Ok(SinceLast {
            last: self.last,
            balance: self.balance,
            energy,
            lines: lines(&changes, self.charged, &replay.tariff),
            charged: self.charged,
            fixed_charges: self.fixed_charges,
            other: self.other,
        })
    }
}

/// A line for each block or period at each price, whatever the window, in whole minor units that sum to what was charged.
fn lines(changes: &[Slice], charged: Money, tariff: &Tariff) -> Vec<UsedLine> {
    let timed = |version: i32| tariff.version(version).is_some_and(|version| version.time_of_use.is_some());
    let mut alike: BTreeMap<(bool, Priced, Price), (Energy, Exact)> = BTreeMap::new();
    for slice in changes {
        let surcharge = matches!(slice.priced, Priced::Block(_)) && timed(slice.version);
        let (energy, cost) = alike.entry((surcharge, slice.priced, slice.price)).or_default();
        (*energy, *cost) = (*energy + slice.energy, *cost + slice.cost);
    }
    let costs: Vec<Exact> = alike.values().map(|(_, cost)| *cost).collect();
    let amounts = explain::rounded(&costs, charged, &tariff.currency);
    let lines = alike.into_iter().zip(amounts).map(|(((surcharge, priced, price), (energy, _)), amount)| {
        let (block, period) = match priced {
            Priced::Block(block) => (Some(block), None),
            Priced::Period(period) => (None, Some(period)),
        };
        UsedLine { block, surcharge, period, energy, price, amount }
    });
    lines.collect()
}
