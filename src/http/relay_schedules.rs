//! Relay orders by a calendar, and the second operator's approval.

use actix_web::{HttpResponse, get, post, web};
use domain::{
    ids::{MeterId, ScheduleId},
    relay::Action,
};
use jiff::Timestamp;
use serde::Serialize;
use store::relay_schedule::{RelaySchedule, ScheduleState};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::schedule::{self, EndSchedule, NewSchedule},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_relay_schedules)
        .service(enter_relay_schedule)
        .service(show_relay_schedule)
        .service(approve_relay_schedule)
        .service(reject_relay_schedule)
        .service(end_relay_schedule);
}

/// Relay orders by a calendar. The view of a schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = RelaySchedule)]
struct Shown {
    /// Identifier.
    #[schema(value_type = String)]
    id: ScheduleId,
    /// Local time of the disconnect.
    off_at: String,
    /// Local time of the reconnect; where it is not later than `off_at`, of the next day.
    on_at: String,
    /// The days of the week with a disconnect.
    weekdays: Vec<&'static str>,
    /// Whether there is none on holidays.
    except_holidays: bool,
    /// The first day that may have a disconnect.
    #[schema(format = Date)]
    from: String,
    /// The last day that may have one.
    #[schema(format = Date)]
    until: Option<String>,
    /// Why, for people.
    reason: String,
    /// `awaiting_approval`, `running`, `ending` (it only reconnects what it cut), `ended`, `rejected`, `expired`.
    #[schema(value_type = String)]
    state: ScheduleState,
    /// Why a second operator must approve it: `supply_guard`, `many_meters`.
    reservations: Vec<String>,
    /// Prefix of the API key that entered it.
    operator_key: String,
    /// Prefix of the API key that approved or rejected it.
    decided_by: Option<String>,
    /// When it was entered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until then it may be approved.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it switches next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// What it does then: `disconnect` or `reconnect`.
    #[schema(value_type = Option<String>)]
    next_action: Option<Action>,
    /// When it ended, or was rejected, or expired.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<RelaySchedule> for Shown {
    fn from(row: RelaySchedule) -> Self {
        let words = row.reservations.split(',').filter(|word| !word.is_empty());
        let calendar = row.calendar;
        Self {
            id: row.id,
            off_at: calendar.off_at.to_string(),
            on_at: calendar.on_at.to_string(),
            weekdays: calendar.weekdays.iter().map(|day| day.as_str()).collect(),
            except_holidays: calendar.except_holidays,
            from: calendar.from.to_string(),
            until: calendar.until.map(|day| day.to_string()),
            reason: row.reason,
            state: row.state,
            reservations: words.map(str::to_owned).collect(),
            operator_key: row.operator_key,
            decided_by: row.decided_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            next_at: row.next_at,
            next_action: row.next_action,
            ended_at: row.ended_at,
        }
    }
}

/// Relay orders by a calendar, with their meters.
#[derive(Serialize, ToSchema)]
struct RelayScheduleAndMeters {
    #[serde(flatten)]
    schedule: Shown,
    /// Its meters; those that it had at its end.
    #[schema(value_type = Vec<String>)]
    meter_ids: Vec<MeterId>,
}

/// Reads a schedule with its meters, all of one moment.
async fn shown(app: &App, id: ScheduleId) -> Result<RelayScheduleAndMeters, Problem> {
    let read = app.db.snapshot(move |conn| {
        Ok::<_, store::Error>((store::relay_schedule::by_id(conn, id)?, store::relay_schedule::meters(conn, id)?))
    });
    let (schedule, meter_ids) = read.await?;
    Ok(RelayScheduleAndMeters { schedule: schedule.into(), meter_ids })
}

/// Lists a site's relay schedules
#[utoipa::path(tag = "relay orders", params(OfSite), responses(
    (status = 200, description = "The newest first", body = Page<Shown>),
))]
#[get("/relay_schedules")]
async fn list_relay_schedules(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Shown>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::relay_schedule::page(conn, site, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.created_at, row.id), Shown::from)))
}

/// Enters a relay schedule; guarded, or many: a second operator must approve
#[utoipa::path(
    tag = "relay orders",
    request_body = NewSchedule,
    params(IdempotencyKey),
    responses((
        status = 201,
        description = "Entered; it runs, or awaits approval",
        body = RelayScheduleAndMeters,
    )),
)]
#[post("/relay_schedules")]
async fn enter_relay_schedule(
    caller: May<Operate>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<NewSchedule>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let (id, _) = schedule::enter(&app, body.0, &key.0, &caller.prefix).await?;
    let address = format!("/relay_schedules/{id}");
    Ok(located(HttpResponse::Created(), &address, &shown(&app, id).await?))
}

/// Shows a relay schedule
#[utoipa::path(tag = "relay orders", responses(
    (status = 200, description = "The schedule, its next switching and its meters", body = RelayScheduleAndMeters),
))]
#[get("/relay_schedules/{id}")]
async fn show_relay_schedule(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<ScheduleId>,
) -> Result<web::Json<RelayScheduleAndMeters>, Problem> {
    Ok(web::Json(shown(&app, id.0).await?))
}

/// Approves a relay schedule, by another key than the one that entered it
#[utoipa::path(tag = "relay orders", responses(
    (status = 200, description = "Approved; it begins with its next disconnect", body = RelayScheduleAndMeters),
))]
#[post("/relay_schedules/{id}/approve")]
async fn approve_relay_schedule(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ScheduleId>,
) -> Result<web::Json<RelayScheduleAndMeters>, Problem> {
    schedule::approve(&app, id.0, &caller.prefix).await?;
    Ok(web::Json(shown(&app, id.0).await?))
}

/// Rejects a relay schedule that waits for approval; whoever entered it may take it back so
#[utoipa::path(tag = "relay orders", responses(
    (status = 200, description = "Rejected; it never switches", body = RelayScheduleAndMeters),
))]
#[post("/relay_schedules/{id}/reject")]
async fn reject_relay_schedule(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ScheduleId>,
) -> Result<web::Json<RelayScheduleAndMeters>, Problem> {
    schedule::reject(&app, id.0, &caller.prefix).await?;
    Ok(web::Json(shown(&app, id.0).await?))
}

/// Ends a relay schedule; what it cut is reconnected at once
#[utoipa::path(tag = "relay orders", request_body = EndSchedule, responses(
    (status = 200, description = "Ended; its reconnects are under way", body = RelayScheduleAndMeters),
))]
#[post("/relay_schedules/{id}/end")]
async fn end_relay_schedule(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ScheduleId>,
    body: Body<EndSchedule>,
) -> Result<web::Json<RelayScheduleAndMeters>, Problem> {
    schedule::end(&app, id.0, body.0, &caller.prefix).await?;
    Ok(web::Json(shown(&app, id.0).await?))
}
