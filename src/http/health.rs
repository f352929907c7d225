//! Whether the process lives, whether it can do its work, and its figures for Prometheus.

use std::{fmt::Display, future::Future, time::Duration};

use actix_web::{HttpResponse, get, web};
use domain::ids::{AccountId, SiteId};
use prometheus::TextEncoder;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::problem::Problem;
use crate::app::App;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(healthz).service(readyz).service(metrics);
}

/// The process lives.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always true: a process that does not live does not answer.
    healthy: bool,
}

/// Whether the head end can do its work.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// All of the following.
    ready: bool,
    /// The database answers a read.
    database: Check,
    /// The hot balances answer.
    hot_balances: Check,
    /// The fleet of concentrators answers.
    fleet: Check,
}

/// One thing the head end needs.
#[derive(Serialize, ToSchema)]
struct Check {
    /// Whether it answers.
    ready: bool,
    /// Why not, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// Whether the process lives
#[utoipa::path(tag = "head end", responses((status = 200, description = "It lives", body = Health)))]
#[get("/healthz")]
async fn healthz() -> web::Json<Health> {
    web::Json(Health { healthy: true })
}

/// Whether the head end can do its work
#[utoipa::path(tag = "head end", responses(
    (status = 200, description = "It can", body = Readiness),
    (status = 503, description = "It cannot; the answer says what is missing", body = Readiness),
))]
#[get("/readyz")]
async fn readyz(app: web::Data<App>) -> HttpResponse {
    let limit = Duration::from_millis(app.settings.http.ready_ms);
    let database = check("database", limit, app.db.read(|conn| store::site::page(conn, None, 1))).await;
    // Any account will do: the question is whether an answer comes.
    let hot = match SiteId::new(1).and_then(|site| AccountId::new(site, 1)) {
        Ok(account) => check("hot balances", limit, app.hot.get(account)).await,
        Err(_) => Check { ready: false, detail: None },
    };
    let fleet = match app.fleet() {
        Some(fleet) => check("fleet", limit, async { fleet.concentrators().await.ok_or("does not answer") }).await,
        None => Check { ready: false, detail: Some("is not running") },
    };
    let ready = database.ready && hot.ready && fleet.ready;
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(Readiness { ready, database, hot_balances: hot, fleet })
}

async fn check<T, E: Display>(what: &str, limit: Duration, question: impl Future<Output = Result<T, E>>) -> Check {
    match tokio::time::timeout(limit, question).await {
        Ok(Ok(_)) => Check { ready: true, detail: None },
        Ok(Err(error)) => {
            tracing::warn!(what, %error, "not ready");
            Check { ready: false, detail: Some("does not work; the log says why") }
        }
        Err(_) => Check { ready: false, detail: Some("does not answer in time") },
    }
}

/// The figures of this process in Prometheus' text format
#[utoipa::path(tag = "head end", responses(
    (status = 200, description = "The figures", body = String, content_type = "text/plain"),
))]
#[get("/metrics")]
async fn metrics(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let text = TextEncoder::new().encode_to_string(&app.registry.gather()).map_err(|error| {
        tracing::error!(%error, "the figures cannot be written");
        Problem::internal()
    })?;
    Ok(HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_in_time_is_not_ready() {
        let silent = std::future::pending::<Result<(), &str>>();
        assert_eq!(check("database", LIMIT, silent).await.detail, Some("does not answer in time"));
        assert!(!check("database", LIMIT, async { Err::<(), _>("gone") }).await.ready);
        assert!(check("database", LIMIT, async { Ok::<_, &str>(()) }).await.ready);
    }
}
