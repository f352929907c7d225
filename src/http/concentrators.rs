//! Concentrators (集中器), their links and archives, and those that dialled in without being known.

use actix_web::{HttpResponse, delete, get, post, put, web};
use actors::LinkState;
use domain::ids::ConcentratorId;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    located,
    page::{Ask, OfSite, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        archive,
        passwords::{self, ConcentratorPassword},
        register::{self, NewConcentrator},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_concentrators)
        .service(enter_concentrator)
        .service(show_concentrator)
        .service(show_link)
        .service(sync_archive)
        .service(set_password)
        .service(drop_password)
        .service(list_unknown_concentrators);
}

/// A concentrator.
#[derive(Serialize, ToSchema)]
struct Concentrator {
    /// Identifier.
    #[schema(value_type = String)]
    id: ConcentratorId,
    /// Name.
    name: String,
    /// Region code (A1), 4 digits.
    region: String,
    /// Terminal number (A2).
    terminal: u16,
    /// Its profile in the settings.
    profile: String,
    /// Whether it has credentials of its own, beside those of its profile.
    own_credentials: bool,
    /// Seconds its clock was ahead of ours when last read.
    clock_drift_s: Option<i64>,
    /// When its clock was last read.
    #[schema(value_type = Option<String>, format = DateTime)]
    clock_read_at: Option<Timestamp>,
    /// When it last logged in.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
    /// When it last sent anything.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    /// When its archive was last read back and compared with ours.
    #[schema(value_type = Option<String>, format = DateTime)]
    identity_checked_at: Option<Timestamp>,
}

impl From<store::concentrator::Concentrator> for Concentrator {
    // The password stays where it is.
    fn from(row: store::concentrator::Concentrator) -> Self {
        Self {
            id: row.id,
            name: row.name,
            region: row.region,
            terminal: row.terminal,
            profile: row.profile,
            own_credentials: row.password.is_some(),
            clock_drift_s: row.clock_drift_s,
            clock_read_at: row.clock_read_at,
            last_login_at: row.last_login_at,
            last_seen_at: row.last_seen_at,
            identity_checked_at: row.identity_checked_at,
        }
    }
}

/// A concentrator's session, as this process sees it.
#[derive(Default, Serialize, ToSchema)]
struct Link {
    /// Whether it is connected.
    online: bool,
    /// Where it dialled in from.
    peer: Option<String>,
    /// When its session began.
    #[schema(value_type = Option<String>, format = DateTime)]
    online_since: Option<Timestamp>,
    /// When it was last heard in this session.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_frame_at: Option<Timestamp>,
    /// Sound frames of this session.
    frames: u64,
    /// Bad frames of this session.
    bad_frames: u64,
    /// Exchanges waiting for their turn.
    jobs_waiting: usize,
    /// Meters in its plan.
    meters: usize,
    /// Meters that its archive, read back, names as ours.
    verified_meters: usize,
    /// Meters that are left alone because working on them failed too often.
    quarantined_meters: usize,
}

impl From<LinkState> for Link {
    fn from(state: LinkState) -> Self {
        Self {
            online: state.peer.is_some(),
            peer: state.peer,
            online_since: state.online_since,
            last_frame_at: state.last_frame_at,
            frames: state.frames,
            bad_frames: state.bad_frames,
            jobs_waiting: state.jobs_waiting,
            meters: state.meters,
            verified_meters: state.verified_meters,
            quarantined_meters: state.quarantined_meters,
        }
    }
}

/// A concentrator that dialled in and is none of ours.
#[derive(Serialize, ToSchema)]
struct UnknownConcentrator {
    /// Region code (A1).
    region: String,
    /// Terminal number (A2).
    terminal: u16,
    /// Where it dialled in from.
    peer: String,
    /// First time.
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Timestamp,
    /// Last time.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// How often it tried.
    attempts: i64,
}

impl From<store::unknown_concentrator::UnknownConcentrator> for UnknownConcentrator {
    fn from(row: store::unknown_concentrator::UnknownConcentrator) -> Self {
        Self {
            region: row.region,
            terminal: row.terminal,
            peer: row.peer,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            attempts: row.attempts,
        }
    }
}

/// Gives a concentrator a password of its own; it is kept sealed and never shown
#[utoipa::path(tag = "concentrators", request_body = ConcentratorPassword, responses(
    (status = 204, description = "Used from now on"),
))]
#[put("/concentrators/{id}/password")]
async fn set_password(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
    body: Body<ConcentratorPassword>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { passwords::of_concentrator(&app, id.0, Some(body.0), &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forgets a concentrator's own password; that of its profile is used
#[utoipa::path(tag = "concentrators", responses((status = 204, description = "Forgotten")))]
#[delete("/concentrators/{id}/password")]
async fn drop_password(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { passwords::of_concentrator(&app, id.0, None, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists a site's concentrators
#[utoipa::path(tag = "concentrators", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Concentrator>),
))]
#[get("/concentrators")]
async fn list_concentrators(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Concentrator>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::concentrator::page(conn, site, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Concentrator::from)))
}

/// Enters a concentrator; it is expected from now on
#[utoipa::path(tag = "concentrators", request_body = NewConcentrator, responses(
    (status = 201, description = "Entered", body = Concentrator),
))]
#[post("/concentrators")]
async fn enter_concentrator(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewConcentrator>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let entered = register::concentrator(&app, body.0).await?;
    let address = format!("/concentrators/{}", entered.id);
    Ok(located(HttpResponse::Created(), &address, &Concentrator::from(entered)))
}

/// Shows a concentrator
#[utoipa::path(tag = "concentrators", responses((status = 200, description = "The concentrator", body = Concentrator)))]
#[get("/concentrators/{id}")]
async fn show_concentrator(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
) -> Result<web::Json<Concentrator>, Problem> {
    let row = app.db.read(move |conn| store::concentrator::by_id(conn, id.0)).await?;
    Ok(web::Json(row.into()))
}

/// Shows a concentrator's session; one that has not dialled in since this process started is offline
#[utoipa::path(tag = "concentrators", responses((status = 200, description = "Its session", body = Link)))]
#[get("/concentrators/{id}/link")]
async fn show_link(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
) -> Result<web::Json<Link>, Problem> {
    app.db.read(move |conn| store::concentrator::by_id(conn, id.0)).await?;
    let state = match app.fleet() {
        Some(fleet) => fleet.link(id.0).await,
        None => None,
    };
    Ok(web::Json(state.map(Link::from).unwrap_or_default()))
}

/// Sends a concentrator its archive again and reads it back
#[utoipa::path(tag = "concentrators", responses(
    (status = 202, description = "Under way; `identity_checked_at` of the concentrator tells when it was read back"),
))]
#[post("/concentrators/{id}/archive/sync")]
async fn sync_archive(
    _caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
) -> Result<HttpResponse, Problem> {
    archive::sync(&app, id.0).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Lists concentrators that dialled in and are none of ours; needs a key that is for all sites
#[utoipa::path(tag = "concentrators", params(Paging), responses(
    (status = 200, description = "By address", body = Page<UnknownConcentrator>),
))]
#[get("/unknown_concentrators")]
async fn list_unknown_concentrators(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Paging>,
) -> Result<web::Json<Page<UnknownConcentrator>>, Problem> {
    caller.everywhere()?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after.clone(), ask.rows());
    let rows = app.db.read(move |conn| store::unknown_concentrator::page(conn, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.region.clone(), row.terminal), UnknownConcentrator::from)))
}
