//! Refunds (退款). Each is shown as its receipt, always the one that was stored with it.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::RefundId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey},
    located,
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::refund::{self, Refund, RefundMoney},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(refund_money).service(show_refund);
}

/// Gives money back from a balance. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "refunds",
    request_body = RefundMoney,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Paid out", body = Refund),
        (status = 200, description = "Paid out before with this key: the same receipt", body = Refund),
    ),
)]
#[post("/refunds")]
async fn refund_money(
    caller: May<Operate>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<RefundMoney>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.account_id.site())?;
    let (receipt, repeated) =
        to_its_end(async move { refund::refund(&app, body.0, &key.0, &caller.prefix).await }).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/refunds/{}", receipt.refund_id), &receipt))
}

/// Shows a refund
#[utoipa::path(tag = "refunds", responses((status = 200, description = "Its receipt", body = Refund)))]
#[get("/refunds/{id}")]
async fn show_refund(_caller: May<Read>, app: web::Data<App>, id: At<RefundId>) -> Result<web::Json<Refund>, Problem> {
    let row = app.db.read(move |conn| store::refund::by_id(conn, id.0)).await?;
    let receipt = serde_json::from_str(&row.receipt)
        .map_err(|error| store::Error::Corrupt { what: format!("receipt of refund {}: {error}", row.id) })?;
    Ok(web::Json(receipt))
}
