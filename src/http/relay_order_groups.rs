//! Relay orders to several meters at once, and the second operator's approval.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, post, web};
use domain::{
    ids::{MeterId, OrderGroupId, OrderId, ScheduleId},
    relay::{Action, Cause, order::State},
};
use jiff::Timestamp;
use serde::Serialize;
use store::relay_order_group::{GroupMeter, GroupState, OrderGroup, Outcome};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, Query},
    located,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::order_group::{self, By, NewOrderGroup},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_relay_order_groups)
        .service(order_group_of_relays)
        .service(show_relay_order_group)
        .service(approve_relay_order_group)
        .service(reject_relay_order_group);
}

/// Relay orders to several meters.
#[derive(Serialize, ToSchema)]
struct RelayOrderGroup {
    /// Identifier.
    #[schema(value_type = String)]
    id: OrderGroupId,
    /// `disconnect` or `reconnect`.
    #[schema(value_type = String)]
    action: Action,
    /// Whose cause each order adds or lifts: `operator`, `safety` in an emergency, or `schedule`.
    #[schema(value_type = String)]
    cause: Cause,
    /// Why, for people.
    reason: String,
    /// Whether it is for safety.
    emergency: bool,
    /// `awaiting_approval`, `running`, `done` (each order was given or refused), `rejected`, `expired`.
    #[schema(value_type = String)]
    state: GroupState,
    /// Why a second operator must approve it: `supply_guard`, `many_meters`, `emergency`.
    reservations: Vec<String>,
    /// Prefix of the API key that asked.
    operator_key: String,
    /// Prefix of the API key that approved or rejected it.
    decided_by: Option<String>,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until then it may be approved.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When every order was given or refused, or it was rejected, or expired.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The schedule that asked.
    #[schema(value_type = Option<String>)]
    schedule_id: Option<ScheduleId>,
}

impl From<OrderGroup> for RelayOrderGroup {
    fn from(row: OrderGroup) -> Self {
        let words = row.reservations.split(',').filter(|word| !word.is_empty());
        Self {
            id: row.id,
            action: row.action,
            cause: row.cause,
            reason: row.reason,
            emergency: row.emergency,
            state: row.state,
            reservations: words.map(str::to_owned).collect(),
            operator_key: row.operator_key,
            decided_by: row.decided_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            schedule_id: row.schedule_id,
        }
    }
}

/// Relay orders to several meters, and what became of each.
#[derive(Serialize, ToSchema)]
struct RelayOrderGroupAndMeters {
    #[serde(flatten)]
    group: RelayOrderGroup,
    /// How many meters there are of each kind: `waiting`, `refused`, `lifted`, or the state of the order.
    counts: BTreeMap<String, u64>,
    /// Its meters.
    meters: Vec<MeterOfGroup>,
}

/// A meter of a group.
#[derive(Serialize, ToSchema)]
struct MeterOfGroup {
    /// The meter.
    #[schema(value_type = String)]
    meter_id: MeterId,
    /// `waiting`, `ordered`, `refused`, or `lifted`: a cause ended, and no order was needed, or something else keeps supply
    /// off.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// The order that was given.
    #[schema(value_type = Option<String>)]
    order_id: Option<OrderId>,
    /// The order's state.
    #[schema(value_type = Option<String>)]
    order_state: Option<State>,
    /// The rule that refused it: `supply_guard`, `no_relay_control`, `relay_blocked`, `supply_not_wanted`,
    /// `hold_needed`, `not_scheduled`.
    code: Option<String>,
    /// Why it was refused, for people.
    detail: Option<String>,
}

impl From<(GroupMeter, Option<State>)> for MeterOfGroup {
    fn from((row, order_state): (GroupMeter, Option<State>)) -> Self {
        let GroupMeter { meter_id, outcome, order_id, code, detail, .. } = row;
        Self { meter_id, outcome, order_id, order_state, code, detail }
    }
}

/// Reads a group with its meters, all of one moment.
async fn shown(app: &App, id: OrderGroupId) -> Result<RelayOrderGroupAndMeters, Problem> {
    let read = app.db.snapshot(move |conn| {
        Ok::<_, store::Error>((store::relay_order_group::by_id(conn, id)?, store::relay_order_group::meters(conn, id)?))
    });
    let (group, rows) = read.await?;
    let mut counts = BTreeMap::new();
    for (meter, state) in &rows {
        let kind = match (state, meter.outcome) {
            (Some(state), _) => state.to_string(),
            (None, Outcome::Refused) => "refused".to_owned(),
            (None, Outcome::Lifted) => "lifted".to_owned(),
            (None, _) => "waiting".to_owned(),
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    let meters = rows.into_iter().map(MeterOfGroup::from).collect();
    Ok(RelayOrderGroupAndMeters { group: group.into(), counts, meters })
}

/// Lists a site's relay orders to several meters
#[utoipa::path(tag = "relay orders", params(OfSite), responses(
    (status = 200, description = "The newest first", body = Page<RelayOrderGroup>),
))]
#[get("/relay_order_groups")]
async fn list_relay_order_groups(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<RelayOrderGroup>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::relay_order_group::page(conn, site, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| (row.created_at, row.id), RelayOrderGroup::from)))
}

/// Orders the relays of several meters; guarded, many, or an emergency: a second operator must approve
#[utoipa::path(
    tag = "relay orders",
    request_body = NewOrderGroup,
    params(IdempotencyKey),
    responses((
        status = 202,
        description = "Under way, or awaiting approval; `Location` tells its state",
        body = RelayOrderGroupAndMeters,
    )),
)]
#[post("/relay_order_groups")]
async fn order_group_of_relays(
    caller: May<Operate>,
    app: web::Data<App>,
    key: IdempotencyKey,
    body: Body<NewOrderGroup>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let by = By { key: caller.prefix.clone(), administers: caller.administers() };
    let (id, _) = order_group::order(&app, body.0, &key.0, by).await?;
    let address = format!("/relay_order_groups/{id}");
    Ok(located(HttpResponse::Accepted(), &address, &shown(&app, id).await?))
}

/// Shows relay orders to several meters
#[utoipa::path(tag = "relay orders", responses(
    (status = 200, description = "The group, and what became of each meter", body = RelayOrderGroupAndMeters),
))]
#[get("/relay_order_groups/{id}")]
async fn show_relay_order_group(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<OrderGroupId>,
) -> Result<web::Json<RelayOrderGroupAndMeters>, Problem> {
    Ok(web::Json(shown(&app, id.0).await?))
}

/// Approves relay orders to several meters, by another key than the one that asked
#[utoipa::path(tag = "relay orders", responses(
    (status = 202, description = "Approved; the orders are under way", body = RelayOrderGroupAndMeters),
))]
#[post("/relay_order_groups/{id}/approve")]
async fn approve_relay_order_group(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<OrderGroupId>,
) -> Result<HttpResponse, Problem> {
    order_group::approve(&app, id.0, &caller.prefix).await?;
    Ok(HttpResponse::Accepted().json(shown(&app, id.0).await?))
}

/// Rejects relay orders that wait for approval; whoever asked may take them back so
#[utoipa::path(tag = "relay orders", responses(
    (status = 200, description = "Rejected; nothing was sent", body = RelayOrderGroupAndMeters),
))]
#[post("/relay_order_groups/{id}/reject")]
async fn reject_relay_order_group(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<OrderGroupId>,
) -> Result<web::Json<RelayOrderGroupAndMeters>, Problem> {
    order_group::reject(&app, id.0, &caller.prefix).await?;
    Ok(web::Json(shown(&app, id.0).await?))
}
