//! Customers (用户).

use actix_web::{HttpResponse, get, patch, post, web};
use domain::{ids::CustomerId, notice::Language};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    accounts::Account,
    auth::{May, Operate, Read},
    input::{At, Body, IfMatch, Query, etag},
    located,
    page::{Ask, Page, Paging, Search},
    problem::Problem,
};
use crate::{
    app::App,
    operations::register::{self, ChangeCustomer, NewCustomer},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_customers)
        .service(enter_customer)
        .service(show_customer)
        .service(change_customer)
        .service(list_accounts_of_customer);
}

/// A customer.
#[derive(Serialize, ToSchema)]
struct Customer {
    /// Identifier.
    #[schema(value_type = String)]
    id: CustomerId,
    /// Name.
    name: String,
    /// Phone number for notices.
    phone: Option<String>,
    /// Language of notices, `zh` or `en`.
    #[schema(value_type = String)]
    language: Language,
}

impl From<store::customer::Customer> for Customer {
    fn from(row: store::customer::Customer) -> Self {
        Self { id: row.id, name: row.name, phone: row.phone, language: row.language }
    }
}

/// Lists a site's customers
#[utoipa::path(tag = "customers", params(Search), responses(
    (status = 200, description = "By identifier", body = Page<Customer>),
))]
#[get("/customers")]
async fn list_customers(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Search>,
) -> Result<web::Json<Page<Customer>>, Problem> {
    let Search { site_id, search, limit, cursor } = query.0;
    let (site, part) = (caller.list_of(site_id)?, search.unwrap_or_default());
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::customer::search(conn, site, &part, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Customer::from)))
}

/// Enters a customer
#[utoipa::path(tag = "customers", request_body = NewCustomer, responses(
    (status = 201, description = "Entered", body = Customer),
))]
#[post("/customers")]
async fn enter_customer(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewCustomer>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let entered = register::customer(&app, body.0).await?;
    Ok(located(HttpResponse::Created(), &format!("/customers/{}", entered.id), &Customer::from(entered)))
}

/// Shows a customer; its `ETag` is what a change needs as `If-Match`
#[utoipa::path(tag = "customers", responses(
    (status = 200, description = "The customer", body = Customer, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/customers/{id}")]
async fn show_customer(_caller: May<Read>, app: web::Data<App>, id: At<CustomerId>) -> Result<HttpResponse, Problem> {
    Ok(tagged(app.db.read(move |conn| store::customer::by_id(conn, id.0)).await?))
}

fn tagged(row: store::customer::Customer) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(row.version)).json(Customer::from(row))
}

/// Changes a customer: name, phone number and language
#[utoipa::path(
    tag = "customers",
    request_body = ChangeCustomer,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = Customer, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/customers/{id}")]
async fn change_customer(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<CustomerId>,
    seen: IfMatch,
    body: Body<ChangeCustomer>,
) -> Result<HttpResponse, Problem> {
    Ok(tagged(register::change_customer(&app, id.0, body.0, seen.0, &caller.prefix).await?))
}

/// Lists a customer's accounts
#[utoipa::path(tag = "customers", params(Paging), responses(
    (status = 200, description = "By identifier", body = Page<Account>),
))]
#[get("/customers/{id}/accounts")]
async fn list_accounts_of_customer(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<CustomerId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Account>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::customer::by_id(conn, id.0)?;
        let rows = store::account::of_customer(conn, id.0, after, most)?;
        Account::all(conn, rows)
    });
    Ok(web::Json(ask.page(read.await?, Account::id, |account| account)))
}
