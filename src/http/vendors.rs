//! Vendors (售电商), what they hand over, and their terminals.

use actix_web::{HttpResponse, get, patch, post, web};
use domain::{
    ids::{DepositId, TerminalId, VendorId},
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, vendor::Standing};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, IfMatch, Query, etag},
    located,
    page::{Ask, OfSite, Page, Paging},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        self, counter,
        vendors::{self, ChangeVendor, NewDeposit, NewTerminal, NewVendor},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_vendors)
        .service(enter_vendor)
        .service(show_vendor)
        .service(change_vendor)
        .service(list_deposits)
        .service(enter_deposit)
        .service(list_terminals)
        .service(register_terminal)
        .service(show_terminal)
        .service(set_terminal)
        .service(list_terminal_keys)
        .service(make_terminal_key)
        .service(revoke_terminal_key);
}

/// A vendor.
#[derive(Serialize, ToSchema)]
struct Vendor {
    /// Identifier.
    #[schema(value_type = String)]
    id: VendorId,
    /// Name.
    name: String,
    /// Whether it may sell: `active` or `blocked`.
    #[schema(value_type = String)]
    state: Standing,
    /// What the amounts are in.
    currency: String,
    /// Most of what was sold that it may hold back; null: no limit.
    #[schema(value_type = Option<i64>)]
    credit_limit: Option<Money>,
    /// What it holds now: sold less reversed, refunded and handed over.
    #[schema(value_type = i64)]
    held: Money,
}

fn shown(conn: &mut Conn, row: store::vendor::Vendor) -> Result<Vendor, operations::Error> {
    let (currency, held) = (store::site::by_id(conn, row.id.site())?.currency, counter::held(conn, row.id)?);
    Ok(Vendor { id: row.id, name: row.name, state: row.state, currency, credit_limit: row.credit_limit, held })
}

async fn tagged(app: &App, row: store::vendor::Vendor) -> Result<HttpResponse, Problem> {
    let version = row.version;
    let shown = app.db.read(move |conn| shown(conn, row)).await?;
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(shown))
}

/// Lists a site's vendors
#[utoipa::path(tag = "vendors", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Vendor>),
))]
#[get("/vendors")]
async fn list_vendors(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Vendor>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let read = move |conn: &mut Conn| {
        let rows = store::vendor::page(conn, site, after, most)?;
        rows.into_iter().map(|row| shown(conn, row)).collect::<Result<Vec<_>, operations::Error>>()
    };
    let rows = app.db.read(read).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, |row| row)))
}

/// Enters a vendor
#[utoipa::path(tag = "vendors", request_body = NewVendor, responses(
    (status = 201, description = "Entered", body = Vendor),
))]
#[post("/vendors")]
async fn enter_vendor(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewVendor>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let entered = vendors::enter(&app, body.0, &caller.prefix).await?;
    let id = entered.id;
    let view = app.db.read(move |conn| shown(conn, entered)).await?;
    Ok(located(HttpResponse::Created(), &format!("/vendors/{id}"), &view))
}

/// Shows a vendor; its `ETag` is what a change needs as `If-Match`
#[utoipa::path(tag = "vendors", responses(
    (status = 200, description = "The vendor", body = Vendor, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/vendors/{id}")]
async fn show_vendor(_caller: May<Read>, app: web::Data<App>, id: At<VendorId>) -> Result<HttpResponse, Problem> {
    let row = app.db.read(move |conn| store::vendor::by_id(conn, id.0)).await?;
    tagged(&app, row).await
}

/// Changes a vendor: its name, whether it may sell, and up to which limit
#[utoipa::path(
    tag = "vendors",
    request_body = ChangeVendor,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = Vendor, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/vendors/{id}")]
async fn change_vendor(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<VendorId>,
    seen: IfMatch,
    body: Body<ChangeVendor>,
) -> Result<HttpResponse, Problem> {
    let row = vendors::change(&app, id.0, body.0, seen.0, &caller.prefix).await?;
    tagged(&app, row).await
}

/// Money that a vendor handed over.
#[derive(Serialize, ToSchema)]
struct Deposit {
    /// Identifier.
    #[schema(value_type = String)]
    id: DepositId,
    /// The vendor.
    #[schema(value_type = String)]
    vendor_id: VendorId,
    /// What it is in.
    currency: String,
    /// How much.
    #[schema(value_type = i64)]
    amount: Money,
    /// How it was handed over.
    reason: String,
    /// The key of who entered it.
    operator_key: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl Deposit {
    fn of(row: store::vendor::Deposit, currency: &str) -> Self {
        let store::vendor::Deposit { id, vendor_id, amount, reason, operator_key, created_at } = row;
        Self { id, vendor_id, currency: currency.to_owned(), amount, reason, operator_key, created_at }
    }
}

/// Lists what a vendor handed over
#[utoipa::path(tag = "vendors", params(Paging), responses(
    (status = 200, description = "The newest first", body = Page<Deposit>),
))]
#[get("/vendors/{id}/deposits")]
async fn list_deposits(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<VendorId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Deposit>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = move |conn: &mut Conn| {
        store::vendor::by_id(conn, id.0)?;
        let currency = store::site::by_id(conn, id.0.site())?.currency;
        Ok::<_, store::Error>((store::vendor::deposits(conn, id.0, before, most)?, currency))
    };
    let (rows, currency) = app.db.read(read).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, |row| Deposit::of(row, &currency))))
}

/// Enters money that a vendor hands over: it may sell so much more
#[utoipa::path(
    tag = "vendors",
    request_body = NewDeposit,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Entered", body = Deposit),
        (status = 200, description = "Entered before with this key: the same", body = Deposit),
    ),
)]
#[post("/vendors/{id}/deposits")]
async fn enter_deposit(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<VendorId>,
    key: IdempotencyKey,
    body: Body<NewDeposit>,
) -> Result<HttpResponse, Problem> {
    let currency = body.0.currency.clone();
    let (row, repeated) = vendors::deposit(&app, id.0, body.0, &key.0, &caller.prefix).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/vendors/{}/deposits", id.0), &Deposit::of(row, &currency)))
}

/// A terminal.
#[derive(Serialize, ToSchema)]
struct Terminal {
    /// Identifier.
    #[schema(value_type = String)]
    id: TerminalId,
    /// Whose it is.
    #[schema(value_type = String)]
    vendor_id: VendorId,
    /// Its name, as receipts carry it.
    name: String,
    /// Whether it may sell: `active` or `blocked`.
    #[schema(value_type = String)]
    state: Standing,
}

impl From<store::terminal::Terminal> for Terminal {
    fn from(row: store::terminal::Terminal) -> Self {
        Self { id: row.id, vendor_id: row.vendor_id, name: row.name, state: row.state }
    }
}

/// Lists a site's terminals
#[utoipa::path(tag = "vendors", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Terminal>),
))]
#[get("/terminals")]
async fn list_terminals(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Terminal>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::terminal::page(conn, site, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Terminal::from)))
}

/// Registers a terminal: from now on it sells in shifts only
#[utoipa::path(tag = "vendors", request_body = NewTerminal, responses(
    (status = 201, description = "Registered", body = Terminal),
))]
#[post("/terminals")]
async fn register_terminal(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewTerminal>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.vendor_id.site())?;
    let row = vendors::register_terminal(&app, body.0, &caller.prefix).await?;
    Ok(located(HttpResponse::Created(), &format!("/terminals/{}", row.id), &Terminal::from(row)))
}

/// Shows a terminal; its `ETag` is what a change needs as `If-Match`
#[utoipa::path(tag = "vendors", responses(
    (status = 200, description = "The terminal", body = Terminal, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/terminals/{id}")]
async fn show_terminal(_caller: May<Read>, app: web::Data<App>, id: At<TerminalId>) -> Result<HttpResponse, Problem> {
    let row = app.db.read(move |conn| store::terminal::by_id(conn, id.0)).await?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(Terminal::from(row)))
}

/// Whether a terminal may sell.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetTerminal {
    /// `active` or `blocked`.
    #[schema(value_type = String)]
    state: Standing,
}

/// Blocks a terminal, or lets it sell again
#[utoipa::path(
    tag = "vendors",
    request_body = SetTerminal,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = Terminal, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/terminals/{id}")]
async fn set_terminal(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<TerminalId>,
    seen: IfMatch,
    body: Body<SetTerminal>,
) -> Result<HttpResponse, Problem> {
    let row = vendors::set_terminal(&app, id.0, body.0.state, seen.0, &caller.prefix).await?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(Terminal::from(row)))
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Whose it is, for people.
    name: String,
}

/// A key as it is listed: what it is itself was shown once.
#[derive(Serialize, ToSchema)]
struct TerminalKey {
    /// Its public part, by which audit lines name it and it is revoked.
    prefix: String,
    /// Whose it is.
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From then on it is refused; null: it is good.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl From<store::api_key::ApiKey> for TerminalKey {
    fn from(row: store::api_key::ApiKey) -> Self {
        Self { prefix: row.prefix, name: row.name, created_at: row.created_at, revoked_at: row.revoked_at }
    }
}

/// Lists a terminal's keys, those that were revoked as well
#[utoipa::path(tag = "vendors", params(Paging), responses(
    (status = 200, description = "By public part", body = Page<TerminalKey>),
))]
#[get("/terminals/{id}/keys")]
async fn list_terminal_keys(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<TerminalId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<TerminalKey>>, Problem> {
    let ask = Ask::<String>::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after.clone(), ask.rows());
    let read = app.db.read(move |conn| {
        store::terminal::by_id(conn, id.0)?;
        store::api_key::of_terminal(conn, id.0, after.as_deref(), most)
    });
    Ok(web::Json(ask.page(read.await?, |row| row.prefix.clone(), TerminalKey::from)))
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
struct MadeKey {
    /// The key itself: it is never shown again.
    key: String,
}

/// Makes a cashier's key that is for this terminal only; it is shown once
#[utoipa::path(tag = "vendors", request_body = NewKey, responses((status = 201, description = "Made", body = MadeKey)))]
#[post("/terminals/{id}/keys")]
async fn make_terminal_key(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<TerminalId>,
    body: Body<NewKey>,
) -> Result<HttpResponse, Problem> {
    let key = vendors::make_key(&app, id.0, &body.0.name, &caller.prefix).await?;
    Ok(HttpResponse::Created().json(MadeKey { key }))
}

/// A key to be revoked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokeKey {
    /// Its public part: what stands between `wg_` and the next `_`.
    prefix: String,
}

/// Revokes a key of a terminal
#[utoipa::path(tag = "vendors", request_body = RevokeKey, responses(
    (status = 204, description = "From now on it is refused"),
))]
#[post("/terminals/{id}/keys/revoke")]
async fn revoke_terminal_key(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<TerminalId>,
    body: Body<RevokeKey>,
) -> Result<HttpResponse, Problem> {
    vendors::revoke_key(&app, id.0, body.0.prefix, &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}
