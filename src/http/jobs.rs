//! Jobs: what is done for all accounts of a site once for each local day, and how far it is.

use actix_web::{get, web};
use domain::ids::{AccountId, JobId};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use store::job::{JobKind, JobState};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::{At, Query},
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::app::App;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_jobs).service(show_job);
}

/// Work for all accounts of a site that comes once for each local day.
#[derive(Serialize, ToSchema)]
struct Job {
    /// Identifier.
    #[schema(value_type = String)]
    id: JobId,
    /// `settlement` of a day that is over, from the time on from which it may be interpolated, or the `fixed_charges` of a
    /// day that begins.
    #[schema(value_type = String)]
    kind: JobKind,
    /// The local day.
    #[schema(value_type = String, format = Date)]
    day: Date,
    /// `running` or `done`.
    #[schema(value_type = String)]
    state: JobState,
    /// How often it was claimed: more than once where a process ended or was too slow.
    attempts: i64,
    /// When it was claimed last.
    #[schema(value_type = String, format = DateTime)]
    claimed_at: Timestamp,
    /// From then on it may be claimed again; later with each chunk of accounts.
    #[schema(value_type = String, format = DateTime)]
    deadline_at: Timestamp,
    /// The last account, by identifier, that is done; absent where none is.
    #[schema(value_type = Option<String>)]
    cursor: Option<AccountId>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it was done.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Accounts changed; the others had nothing due, or were settled when their freeze arrived.
    accounts: i64,
    /// Days settled, or accounts charged.
    entries: i64,
    /// Accounts that did not let themselves be changed; every later look tries them again.
    failures: i64,
}

impl From<store::job::Job> for Job {
    fn from(row: store::job::Job) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            day: row.day,
            state: row.state,
            attempts: row.attempts,
            claimed_at: row.claimed_at,
            deadline_at: row.deadline_at,
            cursor: row.cursor,
            started_at: row.started_at,
            ended_at: row.ended_at,
            accounts: row.accounts,
            entries: row.entries,
            failures: row.failures,
        }
    }
}

/// Lists a site's jobs
#[utoipa::path(tag = "jobs", params(OfSite), responses((status = 200, description = "The newest first", body = Page<Job>)))]
#[get("/jobs")]
async fn list_jobs(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Job>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::job::page(conn, site, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.started_at, row.id), Job::from)))
}

/// Shows a job
#[utoipa::path(tag = "jobs", responses((status = 200, description = "The job", body = Job)))]
#[get("/jobs/{id}")]
async fn show_job(_caller: May<Read>, app: web::Data<App>, id: At<JobId>) -> Result<web::Json<Job>, Problem> {
    Ok(web::Json(app.db.read(move |conn| store::job::by_id(conn, id.0)).await?.into()))
}
