//! The audit log: what operators did to accounts.

use actix_web::{get, web};
use domain::ids::AuditLineId;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::Query,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::app::App;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_audit_log);
}

/// Something that an operator did.
#[derive(Serialize, ToSchema)]
struct AuditLine {
    /// Identifier; it grows.
    #[schema(value_type = String)]
    id: AuditLineId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Prefix of the API key that asked.
    operator_key: String,
    /// What was done, such as `close_account`.
    verb: String,
    /// To what, such as `account:8796093022208`.
    object: String,
    /// In words.
    detail: String,
}

/// Lists what operators did on a site
#[utoipa::path(tag = "audit log", params(OfSite), responses(
    (status = 200, description = "The newest first", body = Page<AuditLine>),
))]
#[get("/audit_log")]
async fn list_audit_log(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<AuditLine>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::audit_line::page(conn, site, before, most)).await?;
    let line = |row: store::audit_line::AuditLine| AuditLine {
        id: row.id,
        at: row.at,
        operator_key: row.operator_key,
        verb: row.verb,
        object: row.object,
        detail: row.detail,
    };
    Ok(web::Json(ask.page(rows, |row| row.id, line)))
}
