//! What concentrators noted of themselves and of their meters.

use actix_web::{get, web};
use domain::{
    ids::{ConcentratorId, EventId, MeterId, SiteId},
    notice::Language,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::concentrator_event::{ConcentratorEvent, List};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::Query,
    page::{Ask, Page},
    problem::Problem,
};
use crate::{app::App, decode};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_events);
}

/// An event.
#[derive(Serialize, ToSchema)]
struct Event {
    /// Identifier.
    #[schema(value_type = String)]
    id: EventId,
    /// Who noted it.
    #[schema(value_type = String)]
    concentrator_id: ConcentratorId,
    /// In which of its lists: `important` (those raise alarms) or `general`.
    #[schema(value_type = String)]
    list: List,
    /// ERC: what happened.
    code: u8,
    /// The same in words.
    name: String,
    /// When it happened, by the concentrator's clock; null: it does not say.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// The meter that it is about; null: the concentrator itself, or a meter that its archive did not prove.
    #[schema(value_type = Option<String>)]
    meter_id: Option<MeterId>,
    /// What is known of it: `name`, `value` and `unit` of each field.
    values: Vec<serde_json::Value>,
    /// The record as it came, in hex digits.
    content: String,
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

impl Event {
    fn new(row: ConcentratorEvent, language: Language) -> Self {
        let told = decode::event(row.code, &row.content, language);
        Self {
            id: row.id,
            concentrator_id: row.concentrator_id,
            list: row.list,
            code: row.code,
            name: told.name,
            occurred_at: row.occurred_at,
            meter_id: row.meter_id,
            values: told.values,
            content: row.content,
            received_at: row.received_at,
        }
    }
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Events {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// Only those that this concentrator noted.
    #[param(value_type = Option<String>)]
    concentrator_id: Option<ConcentratorId>,
    /// Language of names: `zh` or `en`; `en` if absent.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
    /// Most rows of the page; at most 500 by default settings.
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what a site's concentrators noted
#[utoipa::path(tag = "concentrators", params(Events), responses(
    (status = 200, description = "Those that were read last first", body = Page<Event>),
))]
#[get("/events")]
async fn list_events(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Events>,
) -> Result<web::Json<Page<Event>>, Problem> {
    let Events { site_id, concentrator_id, language, limit, cursor } = query.0;
    let site = caller.list_of(site_id)?;
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| store::concentrator_event::page(conn, site, concentrator_id, before, most));
    let language = language.unwrap_or(Language::En);
    Ok(web::Json(ask.page(read.await?, |row| row.id, |row| Event::new(row, language))))
}
