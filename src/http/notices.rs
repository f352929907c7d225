//! Notices (通知) to customers, and warnings that are served by hand.

use actix_web::{get, post, web};
use domain::{
    ids::{AccountId, NoticeId, SiteId},
    notice::{Kind, Language, State},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    page::{Ask, Page, Paging},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::by_hand::{self, Served},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_notices).service(list_notices_of_site).service(serve_notice);
}

/// A notice to a customer.
#[derive(Serialize, ToSchema)]
struct Notice {
    /// Identifier.
    #[schema(value_type = String)]
    id: NoticeId,
    /// The account it is about.
    #[schema(value_type = String)]
    account_id: AccountId,
    /// What it is about, such as `low_balance_1` or `disconnect_warning`.
    #[schema(value_type = String)]
    kind: Kind,
    /// The channel it goes by: `log`; `none` where its site told nobody when it was to be sent.
    channel: String,
    /// The language it is sent in, `zh` or `en`.
    #[schema(value_type = String)]
    language: Language,
    /// In Chinese.
    text_zh: String,
    /// In English.
    text_en: String,
    /// `queued`, `sent`, `delivered` or `failed`; `overtaken` where it was not true any more when its turn came, and was not sent.
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
    /// Since when somebody is to serve it by hand; absent: nobody ever was.
    #[schema(value_type = Option<String>, format = DateTime)]
    by_hand_since: Option<Timestamp>,
    /// When it was served by hand, as an operator recorded.
    #[schema(value_type = Option<String>, format = DateTime)]
    served_at: Option<Timestamp>,
    /// How.
    served_how: Option<String>,
    /// Prefix of the API key that recorded it.
    served_by: Option<String>,
}

impl From<store::notice::Notice> for Notice {
    fn from(row: store::notice::Notice) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            kind: row.kind,
            channel: row.channel,
            language: row.language,
            text_zh: row.text_zh,
            text_en: row.text_en,
            state: row.state,
            attempts: row.attempts,
            created_at: row.created_at,
            sent_at: row.sent_at,
            by_hand_since: row.by_hand_since,
            served_at: row.served_at,
            served_how: row.served_how,
            served_by: row.served_by,
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

/// The parameters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfNotices {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// Only warnings that somebody is to serve by hand; `false` if absent.
    #[serde(default)]
    by_hand: bool,
    /// Most rows of the page; at most 500 by default settings.
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists a site's notices, or only the warnings that no channel took and somebody is to serve by hand
#[utoipa::path(tag = "accounts", params(OfNotices), responses(
    (status = 200, description = "By identifier", body = Page<Notice>),
))]
#[get("/notices")]
async fn list_notices_of_site(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfNotices>,
) -> Result<web::Json<Page<Notice>>, Problem> {
    let OfNotices { site_id, by_hand, limit, cursor } = query.0;
    let site = caller.list_of(site_id)?;
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| match by_hand {
        true => store::notice::by_hand(conn, site, after, most),
        false => store::notice::page(conn, site, after, most),
    });
    Ok(web::Json(ask.page(read.await?, |row| row.id, Notice::from)))
}

/// Records that a warning was served by hand: it counts as served from then on. The same once more changes nothing
#[utoipa::path(tag = "accounts", request_body = Served, responses(
    (status = 200, description = "The notice, with its service", body = Notice),
))]
#[post("/notices/{id}/served")]
async fn serve_notice(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<NoticeId>,
    body: Body<Served>,
) -> Result<web::Json<Notice>, Problem> {
    let served = to_its_end(async move { by_hand::serve(&app, id.0, body.0, &caller.prefix).await }).await?;
    Ok(web::Json(served.into()))
}
