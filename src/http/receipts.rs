//! Receipts (收据) as they are handed out, as JSON and as pages to print, and their reprints (重印).

use actix_web::{
    HttpResponse, get,
    http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS},
    post, web,
};
use domain::{
    ids::{RefundId, VendId},
    notice::Language,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read, Sell},
    input::{At, Body, IdempotencyKey, Query},
    located,
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        Error,
        receipt::{self, FullReceipt, Paper, Printed, Style},
        refund::Refund,
        reprint::{self, Reprint, ReprintReceipt},
        reverse_vend::Reversal,
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(show_receipt)
        .service(show_reversal_receipt)
        .service(show_refund_receipt)
        .service(reprint_receipt)
        .service(list_reprints);
}

/// What a receipt comes as.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReceiptFormat)]
enum Format {
    /// For programs.
    #[default]
    Json,
    /// A page to print, which needs nothing else.
    Html,
}

/// How a receipt is shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Shown {
    /// `json`, or `html` to print.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// What the page is for: a roll of `80mm`, or `a4`.
    #[serde(default)]
    #[param(inline)]
    paper: Paper,
    /// Language of the page, `zh` or `en`; the customer's own where it is absent.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
}

/// The same, and which print of it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShownVend {
    /// `json`, or `html` to print.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// What the page is for: a roll of `80mm`, or `a4`.
    #[serde(default)]
    #[param(inline)]
    paper: Paper,
    /// Language of the page, `zh` or `en`; the customer's own where it is absent.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
    /// Number of the reprint, which the page is marked with; absent: the first print.
    #[param(minimum = 1)]
    reprint: Option<i64>,
}

/// Shows a vend's receipt with what was charged since the account's vend before
#[utoipa::path(tag = "receipts", params(ShownVend), responses(
    (status = 200, description = "The same for ever, but for the mark of a reversal", content(
        (FullReceipt = "application/json"),
        (String = "text/html"),
    )),
))]
#[get("/vends/{id}/receipt")]
async fn show_receipt(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<VendId>,
    query: Query<ShownVend>,
) -> Result<HttpResponse, Problem> {
    let ShownVend { format, paper, language, reprint } = query.0;
    let rows = app.settings.explain.rows;
    // A snapshot: what is read of one transaction belongs to what is read of the next.
    let read = app.db.snapshot(move |conn| {
        let full = receipt::of_vend(conn, id.0, reprint, rows)?;
        let style = Style::of(conn, full.receipt.account_id, paper, language)?;
        Ok::<_, Error>((full, style))
    });
    let (full, style) = read.await?;
    answer(&full, &format, &style)
}

/// Shows the receipt of a vend's reversal
#[utoipa::path(tag = "receipts", params(Shown), responses(
    (status = 200, description = "As it was answered", content(
        (Reversal = "application/json"),
        (String = "text/html"),
    )),
))]
#[get("/vends/{id}/reversal/receipt")]
async fn show_reversal_receipt(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<VendId>,
    query: Query<Shown>,
) -> Result<HttpResponse, Problem> {
    let Shown { format, paper, language } = query.0;
    let read = app.db.read(move |conn| {
        let reversal = receipt::of_reversal(conn, id.0)?.ok_or(Error::NotFound("reversal of this vend"))?;
        let style = Style::of(conn, reversal.account_id, paper, language)?;
        Ok::<_, Error>((reversal, style))
    });
    let (reversal, style) = read.await?;
    answer(&reversal, &format, &style)
}

/// Shows the receipt of a refund
#[utoipa::path(tag = "receipts", params(Shown), responses(
    (status = 200, description = "As it was answered", content(
        (Refund = "application/json"),
        (String = "text/html"),
    )),
))]
#[get("/refunds/{id}/receipt")]
async fn show_refund_receipt(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<RefundId>,
    query: Query<Shown>,
) -> Result<HttpResponse, Problem> {
    let Shown { format, paper, language } = query.0;
    let read = app.db.read(move |conn| {
        let refund = receipt::of_refund(conn, id.0)?;
        let style = Style::of(conn, refund.account_id, paper, language)?;
        Ok::<_, Error>((refund, style))
    });
    let (refund, style) = read.await?;
    answer(&refund, &format, &style)
}

/// Records that a vend's receipt is printed again; its address shows the receipt with the mark of a reprint
#[utoipa::path(
    tag = "receipts",
    request_body = ReprintReceipt,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "Recorded", body = Reprint),
        (status = 200, description = "Recorded before with this key: the same reprint", body = Reprint),
    ),
)]
#[post("/vends/{id}/reprints")]
async fn reprint_receipt(
    caller: May<Sell>,
    app: web::Data<App>,
    id: At<VendId>,
    key: IdempotencyKey,
    body: Body<ReprintReceipt>,
) -> Result<HttpResponse, Problem> {
    caller.at_terminal(&body.0.terminal)?;
    let (reprint, repeated) = reprint::reprint(&app, id.0, body.0, &key.0, &caller.prefix).await?;
    let answer = if repeated { HttpResponse::Ok() } else { HttpResponse::Created() };
    let address = format!("/vends/{}/receipt?format=html&reprint={}", reprint.vend_id, reprint.number);
    Ok(located(answer, &address, &reprint))
}

/// A vend's reprints.
#[derive(Serialize, ToSchema)]
struct Reprints {
    /// The first one first.
    items: Vec<Reprint>,
}

/// Lists the reprints of a vend's receipt
#[utoipa::path(tag = "receipts", responses((status = 200, description = "All of them", body = Reprints)))]
#[get("/vends/{id}/reprints")]
async fn list_reprints(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<VendId>,
) -> Result<web::Json<Reprints>, Problem> {
    let read = app
        .db
        .read(move |conn| Ok::<_, Error>((store::vend::by_id(conn, id.0)?, store::reprint::of_vend(conn, id.0)?)));
    let (vend, rows) = read.await?;
    let items = rows.into_iter().map(|row| Reprint::of(row, &vend.receipt_number)).collect();
    Ok(web::Json(Reprints { items }))
}

/// Nothing is loaded by a page, and nothing runs on it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

fn answer(printed: &(impl Printed + Serialize), format: &Format, style: &Style) -> Result<HttpResponse, Problem> {
    Ok(match format {
        Format::Json => HttpResponse::Ok().json(printed),
        Format::Html => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(receipt::page(printed, style)?),
    })
}
