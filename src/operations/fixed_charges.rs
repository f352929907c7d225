//! Fixed charges (基本电费): posted at each local midnight in advance, whatever was used. What a run missed the next one
//! catches up, once.

use std::collections::BTreeMap;

use domain::{
    bug::{Bug, is_planted},
    calendar::{day_of, next_day},
    ids::{AccountId, SiteId},
    ledger::{self, TransactionKind},
    money::Money,
    tariff::{Dues, Tariff},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use store::{Conn, account::Account};

use super::{
    Error, balance, books, decide_relay,
    job::{self, Run},
    post::{Entry, post},
};
use crate::app::App;

/// Posts what is due at a site by now, for some accounts after one, as part of a job where it is one; the account to go on
/// after, where there are more. Returns with it how many accounts had money posted.
///
/// # Errors
/// The database fails; a conflict where somebody else has claimed the job. An account whose rows do not hold is logged and
/// left as it is.
pub async fn post_due(
    app: &App,
    site: SiteId,
    after: Option<AccountId>,
    run: Option<&Run>,
) -> Result<(Option<AccountId>, usize), Error> {
    let (now, jobs) = (app.clock.now(), app.settings.jobs.clone());
    let (rows, days) = (jobs.accounts_per_transaction, jobs.fixed_charge_days);
    let due = app
        .db
        .read(move |conn| {
            let zone = books::zone(&store::site::by_id(conn, site)?)?;
            Ok::<_, Error>(store::account::fixed_due(conn, site, day_of(now, &zone), after, rows)?)
        })
        .await?;
    let Some(last) = due.last().copied() else { return Ok((None, 0)) };
    let posted = job::change(app, due, run, move |conn, id| one(conn, id, now, days)).await?;
    store::fault::point("fixed.committed");
    for (account, _) in &posted {
        if let Err(error) = balance::refresh(app, *account).await {
            tracing::warn!(%account, %error, "a hot balance was not brought up to a fixed charge");
        }
        if let Err(error) = decide_relay::review(app, *account).await {
            tracing::warn!(%account, %error, "supply was not decided after a fixed charge");
        }
    }
    Ok((Some(last), posted.len()))
}

/// Locks an account and posts what is due by now, at most `days` days of it; 1 where money was posted.
fn one(conn: &mut Conn, id: AccountId, now: Timestamp, days: u32) -> Result<usize, Error> {
    let mut account = store::account::lock(conn, id)?;
    let before = account.posted;
    post_until(conn, &mut account, now, days)?;
    store::account::save(conn, &account)?;
    Ok(usize::from(account.posted != before))
}

/// Posts what is due of a locked account by now, at most `days` days of it.
///
/// # Errors
/// A row does not parse; the database fails.
pub fn post_until(conn: &mut Conn, account: &mut Account, now: Timestamp, days: u32) -> Result<(), Error> {
    let site = store::site::by_id(conn, account.id.site())?;
    let zone = books::zone(&site)?;
    let tariff = books::prices(conn, account, &site)?;
    let (opened, today) = (books::opened(account, &zone), day_of(now, &zone));
    let mut day = account.fixed_to.unwrap_or(opened);
    for _ in 0..days {
        if day > today {
            break;
        }
        enter(conn, account, &tariff.fixed_dues(day, opened), day, now)?;
        day = next_day(day);
    }
    account.fixed_to = Some(day);
    Ok(())
}

/// Gives back what a locked account has paid for today and later, which belong to whoever comes next.
///
/// # Errors
/// A conflict where so many days are missing that they are not all posted yet.
pub fn give_back(conn: &mut Conn, account: &mut Account, now: Timestamp, days: u32) -> Result<(), Error> {
    post_until(conn, account, now, days)?;
    let site = store::site::by_id(conn, account.id.site())?;
    let zone = books::zone(&site)?;
    let tariff = books::prices(conn, account, &site)?;
    let today = day_of(now, &zone);
    let posted_to = account.fixed_to.filter(|to| *to > today);
    let behind = || Error::conflict("fixed_charges_behind", "fixed charges are being caught up; ask again in a minute");
    let back = tariff.fixed_given_back(today, books::opened(account, &zone), posted_to.ok_or_else(behind)?);
    for (name, amount) in back.into_iter().filter(|_| !is_planted(Bug::KeepFixedCharges)) {
        let entry = Entry {
            kind: TransactionKind::FixedCharge,
            key: format!("fixed_charge:{}:{CLOSING}:{name}", account.id),
            object: format!("fixed_charge:{CLOSING}:{name}"),
            postings: Vec::from_iter(ledger::fixed_charge(account.id, amount)),
        };
        post(conn, account, entry, now)?;
    }
    Ok(())
}

/// In place of a day, where an account closes.
const CLOSING: &str = "closing";

/// One transaction for each charge of a day.
fn enter(conn: &mut Conn, account: &mut Account, dues: &Dues, day: Date, now: Timestamp) -> Result<(), Error> {
    for (name, amount) in dues {
        let entry = Entry {
            kind: TransactionKind::FixedCharge,
            key: format!("fixed_charge:{}:{day}:{name}", account.id),
            object: object(day, name),
            postings: Vec::from_iter(ledger::fixed_charge(account.id, *amount)),
        };
        post(conn, account, entry, now)?;
        store::fault::point("fixed.posted");
    }
    Ok(())
}

/// How a transaction names the day and the charge that it posts.
#[must_use]
pub fn object(day: Date, name: &str) -> String {
    format!("fixed_charge:{day}:{name}")
}

/// The day, none for a closing, and the charge that a transaction names as [`object`] does.
#[must_use]
pub fn named(object: &str) -> Option<(Option<Date>, String)> {
    let (day, name) = object.strip_prefix("fixed_charge:")?.split_once(':')?;
    let day = if day == CLOSING { None } else { Some(day.parse().ok()?) };
    Some((day, name.to_owned()))
}

/// What an account has to have posted for the days from its opening to the last one posted, by [`object`].
#[must_use]
pub fn expected(account: &Account, tariff: &Tariff, zone: &TimeZone) -> BTreeMap<String, Money> {
    let opened = books::opened(account, zone);
    let mut expected = BTreeMap::new();
    let mut day = opened;
    while account.fixed_to.is_some_and(|posted_to| day < posted_to) {
        let dues = tariff.fixed_dues(day, opened);
        expected.extend(dues.into_iter().map(|(name, amount)| (object(day, &name), amount)));
        day = next_day(day);
    }
    if let Some((closed, posted_to)) = account.closed_at.zip(account.fixed_to) {
        let back = tariff.fixed_given_back(day_of(closed, zone), opened, posted_to);
        expected.extend(back.into_iter().map(|(name, amount)| (format!("fixed_charge:{CLOSING}:{name}"), amount)));
    }
    expected
}
