//! `wattgate audit`: replays every balance from readings and postings, and tells every difference.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use domain::{
    account,
    ids::SiteId,
    ledger::{self, LedgerAccount, Posting, TransactionKind, balance_of},
    money::{Carry, Money},
    relay::order::State,
    vending,
};
use store::{
    Conn,
    account::Account,
    reversal::Reversal,
    transaction::{Entry, Transaction},
};

use crate::{
    app::{self, Problem},
    operations::{Error, fixed_charges, replay::Replay},
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
            let sums = sums(conn, site.id, rows)?;
            let mut after = None;
            loop {
                let accounts = store::account::page(conn, site.id, after, rows)?;
                let Some(last) = accounts.last().map(|account| account.id) else { break };
                after = Some(last);
                for row in accounts {
                    audit.accounts += 1;
                    let sum = sums.get(&LedgerAccount::Balance(row.id)).copied().unwrap_or_default();
                    if sum != row.posted {
                        let differs = format!("balance is {}, its postings sum to {sum}", row.posted);
                        audit.differences.push(format!("account {}: {differs}", row.id));
                    }
                    let owed = sums.get(&LedgerAccount::Debt(row.id)).copied().unwrap_or_default();
                    audit.differences.extend(debt(conn, &row, -owed)?);
                    account(conn, row, rows, &mut audit)?;
                }
            }
            orders(conn, site.id, rows, &mut audit)?;
            shifts(conn, site.id, rows, &mut audit)?;
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

/// Replays one account from its first transaction; every difference is noted.
fn account(conn: &mut Conn, row: Account, rows: i64, audit: &mut Audit) -> Result<(), Error> {
    let mut replay = Replay::load(conn, row)?;
    let id = replay.account.id;
    let reversals = store::reversal::of_account(conn, id)?;
    let mut reversals: BTreeMap<_, _> = reversals.into_iter().map(|row| (row.transaction_id, row)).collect();
    // Fixed charges by what they were posted for.
    let mut fixed: BTreeMap<String, Money> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store::transaction::of_account(conn, id, after, rows)?;
        let Some(last) = page.last().map(|transaction| transaction.sequence) else { break };
        after = last;
        for transaction in page {
            audit.transactions += 1;
            let mut step = replay.step(conn, transaction)?;
            audit.settled_days += step.days.len();
            let transaction = &step.transaction;
            if transaction.kind == TransactionKind::FixedCharge {
                fixed.insert(transaction.object.clone(), -step.moved);
            }
            let reversal = reversals.remove(&transaction.id);
            step.differences.extend(reversed(conn, transaction, reversal)?);
            let told = step.differences.iter().map(|what| format!("transaction {}: {what}", transaction.id));
            audit.differences.extend(told);
        }
    }
    let mut differ = |what: &str, is: String, replayed: String| {
        if is != replayed {
            audit.differences.push(format!("account {id}: {what} is {is}, replayed {replayed}"));
        }
    };
    let energies = store::settled_energy::since(conn, id, None)?;
    differ("settled energies", format!("{energies:?}"), format!("{:?}", replay.usage));
    differ("balance", replay.account.posted.to_string(), replay.balance.to_string());
    // What is left of a minor unit is dropped with the account.
    let closed = replay.account.state == account::State::Closed;
    let carry = if closed { Carry::ZERO } else { replay.carry };
    differ("carry", replay.account.carry.get().to_string(), carry.get().to_string());
    let expected = fixed_charges::expected(&replay.account, &replay.tariff, &replay.zone);
    differ("fixed charges", format!("{fixed:?}"), format!("{expected:?}"));
    differ("settled days without transaction", replay.days.len().to_string(), "0".to_owned());
    differ("reversals without transaction", reversals.len().to_string(), "0".to_owned());
    Ok(())
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

/// A shift's receipts are numbered without gaps, and a closed one keeps what passed through it.
fn shifts(conn: &mut Conn, site: SiteId, rows: i64, audit: &mut Audit) -> Result<(), Error> {
    let mut before = None;
    loop {
        let page = store::shift::page(conn, site, None, before, rows)?;
        let Some(last) = page.last().map(|row| row.id) else { return Ok(()) };
        before = Some(last);
        for row in page {
            let terminal = store::terminal::by_id(conn, row.terminal_id)?.name;
            let mut numbers = store::shift::receipt_numbers(conn, row.id)?;
            let mut expected: Vec<String> =
                (1..=row.receipts).map(|n| format!("{terminal}-{}-{n}", row.number)).collect();
            numbers.sort();
            expected.sort();
            if numbers != expected {
                audit.differences.push(format!("shift {}: its receipts are {numbers:?}", row.id));
            }
            let totals = store::shift::totals(conn, row.id)?;
            let kept = row.closed_at.map(|_| (row.totals.unwrap_or_default(), row.net));
            if kept.is_some_and(|kept| kept != (totals.clone(), Some(vending::net(&totals)))) {
                audit.differences.push(format!("shift {}: its totals are not what passed through it", row.id));
            }
        }
    }
}
