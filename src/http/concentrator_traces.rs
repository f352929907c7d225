//! What passes over a concentrator's links, frame by frame, for whoever connects one that nobody has tried before.

use actix_web::{HttpResponse, get, put, web};
use actors::{DecodeLevel, Traced};
use domain::{ids::ConcentratorId, notice::Language};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, InLanguage, Query},
    problem::Problem,
};
use crate::{app::App, decode, hex};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(show_trace).service(set_trace);
}

/// What passed over a concentrator's links last.
#[derive(Serialize, ToSchema)]
struct Trace {
    /// How much is kept: `off`, `headers` or `messages`.
    #[schema(value_type = String)]
    level: DecodeLevel,
    /// The newest last; at most 200 by default settings.
    frames: Vec<Passed>,
}

/// Something that passed.
#[derive(Serialize, ToSchema)]
struct Passed {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `received` from the concentrator, or `sent` to it.
    direction: &'static str,
    /// What was wrong with bytes that were no frame; null: it was one.
    refused: Option<String>,
    /// The frame in hex digits, with zeros for passwords and a checksum that goes with them; null at the level `headers`.
    bytes: Option<String>,
    /// The frame as `wattgate decode --json` explains it; at the level `headers` without its data.
    frame: Option<serde_json::Value>,
}

impl Passed {
    fn new(traced: Traced, level: DecodeLevel, language: Language) -> Self {
        let whole = level == DecodeLevel::Messages;
        let (refused, bytes) = match traced.what {
            Ok(bytes) => (None, Some(bytes)),
            Err(error) => (Some(error.to_string()), None),
        };
        Self {
            at: traced.at,
            direction: if traced.received { "received" } else { "sent" },
            refused,
            frame: bytes.as_deref().map(|bytes| decode::concentrators_frame(bytes, whole, language)),
            bytes: bytes.filter(|_| whole).map(|bytes| hex::text(&bytes)),
        }
    }
}

/// Shows what passed over a concentrator's links last, in this process, while its trace was on
#[utoipa::path(tag = "concentrators", params(InLanguage), responses(
    (status = 200, description = "The newest last", body = Trace),
))]
#[get("/concentrators/{id}/trace")]
async fn show_trace(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
    query: Query<InLanguage>,
) -> Result<web::Json<Trace>, Problem> {
    app.db.read(move |conn| store::concentrator::by_id(conn, id.0)).await?;
    let (level, kept) = match app.fleet() {
        Some(fleet) => fleet.trace(id.0).await.unwrap_or_default(),
        None => Default::default(),
    };
    let language = query.0.language();
    let frames = kept.into_iter().map(|traced| Passed::new(traced, level, language)).collect();
    Ok(web::Json(Trace { level, frames }))
}

/// How much of a concentrator's frames is kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetTrace {
    /// `off`, `headers` or `messages`.
    #[schema(value_type = String)]
    level: DecodeLevel,
}

/// Turns the trace of a concentrator's frames on or off, until this process ends; they are logged as well
#[utoipa::path(tag = "concentrators", request_body = SetTrace, responses(
    (status = 204, description = "From the next frame on, also of one that has not dialled in yet"),
))]
#[put("/concentrators/{id}/trace")]
async fn set_trace(
    _caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
    body: Body<SetTrace>,
) -> Result<HttpResponse, Problem> {
    app.db.read(move |conn| store::concentrator::by_id(conn, id.0)).await?;
    if let Some(fleet) = app.fleet() {
        fleet.set_decode_level(id.0, body.0.level);
    }
    Ok(HttpResponse::NoContent().finish())
}
