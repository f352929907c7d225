//! Jobs: work that comes once for each local day of a site, claimed by one process at a time.

use diesel::prelude::*;
use domain::ids::{AccountId, JobId, SiteId};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    ids,
    schema::jobs,
};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Settles a day that is over, from the time on from which it may be interpolated.
    Settlement,
    /// Posts the fixed charges of a day that begins, and of a month that begins with it.
    FixedCharges,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Claimed by somebody.
    Running,
    /// Through with all accounts.
    Done,
}

row! {
    /// A job.
    pub struct Job in jobs {
        /// Its identifier.
        pub id: JobId,
        /// What it does.
        pub kind: JobKind,
        /// The local day it is for.
        pub day: Date,
        /// How far it has come.
        pub state: JobState,
        /// How often it was claimed.
        pub attempts: i64,
        /// When it was claimed last.
        pub claimed_at: Timestamp,
        /// From then on another may claim it.
        pub deadline_at: Timestamp,
        /// The last account that is done; none: none is.
        pub cursor: Option<AccountId>,
        /// When it was claimed first.
        pub started_at: Timestamp,
        /// When it was done.
        pub ended_at: Option<Timestamp>,
        /// Accounts that were changed.
        pub accounts: i64,
        /// What was written for them.
        pub entries: i64,
        /// Accounts that did not let themselves be changed.
        pub failures: i64,
    }
}

impl Job {
    /// Whether somebody else may claim it: nobody has gone on with it until its deadline, or it was claimed by a clock that
    /// was ahead.
    #[must_use]
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.state == JobState::Running && (self.deadline_at <= now || self.claimed_at > now)
    }
}

/// What a chunk of a job did.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The last account of the chunk.
    pub cursor: AccountId,
    /// Accounts changed.
    pub accounts: i64,
    /// What was written for them.
    pub entries: i64,
    /// Accounts that did not let themselves be changed.
    pub failures: i64,
}

/// A site's job of a kind for a day.
///
/// # Errors
/// Whatever the database answers.
pub fn of_day(conn: &mut Conn, site: SiteId, kind: JobKind, day: Date) -> Result<Option<Job>> {
    on!(conn, |c| jobs::table
        .filter(jobs::site_id.eq(val(site)))
        .filter(jobs::kind.eq(val(kind)))
        .filter(jobs::day.eq(val(day)))
        .select(Job::as_select())
        .first(c)
        .optional())
}

/// Claims a job until a deadline; none where it is done, or somebody else has it.
///
/// # Errors
/// Whatever the database answers.
pub fn claim(
    conn: &mut Conn,
    site: SiteId,
    (kind, day): (JobKind, Date),
    now: Timestamp,
    deadline_at: Timestamp,
) -> Result<Option<Job>> {
    let Some(found) = of_day(conn, site, kind, day)? else {
        let new = Job {
            id: ids::next(conn, site)?,
            kind,
            day,
            state: JobState::Running,
            attempts: 1,
            claimed_at: now,
            deadline_at,
            cursor: None,
            started_at: now,
            ended_at: None,
            accounts: 0,
            entries: 0,
            failures: 0,
        };
        let values = (&new, jobs::site_id.eq(val(site)));
        let inserted =
            on!(conn, |c| diesel::insert_into(jobs::table).values(values).on_conflict_do_nothing().execute(c))?;
        return Ok((inserted > 0).then_some(new));
    };
    if !found.is_free(now) {
        return Ok(None);
    }
    let claimed = Job { attempts: found.attempts + 1, claimed_at: now, deadline_at, ..found };
    let mine = on!(conn, |c| diesel::update(jobs::table.find((val(site), val(claimed.id))))
        .filter(jobs::attempts.eq(val(found.attempts)))
        .filter(jobs::state.eq(val(JobState::Running)))
        .filter(jobs::deadline_at.eq(val(found.deadline_at)))
        .set((
            jobs::attempts.eq(val(claimed.attempts)),
            jobs::claimed_at.eq(val(now)),
            jobs::deadline_at.eq(val(deadline_at)),
        ))
        .execute(c))?;
    Ok((mine > 0).then_some(claimed))
}

/// Notes what a chunk did, with a new deadline.
///
/// # Errors
/// [`Error::Stale`] where somebody else has claimed the job meanwhile.
pub fn advance(conn: &mut Conn, job: &Job, done: Progress, deadline_at: Timestamp) -> Result<()> {
    let mine = on!(conn, |c| diesel::update(jobs::table.find((val(job.id.site()), val(job.id))))
        .filter(jobs::attempts.eq(val(job.attempts)))
        .filter(jobs::state.eq(val(JobState::Running)))
        .set((
            jobs::deadline_at.eq(val(deadline_at)),
            jobs::cursor.eq(val(Some(done.cursor))),
            jobs::accounts.eq(jobs::accounts + done.accounts),
            jobs::entries.eq(jobs::entries + done.entries),
            jobs::failures.eq(jobs::failures + done.failures),
        ))
        .execute(c))?;
    if mine > 0 { Ok(()) } else { Err(Error::Stale) }
}

/// Notes that a job is through.
///
/// # Errors
/// [`Error::Stale`] where somebody else has claimed it meanwhile.
pub fn end(conn: &mut Conn, job: &Job, now: Timestamp) -> Result<()> {
    let mine = on!(conn, |c| diesel::update(jobs::table.find((val(job.id.site()), val(job.id))))
        .filter(jobs::attempts.eq(val(job.attempts)))
        .filter(jobs::state.eq(val(JobState::Running)))
        .set((jobs::state.eq(val(JobState::Done)), jobs::ended_at.eq(val(Some(now)))))
        .execute(c))?;
    if mine > 0 { Ok(()) } else { Err(Error::Stale) }
}

/// The job with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: JobId) -> Result<Job> {
    let row = on!(conn, |c| jobs::table.find((val(id.site()), val(id))).select(Job::as_select()).first(c).optional())?;
    found("job", row)
}

/// At most `limit` of a site's jobs before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, before: Option<(Timestamp, JobId)>, limit: i64) -> Result<Vec<Job>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| jobs::table
        .filter(jobs::site_id.eq(val(site)))
        .filter(jobs::started_at.lt(val(at)).or(jobs::started_at.eq(val(at)).and(jobs::id.lt(val(id)))))
        .order((jobs::started_at.desc(), jobs::id.desc()))
        .limit(limit)
        .select(Job::as_select())
        .load(c))
}
