//! Emergency credit (应急额度): asked for at the counter, or by the customer.

use actix_web::{post, web};
use domain::ids::AccountId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Sell},
    input::{At, IdempotencyKey},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::emergency_credit::{self, Activation},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(activate_emergency_credit);
}

/// Activates an account's emergency credit, once while its credit is low; supply comes back at once
#[utoipa::path(
    tag = "accounts",
    params(IdempotencyKey),
    responses((status = 200, description = "Active; the same for every repetition of the key", body = Activation)),
)]
#[post("/accounts/{id}/emergency_credit")]
async fn activate_emergency_credit(
    caller: May<Sell>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
) -> Result<web::Json<Activation>, Problem> {
    Ok(web::Json(
        to_its_end(async move { emergency_credit::activate(&app, id.0, &key.0, &caller.prefix).await }).await?,
    ))
}
