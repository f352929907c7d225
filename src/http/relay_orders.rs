//! Relay orders (遥控令): ordering, their state and its history, and lifting the block of a meter that refused our
//! password.

use actix_web::{HttpResponse, delete, get, post, web};
use domain::{
    ids::{AccountId, MeterId, OrderId, VendId},
    relay::{Action, Cause, order::State},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query, wait},
    located,
    page::{Ask, OfSite, Page, Paging},
    problem::Problem,
    readings::Waiting,
    to_its_end,
};
use crate::{
    app::App,
    operations::order_relay::{self, Done, Lifted, OrderRelay},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_relay_orders)
        .service(show_relay_order)
        .service(list_relay_orders_of_meter)
        .service(place_relay_order)
        .service(clear_relay_block);
}

/// A relay order. It is done only when `state` is `confirmed`: the relay was read in the wanted state.
#[derive(Serialize, ToSchema)]
struct RelayOrder {
    /// Identifier.
    #[schema(value_type = String)]
    id: OrderId,
    /// The meter.
    #[schema(value_type = String)]
    meter_id: MeterId,
    /// The account it was ordered for, if for one.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// `disconnect` or `reconnect`.
    #[schema(value_type = String)]
    action: Action,
    /// What it is about: `credit`, `operator`, `customer`, `schedule`, `safety`, `account_closed`, `unknown`.
    #[schema(value_type = String)]
    cause: Cause,
    /// Why, for people.
    why: String,
    /// Whether the customer must press the meter's button after it.
    permit: bool,
    /// `ordered`, `sent`, `acknowledged`, `awaiting_customer`, `confirmed`, `failed`, `expired`, `superseded`.
    #[schema(value_type = String)]
    state: State,
    /// How often it was sent.
    attempts: u32,
    /// The vend that paid for it, if one did.
    #[schema(value_type = Option<String>)]
    vend_id: Option<VendId>,
    /// The key of who ordered it, if a person did.
    ordered_by: Option<String>,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When something is done about it next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// When it expires if it was not sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was last sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// When the meter took the command.
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
    /// When the relay was last read for it.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The order that took its place.
    #[schema(value_type = Option<String>)]
    superseded_by: Option<OrderId>,
    /// What happened last, for people.
    detail: Option<String>,
}

impl From<store::relay_order::RelayOrder> for RelayOrder {
    fn from(row: store::relay_order::RelayOrder) -> Self {
        Self {
            id: row.id,
            meter_id: row.meter_id,
            account_id: row.account_id,
            action: row.action,
            cause: row.cause,
            why: row.why,
            permit: row.permit,
            state: row.state,
            attempts: row.attempts,
            vend_id: row.vend_id,
            ordered_by: row.ordered_by,
            created_at: row.created_at,
            next_attempt_at: row.next_attempt_at,
            expires_at: row.expires_at,
            sent_at: row.sent_at,
            acknowledged_at: row.acknowledged_at,
            read_at: row.read_at,
            ended_at: row.ended_at,
            superseded_by: row.superseded_by,
            detail: row.detail,
        }
    }
}

/// A relay order and how it came to its state.
#[derive(Serialize, ToSchema)]
struct RelayOrderAndLines {
    #[serde(flatten)]
    order: RelayOrder,
    /// What happened to it, the oldest first.
    lines: Vec<Line>,
}

/// One thing that happened to a relay order.
#[derive(Serialize, ToSchema)]
struct Line {
    /// Its number, from 1.
    line: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The state from then on.
    #[schema(value_type = String)]
    state: State,
    /// What happened, for people.
    detail: String,
}

impl From<store::relay_order::Line> for Line {
    fn from(row: store::relay_order::Line) -> Self {
        Self { line: row.line, at: row.at, state: row.state, detail: row.detail }
    }
}

/// Lists a site's relay orders
#[utoipa::path(tag = "relay orders", params(OfSite), responses(
    (status = 200, description = "The newest first", body = Page<RelayOrder>),
))]
#[get("/relay_orders")]
async fn list_relay_orders(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<RelayOrder>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::relay_order::page(conn, site, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.created_at, row.id), RelayOrder::from)))
}

/// Shows a relay order and how it came to its state
#[utoipa::path(tag = "relay orders", responses((status = 200, description = "The order", body = RelayOrderAndLines)))]
#[get("/relay_orders/{id}")]
async fn show_relay_order(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<OrderId>,
) -> Result<web::Json<RelayOrderAndLines>, Problem> {
    let read = app.db.read(move |conn| {
        Ok::<_, store::Error>((store::relay_order::by_id(conn, id.0)?, store::relay_order::lines(conn, id.0)?))
    });
    let (order, lines) = read.await?;
    Ok(web::Json(RelayOrderAndLines { order: order.into(), lines: lines.into_iter().map(Line::from).collect() }))
}

/// Lists a meter's relay orders
#[utoipa::path(tag = "relay orders", params(Paging), responses(
    (status = 200, description = "The newest first", body = Page<RelayOrder>),
))]
#[get("/meters/{id}/relay_orders")]
async fn list_relay_orders_of_meter(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<MeterId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<RelayOrder>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        store::meter::by_id(conn, id.0)?;
        store::relay_order::of_meter(conn, id.0, before, most)
    });
    Ok(web::Json(ask.page(read.await?, |row| (row.created_at, row.id), RelayOrder::from)))
}

/// What a relay order came to.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Answered {
    /// The order.
    Order(Box<RelayOrder>),
    /// A cause was lifted, and no order was needed or something else keeps supply off.
    Lifted(Lifted),
}

/// Orders a relay to disconnect or reconnect supply: by an operator, by the customer where that is allowed, or for safety
#[utoipa::path(
    tag = "relay orders",
    request_body = OrderRelay,
    params(IdempotencyKey, Waiting),
    responses(
        (status = 200, description = "It has ended within `wait`, or a cause was lifted without an order", body = Answered),
        (status = 202, description = "Under way; `Location` tells its state", body = RelayOrder),
    ),
)]
#[post("/meters/{id}/relay_orders")]
async fn place_relay_order(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
    key: IdempotencyKey,
    query: Query<Waiting>,
    body: Body<OrderRelay>,
) -> Result<HttpResponse, Problem> {
    let patience = wait(query.0.wait.as_deref(), app.settings.http.wait_max_s)?;
    let ordering = app.clone();
    let ordering = async move { order_relay::order(&ordering, id.0, body.0, &key.0, &caller.prefix).await };
    let mut order = match to_its_end(ordering).await? {
        Done::Ordered(order) => *order,
        Done::Lifted(lifted) => return Ok(HttpResponse::Ok().json(Answered::Lifted(lifted))),
    };
    if let Some(patience) = patience {
        order = order_relay::wait(&app, order.id, patience).await?;
    }
    let answer = if order.ended_at.is_some() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    let address = format!("/relay_orders/{}", order.id);
    Ok(located(answer, &address, &Answered::Order(Box::new(order.into()))))
}

/// Lets orders go again to a meter that refused our password
#[utoipa::path(tag = "relay orders", responses((status = 204, description = "Lifted")))]
#[delete("/meters/{id}/relay_block")]
async fn clear_relay_block(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<MeterId>,
) -> Result<HttpResponse, Problem> {
    to_its_end(async move { order_relay::clear_block(&app, id.0, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
