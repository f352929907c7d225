//! What a client sees: one file per resource. A handler reads the request, calls one operation or one read of the store,
//! and shows the answer; it holds no rule and no SQL. How to add one: `docs/adding-an-endpoint.md`.

mod account_life;
mod account_meters;
mod account_tariffs;
mod accounts;
mod alarms;
mod audit_log;
pub mod auth;
mod buildings;
mod concentrator_events;
mod concentrator_traces;
mod concentrators;
mod customer_controls;
mod customers;
mod debts;
mod document;
mod emergency_credit;
mod enquiries;
mod explanations;
mod health;
mod holds;
pub mod input;
mod jobs;
mod meter_selections;
mod meters;
mod notices;
mod outages;
pub mod page;
mod payments_in_flight;
pub mod problem;
mod readings;
mod receipts;
mod refunds;
mod relay_order_groups;
mod relay_orders;
mod relay_schedules;
mod shifts;
mod sites;
mod statements;
mod subsidies;
mod supply_waits;
mod table;
mod tariff_presets;
mod tariffs;
mod vendors;
mod vends;

use std::{net::TcpListener, time::Duration};

use actix_web::{
    Error, HttpRequest, HttpResponse, HttpServer,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    get,
    http::header,
    middleware::from_fn,
    web,
};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::{AppExt, scope, service_config::ServiceConfig};
use utoipa_swagger_ui::{Config, SwaggerUi};

use self::{document::Addresses, problem::Problem};
use crate::{app::App, operations};

/// Where everything that needs a key lives.
pub(crate) const BASE: &str = "/api/v1";
/// Where the API's description lives.
const DOCUMENT: &str = "/api/openapi.json";

/// Serves the API on a listener until the server is stopped.
///
/// # Errors
/// The listener cannot be used.
pub fn server(app: web::Data<App>, listener: TcpListener) -> std::io::Result<Server> {
    let http = &app.settings.http;
    let per_worker = http.connections.div_ceil(http.workers.max(1)).max(1);
    let (workers, head, stop) = (http.workers, Duration::from_secs(http.request_s), http.stop_s);
    Ok(HttpServer::new(move || api(app.clone()))
        .workers(workers)
        .max_connections(per_worker)
        .client_request_timeout(head)
        .shutdown_timeout(stop)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// The whole API over an application's state.
pub fn api(
    state: web::Data<App>,
) -> actix_web::App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    let (app, document) = actix_web::App::new()
        .into_utoipa_app()
        .configure(keyless)
        .service(scope::scope(BASE).configure(resources).map(|scope| scope.wrap(from_fn(auth::authenticate))))
        .split_for_parts();
    let mut document = document::complete(document);
    app.app_data(web::PayloadConfig::new(state.settings.http.body_bytes))
        .app_data(state)
        .app_data(web::Data::new(Addresses::of(&mut document)))
        .app_data(web::Data::new(document))
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::from(DOCUMENT)))
        .default_service(web::to(unmatched))
}

/// What needs no key.
fn keyless(config: &mut ServiceConfig) {
    config.configure(health::routes).service(openapi);
}

/// Everything under `/api/v1`.
fn resources(config: &mut ServiceConfig) {
    config
        .configure(sites::routes)
        .configure(concentrators::routes)
        .configure(concentrator_events::routes)
        .configure(concentrator_traces::routes)
        .configure(meters::routes)
        .configure(buildings::routes)
        .configure(readings::routes)
        .configure(enquiries::routes)
        .configure(customer_controls::routes)
        .configure(customers::routes)
        .configure(tariffs::routes)
        .configure(tariff_presets::routes)
        .configure(accounts::routes)
        .configure(account_life::routes)
        .configure(holds::routes)
        .configure(account_meters::routes)
        .configure(account_tariffs::routes)
        .configure(debts::routes)
        .configure(emergency_credit::routes)
        .configure(statements::routes)
        .configure(explanations::routes)
        .configure(notices::routes)
        .configure(vends::routes)
        .configure(vendors::routes)
        .configure(shifts::routes)
        .configure(receipts::routes)
        .configure(refunds::routes)
        .configure(subsidies::routes)
        .configure(relay_orders::routes)
        .configure(relay_order_groups::routes)
        .configure(meter_selections::routes)
        .configure(relay_schedules::routes)
        .configure(supply_waits::routes)
        .configure(alarms::routes)
        .configure(jobs::routes)
        .configure(outages::routes)
        .configure(payments_in_flight::routes)
        .configure(audit_log::routes);
}

/// The description of the whole API, OpenAPI 3.1.
#[must_use]
pub fn document() -> OpenApi {
    let (_, document) = actix_web::App::new()
        .into_utoipa_app()
        .configure(keyless)
        .service(scope::scope(BASE).configure(resources))
        .split_for_parts();
    document::complete(document)
}

/// The description of this API, OpenAPI 3.1
#[utoipa::path(tag = "head end", responses((status = 200, description = "The document", body = Object)))]
#[get("/api/openapi.json")]
async fn openapi(document: web::Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(&**document)
}

/// Whatever no handler answers to: an address that exists with another method, or none.
async fn unmatched(request: HttpRequest, addresses: web::Data<Addresses>) -> Result<HttpResponse, Problem> {
    Err(match addresses.allowed(request.path()) {
        Some(methods) if !methods.split(", ").any(|method| method == request.method().as_str()) => {
            Problem::method_not_allowed(methods)
        }
        // An address of this shape that names nothing, such as a vend called `abc`.
        _ => Problem::not_found("address"),
    })
}

/// An answer with the address of what was made or started.
fn located(mut answer: actix_web::HttpResponseBuilder, address: &str, body: &impl serde::Serialize) -> HttpResponse {
    answer.insert_header((header::LOCATION, format!("{BASE}{address}"))).json(body)
}

/// Runs a verb to its end, whatever becomes of its client: actix drops the handler of a connection that fails, and with it
/// what follows a commit. How long a verb waits for its turn is limited by the database's settings.
async fn to_its_end<T: 'static>(
    verb: impl Future<Output = Result<T, operations::Error>> + 'static,
) -> Result<T, operations::Error> {
    actix_web::rt::spawn(verb).await.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The program is being stopped.
        Err(_) => Err(store::Error::Busy.into()),
    })
}
