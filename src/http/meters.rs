//! Meters (电表), their supply guard, and their replacement (换表).

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use domain::{
    ids::{AccountId, BuildingId, ConcentratorId, MeterId},
    relay::{Causes, RelayState},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::meter::Identity;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, IfMatch, Query, etag},
    located,
    page::{Ask, Page, Search},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        guard,
        passwords::{self, MeterPasswords},
        register::{self, NewMeter},
        replace_meter::{self, ReplaceMeter, Replacement},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_meters)
        .service(enter_meter)
        .service(show_meter)
        .service(rename_meter)
        .service(guard_meter)
        .service(set_passwords)
        .service(drop_passwords)
        .service(replace_meter_of_account);
}

/// A meter.
#[derive(Serialize, ToSchema)]
struct Meter {
    /// Identifier.
    #[schema(value_type = String)]
    id: MeterId,
    /// The concentrator it hangs on.
    #[schema(value_type = String)]
    concentrator_id: ConcentratorId,
    /// The 12 digits on its face.
    address: String,
    /// Measuring point in the concentrator's archive.
    point: u16,
    /// Port of the concentrator.
    port: u8,
    /// Its profile in the settings.
    profile: String,
    /// Name.
    name: String,
    /// Whether its supply is guarded (保电): never cut automatically.
    guarded: bool,
    /// Why.
    guard_reason: Option<String>,
    /// The relay as last read: `connected` or `disconnected`.
    #[schema(value_type = Option<String>)]
    relay: Option<RelayState>,
    /// What the relay was last told. `connected` beside a relay that is `disconnected`: waits for the customer's button.
    #[schema(value_type = Option<String>)]
    relay_command: Option<RelayState>,
    /// When the relay was last read.
    #[schema(value_type = Option<String>, format = DateTime)]
    relay_read_at: Option<Timestamp>,
    /// Whether relay orders are held back because the meter refused our password.
    relay_blocked: bool,
    /// Whether the concentrator's archive, read back, names this meter: `unverified`, `verified`, `foreign`.
    #[schema(value_type = String)]
    identity: Identity,
    /// When that was found.
    #[schema(value_type = Option<String>, format = DateTime)]
    identity_at: Option<Timestamp>,
    /// When it last answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    /// When it answered again after the last gap.
    #[schema(value_type = Option<String>, format = DateTime)]
    seen_again_at: Option<Timestamp>,
    /// Time of its last good reading.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_good_as_of: Option<Timestamp>,
}

impl From<store::meter::Meter> for Meter {
    fn from(row: store::meter::Meter) -> Self {
        Self {
            id: row.id,
            concentrator_id: row.concentrator_id,
            address: row.address,
            point: row.point,
            port: row.port,
            profile: row.profile,
            name: row.name,
            guarded: row.guarded,
            guard_reason: row.guard_reason,
            relay: row.relay,
            relay_command: row.relay_command,
            relay_read_at: row.relay_read_at,
            relay_blocked: row.relay_blocked,
            identity: row.identity,
            identity_at: row.identity_at,
            last_seen_at: row.last_seen_at,
            seen_again_at: row.seen_again_at,
            last_good_as_of: row.last_good_as_of,
        }
    }
}

/// A meter and why supply is not wanted at it.
#[derive(Serialize, ToSchema)]
struct MeterAndCauses {
    #[serde(flatten)]
    meter: Meter,
    /// Whether it has credentials of its own, beside those of its profile.
    own_credentials: bool,
    /// The account it counts for, if it does.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// The building in which it hangs, where that was said.
    #[schema(value_type = Option<String>)]
    building_id: Option<BuildingId>,
    /// Why supply is not wanted; empty where it is: `credit`, `operator`, `customer`, `schedule`,
    /// `safety`, `account_closed`, `unknown`.
    #[schema(value_type = Vec<String>)]
    causes: Causes,
}

/// A supply guard (保电) to be set or lifted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    /// Whether supply is guarded: never cut automatically.
    pub guarded: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Lists a site's meters
#[utoipa::path(tag = "meters", params(Search), responses((status = 200, description = "By identifier", body = Page<Meter>)))]
#[get("/meters")]
async fn list_meters(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Search>,
) -> Result<web::Json<Page<Meter>>, Problem> {
    let Search { site_id, search, limit, cursor } = query.0;
    let (site, part) = (caller.list_of(site_id)?, search.unwrap_or_default());
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::meter::search(conn, site, &part, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Meter::from)))
}

/// Enters a meter; its concentrator receives it in its archive
#[utoipa::path(tag = "meters", request_body = NewMeter, responses((status = 201, description = "Entered", body = Meter)))]
#[post("/meters")]
async fn enter_meter(caller: May<Operate>, app: web::Data<App>, body: Body<NewMeter>) -> Result<HttpResponse, Problem> {
    caller.within(body.0.concentrator_id.site())?;
    let entered = register::meter(&app, body.0).await?;
    Ok(located(HttpResponse::Created(), &format!("/meters/{}", entered.id), &Meter::from(entered)))
}

/// Shows a meter, the account it counts for, and why supply is not wanted at it; its `ETag` is what a change needs as `If-Match`
#[utoipa::path(tag = "meters", responses(
    (status = 200, description = "The meter", body = MeterAndCauses, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/meters/{id}")]
async fn show_meter(_caller: May<Read>, app: web::Data<App>, id: At<MeterId>) -> Result<HttpResponse, Problem> {
    tagged(&app, id.0).await
}

async fn tagged(app: &App, id: MeterId) -> Result<HttpResponse, Problem> {
    let read = app.db.read(move |conn| {
        let (row, building) = (store::meter::by_id(conn, id)?, store::building::of_meter(conn, id)?);
        let (version, own_credentials) = (row.version, store::meter::has_passwords(conn, id)?);
        let account_id = store::account::by_meter(conn, id)?.map(|account| account.id);
        let (building_id, causes) = (building.map(|building| building.id), store::meter::causes(conn, id)?);
        let meter = MeterAndCauses { meter: row.into(), own_credentials, account_id, building_id, causes };
        Ok::<_, store::Error>((version, meter))
    });
    let (version, meter) = read.await?;
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(meter))
}

/// What a meter is called from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RenameMeter {
    /// Name.
    name: String,
}

/// Gives a meter another name
#[utoipa::path(
    tag = "meters",
    request_body = RenameMeter,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = MeterAndCauses, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/meters/{id}")]
async fn rename_meter(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    seen: IfMatch,
    body: Body<RenameMeter>,
) -> Result<HttpResponse, Problem> {
    register::rename_meter(&app, id.0, &body.0.name, seen.0, &caller.prefix).await?;
    tagged(&app, id.0).await
}

/// Sets or lifts a meter's supply guard (保电)
#[utoipa::path(tag = "meters", request_body = Guard, responses((status = 204, description = "Done")))]
#[put("/meters/{id}/guard")]
async fn guard_meter(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    body: Body<Guard>,
) -> Result<HttpResponse, Problem> {
    let (target, Guard { guarded, reason }) = (guard::Target::Meter(id.0), body.0);
    to_its_end(async move { guard::set(&app, target, guarded, reason, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a meter passwords of its own; they are kept sealed and never shown
#[utoipa::path(tag = "meters", request_body = MeterPasswords, responses((status = 204, description = "Used from now on")))]
#[put("/meters/{id}/passwords")]
async fn set_passwords(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    body: Body<MeterPasswords>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { passwords::of_meter(&app, id.0, Some(body.0), &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forgets a meter's own passwords; those of its profile are used
#[utoipa::path(tag = "meters", responses((status = 204, description = "Forgotten")))]
#[delete("/meters/{id}/passwords")]
async fn drop_passwords(caller: May<Operate>, app: web::Data<App>, id: At<MeterId>) -> Result<HttpResponse, Problem> {
    to_its_end(async move { passwords::of_meter(&app, id.0, None, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replaces the meter of an account (换表), or gives it another multiplier
#[utoipa::path(
    tag = "meters",
    request_body = ReplaceMeter,
    params(IdempotencyKey),
    responses((status = 200, description = "Replaced; the same for every repetition of the key", body = Replacement)),
)]
#[post("/meters/{id}/replace")]
async fn replace_meter_of_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    key: IdempotencyKey,
    body: Body<ReplaceMeter>,
) -> Result<web::Json<Replacement>, Problem> {
    Ok(web::Json(
        to_its_end(async move { replace_meter::replace(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?,
    ))
}
