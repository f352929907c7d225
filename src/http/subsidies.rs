//! Subsidies (补贴), to one account or to many at once, and adjustments (调整).

use actix_web::{HttpResponse, get, post, web};
use domain::ids::{AccountId, BatchCreditId, SiteId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{Caller, May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query},
    located,
    problem::Problem,
    table::{Row, Table},
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        adjust::{NewAdjustment, adjust},
        batch_credit::{self, BatchCredit, NewBatchCredit, NewLine},
        subsidize::{Entered, NewSubsidy, subsidize},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(give_subsidy)
        .service(adjust_account)
        .service(credit_batch)
        .service(credit_file)
        .service(show_batch_credit);
}

/// Gives an account a subsidy. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "subsidies",
    request_body = NewSubsidy,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Given", body = Entered),
        (status = 200, description = "Given before with this key: the same", body = Entered),
    ),
)]
#[post("/accounts/{id}/subsidies")]
async fn give_subsidy(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<NewSubsidy>,
) -> Result<HttpResponse, Problem> {
    let given = to_its_end(async move { subsidize(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?;
    Ok(entered(&given))
}

/// Puts an account's balance right, up or down. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "accounts",
    request_body = NewAdjustment,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Adjusted", body = Entered),
        (status = 200, description = "Adjusted before with this key: the same", body = Entered),
    ),
)]
#[post("/accounts/{id}/adjustments")]
async fn adjust_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<NewAdjustment>,
) -> Result<HttpResponse, Problem> {
    let made = to_its_end(async move { adjust(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?;
    Ok(entered(&made))
}

fn entered((entered, repeated): &(Entered, bool)) -> HttpResponse {
    let answer = if *repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    located(answer, &format!("/accounts/{}/statement", entered.account_id), entered)
}

/// Whether anything is posted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Rehearsal {
    /// `true`: every line is checked, and nothing is posted. `false` if absent.
    dry_run: Option<bool>,
}

/// Gives many accounts a subsidy: where one line is bad, none is posted. The same key finishes what was interrupted
#[utoipa::path(
    tag = "subsidies",
    request_body = NewBatchCredit,
    params(Rehearsal, IdempotencyKey),
    responses(
        (status = 201, description = "Posted", body = BatchCredit),
        (status = 200, description = "Posted with this key before; or, with `dry_run`, every line is good", body = BatchCredit),
    ),
)]
#[post("/batch_credits")]
async fn credit_batch(
    caller: May<Operate>,
    app: web::Data<App>,
    query: Query<Rehearsal>,
    key: IdempotencyKey,
    body: Body<NewBatchCredit>,
) -> Result<HttpResponse, Problem> {
    credited(&caller, &app, body.0, query.0.dry_run, &key.0).await
}

impl Row for NewLine {
    const WHOLE: &[&str] = &["amount"];
}

/// What a file of subsidies leaves to be said.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfFile {
    /// The site of the accounts.
    #[param(value_type = String)]
    site_id: SiteId,
    /// What the amounts are in; must be the accounts' currency.
    currency: String,
    /// Who gives it, and why.
    reason: String,
    /// `true`: every line is checked, and nothing is posted. `false` if absent.
    dry_run: Option<bool>,
}

/// Gives many accounts a subsidy, from a file: CSV with the columns `account_number` and `amount`, in minor units. `lines[0]`
/// of an answer is the row after the names of the columns
#[utoipa::path(
    tag = "subsidies",
    request_body(content = String, content_type = "text/csv"),
    params(OfFile, IdempotencyKey),
    responses(
        (status = 201, description = "Posted", body = BatchCredit),
        (status = 200, description = "Posted with this key before; or, with `dry_run`, every line is good", body = BatchCredit),
    ),
)]
#[post("/batch_credits/file")]
async fn credit_file(
    caller: May<Operate>,
    app: web::Data<App>,
    query: Query<OfFile>,
    key: IdempotencyKey,
    body: Table<NewLine>,
) -> Result<HttpResponse, Problem> {
    let OfFile { site_id, currency, reason, dry_run } = query.0;
    let new = NewBatchCredit { site_id, currency, reason, lines: body.0 };
    credited(&caller, &app, new, dry_run, &key.0).await
}

async fn credited(
    caller: &Caller,
    app: &App,
    new: NewBatchCredit,
    dry_run: Option<bool>,
    key: &str,
) -> Result<HttpResponse, Problem> {
    caller.within(new.site_id)?;
    if dry_run == Some(true) {
        return Ok(HttpResponse::Ok().json(batch_credit::rehearse(app, new, &caller.prefix).await?));
    }
    let (batch, repeated) = batch_credit::credit(app, new, key, &caller.prefix).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    let address = batch.id.map_or_else(|| "/batch_credits".to_owned(), |id| format!("/batch_credits/{id}"));
    Ok(located(answer, &address, &batch))
}

/// Shows a batch of subsidies with its lines
#[utoipa::path(tag = "subsidies", responses((status = 200, description = "The batch", body = BatchCredit)))]
#[get("/batch_credits/{id}")]
async fn show_batch_credit(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<BatchCreditId>,
) -> Result<web::Json<BatchCredit>, Problem> {
    Ok(web::Json(batch_credit::show(&app, id.0).await?))
}
