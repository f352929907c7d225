//! Buildings (楼栋), their supply guard (保电), and which meters hang in them.

use actix_web::{HttpResponse, get, post, put, web};
use domain::ids::{BuildingId, MeterId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    located,
    meters::Guard,
    page::{Ask, OfSite, Page},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        buildings::{self, NewBuilding},
        guard,
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_buildings)
        .service(enter_building)
        .service(show_building)
        .service(guard_building)
        .service(hang_meter);
}

/// A building.
#[derive(Serialize, ToSchema)]
struct Building {
    /// Identifier.
    #[schema(value_type = String)]
    id: BuildingId,
    /// Name.
    name: String,
    /// Whether all supplies in it are guarded (保电): never cut automatically.
    guarded: bool,
    /// Why.
    guard_reason: Option<String>,
}

impl From<store::building::Building> for Building {
    fn from(row: store::building::Building) -> Self {
        Self { id: row.id, name: row.name, guarded: row.guarded, guard_reason: row.guard_reason }
    }
}

/// Lists a site's buildings
#[utoipa::path(tag = "meters", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Building>),
))]
#[get("/buildings")]
async fn list_buildings(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Building>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::building::page(conn, site, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Building::from)))
}

/// Enters a building
#[utoipa::path(tag = "meters", request_body = NewBuilding, responses(
    (status = 201, description = "Entered", body = Building),
))]
#[post("/buildings")]
async fn enter_building(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewBuilding>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let entered = buildings::enter(&app, body.0).await?;
    Ok(located(HttpResponse::Created(), &format!("/buildings/{}", entered.id), &Building::from(entered)))
}

/// Shows a building
#[utoipa::path(tag = "meters", responses((status = 200, description = "The building", body = Building)))]
#[get("/buildings/{id}")]
async fn show_building(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<BuildingId>,
) -> Result<web::Json<Building>, Problem> {
    let row = app.db.read(move |conn| store::building::by_id(conn, id.0)).await?;
    Ok(web::Json(row.into()))
}

/// Sets or lifts the supply guard (保电) of all that is metered in a building
#[utoipa::path(tag = "meters", request_body = Guard, responses((status = 204, description = "Done")))]
#[put("/buildings/{id}/guard")]
async fn guard_building(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<BuildingId>,
    body: Body<Guard>,
) -> Result<HttpResponse, Problem> {
    let (target, Guard { guarded, reason }) = (guard::Target::Building(id.0), body.0);
    to_its_end(async move { guard::set(&app, target, guarded, reason, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Where a meter hangs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The building; null: none.
    #[schema(value_type = Option<String>, required)]
    #[serde(deserialize_with = "Option::deserialize")]
    building_id: Option<BuildingId>,
}

/// Says in which building a meter hangs
#[utoipa::path(tag = "meters", request_body = Place, responses((status = 204, description = "Done")))]
#[put("/meters/{id}/building")]
async fn hang_meter(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    body: Body<Place>,
) -> Result<HttpResponse, Problem> {
    let building = body.0.building_id;
    to_its_end(async move { buildings::hang(&app, id.0, building, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
