//! Meters that wait for supply to follow the money: "should be off, is on" and "waiting to be restored", each with its reason;
//! and cuts in quarantine.

use actix_web::{get, post, web};
use domain::{
    calendar::shift,
    ids::{AccountId, MeterId, OrderId, SiteId},
    relay::{Cause, RelayState, decide::Guard, order::State},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::{
    Conn,
    supply_wait::{Filter, SupplyWait},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{Body, Query},
    page::{Ask, Page},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        Error,
        mass_cut::{self, ReleaseCuts},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_supply_waits).service(release_cuts);
}

/// A meter whose supply is not what its account's money asks for.
#[derive(Serialize, ToSchema)]
struct Wait {
    /// The meter.
    #[schema(value_type = String)]
    meter_id: MeterId,
    /// Its name.
    meter_name: String,
    /// Its address.
    meter_address: String,
    /// The account whose money decides.
    #[schema(value_type = String)]
    account_id: AccountId,
    /// Its number for people.
    account_number: String,
    /// What the relay should be: `disconnected` (it should be off and is on) or `connected` (it waits to be restored).
    #[schema(value_type = String)]
    wanted: RelayState,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// What held it when it was decided over last; empty: nothing, or its order says more.
    #[schema(value_type = Vec<String>)]
    guards: Vec<Guard>,
    /// Why supply is not wanted, beside money: such as `operator` or `safety`.
    #[schema(value_type = Vec<String>)]
    causes: Vec<Cause>,
    /// The relay order under way, if one is.
    order: Option<Order>,
    /// When its cut was found to be above what the site may cut in a day.
    #[schema(value_type = Option<String>, format = DateTime)]
    quarantined_at: Option<Timestamp>,
    /// When an operator released it.
    #[schema(value_type = Option<String>, format = DateTime)]
    released_at: Option<Timestamp>,
    /// The key of the operator.
    released_by: Option<String>,
}

/// How far a meter's relay order has come.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderUnderWay)]
struct Order {
    /// Identifier.
    #[schema(value_type = String)]
    id: OrderId,
    /// Its state.
    #[schema(value_type = String)]
    state: State,
    /// How often it was sent.
    attempts: u32,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When something is done about it next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// What happened last, for people.
    last: Option<String>,
}

/// The parameters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfWaits {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// Only meters whose relay should be so: `disconnected` or `connected`.
    #[param(value_type = Option<String>)]
    wanted: Option<RelayState>,
    /// Only those that wait for at least so many hours.
    #[param(minimum = 0)]
    for_hours: Option<u16>,
    /// Only cuts that wait for an operator; `false` if absent.
    #[serde(default)]
    quarantined: bool,
    /// Most rows of the page; at most 500 by default settings.
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists a site's meters that should be off and are on, and those that wait to be restored, each with its reason
#[utoipa::path(tag = "relay orders", params(OfWaits), responses(
    (status = 200, description = "By meter", body = Page<Wait>),
))]
#[get("/supply_waits")]
async fn list_supply_waits(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfWaits>,
) -> Result<web::Json<Page<Wait>>, Problem> {
    let OfWaits { site_id, wanted, for_hours, quarantined, limit, cursor } = query.0;
    let site = caller.list_of(site_id)?;
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let since_by = for_hours.map(|hours| shift(app.clock.now(), -SignedDuration::from_hours(i64::from(hours))));
    let filter = Filter { wanted, since_by, quarantined };
    let rows = app.db.read(move |conn| {
        let waits = store::supply_wait::page(conn, site, filter, after, most)?;
        waits.into_iter().map(|wait| told(conn, wait)).collect::<Result<Vec<_>, Error>>()
    });
    Ok(web::Json(ask.page(rows.await?, |row| row.meter_id, |row| row)))
}

fn told(conn: &mut Conn, wait: SupplyWait) -> Result<Wait, Error> {
    let meter = store::meter::by_id(conn, wait.meter_id)?;
    let order = match store::relay_order::live_of(conn, meter.id)? {
        Some(row) => {
            let last = store::relay_order::lines(conn, row.id)?.pop().map(|line| line.detail);
            let (id, state, attempts) = (row.id, row.state, row.attempts);
            Some(Order { id, state, attempts, created_at: row.created_at, next_attempt_at: row.next_attempt_at, last })
        }
        None => None,
    };
    Ok(Wait {
        meter_id: meter.id,
        meter_name: meter.name,
        meter_address: meter.address,
        account_id: wait.account_id,
        account_number: store::account::by_id(conn, wait.account_id)?.number,
        wanted: wait.wanted,
        since: wait.since,
        guards: wait.guards,
        causes: store::meter::causes(conn, wait.meter_id)?.iter().filter(|cause| *cause != Cause::Credit).collect(),
        order,
        quarantined_at: wait.quarantined_at,
        released_at: wait.released_at,
        released_by: wait.released_by,
    })
}

/// What was released.
#[derive(Serialize, ToSchema)]
struct Released {
    /// The meters whose cuts go on, as far as an hour's limit allows.
    #[schema(value_type = Vec<String>)]
    meters: Vec<MeterId>,
}

/// Releases cuts from quarantine: those above what the site may cut in a day. They wait for nobody else any more
#[utoipa::path(tag = "relay orders", request_body = ReleaseCuts, responses(
    (status = 200, description = "What was released", body = Released),
))]
#[post("/quarantine/release")]
async fn release_cuts(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<ReleaseCuts>,
) -> Result<web::Json<Released>, Problem> {
    caller.within(body.0.site_id)?;
    let releasing = async move { mass_cut::release(&app, body.0, &caller.prefix).await };
    Ok(web::Json(Released { meters: to_its_end(releasing).await? }))
}
