//! Jobs: what is done for all accounts of a site once for each local day. One process claims it until a deadline, goes through
//! the accounts in chunks, and notes with each chunk, in its transaction, how far it is; whoever claims it after a crash goes
//! on from there.

use std::{panic::AssertUnwindSafe, time::Duration};

use domain::{
    calendar::shift,
    ids::{AccountId, SiteId},
};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp, civil::Date};
use store::{
    Conn,
    job::{Job, JobKind, JobState, Progress},
};

use super::Error;
use crate::app::App;

/// Whose a job is.
pub enum Claim {
    /// Ours, until its deadline.
    Ours(Run),
    /// Somebody else's, until its deadline.
    Theirs,
    /// It was done before.
    Done,
}

/// A job that this process has claimed.
#[derive(Clone)]
pub struct Run {
    job: Job,
    lease: SignedDuration,
}

/// Claims a site's job of a kind for a day.
///
/// # Errors
/// The database fails.
pub async fn claim(app: &App, site: SiteId, kind: JobKind, day: Date) -> Result<Claim, Error> {
    let now = app.clock.now();
    let lease = SignedDuration::try_from(Duration::from_secs(app.settings.jobs.claim_s)).unwrap_or(SignedDuration::MAX);
    let known = app.db.read(move |conn| Ok::<_, Error>(store::job::of_day(conn, site, kind, day)?)).await?;
    match known {
        Some(job) if job.state == JobState::Done => return Ok(Claim::Done),
        Some(job) if !job.is_free(now) => return Ok(Claim::Theirs),
        _ => {}
    }
    let until = shift(now, lease);
    let claimed =
        app.db.write(move |conn| Ok::<_, Error>(store::job::claim(conn, site, (kind, day), now, until)?)).await?;
    Ok(claimed.map_or(Claim::Theirs, |job| Claim::Ours(Run { job, lease })))
}

impl Run {
    /// The last account that is done; none: none is.
    #[must_use]
    pub fn cursor(&self) -> Option<AccountId> {
        self.job.cursor
    }

    /// Notes that the job is through.
    ///
    /// # Errors
    /// A conflict where somebody else has claimed it meanwhile; the database fails.
    pub async fn end(self, app: &App) -> Result<(), Error> {
        let now = app.clock.now();
        app.db.write(move |conn| Ok(store::job::end(conn, &self.job, now)?)).await
    }

    fn advance(&self, conn: &mut Conn, done: Progress, now: Timestamp) -> Result<(), Error> {
        Ok(store::job::advance(conn, &self.job, done, shift(now, self.lease))?)
    }
}

/// Changes some accounts in one transaction; where one of them does not let itself be changed, each in its own. Gives those
/// for which something was written, and how much.
///
/// # Errors
/// A conflict where somebody else has claimed the job meanwhile; the database fails. Errors of single accounts are logged.
pub async fn change<W>(
    app: &App,
    accounts: Vec<AccountId>,
    run: Option<&Run>,
    work: W,
) -> Result<Vec<(AccountId, usize)>, Error>
where
    W: Fn(&mut Conn, AccountId) -> Result<usize, Error> + Clone + Send + 'static,
{
    let Some(cursor) = accounts.last().copied() else { return Ok(Vec::new()) };
    let (all, one, together, now) = (accounts.clone(), work.clone(), run.cloned(), app.clock.now());
    let write = app.db.write(move |conn| {
        let done = all.iter().map(|id| Ok((*id, one(conn, *id)?))).collect::<Result<Vec<_>, Error>>();
        let done = done.map_err(NotDone::Account)?;
        if let Some(run) = &together {
            run.advance(conn, progress(cursor, &done, 0), now).map_err(NotDone::Job)?;
        }
        Ok::<_, NotDone>(done)
    });
    let written = AssertUnwindSafe(write).catch_unwind().await;
    let mut done = match written {
        Ok(Ok(done)) => done,
        Ok(Err(NotDone::Job(error))) => return Err(error),
        Ok(Err(NotDone::Account(error))) if is_of_all(&error) => return Err(error),
        Ok(Err(NotDone::Account(_))) | Err(_) => one_by_one(app, accounts, cursor, run, work).await?,
    };
    done.retain(|(_, written)| *written > 0);
    Ok(done)
}

/// One account must not keep the others of its transaction waiting.
async fn one_by_one<W>(
    app: &App,
    accounts: Vec<AccountId>,
    cursor: AccountId,
    run: Option<&Run>,
    work: W,
) -> Result<Vec<(AccountId, usize)>, Error>
where
    W: Fn(&mut Conn, AccountId) -> Result<usize, Error> + Clone + Send + 'static,
{
    let (mut done, mut failures) = (Vec::new(), 0);
    for id in accounts {
        let one = work.clone();
        match AssertUnwindSafe(app.db.write(move |conn| one(conn, id))).catch_unwind().await {
            Ok(Ok(written)) => done.push((id, written)),
            Ok(Err(error)) if is_of_all(&error) => return Err(error),
            Ok(Err(error)) => {
                failures += 1;
                tracing::warn!(account = %id, %error, "a job left an account as it was");
            }
            Err(_panic) => {
                failures += 1;
                tracing::error!(account = %id, "a job panicked over an account and left it as it was");
            }
        }
    }
    if let Some(run) = run.cloned() {
        let (done, now) = (progress(cursor, &done, failures), app.clock.now());
        app.db.write(move |conn| run.advance(conn, done, now)).await?;
    }
    Ok(done)
}

/// Whether no other account would fare better.
fn is_of_all(error: &Error) -> bool {
    matches!(error, Error::Busy | Error::Store(store::Error::Open { .. }))
}

/// Why a chunk was not written.
enum NotDone {
    /// An account, or the database.
    Account(Error),
    /// The job is not ours any more.
    Job(Error),
}

impl From<store::Error> for NotDone {
    fn from(error: store::Error) -> Self {
        Self::Account(error.into())
    }
}

fn progress(cursor: AccountId, done: &[(AccountId, usize)], failures: i64) -> Progress {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let accounts = count(done.iter().filter(|(_, written)| *written > 0).count());
    Progress { cursor, accounts, entries: count(done.iter().map(|(_, written)| written).sum()), failures }
}
