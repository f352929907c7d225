//! Refunds (退款). Each is shown as its receipt, always the one that was stored with it.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::RefundId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, Dated, Page},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::refund::{self, Refund, RefundMoney},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_refunds).service(refund_money).service(show_refund);
}

/// Lists a site's refunds
#[utoipa::path(tag = "refunds", params(Dated), responses((status = 200, description = "The newest first", body = Page<Refund>)))]
#[get("/refunds")]
async fn list_refunds(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Dated>,
) -> Result<web::Json<Page<Refund>>, Problem> {
    let (site, within) = (caller.list_of(query.0.site_id)?, query.0.within());
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let rows = store::refund::page(conn, site, within, before, most)?;
        rows.iter().map(receipt).collect::<store::Result<Vec<_>>>()
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.created_at, row.refund_id), |row| row)))
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
    Ok(web::Json(receipt(&row)?))
}

/// The receipt that was stored with a refund.
fn receipt(row: &store::refund::Refund) -> store::Result<Refund> {
    serde_json::from_str(&row.receipt)
        .map_err(|error| store::Error::Corrupt { what: format!("receipt of refund {}: {error}", row.id) })
}
