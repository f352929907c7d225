//! `wattgate audit`: replays every balance from readings and postings, and tells every difference.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use domain::{
    account,
    charge::{self, Usage},
    energy::Energy,
    ids::{InstallationId, ReadingId, SiteId, TransactionId},
    ledger::{self, LedgerAccount, Posting, TransactionKind, balance_of},
    money::{Carry, Money},
    relay::order::State,
    tariff::Tariff,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use store::{
    Conn,
    account::Account,
    reversal::Reversal,
    settled_day::SettledDay,
    transaction::{Entry, Transaction},
};

use crate::{
    app::{self, Problem},
    operations::{Error, books, fixed_charges},
    settings,
};

/// What to audit.
#[derive(clap::Args)]
pub struct Options {
    /// The site's settings over the defaults
    #[arg(long)]
    config: Option<PathBuf>,
    /// The database, in place of the settings' (such as `sqlite:demo/wattgate.db`)
    #[arg(long)]
    database: Option<String>,
}

/// Runs the audit and prints what it found.
///
/// # Errors
/// The settings do not hold or the database fails.
pub fn run(options: &Options) -> Result<ExitCode, Problem> {
    let mut settings = settings::read(None, options.config.as_deref())?;
    if let Some(url) = &options.database {
        settings.database.url.clone_from(url);
    }
    actix::System::new().block_on(async {
        let db = app::open(&settings)?;
        db.check_schema().await?;
        let rows = settings.jobs.rows;
        let audit = db.snapshot(move |conn| all(conn, rows)).await?;
        for difference in &audit.differences {
            println!("{difference}");
        }
        println!(
            "audited {} accounts, {} transactions, {} settled days, {} relay orders: {} differences",
            audit.accounts,
            audit.transactions,
            audit.settled_days,
            audit.orders,
            audit.differences.len()
        );
        Ok(if audit.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// What an audit went through and found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Accounts replayed.
    pub accounts: usize,
    /// Transactions replayed.
    pub transactions: usize,
    /// Revisions of settled days replayed.
    pub settled_days: usize,
    /// Relay orders looked at.
    pub orders: usize,
    /// Everything that does not agree, in words.
    pub differences: Vec<String>,
}

/// Audits all sites, `rows` rows at a time.
///
/// # Errors
/// The database fails, or a row does not parse.
pub fn all(conn: &mut Conn, rows: i64) -> Result<Audit, Error> {
    let mut audit = Audit::default();
    let mut site = None;
    loop {
        let sites = store::site::page(conn, site, rows)?;
        let Some(last) = sites.last().map(|site| site.id) else { return Ok(audit) };
        site = Some(last);
        for site in sites {
            let (sums, zone) = (sums(conn, site.id, rows)?, books::zone(&site)?);
            let mut after = None;
            loop {
                let accounts = store::account::page(conn, site.id, after, rows)?;
                let Some(last) = accounts.last().map(|account| account.id) else { break };
                after = Some(last);
                for account in accounts {
                    audit.accounts += 1;
                    let sum = sums.get(&LedgerAccount::Balance(account.id)).copied().unwrap_or_default();
                    if sum != account.posted {
                        let differs = format!("balance is {}, its postings sum to {sum}", account.posted);
                        audit.differences.push(format!("account {}: {differs}", account.id));
                    }
                    let owed = sums.get(&LedgerAccount::Debt(account.id)).copied().unwrap_or_default();
                    audit.differences.extend(debt(conn, &account, -owed)?);
                    let tariff = books::tariff(conn, account.tariff_id, &site)?;
                    Replay::new(&account, &tariff, &zone).run(conn, rows, &mut audit)?;
                }
            }
            orders(conn, site.id, rows, &mut audit)?;
        }
    }
}

/// What each ledger account of a site has, by all its postings.
fn sums(conn: &mut Conn, site: SiteId, rows: i64) -> Result<BTreeMap<LedgerAccount, Money>, Error> {
    let mut sums: BTreeMap<LedgerAccount, Money> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store::transaction::postings_page(conn, site, after, rows)?;
        let Some(last) = page.last().map(|entry| (entry.transaction_id, entry.line)) else { return Ok(sums) };
        after = Some(last);
        for (account, amount) in ledger::balances(&page.iter().map(Entry::posting).collect::<Vec<_>>()) {
            let sum = sums.entry(account).or_default();
            *sum = *sum + amount;
        }
    }
}

/// One account, replayed from its first transaction.
struct Replay<'a> {
    account: &'a Account,
    tariff: &'a Tariff,
    zone: &'a TimeZone,
    balance: Money,
    carry: Carry,
    usage: Usage,
    /// Fixed charges by what they were posted for.
    fixed: BTreeMap<String, Money>,
    /// The register's value at each settled midnight so far.
    ends: BTreeMap<(InstallationId, Date), SettledDay>,
}

impl<'a> Replay<'a> {
    fn new(account: &'a Account, tariff: &'a Tariff, zone: &'a TimeZone) -> Self {
        let (balance, carry, usage) = (Money::ZERO, Carry::ZERO, Usage::none());
        Self { account, tariff, zone, balance, carry, usage, fixed: BTreeMap::new(), ends: BTreeMap::new() }
    }

    fn run(mut self, conn: &mut Conn, rows: i64, audit: &mut Audit) -> Result<(), Error> {
        let mut days: BTreeMap<TransactionId, Vec<SettledDay>> = BTreeMap::new();
        for day in store::settled_day::history(conn, self.account.id, None)? {
            audit.settled_days += 1;
            days.entry(day.transaction_id).or_default().push(day);
        }
        let reversals = store::reversal::of_account(conn, self.account.id)?;
        let mut reversals: BTreeMap<_, _> = reversals.into_iter().map(|row| (row.transaction_id, row)).collect();
        let mut after = 0;
        loop {
            let page = store::transaction::of_account(conn, self.account.id, after, rows)?;
            let Some(last) = page.last().map(|transaction| transaction.sequence) else { break };
            for transaction in page {
                audit.transactions += 1;
                let settled = days.remove(&transaction.id).unwrap_or_default();
                self.step(conn, &transaction, settled, audit)?;
                let reversal = reversals.remove(&transaction.id);
                if let Some(what) = reversed(conn, &transaction, reversal)? {
                    audit.differences.push(format!("transaction {}: {what}", transaction.id));
                }
            }
            after = last;
        }
        let energies = store::settled_energy::since(conn, self.account.id, None)?;
        if energies != self.usage {
            let differs = format!("settled energies are {energies:?}, replayed {:?}", self.usage);
            audit.differences.push(format!("account {}: {differs}", self.account.id));
        }
        let mut differ = |what: &str, is: String, replayed: String| {
            if is != replayed {
                audit.differences.push(format!("account {}: {what} is {is}, replayed {replayed}", self.account.id));
            }
        };
        differ("balance", self.account.posted.to_string(), self.balance.to_string());
        // What is left of a minor unit is dropped with the account.
        let carry = if self.account.state == account::State::Closed { Carry::ZERO } else { self.carry };
        differ("carry", self.account.carry.get().to_string(), carry.get().to_string());
        let expected = fixed_charges::expected(self.account, self.tariff, self.zone);
        differ("fixed charges", format!("{:?}", self.fixed), format!("{expected:?}"));
        differ("settled days without transaction", days.len().to_string(), "0".to_owned());
        differ("reversals without transaction", reversals.len().to_string(), "0".to_owned());
        Ok(())
    }

    fn step(
        &mut self,
        conn: &mut Conn,
        transaction: &Transaction,
        settled: Vec<SettledDay>,
        audit: &mut Audit,
    ) -> Result<(), Error> {
        let id = transaction.id;
        let postings = store::transaction::postings(conn, id)?;
        let moved = balance_of(LedgerAccount::Balance(self.account.id), &postings);
        self.balance = self.balance + moved;
        let mut differ = |holds: bool, what: String| {
            if !holds {
                audit.differences.push(format!("transaction {id}: {what}"));
            }
        };
        differ(
            transaction.balance_after == self.balance,
            format!("balance after is {}, replayed {}", transaction.balance_after, self.balance),
        );
        differ(postings.iter().all(|posting| posting.amount > Money::ZERO), "a posting moves nothing".to_owned());
        if transaction.kind == TransactionKind::FixedCharge {
            self.fixed.insert(transaction.object.clone(), -moved);
        }
        if !matches!(transaction.kind, TransactionKind::Charge | TransactionKind::Correction) {
            differ(settled.is_empty(), "settles days without being a charge".to_owned());
            return Ok(());
        }
        let before = self.usage.clone();
        for day in settled {
            for what in self.settle(conn, day)? {
                differ(false, what);
            }
        }
        let (amount, carry) = charge::settle(&before, &self.usage, self.carry, self.tariff)?;
        differ(-moved == amount, format!("charged {}, replayed {amount}", -moved));
        differ(
            transaction.carry_after == Some(carry),
            format!("carry after is {:?}, replayed {carry:?}", transaction.carry_after),
        );
        self.carry = carry;
        Ok(())
    }

    /// Replays a settled day from its readings; returns what does not agree.
    fn settle(&mut self, conn: &mut Conn, day: SettledDay) -> Result<Vec<String>, Error> {
        let mut wrong = Vec::new();
        let installation = store::installation::by_id(conn, day.installation_id)?;
        let before = self.usage.plus(&day.usage(installation.multiplier)?);
        self.usage = match self.ends.get(&(day.installation_id, day.day)) {
            Some(old) => before.minus(&old.usage(installation.multiplier)?),
            None => before,
        };
        let Some(at) = installation.settlement().end_of(day.day, self.zone) else {
            return Ok(vec![format!("day {} of a meter that had been removed before", day.day)]);
        };
        let (window, version) = self.tariff.window(day.day, books::opened(self.account, self.zone))?;
        if (window, i64::from(version)) != (day.block_window, day.tariff_version) {
            wrong.push(format!("day {} counts in {} by version {}", day.day, day.block_window, day.tariff_version));
        }
        let end = (at, day.end_value, vec![day.reading_id]);
        let end = day.later_reading_id.into_iter().fold(end, |(at, value, mut readings), later| {
            readings.push(later);
            (at, value, readings)
        });
        let cuts = day.cuts.iter().map(|cut| (cut.at, cut.value, cut.readings.clone()));
        for (at, is, readings) in cuts.chain([end]) {
            // The running maximum may stand above what its readings say, never below, but for what a removed meter showed
            // last.
            let value = replayed(conn, &readings, at)?;
            let value = installation.end_value.map_or(value, |last| value.min(last));
            if is < value {
                wrong.push(format!("day {} has {is} at {at}, its readings say {value}", day.day));
            }
        }
        if installation.account_id != self.account.id {
            wrong.push(format!("day {} of a meter that was never installed", day.day));
        }
        let before = self.ends.get(&(installation.id, domain::calendar::day_before(day.day)));
        let start = before.map_or(installation.start_value, |before| before.end_value);
        let energy = Energy::new((day.end_value - start).get() * i64::from(installation.multiplier));
        if energy != day.energy {
            wrong.push(format!("day {} has {} kWh, replayed {energy}", day.day, day.energy));
        }
        self.ends.insert((day.installation_id, day.day), day);
        Ok(wrong)
    }
}

/// A register's value as its readings tell it: of one at that instant, or of the two around it.
fn replayed(conn: &mut Conn, readings: &[ReadingId], at: Timestamp) -> Result<Energy, Error> {
    let Some(first) = readings.first() else { return Ok(Energy::ZERO) };
    let first = store::reading::by_id(conn, *first)?;
    let Some(later) = readings.get(1) else { return Ok(first.unwrapped) };
    let later = store::reading::by_id(conn, *later)?;
    let span = i128::from(later.as_of.as_microsecond() - first.as_of.as_microsecond()).max(1);
    let since = i128::from(at.as_microsecond() - first.as_of.as_microsecond());
    let rise = i128::from((later.unwrapped - first.unwrapped).get());
    Ok(first.unwrapped + Energy::new(i64::try_from((rise * since).div_euclid(span)).unwrap_or(i64::MAX)))
}

/// A reversal's transaction gives back what its vend's one brought, the way it came; what does not agree.
fn reversed(conn: &mut Conn, transaction: &Transaction, row: Option<Reversal>) -> Result<Option<String>, Error> {
    let Some(row) = row else {
        let missing = transaction.kind == TransactionKind::Reversal;
        return Ok(missing.then(|| "reverses what no reversal names".to_owned()));
    };
    let vend = store::vend::by_id(conn, row.vend_id)?;
    let given = store::transaction::postings(conn, transaction.id)?;
    let taken = store::transaction::postings(conn, vend.transaction_id)?;
    let back = |posting: &Posting| Posting { from: posting.to, to: posting.from, amount: posting.amount };
    let agrees = transaction.kind == TransactionKind::Reversal
        && vend.account_id == transaction.account_id
        && (row.amount, row.tender) == (vend.amount, vend.tender)
        && given == taken.iter().map(back).collect::<Vec<_>>();
    Ok((!agrees).then(|| format!("posts {given:?} as reversal of vend {}, which posted {taken:?}", vend.id)))
}

/// What an account owes apart from its balance: its lines, one after the other, each as its transaction posts it, come to
/// what its row and its ledger account say; what does not agree.
fn debt(conn: &mut Conn, account: &Account, posted: Money) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    let mut owed = Money::ZERO;
    for line in store::debt_line::of_account(conn, account.id)? {
        let more = if line.change.adds() { line.amount } else { -line.amount };
        owed = owed + more;
        let moved =
            balance_of(LedgerAccount::Debt(account.id), &store::transaction::postings(conn, line.transaction_id)?);
        if (line.owed_after, -moved) != (owed, more) {
            wrong.push(format!("debt line {}: {line:?}, replayed {owed}, posted {}", line.id, -moved));
        }
    }
    if (account.debt, posted) != (owed, owed) {
        wrong.push(format!("account {}: owes {}, its lines {owed}, its postings {posted}", account.id, account.debt));
    }
    Ok(wrong)
}

/// Every order ends once, and is confirmed only by a relay that was read.
fn orders(conn: &mut Conn, site: SiteId, rows: i64, audit: &mut Audit) -> Result<(), Error> {
    let mut before = None;
    loop {
        let page = store::relay_order::page(conn, site, before, rows)?;
        let Some(last) = page.last().map(|row| (row.created_at, row.id)) else { return Ok(()) };
        before = Some(last);
        for row in page {
            audit.orders += 1;
            let lines = store::relay_order::lines(conn, row.id)?;
            let mut differ = |holds: bool, what: &str| {
                if !holds {
                    audit.differences.push(format!("relay order {}: {what}", row.id));
                }
            };
            differ(lines.last().is_some_and(|line| line.state == row.state), "its last line says another state");
            differ(row.state.is_end() == row.ended_at.is_some(), "its end has no time, or its time no end");
            differ(lines.iter().filter(|line| line.state.is_end()).count() <= 1, "it ended more than once");
            differ(
                row.state != State::Confirmed || row.read_at.is_some(),
                "it is confirmed and the relay was not read",
            );
        }
    }
}
