//! Explanations: why an account's balance is what it is.

use actix_web::{HttpResponse, get, web};
use domain::{ids::AccountId, notice::Language};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::{At, Query},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        Error,
        explain::{self, Explanation, Moment, Span},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(explain_account);
}

/// What an explanation comes as.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// For programs.
    #[default]
    Json,
    /// For customers.
    Text,
}

/// Which span, and how it is told.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// From this local date or instant on.
    #[param(value_type = String)]
    from: Moment,
    /// Up to this local date, which is included, or this instant, which is not.
    #[param(value_type = String)]
    to: Moment,
    /// `json`, or `text` for customers.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Language of the text, `zh` or `en`; the customer's own where it is absent.
    #[param(value_type = Option<String>)]
    lang: Option<Language>,
}

/// Explains what was posted to an account: readings, boundaries, energies, blocks, postings and carry
#[utoipa::path(tag = "accounts", params(Asked), responses(
    (status = 200, description = "In the order of the ledger", content(
        (Explanation = "application/json"),
        (String = "text/plain"),
    )),
))]
#[get("/accounts/{id}/explain")]
async fn explain_account(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let Asked { from, to, format, lang } = query.0;
    let limits = app.settings.explain.clone();
    // A snapshot: what is read of one transaction belongs to what is read of the next.
    let read = app.db.snapshot(move |conn| {
        let explanation = explain::explain(conn, id.0, Span { from, to }, &limits)?;
        Ok::<_, Error>((explanation, lang.map_or_else(|| explain::language(conn, id.0), Ok)?))
    });
    let (explanation, language) = read.await?;
    Ok(match format {
        Format::Json => HttpResponse::Ok().json(explanation),
        Format::Text => {
            HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(explain::text(&explanation, language))
        }
    })
}
