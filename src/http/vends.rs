//! Vends (售电) and their reversals (冲正). Each is shown as its receipt, always the one that was stored with it.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::{AccountId, SiteId, VendId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read, Sell},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, OfSite, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        reverse_vend::{Reversal, ReverseVend, reverse},
        vend::{self, Receipt, Trial, Vend},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_vends)
        .service(make_vend)
        .service(try_vend)
        .service(show_last_vend)
        .service(show_vend)
        .service(reverse_vend)
        .service(show_reversal)
        .service(list_vends_of_account);
}

/// Which terminal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Terminal {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// The terminal, as the vend named it.
    terminal: String,
}

/// Lists a site's vends
#[utoipa::path(tag = "vends", params(OfSite), responses((status = 200, description = "The newest first", body = Page<Receipt>)))]
#[get("/vends")]
async fn list_vends(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Receipt>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::vend::page(conn, site, before, most)).await?;
    receipts(&ask, rows)
}

/// Sells electricity. After a timeout, ask again with the same key: it never sells twice
#[utoipa::path(
    tag = "vends",
    request_body = Vend,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Sold", body = Receipt),
        (status = 200, description = "Sold before with this key: the same receipt", body = Receipt),
    ),
)]
#[post("/vends")]
async fn make_vend(
    caller: May<Sell>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<Vend>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.account_id.site())?;
    caller.at_terminal(&body.0.terminal)?;
    let (receipt, repeated) = to_its_end(async move { vend::vend(&app, body.0, &key.0, &caller.prefix).await }).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/vends/{}", receipt.vend_id), &receipt))
}

/// Checks everything that a vend would, and sells nothing
#[utoipa::path(tag = "vends", request_body = Vend, responses(
    (status = 200, description = "It would be sold", body = Trial),
))]
#[post("/vends/trial")]
async fn try_vend(caller: May<Sell>, app: web::Data<App>, body: Body<Vend>) -> Result<web::Json<Trial>, Problem> {
    caller.within(body.0.account_id.site())?;
    caller.at_terminal(&body.0.terminal)?;
    Ok(web::Json(vend::trial(&app, body.0, &caller.prefix).await?))
}

/// Shows the last vend of a terminal, for a counter that does not know what became of it
#[utoipa::path(tag = "vends", params(Terminal), responses((status = 200, description = "Its receipt", body = Receipt)))]
#[get("/vends/last")]
async fn show_last_vend(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Terminal>,
) -> Result<web::Json<Receipt>, Problem> {
    let Terminal { site_id, terminal } = query.0;
    let site = caller.list_of(site_id)?;
    caller.at_terminal(&terminal)?;
    let last = app.db.read(move |conn| store::vend::last_of_terminal(conn, site, &terminal)).await?;
    last.map_or_else(|| Err(Problem::not_found("vend of this terminal")), |row| Ok(web::Json(receipt(&row)?)))
}

/// Shows a vend
#[utoipa::path(tag = "vends", responses((status = 200, description = "Its receipt", body = Receipt)))]
#[get(r"/vends/{id:\d+}")]
async fn show_vend(_caller: May<Read>, app: web::Data<App>, id: At<VendId>) -> Result<web::Json<Receipt>, Problem> {
    let row = app.db.read(move |conn| store::vend::by_id(conn, id.0)).await?;
    Ok(web::Json(receipt(&row)?))
}

/// Reverses a vend, once. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "vends",
    request_body = ReverseVend,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Reversed", body = Reversal),
        (status = 200, description = "Reversed before with this key: the same receipt", body = Reversal),
    ),
)]
#[post("/vends/{id}/reverse")]
async fn reverse_vend(
    caller: May<Sell>,
    app: web::Data<App>,
    id: At<VendId>,
    key: IdempotencyKey,
    body: Body<ReverseVend>,
) -> Result<HttpResponse, Problem> {
    caller.at_terminal(&body.0.terminal)?;
    let reversing = async move {
        let by = (caller.prefix.as_str(), caller.supervises());
        reverse(&app, id.0, body.0, &key.0, by).await
    };
    let (receipt, repeated) = to_its_end(reversing).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/vends/{}/reversal", receipt.vend_id), &receipt))
}

/// Shows the reversal of a vend
#[utoipa::path(tag = "vends", responses((status = 200, description = "Its receipt", body = Reversal)))]
#[get("/vends/{id}/reversal")]
async fn show_reversal(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<VendId>,
) -> Result<web::Json<Reversal>, Problem> {
    let row = app.db.read(move |conn| store::reversal::of_vend(conn, id.0)).await?;
    let row = row.ok_or_else(|| Problem::not_found("reversal of this vend"))?;
    let receipt = serde_json::from_str(&row.receipt)
        .map_err(|error| store::Error::Corrupt { what: format!("receipt of reversal {}: {error}", row.id) })?;
    Ok(web::Json(receipt))
}

/// Lists an account's vends
#[utoipa::path(tag = "vends", params(Paging), responses((status = 200, description = "The newest first", body = Page<Receipt>)))]
#[get("/accounts/{id}/vends")]
async fn list_vends_of_account(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Receipt>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        store::vend::of_account(conn, id.0, before, most)
    });
    receipts(&ask, read.await?)
}

type Place = (jiff::Timestamp, VendId);

fn receipts(ask: &Ask<Place>, rows: Vec<store::vend::Vend>) -> Result<web::Json<Page<Receipt>>, Problem> {
    let Page { items, next_cursor } = ask.page(rows, |row| (row.created_at, row.id), |row| receipt(&row));
    Ok(web::Json(Page { items: items.into_iter().collect::<Result<_, _>>()?, next_cursor }))
}

fn receipt(row: &store::vend::Vend) -> store::Result<Receipt> {
    serde_json::from_str(&row.receipt)
        .map_err(|error| store::Error::Corrupt { what: format!("receipt of vend {}: {error}", row.id) })
}
