//! The life of an account once it is open: suspended, closed (销户), transferred (过户).

use actix_web::{HttpResponse, post, put, web};
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate},
    input::{At, Body, IdempotencyKey},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        close_account::{CloseAccount, Closing, close},
        suspend_account as suspension,
        transfer_account::{Transfer, TransferAccount, transfer},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(suspend_account).service(close_account).service(transfer_account);
}

/// Whether an account is suspended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    /// Suspended: energy is charged, but nothing is sold and nobody is cut or restored for money.
    suspended: bool,
    /// Why it is, or goes on.
    reason: String,
}

/// Suspends an account, or lets it go on
#[utoipa::path(tag = "accounts", request_body = Suspension, responses((status = 204, description = "Done")))]
#[put("/accounts/{id}/suspension")]
async fn suspend_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    body: Body<Suspension>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { suspension::set(&app, id.0, body.0.suspended, &body.0.reason, &caller.prefix).await })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Closes an account (销户): last readings, settlement, refund. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "accounts",
    request_body = CloseAccount,
    params(IdempotencyKey),
    responses((status = 200, description = "The final statement; the same for every repetition of the key", body = Closing)),
)]
#[post("/accounts/{id}/close")]
async fn close_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<CloseAccount>,
) -> Result<web::Json<Closing>, Problem> {
    Ok(web::Json(to_its_end(async move { close(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?))
}

/// Transfers an account to another customer (过户): it is settled and closed, a new one goes on with its meters and balance
#[utoipa::path(
    tag = "accounts",
    request_body = TransferAccount,
    params(IdempotencyKey),
    responses((status = 200, description = "Done; the same for every repetition of the key", body = Transfer)),
)]
#[post("/accounts/{id}/transfer")]
async fn transfer_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<TransferAccount>,
) -> Result<web::Json<Transfer>, Problem> {
    Ok(web::Json(to_its_end(async move { transfer(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?))
}
