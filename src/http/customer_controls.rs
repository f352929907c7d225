//! Whether an account's customer may disconnect and reconnect the own meters.

use actix_web::{HttpResponse, get, put, web};
use domain::ids::AccountId;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::customer_control::{self, SetCustomerControl},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(show_customer_control).service(set_customer_control);
}

/// Whether the customer may switch, and who allowed it.
#[derive(Serialize, ToSchema)]
struct CustomerControl {
    /// Whether the customer may disconnect and reconnect the account's meters, never around credit or safety.
    allowed: bool,
    /// When that was allowed.
    #[schema(value_type = Option<String>, format = DateTime)]
    allowed_at: Option<Timestamp>,
    /// The key of the operator.
    allowed_by: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// Shows whether an account's customer may disconnect and reconnect the own meters, and who allowed it
#[utoipa::path(tag = "accounts", responses((status = 200, description = "As it is now", body = CustomerControl)))]
#[get("/accounts/{id}/customer_control")]
async fn show_customer_control(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
) -> Result<web::Json<CustomerControl>, Problem> {
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        store::customer_control::of_account(conn, id.0)
    });
    let shown = match read.await? {
        None => CustomerControl { allowed: false, allowed_at: None, allowed_by: None, reason: None },
        Some(row) => CustomerControl {
            allowed: true,
            allowed_at: Some(row.allowed_at),
            allowed_by: Some(row.allowed_by),
            reason: Some(row.reason),
        },
    };
    Ok(web::Json(shown))
}

/// Lets an account's customer disconnect and reconnect the own meters, or no longer; it ends with the account
#[utoipa::path(tag = "accounts", request_body = SetCustomerControl, responses((status = 204, description = "Done")))]
#[put("/accounts/{id}/customer_control")]
async fn set_customer_control(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    body: Body<SetCustomerControl>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { customer_control::set(&app, id.0, body.0, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
