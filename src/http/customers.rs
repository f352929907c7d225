//! Customers (用户).

use actix_web::{HttpResponse, get, post, web};
use domain::{ids::CustomerId, notice::Language};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    located,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::register::{self, NewCustomer},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_customers).service(enter_customer).service(show_customer);
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
#[utoipa::path(tag = "customers", params(OfSite), responses(
    (status = 200, description = "By identifier", body = Page<Customer>),
))]
#[get("/customers")]
async fn list_customers(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Customer>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::customer::page(conn, site, after, most)).await?;
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

/// Shows a customer
#[utoipa::path(tag = "customers", responses((status = 200, description = "The customer", body = Customer)))]
#[get("/customers/{id}")]
async fn show_customer(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<CustomerId>,
) -> Result<web::Json<Customer>, Problem> {
    let row = app.db.read(move |conn| store::customer::by_id(conn, id.0)).await?;
    Ok(web::Json(row.into()))
}
