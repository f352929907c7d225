//! Debts (旧欠): what accounts owe apart from their balances.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::AccountId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::debts::{self, DebtLine, NewDebt, WriteOffDebt},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_debt_lines).service(enter_debt).service(write_off_debt);
}

/// Lists what changed an account's debt
#[utoipa::path(tag = "debts", params(Paging), responses(
    (status = 200, description = "The newest first", body = Page<DebtLine>),
))]
#[get("/accounts/{id}/debts")]
async fn list_debt_lines(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<DebtLine>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let currency = store::account::by_id(conn, id.0)?.currency;
        Ok::<_, store::Error>((currency, store::debt_line::page(conn, id.0, before, most)?))
    });
    let (currency, rows) = read.await?;
    Ok(web::Json(ask.page(rows, |row| row.id, |row| DebtLine::of(row, &currency))))
}

/// Enters a debt: it is owed apart from the balance, and recovered by a share of each vend
#[utoipa::path(
    tag = "debts",
    request_body = NewDebt,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Entered", body = DebtLine),
        (status = 200, description = "Entered before with this key: the same line", body = DebtLine),
    ),
)]
#[post("/accounts/{id}/debts")]
async fn enter_debt(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<NewDebt>,
) -> Result<HttpResponse, Problem> {
    Ok(shown(to_its_end(async move { debts::enter(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?))
}

/// Writes a debt off, or a part of it
#[utoipa::path(
    tag = "debts",
    request_body = WriteOffDebt,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Written off", body = DebtLine),
        (status = 200, description = "Written off before with this key: the same line", body = DebtLine),
    ),
)]
#[post("/accounts/{id}/debts/write_off")]
async fn write_off_debt(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<WriteOffDebt>,
) -> Result<HttpResponse, Problem> {
    Ok(shown(to_its_end(async move { debts::write_off(&app, id.0, body.0, &key.0, &caller.prefix).await }).await?))
}

fn shown((line, repeated): (DebtLine, bool)) -> HttpResponse {
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    located(answer, &format!("/accounts/{}/debts", line.account_id), &line)
}
