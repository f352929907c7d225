//! Settling days: the energy between two midnights becomes a charge; a boundary that turns out otherwise, a correction.

use std::collections::BTreeMap;

use domain::{
    account::State,
    bug::{Bug, is_planted},
    calendar::{day_before, day_of, midnight},
    charge::{self, Usage},
    energy::Energy,
    ids::{AccountId, SiteId},
    ledger::{self, TransactionKind},
    settlement::{self, SettledDay},
    site::{Policy, Site},
    tariff::Tariff,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use store::{Conn, account::Account, installation::Installation, transaction::Transaction};

use super::{
    Error, balance, books, decide_relay,
    job::{self, Run},
};
use crate::app::App;

/// Settles what can be settled of an account now: open days, and days whose boundary a reading at or after `since`
/// changed. Supply is decided again where anything was posted. Returns the number of days written.
///
/// # Errors
/// A row is missing or does not parse; the tariff does not price a day; the database fails.
pub async fn settle(app: &App, account: AccountId, since: Option<Timestamp>) -> Result<usize, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let days = app.db.write(move |conn| of_account(conn, account, since, now, &settings.policy)).await?;
    if days > 0 {
        store::fault::point("settle.committed");
        follow(app, account).await?;
    }
    Ok(days)
}

/// Settles what can be settled now of a site's accounts whose yesterday is open though a reading after it is known, or whose
/// days may have changed; of some of them after one, as part of a job where it is one. Returns the account to go on after,
/// where there are more, and the number of days written.
///
/// # Errors
/// The database fails; a conflict where somebody else has claimed the job. An account whose rows do not hold is logged and
/// left as it is.
pub async fn settle_behind(
    app: &App,
    site: SiteId,
    after: Option<AccountId>,
    run: Option<&Run>,
) -> Result<(Option<AccountId>, usize), Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let rows = settings.jobs.accounts_per_transaction;
    let behind = app
        .db
        .read(move |conn| {
            let zone = books::zone(&store::site::by_id(conn, site)?)?;
            let today = day_of(now, &zone);
            let (yesterday, midnight) = (day_before(today), midnight(today, &zone));
            Ok::<_, Error>(store::installation::behind(conn, site, yesterday, midnight, after, rows)?)
        })
        .await?;
    let Some(last) = behind.last().copied() else { return Ok((None, 0)) };
    let work = move |conn: &mut Conn, id| of_account(conn, id, None, now, &settings.policy);
    let settled = job::change(app, behind, run, work).await?;
    if !settled.is_empty() {
        store::fault::point("settle.committed");
    }
    for (account, _) in &settled {
        if let Err(error) = follow(app, *account).await {
            tracing::warn!(%account, %error, "supply was not decided after a settlement");
        }
    }
    Ok((Some(last), settled.iter().map(|(_, days)| days).sum()))
}

/// The days are posted; what follows is done again by the next reading and the next review.
async fn follow(app: &App, account: AccountId) -> Result<(), Error> {
    if let Err(error) = balance::refresh(app, account).await {
        tracing::warn!(%account, %error, "a hot balance was not brought up to a settlement");
    }
    decide_relay::review(app, account).await.map(drop)
}

/// Locks an account and settles what can be settled of it; the number of days written.
fn of_account(
    conn: &mut Conn,
    id: AccountId,
    since: Option<Timestamp>,
    now: Timestamp,
    policy: &Policy,
) -> Result<usize, Error> {
    let mut row = store::account::lock(conn, id)?;
    if row.state == State::Closed {
        return report(conn, &row, now);
    }
    let (mut days, mut first) = (0, true);
    for installation in store::installation::of_account(conn, id)? {
        // A meter that was removed is settled already, unless a reading of its time came late.
        let open = installation.end_at.is_none() || installation.resettle_since.is_some();
        let forgotten = open && is_planted(Bug::ForgetSecondMeter) && !std::mem::take(&mut first);
        if open && !forgotten {
            let since = since.into_iter().chain(installation.resettle_since).min();
            days += one(conn, &mut row, &installation, since, now, policy)?;
        }
        if installation.resettle_since.is_some() && !hangs(conn, &installation)? {
            store::installation::set_resettle(conn, installation.id, None)?;
        }
    }
    store::account::save(conn, &row)?;
    Ok(days)
}

/// Whether the newest settled boundary rests on a reading that was rejected since, and waits for another to be corrected by.
fn hangs(conn: &mut Conn, installation: &Installation) -> Result<bool, Error> {
    let last = store::settled_day::last(conn, installation.account_id, installation.id)?;
    let Some(last) = last.filter(|_| installation.end_at.is_none()) else { return Ok(false) };
    for id in std::iter::once(last.reading_id).chain(last.later_reading_id) {
        let reading = store::reading::by_id(conn, id)?;
        if !reading.quality.counts(reading.kind) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A closed account is never corrected: what came late is told, and looked into by people.
fn report(conn: &mut Conn, account: &Account, now: Timestamp) -> Result<usize, Error> {
    for installation in store::installation::of_account(conn, account.id)? {
        let Some(since) = installation.resettle_since else { continue };
        let detail = format!("a reading of {since} came after account {} was closed", account.number);
        let object = format!("meter:{}", installation.meter_id);
        store::alarm::raise(conn, account.id.site(), "reading_after_closing", &object, &detail, now)?;
        store::installation::set_resettle(conn, installation.id, None)?;
    }
    Ok(0)
}

/// Settles one installation of a locked account; the account's posted balance and carry follow. Returns the number of days
/// written.
///
/// # Errors
/// See [`settle`].
pub fn one(
    conn: &mut Conn,
    account: &mut Account,
    installation: &Installation,
    since: Option<Timestamp>,
    now: Timestamp,
    policy: &Policy,
) -> Result<usize, Error> {
    let site = store::site::by_id(conn, account.id.site())?;
    let zone = books::zone(&site)?;
    let tariff = books::prices(conn, account, &site)?;
    let from = load_from(conn, installation, since, &zone)?;
    let rows = store::settled_day::current(conn, account.id, from)?;
    let mut stored: BTreeMap<Date, store::settled_day::SettledDay> =
        rows.into_iter().filter(|row| row.installation_id == installation.id).map(|row| (row.day, row)).collect();
    let settled: Vec<SettledDay> = stored.values().map(store::settled_day::SettledDay::settled).collect();
    let first_day = day_of(installation.start_at, &zone);
    let first_boundary = settled
        .first()
        .filter(|first| first.day != first_day)
        .map_or(installation.start_at, |first| books::boundary(first.day, &zone));
    let until = installation.end_at.unwrap_or(Timestamp::MAX);
    let (meter, site) = (installation.meter_id, Site { zone: &zone, policy });
    let planned = if let Some(terms) = installation.registers() {
        let readings = store::reading::known_registers_between(conn, meter, first_boundary, until)?;
        settlement::registers::plan(&terms, &settled, &readings, now, site)?
    } else {
        let readings = store::reading::known_between(conn, meter, first_boundary, until)?;
        settlement::plan(&installation.settlement(), &settled, &readings, &tariff, now, site)?
    };
    let (corrected, opened): (Vec<_>, Vec<_>) = planned.into_iter().partition(|day| stored.contains_key(&day.day));
    let mut written = 0;
    for (kind, days) in [(TransactionKind::Correction, corrected), (TransactionKind::Charge, opened)] {
        if !days.is_empty() {
            let opened = books::opened(account, &zone);
            let change = Change { installation, first_day, tariff: &tariff, opened, kind, now };
            written += change.post(conn, account, &mut stored, days)?;
        }
    }
    Ok(written)
}

/// The day from which settled days and readings are needed to see all that can have changed; none: all of them.
fn load_from(
    conn: &mut Conn,
    installation: &Installation,
    since: Option<Timestamp>,
    zone: &TimeZone,
) -> Result<Option<Date>, Error> {
    let last = store::settled_day::last(conn, installation.account_id, installation.id)?;
    let settled_to = last.map_or(installation.start_at, |last| books::boundary(last.day, zone));
    let earliest = since.map_or(settled_to, |since| since.min(settled_to));
    let nearest = if installation.start_registers.is_empty() {
        store::reading::neighbours
    } else {
        store::reading::register_neighbours
    };
    let (before, _) = nearest(conn, installation.meter_id, earliest)?;
    let latest_before = before.map_or(installation.start_at, |reading| reading.as_of.max(installation.start_at));
    Ok(settlement::load_from(&installation.settlement(), latest_before, zone))
}

/// Days to be written as one transaction.
struct Change<'a> {
    installation: &'a Installation,
    first_day: Date,
    tariff: &'a Tariff,
    opened: Date,
    kind: TransactionKind,
    now: Timestamp,
}

impl Change<'_> {
    /// Writes the days and what follows from them: also the day after a corrected boundary has another energy.
    fn post(
        &self,
        conn: &mut Conn,
        account: &mut Account,
        stored: &mut BTreeMap<Date, store::settled_day::SettledDay>,
        days: Vec<SettledDay>,
    ) -> Result<usize, Error> {
        let id = store::ids::next(conn, account.id.site())?;
        let rows = self.rows(stored, days, id)?;
        let Some(first) = rows.first().map(|row| row.day) else { return Ok(0) };
        let mut change = Usage::none();
        for row in &rows {
            change = change.plus(&row.usage(self.installation.multiplier)?);
            if let Some(old) = stored.get(&row.day).filter(|_| !is_planted(Bug::ChargeCorrectionsWhole)) {
                change = change.minus(&old.usage(self.installation.multiplier)?);
            }
        }
        let before = store::settled_energy::since(conn, account.id, Some(self.tariff.earliest_window(first)))?;
        let after = before.plus(&change);
        let (amount, carry) = charge::settle(&before, &after, account.carry, self.tariff)?;
        let transaction = Transaction {
            id,
            account_id: account.id,
            sequence: store::transaction::next_sequence(conn, account.id)?,
            kind: self.kind,
            key: format!("{}:{id}", self.kind),
            object: format!("meter:{}", self.installation.meter_id),
            at: self.now,
            cost_before: Some(charge::exact_cost(&before, self.tariff)?),
            cost_after: Some(charge::exact_cost(&after, self.tariff)?),
            carry_before: Some(account.carry),
            carry_after: Some(carry),
            balance_after: account.posted - amount,
        };
        store::transaction::insert(conn, &transaction, ledger::charge(account.id, amount).as_slice())?;
        store::fault::point("settle.posted");
        store::settled_day::insert_batch(conn, &rows)?;
        store::settled_energy::keep(conn, account.id, change.iter().map(|(key, _)| (key, after.get(key))))?;
        store::fault::point("settle.written");
        (account.posted, account.carry) = (account.posted - amount, carry);
        let written = rows.len();
        stored.extend(rows.into_iter().map(|row| (row.day, row)));
        Ok(written)
    }

    fn rows(
        &self,
        stored: &BTreeMap<Date, store::settled_day::SettledDay>,
        days: Vec<SettledDay>,
        transaction_id: domain::ids::TransactionId,
    ) -> Result<Vec<store::settled_day::SettledDay>, Error> {
        let mut all: BTreeMap<Date, SettledDay> = stored.iter().map(|(day, row)| (*day, row.settled())).collect();
        all.extend(days.into_iter().map(|day| (day.day, day)));
        let mut before = None;
        let mut rows = Vec::new();
        for (day, settled) in all {
            let start = before.replace(settled.end_value);
            // The first loaded day stays as it is, unless it is the installation's first.
            let old = stored.get(&day);
            let from_start = || (day == self.first_day).then_some(self.installation.start_value);
            let Some(start) = start.or_else(from_start) else { continue };
            let multiplier = if is_planted(Bug::IgnoreMultiplier) { 1 } else { self.installation.multiplier };
            let energy = Energy::new((settled.end_value - start).get() * i64::from(multiplier));
            let unchanged =
                |old: &&store::settled_day::SettledDay| old.energy == energy && old.settled().agrees(&settled);
            if old.filter(unchanged).is_some() {
                continue;
            }
            let (block_window, version) = self.tariff.window(day, self.opened)?;
            let mut readings = settled.readings.iter().copied();
            rows.push(store::settled_day::SettledDay {
                account_id: self.installation.account_id,
                day,
                revision: old.map_or(1, |old| old.revision + 1),
                end_value: settled.end_value,
                reading_id: readings.next().unwrap_or(self.installation.start_reading_id),
                later_reading_id: readings.next(),
                energy,
                block_window,
                tariff_version: i64::from(version),
                transaction_id,
                installation_id: self.installation.id,
                period: settled.period,
                cuts: settled.cuts,
                registers: settled.registers,
            });
        }
        Ok(rows)
    }
}
