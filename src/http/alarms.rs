//! Alarms: what an operator should look at.

use actix_web::{get, post, web};
use domain::ids::{AlarmId, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    page::{Ask, Page},
    problem::Problem,
};
use crate::{app::App, operations::acknowledge_alarm::acknowledge};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_alarms).service(acknowledge_alarm);
}

/// An alarm.
#[derive(Serialize, ToSchema)]
struct Alarm {
    /// Identifier.
    #[schema(value_type = String)]
    id: AlarmId,
    /// What is wrong.
    kind: String,
    /// The thing it is about.
    object: String,
    /// What happened, for people.
    detail: String,
    /// First time.
    #[schema(value_type = String, format = DateTime)]
    raised_at: Timestamp,
    /// Last time.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    /// How often.
    count: i64,
    /// When it was over; absent while it stands.
    #[schema(value_type = Option<String>, format = DateTime)]
    cleared_at: Option<Timestamp>,
}

impl From<store::alarm::Alarm> for Alarm {
    fn from(row: store::alarm::Alarm) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            object: row.object,
            detail: row.detail,
            raised_at: row.raised_at,
            last_at: row.last_at,
            count: row.count,
            cleared_at: row.cleared_at,
        }
    }
}

/// Which alarms.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Alarms {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// Only those that still stand.
    #[serde(default)]
    standing: bool,
    /// Most rows of the page; at most 500 by default settings.
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists a site's alarms
#[utoipa::path(tag = "alarms", params(Alarms), responses((status = 200, description = "The newest first", body = Page<Alarm>)))]
#[get("/alarms")]
async fn list_alarms(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Alarms>,
) -> Result<web::Json<Page<Alarm>>, Problem> {
    let Alarms { site_id, standing, limit, cursor } = query.0;
    let site = caller.list_of(site_id)?;
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::alarm::page(conn, site, standing, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.raised_at, row.id), Alarm::from)))
}

/// That somebody looked at it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    /// What came of it, for people.
    reason: String,
}

/// Ends an alarm that somebody looked at; what is still wrong, or happens again, raises another
#[utoipa::path(tag = "alarms", request_body = Acknowledge, responses(
    (status = 200, description = "It is over, perhaps already before", body = Alarm),
))]
#[post("/alarms/{id}/acknowledge")]
async fn acknowledge_alarm(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AlarmId>,
    body: Body<Acknowledge>,
) -> Result<web::Json<Alarm>, Problem> {
    Ok(web::Json(acknowledge(&app, id.0, &body.0.reason, &caller.prefix).await?.into()))
}
