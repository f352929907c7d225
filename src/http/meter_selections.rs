//! Selections of meters that were given a name, for orders to groups.

use actix_web::{HttpResponse, delete, get, post, web};
use domain::ids::SelectionId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    located,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        Error,
        meter_selection::{self, NewSelection, Selection},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_meter_selections)
        .service(save_meter_selection)
        .service(show_meter_selection)
        .service(forget_meter_selection);
}

/// A saved selection of meters.
#[derive(Serialize, ToSchema)]
struct MeterSelection {
    /// Identifier.
    #[schema(value_type = String)]
    id: SelectionId,
    /// Name.
    name: String,
    /// Which meters; they are looked for each time it is used.
    selection: Selection,
}

fn shown(row: store::meter_selection::MeterSelection) -> Result<MeterSelection, Error> {
    Ok(MeterSelection { selection: meter_selection::read(&row)?, id: row.id, name: row.name })
}

/// Lists a site's saved selections of meters
#[utoipa::path(tag = "relay orders", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<MeterSelection>),
))]
#[get("/meter_selections")]
async fn list_meter_selections(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<MeterSelection>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::meter_selection::page(conn, site, after, most)).await?;
    let rows = rows.into_iter().map(shown).collect::<Result<Vec<_>, Error>>()?;
    Ok(web::Json(ask.page(rows, |row| row.id, |row| row)))
}

/// Saves a selection of meters under a name
#[utoipa::path(tag = "relay orders", request_body = NewSelection, responses(
    (status = 201, description = "Saved", body = MeterSelection),
))]
#[post("/meter_selections")]
async fn save_meter_selection(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewSelection>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let saved = meter_selection::save(&app, body.0, &caller.prefix).await?;
    Ok(located(HttpResponse::Created(), &format!("/meter_selections/{}", saved.id), &shown(saved)?))
}

/// Shows a saved selection of meters
#[utoipa::path(tag = "relay orders", responses((status = 200, description = "The selection", body = MeterSelection)))]
#[get("/meter_selections/{id}")]
async fn show_meter_selection(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<SelectionId>,
) -> Result<web::Json<MeterSelection>, Problem> {
    let row = app.db.read(move |conn| store::meter_selection::by_id(conn, id.0)).await?;
    Ok(web::Json(shown(row)?))
}

/// Forgets a saved selection of meters; what was ordered by it goes on
#[utoipa::path(tag = "relay orders", responses((status = 204, description = "Forgotten")))]
#[delete("/meter_selections/{id}")]
async fn forget_meter_selection(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<SelectionId>,
) -> Result<HttpResponse, Problem> {
    meter_selection::forget(&app, id.0, &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}
