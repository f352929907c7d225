//! The tariffs of an account: the one it has, and its changes to others.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::{AccountId, TariffId};
use jiff::{Timestamp, civil::Date};
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
    operations::change_tariff::{ChangeTariff, change},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_changes_of_tariff).service(change_tariff);
}

/// A change of an account to another tariff.
#[derive(Serialize, ToSchema)]
struct ChangeOfTariff {
    /// Which of the account's changes it is, in the order of entry. It takes the place of those before it for its day or
    /// later.
    place: i64,
    /// The other tariff.
    #[schema(value_type = String)]
    tariff_id: TariffId,
    /// The first local day it holds for.
    #[schema(value_type = String, format = Date)]
    valid_from: Date,
    /// When it was entered.
    #[schema(value_type = String, format = DateTime)]
    entered_at: Timestamp,
    /// The key of who entered it.
    entered_by: String,
    /// Why.
    reason: String,
}

impl From<store::account_tariff::AccountTariff> for ChangeOfTariff {
    fn from(row: store::account_tariff::AccountTariff) -> Self {
        Self {
            place: row.place,
            tariff_id: row.tariff_id,
            valid_from: row.valid_from,
            entered_at: row.entered_at,
            entered_by: row.operator_key,
            reason: row.reason,
        }
    }
}

/// Lists an account's changes to other tariffs
#[utoipa::path(tag = "accounts", responses(
    (status = 200, description = "In the order of entry", body = Vec<ChangeOfTariff>),
))]
#[get("/accounts/{id}/tariffs")]
async fn list_changes_of_tariff(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
) -> Result<web::Json<Vec<ChangeOfTariff>>, Problem> {
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        store::account_tariff::of_account(conn, id.0)
    });
    Ok(web::Json(read.await?.into_iter().map(ChangeOfTariff::from).collect()))
}

/// Changes an account's tariff, from tomorrow on or later. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "accounts",
    request_body = ChangeTariff,
    params(IdempotencyKey),
    responses((status = 201, description = "Entered; the same for every repetition of the key", body = ChangeOfTariff)),
)]
#[post("/accounts/{id}/tariffs")]
async fn change_tariff(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<ChangeTariff>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.tariff_id.site())?;
    let changed = to_its_end(async move { change(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?;
    Ok(HttpResponse::Created().json(ChangeOfTariff::from(changed)))
}
