//! Payments in flight: a counter or a payment service says that a customer is paying.

use actix_web::{HttpResponse, delete, post, web};
use domain::ids::PaymentId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Sell},
    input::{At, Body, IdempotencyKey},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::payment_in_flight::{self, AnnouncePayment, PaymentInFlight},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(announce_payment).service(end_payment);
}

/// Announces that a customer is paying: meanwhile the account is not cut for credit. The vend follows once the money is there
#[utoipa::path(
    tag = "vends",
    params(IdempotencyKey),
    request_body = AnnouncePayment,
    responses((status = 200, description = "Known; the same for every repetition of the key", body = PaymentInFlight)),
)]
#[post("/payments_in_flight")]
async fn announce_payment(
    caller: May<Sell>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<AnnouncePayment>,
) -> Result<web::Json<PaymentInFlight>, Problem> {
    caller.within(body.0.account_id.site())?;
    let announced =
        to_its_end(async move { payment_in_flight::announce(&app, body.0, &key.0, &caller.prefix).await }).await?;
    Ok(web::Json(announced))
}

/// Says that a payment in flight is over, whether the money came or not
#[utoipa::path(tag = "vends", responses((status = 204, description = "Over")))]
#[delete("/payments_in_flight/{id}")]
async fn end_payment(_caller: May<Sell>, app: web::Data<App>, id: At<PaymentId>) -> Result<HttpResponse, Problem> {
    to_its_end(async move { payment_in_flight::end(&app, id.0).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
