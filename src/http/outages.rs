//! Outages: when the program was down, what it missed, and what was posted because of it.

use actix_web::{get, web};
use domain::ids::OutageId;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::{At, Query},
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        Error,
        outage::{self, Missed, Report},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_outages).service(show_outage);
}

/// A time in which the program was down for a site.
#[derive(Serialize, ToSchema)]
struct Outage {
    /// Identifier.
    #[schema(value_type = String)]
    id: OutageId,
    /// The last heartbeat before; the program may have been up a little longer.
    #[schema(value_type = String, format = DateTime)]
    down_from: Timestamp,
    /// When it was up again.
    #[schema(value_type = String, format = DateTime)]
    up_at: Timestamp,
    /// What was found missing then.
    missed: Missed,
    /// When it is reported at the latest.
    #[schema(value_type = String, format = DateTime)]
    deadline_at: Timestamp,
    /// When it was reported; absent while what was missed is being caught up.
    #[schema(value_type = Option<String>, format = DateTime)]
    reported_at: Option<Timestamp>,
    /// What came of it, once it is reported.
    report: Option<Report>,
}

impl TryFrom<store::outage::Outage> for Outage {
    type Error = Error;
    fn try_from(row: store::outage::Outage) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            missed: outage::missed(&row)?,
            report: outage::reported(&row)?,
            down_from: row.down_from,
            up_at: row.up_at,
            deadline_at: row.deadline_at,
            reported_at: row.reported_at,
        })
    }
}

/// Lists the times in which the program was down for a site
#[utoipa::path(tag = "outages", params(OfSite), responses(
    (status = 200, description = "The newest first", body = Page<Outage>),
))]
#[get("/outages")]
async fn list_outages(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Outage>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let rows = store::outage::page(conn, site, before, most)?;
        rows.into_iter().map(Outage::try_from).collect::<Result<Vec<_>, _>>()
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.up_at, row.id), |row| row)))
}

/// Shows a time in which the program was down, what it missed, and what came of it
#[utoipa::path(tag = "outages", responses((status = 200, description = "The outage", body = Outage)))]
#[get("/outages/{id}")]
async fn show_outage(_caller: May<Read>, app: web::Data<App>, id: At<OutageId>) -> Result<web::Json<Outage>, Problem> {
    let row = app.db.read(move |conn| Ok::<_, Error>(store::outage::by_id(conn, id.0)?)).await?;
    Ok(web::Json(row.try_into()?))
}
