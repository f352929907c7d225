//! Shifts (班次): opening, totals, closing.

use actix_web::{HttpResponse, get, post, web};
use domain::ids::{ShiftId, SiteId, TerminalId};
use serde::Deserialize;
use store::Conn;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{Caller, May, Read, Sell},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        self,
        shifts::{self, CloseShift, OpenShift, Shift},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_shifts).service(open_shift).service(show_shift).service(close_shift);
}

/// Which shifts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// The terminal; all if absent.
    #[param(value_type = Option<String>)]
    terminal_id: Option<TerminalId>,
    /// Most shifts of a page.
    limit: Option<i64>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Lists a site's shifts
#[utoipa::path(tag = "shifts", params(Asked), responses(
    (status = 200, description = "The newest first", body = Page<Shift>),
))]
#[get("/shifts")]
async fn list_shifts(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Asked>,
) -> Result<web::Json<Page<Shift>>, Problem> {
    let Asked { site_id, terminal_id, limit, cursor } = query.0;
    let site = caller.list_of(site_id)?;
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = move |conn: &mut Conn| {
        let rows = store::shift::page(conn, site, terminal_id, before, most)?;
        rows.into_iter().map(|row| shifts::view(conn, row)).collect::<Result<Vec<_>, operations::Error>>()
    };
    let rows = app.db.read(read).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, |row| row)))
}

/// Opens a shift of a terminal
#[utoipa::path(
    tag = "shifts",
    request_body = OpenShift,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Opened", body = Shift),
        (status = 200, description = "Opened before with this key: as it is now", body = Shift),
    ),
)]
#[post("/shifts")]
async fn open_shift(
    caller: May<Sell>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<OpenShift>,
) -> Result<HttpResponse, Problem> {
    let terminal = body.0.terminal_id;
    caller.within(terminal.site())?;
    of_terminal(&caller, &app, terminal).await?;
    let (shift, repeated) = shifts::open(&app, body.0, &key.0, &caller.prefix).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(located(answer, &format!("/shifts/{}", shift.id), &shift))
}

/// Shows a shift with what passed through it
#[utoipa::path(tag = "shifts", responses((status = 200, description = "The shift", body = Shift)))]
#[get("/shifts/{id}")]
async fn show_shift(_caller: May<Read>, app: web::Data<App>, id: At<ShiftId>) -> Result<web::Json<Shift>, Problem> {
    Ok(web::Json(app.db.read(move |conn| shifts::of_id(conn, id.0)).await?))
}

/// Closes a shift; it never changes again. After a timeout, ask again with the same key
#[utoipa::path(
    tag = "shifts",
    request_body = CloseShift,
    params(IdempotencyKey),
    responses(
        (status = 200, description = "Closed", body = Shift),
    ),
)]
#[post("/shifts/{id}/close")]
async fn close_shift(
    caller: May<Sell>,
    app: web::Data<App>,
    id: At<ShiftId>,
    key: IdempotencyKey,
    body: Body<CloseShift>,
) -> Result<web::Json<Shift>, Problem> {
    let terminal = app.db.read(move |conn| store::shift::by_id(conn, id.0)).await?.terminal_id;
    of_terminal(&caller, &app, terminal).await?;
    Ok(web::Json(shifts::close(&app, id.0, body.0, &key.0, caller.seller()).await?.0))
}

/// Whether the key may act for this terminal.
async fn of_terminal(caller: &Caller, app: &App, terminal: TerminalId) -> Result<(), Problem> {
    let name = app.db.read(move |conn| store::terminal::by_id(conn, terminal)).await?.name;
    caller.at_terminal(&name)
}
