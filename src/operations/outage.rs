//! Outages: after every start a report of how long the program was down, what it missed, and what was posted because of it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    calendar::{day_before, day_of, midnight, next_day, shift},
    ids::{AccountId, TransactionId},
    ledger::{LedgerAccount, TransactionKind, balance_of},
    money::Money,
    outage::{days_begun, days_missed},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{Conn, outage::Outage, site::Site, transaction::Transaction};
use utoipa::ToSchema;

use super::{Error, books, fixed_charges};
use crate::{app::App, settings::Settings};

/// What was not done that should have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OutageMissed)]
pub struct Missed {
    /// Daily freezes not read: one for each meter and midnight.
    pub freezes: i64,
    /// Days not settled: one for each meter and day.
    pub days: i64,
    /// Days whose fixed charges were not looked at: one for each account and day.
    pub fixed_charge_days: i64,
    /// Notices that were to be sent.
    pub notices: i64,
    /// Relay orders that had not ended.
    pub orders: i64,
}

/// What came of an outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OutageReport)]
pub struct Report {
    /// What is still missing of it: nothing, unless the deadline came first.
    pub left: Missed,
    /// What was posted since the start for days before it.
    pub posted: Vec<Posted>,
}

/// Transactions of one kind. A charge of a day before the start and of one after it counts whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OutagePosted)]
pub struct Posted {
    /// `charge`, `correction` or `fixed_charge`.
    #[schema(value_type = String)]
    pub kind: TransactionKind,
    /// How many.
    pub transactions: i64,
    /// What they took from balances, in minor units of the site's currency; negative where they gave.
    #[schema(value_type = i64)]
    pub amount: Money,
}

/// After a start: notes for each site since when it was down, and what is missing. Returns the number of sites that had been
/// up before.
///
/// # Errors
/// The database fails.
pub async fn begin(app: &App) -> Result<usize, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let mut begun = 0;
    for site in sites(app).await? {
        let settings = settings.clone();
        let begin = move |conn: &mut Conn| {
            let last = store::outage::last_beat(conn, site.id)?;
            store::outage::beat(conn, site.id, now)?;
            let Some(last) = last else { return Ok::<_, Error>(0) };
            let outage = Outage {
                id: store::ids::next(conn, site.id)?,
                // A clock that was ahead may have written a later one.
                down_from: last.min(now),
                up_at: now,
                missed: String::new(),
                deadline_at: shift(now, SignedDuration::from_hours(i64::from(settings.outages.report_after_h))),
                reported_at: None,
                report: None,
            };
            let missed = missing(conn, &site, &outage, &settings)?;
            store::outage::insert(conn, &Outage { missed: books::json(&missed)?, ..outage })?;
            Ok(1)
        };
        begun += app.db.write(begin).await?;
    }
    Ok(begun)
}

/// Notes for each site that the program is up.
///
/// # Errors
/// The database fails.
pub async fn mark(app: &App) -> Result<(), Error> {
    let (now, sites) = (app.clock.now(), sites(app).await?);
    let beat = move |conn: &mut Conn| sites.iter().try_for_each(|site| store::outage::beat(conn, site.id, now));
    Ok(app.db.write(beat).await?)
}

/// Notes that the program is up, and reports the outages of which all was caught up or whose deadline has come. Returns the
/// number of reports.
///
/// # Errors
/// The database fails.
pub async fn beat(app: &App) -> Result<usize, Error> {
    let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
    mark(app).await?;
    let mut reported = 0;
    for site in sites(app).await? {
        let id = site.id;
        let open = app.db.read(move |conn| Ok::<_, Error>(store::outage::unreported(conn, id, rows)?)).await?;
        for outage in open {
            let (id, site, settings) = (outage.id, site.clone(), app.settings.clone());
            let report = app.db.read(move |conn| report(conn, &site, &outage, now, &settings)).await?;
            if let Some(report) = report {
                let text = books::json(&report)?;
                let set = app.db.write(move |conn| Ok::<_, Error>(store::outage::set_report(conn, id, &text, now)?));
                reported += usize::from(set.await?);
            }
        }
    }
    Ok(reported)
}

async fn sites(app: &App) -> Result<Vec<Site>, Error> {
    let rows = app.settings.jobs.rows;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = app.db.read(move |conn| Ok::<_, Error>(store::site::page(conn, after, rows)?)).await?;
        let Some(last) = page.last().map(|site| site.id) else { return Ok(all) };
        after = Some(last);
        all.extend(page);
    }
}

/// What is missing now of what an outage missed.
fn missing(conn: &mut Conn, site: &Site, outage: &Outage, settings: &Settings) -> Result<Missed, Error> {
    let (zone, most) = (books::zone(site)?, settings.outages.days);
    let asked_until = settings.policy.polling.freeze_until;
    let mut missing = Missed {
        notices: store::outage::notices_late(conn, site.id, outage.up_at)?,
        orders: store::outage::orders_late(conn, site.id, outage.up_at)?,
        ..Missed::default()
    };
    for day in days_missed(outage.down_from, outage.up_at, asked_until, most, &zone) {
        let midnight = midnight(next_day(day), &zone);
        missing.freezes += store::outage::freezes_missing(conn, site.id, midnight)?;
        missing.days += store::outage::days_missing(conn, site.id, day, midnight)?;
    }
    for day in days_begun(outage.down_from, outage.up_at, most, &zone) {
        missing.fixed_charge_days += store::outage::fixed_missing(conn, site.id, day)?;
    }
    Ok(missing)
}

/// The report, where it is time for it.
fn report(
    conn: &mut Conn,
    site: &Site,
    outage: &Outage,
    now: Timestamp,
    settings: &Settings,
) -> Result<Option<Report>, Error> {
    let left = missing(conn, site, outage, settings)?;
    if left != Missed::default() && now < outage.deadline_at {
        return Ok(None);
    }
    let zone = books::zone(site)?;
    let mut posted: BTreeMap<TransactionKind, (i64, Money)> = BTreeMap::new();
    let mut after = None;
    loop {
        let accounts = store::account::page(conn, site.id, after, settings.jobs.rows)?;
        let Some(last) = accounts.last().map(|account| account.id) else { break };
        after = Some(last);
        for account in accounts {
            for (kind, amount) in caught_up(conn, account.id, outage, &zone, settings)? {
                let sum = posted.entry(kind).or_default();
                *sum = (sum.0 + 1, sum.1 + amount);
            }
        }
    }
    let posted = posted.into_iter().map(|(kind, (transactions, amount))| Posted { kind, transactions, amount });
    Ok(Some(Report { left, posted: posted.collect() }))
}

/// What was posted to an account since the start for days before it: kinds and amounts.
fn caught_up(
    conn: &mut Conn,
    account: AccountId,
    outage: &Outage,
    zone: &TimeZone,
    settings: &Settings,
) -> Result<Vec<(TransactionKind, Money)>, Error> {
    let started = day_of(outage.up_at, zone);
    let since = since_start(conn, account, outage.up_at, settings.jobs.rows)?;
    let is_energy = |kind| matches!(kind, TransactionKind::Charge | TransactionKind::Correction);
    let mut earlier: BTreeSet<TransactionId> = BTreeSet::new();
    if since.iter().any(|row| is_energy(row.kind)) {
        // Nothing is corrected that is older.
        let oldest = shift(outage.down_from, -settings.policy.settlement.correction_horizon);
        let days = store::settled_day::history(conn, account, Some(day_before(day_of(oldest, zone))))?;
        earlier.extend(days.into_iter().filter(|row| row.day < started).map(|row| row.transaction_id));
    }
    let mut found = Vec::new();
    for row in since {
        let for_earlier = match row.kind {
            TransactionKind::FixedCharge => {
                fixed_charges::named(&row.object).is_some_and(|(day, _)| day.is_some_and(|day| day <= started))
            }
            kind => is_energy(kind) && earlier.contains(&row.id),
        };
        if for_earlier {
            let postings = store::transaction::postings(conn, row.id)?;
            found.push((row.kind, -balance_of(LedgerAccount::Balance(account), &postings)));
        }
    }
    Ok(found)
}

/// An account's transactions since the start.
fn since_start(conn: &mut Conn, account: AccountId, up_at: Timestamp, rows: i64) -> Result<Vec<Transaction>, Error> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store::transaction::statement(conn, account, before, rows)?;
        let Some(last) = page.last().map(|row| row.sequence) else { return Ok(all) };
        before = Some(last);
        let read = page.len();
        all.extend(page.into_iter().take_while(|row| row.at >= up_at));
        let kept = all.last().is_some_and(|row: &Transaction| row.sequence == last);
        if read == 0 || !kept {
            return Ok(all);
        }
    }
}

/// What an outage missed.
///
/// # Errors
/// The row does not parse.
pub fn missed(outage: &Outage) -> Result<Missed, Error> {
    parsed(&outage.missed)
}

/// What came of an outage; none while it is being caught up.
///
/// # Errors
/// The row does not parse.
pub fn reported(outage: &Outage) -> Result<Option<Report>, Error> {
    outage.report.as_deref().map(parsed).transpose()
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|bad| books::corrupt(format!("an outage: {bad}")))
}
