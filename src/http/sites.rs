//! Sites and their switch for automatic disconnection.

use actix_web::{HttpResponse, get, patch, post, web};
use domain::{ids::SiteId, site::AutomaticDisconnection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{Administer, May, Operate, Read},
    input::{At, Body, IfMatch, Query, etag},
    located,
    page::{Ask, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        self,
        register::{self, NewSite},
        site::Stopped,
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_sites).service(enter_site).service(show_site).service(switch_site).service(stop_cuts);
}

/// A site.
#[derive(Serialize, ToSchema)]
struct Site {
    /// Identifier.
    #[schema(value_type = String)]
    id: SiteId,
    /// Name.
    name: String,
    /// IANA time zone.
    time_zone: String,
    /// Currency of all its money, ISO 4217.
    currency: String,
    /// Decimal places of the currency's minor unit.
    currency_exponent: u32,
    /// Whether accounts without credit are cut by the head end itself: `off`, `report_only`, `on`.
    #[schema(value_type = String)]
    automatic_disconnection: AutomaticDisconnection,
}

impl From<store::site::Site> for Site {
    fn from(row: store::site::Site) -> Self {
        Self {
            id: row.id,
            name: row.name,
            time_zone: row.time_zone,
            currency: row.currency,
            currency_exponent: row.currency_exponent,
            automatic_disconnection: row.automatic_disconnection,
        }
    }
}

/// The switches of a site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Switches {
    /// Whether accounts without credit are cut by the head end itself: `off`, `report_only`, `on`.
    #[schema(value_type = String)]
    automatic_disconnection: AutomaticDisconnection,
}

/// Lists the sites that the key is for
#[utoipa::path(tag = "sites", params(Paging), responses(
    (status = 200, description = "By identifier", body = Page<Site>),
))]
#[get("/sites")]
async fn list_sites(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Site>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most, only) = (ask.after, ask.rows(), caller.only_site());
    let rows = app.db.read(move |conn| match only {
        Some(site) => store::site::by_id(conn, site).map(|site| vec![site]),
        None => store::site::page(conn, after, most),
    });
    Ok(web::Json(ask.page(rows.await?, |row| row.id, Site::from)))
}

/// Enters a site; needs a key that is for all sites
#[utoipa::path(tag = "sites", request_body = NewSite, responses((status = 201, description = "Entered", body = Site)))]
#[post("/sites")]
async fn enter_site(caller: May<Operate>, app: web::Data<App>, body: Body<NewSite>) -> Result<HttpResponse, Problem> {
    caller.everywhere()?;
    let site = register::site(&app, body.0).await?;
    Ok(located(HttpResponse::Created(), &format!("/sites/{}", site.id), &Site::from(site)))
}

/// Shows a site; its `ETag` is what a change needs as `If-Match`
#[utoipa::path(tag = "sites", responses(
    (status = 200, description = "The site", body = Site, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/sites/{id}")]
async fn show_site(_caller: May<Read>, app: web::Data<App>, id: At<SiteId>) -> Result<HttpResponse, Problem> {
    let site = app.db.read(move |conn| store::site::by_id(conn, id.0)).await?;
    Ok(tagged(site))
}

/// Sets a site's switches
#[utoipa::path(
    tag = "sites",
    request_body = Switches,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = Site, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/sites/{id}")]
async fn switch_site(
    caller: May<Administer>,
    app: web::Data<App>,
    id: At<SiteId>,
    seen: IfMatch,
    body: Body<Switches>,
) -> Result<HttpResponse, Problem> {
    let site = operations::site::set_switch(&app, id.0, body.0.automatic_disconnection, seen.0, &caller.prefix).await?;
    Ok(tagged(site))
}

/// Why cuts are stopped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StopCuts {
    /// For people.
    reason: String,
}

/// The stop button: cancels every disconnect of a site that was not sent yet, sends none again, and from now on only reports who
/// would be cut.
/// Its groups and schedules end with it; of a schedule the reconnect is left that brings back whom it keeps off
#[utoipa::path(tag = "sites", request_body = StopCuts, responses(
    (status = 200, description = "Stopped", body = Stopped),
))]
#[post("/sites/{id}/stop")]
async fn stop_cuts(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<SiteId>,
    body: Body<StopCuts>,
) -> Result<web::Json<Stopped>, Problem> {
    let stopping = async move { operations::site::stop(&app, id.0, &body.0.reason, &caller.prefix).await };
    Ok(web::Json(to_its_end(stopping).await?))
}

fn tagged(site: store::site::Site) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(site.version)).json(Site::from(site))
}
