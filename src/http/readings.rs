//! Readings of meters, and reading now (召测).

use actix_web::{HttpResponse, get, post, put, web};
use domain::{
    energy::Energy,
    ids::{MeterId, ReadRequestId, ReadingId},
    reading::{Kind, Quality, TimeSource},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{
    Conn,
    read_request::{ReadRequest as Row, ReadState},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query, wait},
    located,
    page::{Ask, Page, within},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        judge_reading::{self, Finding},
        read_now,
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_readings).service(find_reading).service(read_meter_now).service(show_read_request);
}

/// A reading: what a meter's registers showed, in kWh before the multiplier.
#[derive(Serialize, ToSchema)]
struct Reading {
    /// Identifier.
    #[schema(value_type = String)]
    id: ReadingId,
    /// When the registers stood so.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// How it came about: `instant`, `daily_freeze`, `load_profile`, `manual`, `final`, `initial`.
    #[schema(value_type = String)]
    kind: Kind,
    /// Forward active energy in total.
    #[schema(value_type = String)]
    total: Energy,
    /// The total as if the register had never begun again at 0.
    #[schema(value_type = String)]
    unwrapped: Energy,
    /// Of it sharp (尖).
    #[schema(value_type = Option<String>)]
    sharp: Option<Energy>,
    /// Of it peak (峰).
    #[schema(value_type = Option<String>)]
    peak: Option<Energy>,
    /// Of it flat (平).
    #[schema(value_type = Option<String>)]
    flat: Option<Energy>,
    /// Of it valley (谷).
    #[schema(value_type = Option<String>)]
    valley: Option<Energy>,
    /// Of it deep valley (深谷).
    #[schema(value_type = Option<String>)]
    deep_valley: Option<Energy>,
    /// Reverse active energy in total.
    #[schema(value_type = Option<String>)]
    reverse: Option<Energy>,
    /// What it is good for: only `good` costs money, and `estimated` where an operator entered it.
    #[schema(value_type = String)]
    quality: Quality,
    /// Why it is not good, or was entered.
    reason: Option<String>,
    /// Whose clock `as_of` is: `meter`, `concentrator`, `head_end`.
    #[schema(value_type = String)]
    time_source: TimeSource,
    /// When the head end received it.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

impl From<store::reading::Reading> for Reading {
    fn from(row: store::reading::Reading) -> Self {
        Self {
            id: row.id,
            as_of: row.as_of,
            kind: row.kind,
            total: row.total,
            unwrapped: row.unwrapped,
            sharp: row.sharp,
            peak: row.peak,
            flat: row.flat,
            valley: row.valley,
            deep_valley: row.deep_valley,
            reverse: row.reverse,
            quality: row.quality,
            reason: row.reason,
            time_source: row.time_source,
            received_at: row.received_at,
        }
    }
}

/// A request to read a meter now.
#[derive(Serialize, ToSchema)]
struct ReadRequest {
    /// Identifier.
    #[schema(value_type = String)]
    id: ReadRequestId,
    /// The meter.
    #[schema(value_type = String)]
    meter_id: MeterId,
    /// `requested`, `done` or `failed`.
    #[schema(value_type = String)]
    state: ReadState,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was done or failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Why it failed.
    detail: Option<String>,
    /// What was read, once it is done.
    reading: Option<Reading>,
}

/// Which readings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Readings {
    /// Not before.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Most rows of the page; at most 500 by default settings.
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Whether to wait for the end.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// Wait this long for the end, such as `10s`.
    pub wait: Option<String>,
}

/// Lists a meter's readings, of every quality
#[utoipa::path(tag = "readings", params(Readings), responses(
    (status = 200, description = "By time, the oldest first", body = Page<Reading>),
))]
#[get("/meters/{id}/readings")]
async fn list_readings(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<MeterId>,
    query: Query<Readings>,
) -> Result<web::Json<Page<Reading>>, Problem> {
    let Readings { from, to, limit, cursor } = query.0;
    let within = within(from, to);
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::meter::by_id(conn, id.0)?;
        store::reading::page(conn, id.0, Some(within.start), Some(within.end), after, most)
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.as_of, row.id), Reading::from)))
}

/// Finds a reading good, or rejects it: an operator's word on what is not plausible, or was wrong
#[utoipa::path(tag = "readings", request_body = Finding, responses(
    (status = 200, description = "The reading as it is now; what was charged by it is corrected", body = Reading),
))]
#[put("/readings/{id}/quality")]
async fn find_reading(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ReadingId>,
    body: Body<Finding>,
) -> Result<web::Json<Reading>, Problem> {
    let judged = to_its_end(async move { judge_reading::judge(&app, id.0, body.0, &caller.prefix).await }).await?;
    Ok(web::Json(judged.into()))
}

/// Reads a meter now (召测)
#[utoipa::path(tag = "readings", params(Waiting), responses(
    (status = 200, description = "It has ended within `wait`", body = ReadRequest),
    (status = 202, description = "Under way; `Location` tells its end", body = ReadRequest),
))]
#[post("/meters/{id}/read_now")]
async fn read_meter_now(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    query: Query<Waiting>,
) -> Result<HttpResponse, Problem> {
    let patience = wait(query.0.wait.as_deref(), app.settings.http.wait_max_s)?;
    let mut row = read_now::request(&app, id.0, &caller.prefix).await?;
    if let Some(patience) = patience {
        row = read_now::wait(&app, row.id, patience).await?;
    }
    let ended = row.ended_at.is_some();
    let address = format!("/read_requests/{}", row.id);
    let shown = app.db.read(move |conn| with_reading(conn, row.clone())).await?;
    Ok(located(if ended { HttpResponse::Ok() } else { HttpResponse::Accepted() }, &address, &shown))
}

/// Shows a request to read a meter now
#[utoipa::path(tag = "readings", responses((status = 200, description = "The request", body = ReadRequest)))]
#[get("/read_requests/{id}")]
async fn show_read_request(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<ReadRequestId>,
) -> Result<web::Json<ReadRequest>, Problem> {
    let read = app.db.read(move |conn| {
        let row = store::read_request::by_id(conn, id.0)?;
        with_reading(conn, row)
    });
    Ok(web::Json(read.await?))
}

fn with_reading(conn: &mut Conn, row: Row) -> store::Result<ReadRequest> {
    let reading = row.reading_id.map(|id| store::reading::by_id(conn, id)).transpose()?;
    Ok(ReadRequest {
        id: row.id,
        meter_id: row.meter_id,
        state: row.state,
        created_at: row.created_at,
        ended_at: row.ended_at,
        detail: row.detail,
        reading: reading.map(Reading::from),
    })
}
