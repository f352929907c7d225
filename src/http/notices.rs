//! Notices (通知) to customers.

use actix_web::{get, web};
use domain::{
    ids::{AccountId, NoticeId},
    notice::{Kind, Language, State},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::{At, Query},
    page::{Ask, Page, Paging},
    problem::Problem,
};
use crate::app::App;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_notices);
}

/// A notice to a customer.
#[derive(Serialize, ToSchema)]
struct Notice {
    /// Identifier.
    #[schema(value_type = String)]
    id: NoticeId,
    /// What it is about, such as `low_balance_1` or `disconnect_warning`.
    #[schema(value_type = String)]
    kind: Kind,
    /// The channel it goes by.
    channel: String,
    /// The language it is sent in, `zh` or `en`.
    #[schema(value_type = String)]
    language: Language,
    /// In Chinese.
    text_zh: String,
    /// In English.
    text_en: String,
    /// `queued`, `sent`, `delivered` or `failed`.
    #[schema(value_type = String)]
    state: State,
    /// How often it was tried.
    attempts: u32,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When a channel took it.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
}

impl From<store::notice::Notice> for Notice {
    fn from(row: store::notice::Notice) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            language: row.language,
            text_zh: row.text_zh,
            text_en: row.text_en,
            state: row.state,
            attempts: row.attempts,
            created_at: row.created_at,
            sent_at: row.sent_at,
        }
    }
}

/// Lists the notices of an account
#[utoipa::path(tag = "accounts", params(Paging), responses(
    (status = 200, description = "The newest first", body = Page<Notice>),
))]
#[get("/accounts/{id}/notices")]
async fn list_notices(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Notice>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::account::by_id(conn, id.0)?;
        store::notice::of_account(conn, id.0, before, most)
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.created_at, row.id), Notice::from)))
}
