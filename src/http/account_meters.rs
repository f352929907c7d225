//! The meters of an account: which count for it and from when, a further one, one less.

use actix_web::{HttpResponse, get, post, web};
use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId},
    reading::registers::ByPeriod,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        attach_meter::{AttachMeter, attach},
        close_account::RemovedMeter,
        remove_meter::{RemoveMeter, remove},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_meters_of_account).service(attach_meter).service(remove_meter);
}

/// A meter that counts for an account, or did.
#[derive(Serialize, ToSchema)]
struct Installation {
    /// Identifier.
    #[schema(value_type = String)]
    id: InstallationId,
    /// The account.
    #[schema(value_type = String)]
    account_id: AccountId,
    /// The meter.
    #[schema(value_type = String)]
    meter_id: MeterId,
    /// CT x PT (倍率).
    multiplier: u32,
    /// When it began to count.
    #[schema(value_type = String, format = DateTime)]
    start_at: Timestamp,
    /// Its total then in kWh, counted through where the register began anew; where it is billed by registers, their sum.
    #[schema(value_type = String)]
    start_value: Energy,
    /// The period registers it is billed by, and what each showed then in kWh; absent where it is billed by its total.
    #[serde(skip_serializing_if = "ByPeriod::is_empty")]
    #[schema(value_type = Option<Object>, required = false)]
    start_registers: ByPeriod,
    /// When it ceased to count; none: it does.
    #[schema(value_type = Option<String>, format = DateTime)]
    end_at: Option<Timestamp>,
    /// Its total then in kWh.
    #[schema(value_type = Option<String>)]
    end_value: Option<Energy>,
    /// Its period registers then in kWh, where it is billed by these.
    #[serde(skip_serializing_if = "ByPeriod::is_empty")]
    #[schema(value_type = Option<Object>, required = false)]
    end_registers: ByPeriod,
}

impl From<store::installation::Installation> for Installation {
    fn from(row: store::installation::Installation) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            meter_id: row.meter_id,
            multiplier: row.multiplier,
            start_at: row.start_at,
            start_value: row.start_value,
            start_registers: row.start_registers,
            end_at: row.end_at,
            end_value: row.end_value,
            end_registers: row.end_registers,
        }
    }
}

/// Lists the meters that count for an account, and those that did
#[utoipa::path(tag = "accounts", responses((status = 200, description = "By their start", body = Vec<Installation>)))]
#[get("/accounts/{id}/meters")]
async fn list_meters_of_account(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
) -> Result<web::Json<Vec<Installation>>, Problem> {
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        store::installation::of_account(conn, id.0)
    });
    Ok(web::Json(read.await?.into_iter().map(Installation::from).collect()))
}

/// Attaches a further meter to an open account. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "accounts",
    request_body = AttachMeter,
    params(IdempotencyKey),
    responses((status = 201, description = "It counts; the same for every repetition of the key", body = Installation)),
)]
#[post("/accounts/{id}/meters")]
async fn attach_meter(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<AttachMeter>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.meter_id.site())?;
    let attached = to_its_end(async move { attach(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?;
    Ok(HttpResponse::Created().json(Installation::from(attached)))
}

/// Removes one of an account's meters with its last reading. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "meters",
    request_body = RemoveMeter,
    params(IdempotencyKey),
    responses((status = 200, description = "Removed; the same for every repetition of the key", body = RemovedMeter)),
)]
#[post("/meters/{id}/remove")]
async fn remove_meter(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    key: IdempotencyKey,
    body: Body<RemoveMeter>,
) -> Result<web::Json<RemovedMeter>, Problem> {
    Ok(web::Json(to_its_end(async move { remove(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?))
}
