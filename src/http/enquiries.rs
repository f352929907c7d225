//! Enquiries: reading any item of a meter, asking a concentrator anything, and setting its parameters and clocks, now.

use actix_web::{HttpResponse, post, web};
use domain::ids::{ConcentratorId, MeterId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate},
    input::{At, Body, InLanguage, Query},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    enquiry,
    parameters::{self, Parameters},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(read_item)
        .service(query_concentrator)
        .service(change_parameters)
        .service(set_clock)
        .service(set_meter_clocks);
}

/// An item to be read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadItem {
    /// The data identifier of DL/T 645-2007, 8 hex digits in written order, such as `0201FF00` for all voltages.
    item: String,
}

/// What a meter answered.
#[derive(Serialize, ToSchema)]
struct Item {
    /// The frame as `wattgate decode --json` explains it; what the meter refuses stands in its `error`. A long answer is one
    /// frame.
    frame: serde_json::Value,
}

/// Reads any item of a meter from the meter itself, through its concentrator; the answer is not stored
#[utoipa::path(tag = "readings", params(InLanguage), request_body = ReadItem, responses(
    (status = 200, description = "The meter answered, or refused", body = Item),
))]
#[post("/meters/{id}/items")]
async fn read_item(
    _caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    query: Query<InLanguage>,
    body: Body<ReadItem>,
) -> Result<web::Json<Item>, Problem> {
    let language = query.0.language();
    Ok(web::Json(Item { frame: enquiry::item(&app, id.0, &body.0.item, language).await? }))
}

/// A question about a concentrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskConcentrator {
    /// The application function (AFN), two hex digits: `09` versions, `0A` parameters, `0C` the present, `0D` the past.
    afn: String,
    /// The function's number (Fn), from 1.
    function: u16,
    /// The measuring points; `[0]`, the concentrator itself, if absent.
    points: Option<Vec<u16>>,
    /// What the function wants behind each point, in hex digits, such as the day of a freeze; nothing if absent.
    content: Option<String>,
}

/// What a concentrator answered.
#[derive(Serialize, ToSchema)]
struct Answered {
    /// The frames as `wattgate decode --json` explains them: what a table knows, and the rest as it came.
    frames: Vec<serde_json::Value>,
}

/// Asks a concentrator any function, now; the answer is not stored
#[utoipa::path(tag = "concentrators", params(InLanguage), request_body = AskConcentrator, responses(
    (status = 200, description = "It answered", body = Answered),
))]
#[post("/concentrators/{id}/queries")]
async fn query_concentrator(
    _caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
    query: Query<InLanguage>,
    body: Body<AskConcentrator>,
) -> Result<web::Json<Answered>, Problem> {
    let language = query.0.language();
    let AskConcentrator { afn, function, points, content } = body.0;
    let (points, content) = (points.unwrap_or_else(|| vec![0]), content.unwrap_or_default());
    let asked = enquiry::Query { afn, function, points, content };
    Ok(web::Json(Answered { frames: enquiry::query(&app, id.0, &asked, language).await? }))
}

/// Sets parameters of a concentrator, reads each back, and tells all as they are; with `{}` it only reads them
#[utoipa::path(tag = "concentrators", request_body = Parameters, responses(
    (status = 200, description = "As the concentrator tells them now", body = Parameters),
))]
#[post("/concentrators/{id}/parameters")]
async fn change_parameters(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
    body: Body<Parameters>,
) -> Result<web::Json<Parameters>, Problem> {
    let change = async move { parameters::change(&app, id.0, body.0, &caller.prefix).await };
    Ok(web::Json(to_its_end(change).await?))
}

/// Sets a concentrator's clock to ours; `clock_drift_s` tells soon afterwards what came of it
#[utoipa::path(tag = "concentrators", responses((status = 204, description = "It was set")))]
#[post("/concentrators/{id}/clock")]
async fn set_clock(caller: May<Operate>, app: web::Data<App>, id: At<ConcentratorId>) -> Result<HttpResponse, Problem> {
    enquiry::set_clock(&app, id.0, &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Tells all meters of a concentrator the time (广播校时). No meter answers, and each heeds it only within some minutes of its own
/// time, and once a day
#[utoipa::path(tag = "concentrators", responses((status = 204, description = "It was sent on each port")))]
#[post("/concentrators/{id}/meter_clocks")]
async fn set_meter_clocks(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<ConcentratorId>,
) -> Result<HttpResponse, Problem> {
    enquiry::set_meter_clocks(&app, id.0, &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}
