//! Vends (售电) and their reversals (冲正). Each is shown as its receipt, always the one that was stored with it, and a vend with
//! whether it was reversed since.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::{AccountId, SiteId, VendId};
use serde::{Deserialize, Serialize};
use store::Conn;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read, Sell},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, Dated, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        reverse_vend::{Reversal, ReverseVend, Reversed, WithdrawVend, Withdrawn, reverse, withdraw},
        vend::{self, Receipt, Trial, Vend},
    },
};

/// A vend as it is shown: the receipt that was stored with it, and whether it was reversed since.
#[derive(Serialize, ToSchema)]
struct ShownVend {
    #[serde(flatten)]
    receipt: Receipt,
    /// That it was reversed, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    reversed: Option<Reversed>,
}

impl ShownVend {
    fn of(conn: &mut Conn, row: store::vend::Vend) -> store::Result<Self> {
        let receipt = serde_json::from_str(&row.receipt)
            .map_err(|error| store::Error::Corrupt { what: format!("receipt of vend {}: {error}", row.id) })?;
        Ok(Self { receipt, reversed: store::reversal::of_vend(conn, row.id)?.map(Reversed::from) })
    }

    /// A page of them.
    fn all(conn: &mut Conn, rows: Vec<store::vend::Vend>) -> store::Result<Vec<Self>> {
        rows.into_iter().map(|row| Self::of(conn, row)).collect()
    }
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_vends)
        .service(make_vend)
        .service(try_vend)
        .service(show_last_vend)
        .service(show_vend)
        .service(reverse_vend)
        .service(show_reversal)
        .service(list_reversals)
        .service(withdraw_vend)
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
#[utoipa::path(tag = "vends", params(Dated), responses((status = 200, description = "The newest first", body = Page<ShownVend>)))]
#[get("/vends")]
async fn list_vends(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Dated>,
) -> Result<web::Json<Page<ShownVend>>, Problem> {
    let (site, within) = (caller.list_of(query.0.site_id)?, query.0.within());
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let rows = store::vend::page(conn, site, within, before, most)?;
        ShownVend::all(conn, rows)
    });
    Ok(shown(&ask, read.await?))
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
    let (receipt, repeated) =
        to_its_end(async move { vend::vend(&app, body.0, &key.0, caller.seller()).await }).await?;
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
    Ok(web::Json(vend::trial(&app, body.0, caller.seller()).await?))
}

/// Shows the last vend of a terminal, for a counter that does not know what became of it
#[utoipa::path(tag = "vends", params(Terminal), responses((status = 200, description = "Its receipt", body = ShownVend)))]
#[get("/vends/last")]
async fn show_last_vend(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Terminal>,
) -> Result<web::Json<ShownVend>, Problem> {
    let Terminal { site_id, terminal } = query.0;
    let site = caller.list_of(site_id)?;
    caller.at_terminal(&terminal)?;
    let read = app.db.read(move |conn| {
        let last = store::vend::last_of_terminal(conn, site, &terminal)?;
        last.map(|row| ShownVend::of(conn, row)).transpose()
    });
    read.await?.map(web::Json).ok_or_else(|| Problem::not_found("vend of this terminal"))
}

/// Shows a vend
#[utoipa::path(tag = "vends", responses((status = 200, description = "Its receipt", body = ShownVend)))]
#[get(r"/vends/{id:\d+}")]
async fn show_vend(_caller: May<Read>, app: web::Data<App>, id: At<VendId>) -> Result<web::Json<ShownVend>, Problem> {
    let read = app.db.read(move |conn| {
        let row = store::vend::by_id(conn, id.0)?;
        ShownVend::of(conn, row)
    });
    Ok(web::Json(read.await?))
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
    let (receipt, repeated) =
        to_its_end(async move { reverse(&app, id.0, body.0, &key.0, caller.seller()).await }).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/vends/{}/reversal", receipt.vend_id), &receipt))
}

/// Withdraws a vend by its key: one that was made is reversed, and one that was not never will be. After a timeout, ask
/// again with the same key
#[utoipa::path(
    tag = "vends",
    request_body = WithdrawVend,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Withdrawn", body = Withdrawn),
        (status = 200, description = "Withdrawn before with this key: the same answer", body = Withdrawn),
    ),
)]
#[post("/vends/withdraw")]
async fn withdraw_vend(
    caller: May<Sell>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<WithdrawVend>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.account_id.site())?;
    caller.at_terminal(&body.0.terminal)?;
    let (answer, repeated) = to_its_end(async move { withdraw(&app, body.0, &key.0, caller.seller()).await }).await?;
    let mut status = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(match &answer.reversal {
        Some(reversal) => located(status, &format!("/vends/{}/reversal", reversal.vend_id), &answer),
        None => status.json(answer),
    })
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
    Ok(web::Json(reversal(&row)?))
}

/// Lists a site's reversals
#[utoipa::path(tag = "vends", params(Dated), responses((status = 200, description = "The newest first", body = Page<Reversal>)))]
#[get("/reversals")]
async fn list_reversals(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Dated>,
) -> Result<web::Json<Page<Reversal>>, Problem> {
    let (site, within) = (caller.list_of(query.0.site_id)?, query.0.within());
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let rows = store::reversal::page(conn, site, within, before, most)?;
        rows.iter().map(reversal).collect::<store::Result<Vec<_>>>()
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.created_at, row.reversal_id), |row| row)))
}

/// The receipt that was stored with a reversal.
fn reversal(row: &store::reversal::Reversal) -> store::Result<Reversal> {
    serde_json::from_str(&row.receipt)
        .map_err(|error| store::Error::Corrupt { what: format!("receipt of reversal {}: {error}", row.id) })
}

/// Lists an account's vends
#[utoipa::path(tag = "vends", params(Paging), responses((status = 200, description = "The newest first", body = Page<ShownVend>)))]
#[get("/accounts/{id}/vends")]
async fn list_vends_of_account(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<ShownVend>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        let rows = store::vend::of_account(conn, id.0, before, most)?;
        ShownVend::all(conn, rows)
    });
    Ok(shown(&ask, read.await?))
}

type Place = (jiff::Timestamp, VendId);

fn shown(ask: &Ask<Place>, vends: Vec<ShownVend>) -> web::Json<Page<ShownVend>> {
    let place = |vend: &ShownVend| (vend.receipt.created_at, vend.receipt.vend_id);
    web::Json(ask.page(vends, place, |vend| vend))
}
