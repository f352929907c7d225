//! Operators' holds: who is not cut for credit until a date.

use actix_web::{HttpResponse, get, put, web};
use domain::ids::AccountId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    accounts::Account,
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    page::{Ask, OfSite, Page},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::hold::{self, Hold},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_holds).service(hold_account);
}

/// Lists a site's accounts that an operator's hold keeps from being cut now
#[utoipa::path(tag = "accounts", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Account>),
))]
#[get("/holds")]
async fn list_holds(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Account>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most, now) = (ask.after, ask.rows(), app.clock.now());
    let read = app.db.read(move |conn| {
        let rows = store::account::held(conn, site, now, after, most)?;
        Account::all(conn, rows)
    });
    Ok(web::Json(ask.page(read.await?, Account::id, |account| account)))
}

/// Holds an account's supply until a date, or lifts the hold: without money it is not cut, and may be reconnected by order
#[utoipa::path(tag = "accounts", request_body = Hold, responses((status = 204, description = "Done")))]
#[put("/accounts/{id}/hold")]
async fn hold_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    body: Body<Hold>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { hold::set(&app, id.0, body.0, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
