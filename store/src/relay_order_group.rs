//! Relay orders to several meters at once: the group, and what became of each of its meters.

use diesel::{dsl::not, prelude::*};
use domain::{
    account,
    ids::{AccountId, BuildingId, ConcentratorId, CustomerId, MeterId, OrderGroupId, OrderId, ScheduleId, SiteId},
    relay::{Action, Cause, order},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{
        accounts, building_meters, installations, meters, relay_order_group_meters, relay_order_groups, relay_orders,
    },
};

/// How far a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// A second operator must approve it first.
    AwaitingApproval,
    /// Its orders are being given.
    Running,
    /// Each order was given or refused.
    Done,
    /// A second operator was against it.
    Rejected,
    /// Nobody approved it in time, or its schedule went on before all of its orders were given.
    Expired,
}

/// What became of a meter of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// An order was given.
    Ordered,
    /// A rule stood against it.
    Refused,
    /// The cause ended, and no order was needed, or something else keeps supply off.
    Lifted,
}

row! {
    /// A group.
    pub struct OrderGroup in relay_order_groups {
        /// Its identifier.
        pub id: OrderGroupId,
        /// What the relays are to do.
        pub action: Action,
        /// Whose cause each order adds or lifts.
        pub cause: Cause,
        /// Why, for people.
        pub reason: String,
        /// Whether it is for safety.
        pub emergency: bool,
        /// How far it has come.
        pub state: GroupState,
        /// Why a second operator was needed, parted by commas; empty: none was.
        pub reservations: String,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// Prefix of the API key that approved or rejected it.
        pub decided_by: Option<String>,
        /// When it was asked.
        pub created_at: Timestamp,
        /// Until then it may be approved; none: it needed nobody.
        pub expires_at: Option<Timestamp>,
        /// When it came to its end.
        pub ended_at: Option<Timestamp>,
        /// Grows by one with every [`lock`].
        pub version: i64,
        /// The schedule that asked.
        pub schedule_id: Option<ScheduleId>,
    }
}

row! {
    /// A meter of a group.
    pub struct GroupMeter in relay_order_group_meters {
        /// The group.
        pub group_id: OrderGroupId,
        /// The meter.
        pub meter_id: MeterId,
        /// What became of it.
        pub outcome: Outcome,
        /// The order that was given.
        pub order_id: Option<OrderId>,
        /// The rule that refused it.
        pub code: Option<String>,
        /// Why it was refused, for people.
        pub detail: Option<String>,
    }
}

/// Which meters of a site are meant; each part that is given narrows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Behind this concentrator.
    pub concentrator: Option<ConcentratorId>,
    /// In this building.
    pub building: Option<BuildingId>,
    /// Of this customer's accounts.
    pub customer: Option<CustomerId>,
    /// Of accounts in this state.
    pub account_state: Option<account::State>,
    /// Only meters that count for an account.
    pub counting: bool,
}

/// At most `limit` of a site's meters after one that a filter means, by identifier, each with the account that it counts for.
///
/// # Errors
/// Whatever the database answers.
pub fn meant(
    conn: &mut Conn,
    site: SiteId,
    filter: Filter,
    after: Option<MeterId>,
    limit: i64,
) -> Result<Vec<(MeterId, Option<AccountId>)>> {
    let counts = meters::site_id
        .eq(installations::site_id)
        .and(meters::id.eq(installations::meter_id))
        .and(installations::end_at.is_null());
    let same_account = accounts::site_id
        .nullable()
        .eq(installations::site_id.nullable())
        .and(accounts::id.nullable().eq(installations::account_id.nullable()));
    let any = |given: bool| (!given).into_sql::<diesel::sql_types::Bool>();
    let hangs = building_meters::site_id.eq(meters::site_id).and(building_meters::meter_id.eq(meters::id));
    let Filter { concentrator, building, customer, account_state, counting } = filter;
    on!(conn, |c| meters::table
        .left_join(installations::table.on(counts))
        .left_join(accounts::table.on(same_account))
        .left_join(building_meters::table.on(hangs))
        .filter(meters::site_id.eq(val(site)))
        .filter(meters::id.gt(val(after.map_or(0, MeterId::get))))
        .filter(any(counting).or(installations::account_id.nullable().is_not_null()))
        .filter(any(concentrator.is_some()).or(meters::concentrator_id.nullable().eq(val(concentrator))))
        .filter(any(building.is_some()).or(building_meters::building_id.nullable().eq(val(building))))
        .filter(any(customer.is_some()).or(accounts::customer_id.nullable().eq(val(customer))))
        .filter(any(account_state.is_some()).or(accounts::state.nullable().eq(val(account_state))))
        .order(meters::id)
        .limit(limit)
        .select((meters::id, installations::account_id.nullable()))
        .load(c))
}

/// Stores a group; each of its meters waits.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &OrderGroup, of: &[MeterId]) -> Result<()> {
    let site = new.id.site();
    let values = (new, relay_order_groups::site_id.eq(val(site)));
    on!(conn, |c| diesel::insert_into(relay_order_groups::table).values(values).execute(c))?;
    for meter_id in of {
        let (group_id, outcome, order_id, code, detail) = (new.id, Outcome::Waiting, None, None, None);
        let meter = GroupMeter { group_id, meter_id: *meter_id, outcome, order_id, code, detail };
        let values = (&meter, relay_order_group_meters::site_id.eq(val(site)));
        on!(conn, |c| diesel::insert_into(relay_order_group_meters::table).values(values).execute(c))?;
    }
    Ok(())
}

/// The group with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: OrderGroupId) -> Result<OrderGroup> {
    let row = on!(conn, |c| relay_order_groups::table
        .find((val(id.site()), val(id)))
        .select(OrderGroup::as_select())
        .first(c)
        .optional())?;
    found("relay order group", row)
}

/// Holds a group until the transaction ends, so that one changes it at a time.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: OrderGroupId) -> Result<OrderGroup> {
    let row = on!(conn, |c| diesel::update(relay_order_groups::table.find((val(id.site()), val(id))))
        .set(relay_order_groups::version.eq(relay_order_groups::version + 1))
        .returning(OrderGroup::as_returning())
        .get_result(c)
        .optional())?;
    found("relay order group", row)
}

/// Stores a group as changed since [`lock`].
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, group: &OrderGroup) -> Result<()> {
    on!(conn, |c| diesel::update(relay_order_groups::table.find((val(group.id.site()), val(group.id))))
        .set(group.changes())
        .execute(c))
    .map(drop)
}

/// At most `limit` of a site's groups before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    before: Option<(Timestamp, OrderGroupId)>,
    limit: i64,
) -> Result<Vec<OrderGroup>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    let same_time = relay_order_groups::created_at.eq(val(at)).and(relay_order_groups::id.lt(val(id)));
    on!(conn, |c| relay_order_groups::table
        .filter(relay_order_groups::site_id.eq(val(site)))
        .filter(relay_order_groups::created_at.lt(val(at)).or(same_time))
        .order((relay_order_groups::created_at.desc(), relay_order_groups::id.desc()))
        .limit(limit)
        .select(OrderGroup::as_select())
        .load(c))
}

/// A site's groups that have not ended, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn open(conn: &mut Conn, site: SiteId) -> Result<Vec<OrderGroupId>> {
    on!(conn, |c| relay_order_groups::table
        .filter(relay_order_groups::site_id.eq(val(site)))
        .filter(relay_order_groups::ended_at.is_null())
        .order(relay_order_groups::id)
        .select(relay_order_groups::id)
        .load(c))
}

/// Groups of a schedule that have not ended, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn open_of(conn: &mut Conn, schedule: ScheduleId) -> Result<Vec<OrderGroupId>> {
    on!(conn, |c| relay_order_groups::table
        .filter(relay_order_groups::site_id.eq(val(schedule.site())))
        .filter(relay_order_groups::schedule_id.eq(val(Some(schedule))))
        .filter(relay_order_groups::ended_at.is_null())
        .order(relay_order_groups::id)
        .select(relay_order_groups::id)
        .load(c))
}

/// At most `limit` groups of all sites after one that have something to be done at `now`: orders to be given, or an
/// approval that came too late.
///
/// # Errors
/// Whatever the database answers.
pub fn due(conn: &mut Conn, now: Timestamp, after: Option<OrderGroupId>, limit: i64) -> Result<Vec<OrderGroupId>> {
    let after = after.map_or(0, OrderGroupId::get);
    let waits = relay_order_groups::state.eq(val(GroupState::AwaitingApproval));
    on!(conn, |c| relay_order_groups::table
        .filter(relay_order_groups::ended_at.is_null())
        .filter(relay_order_groups::id.gt(val(after)))
        .filter(not(waits).or(relay_order_groups::expires_at.assume_not_null().le(val(now))))
        .order(relay_order_groups::id)
        .limit(limit)
        .select(relay_order_groups::id)
        .load(c))
}

/// All meters of a group, by identifier, with the state of the order that was given.
///
/// # Errors
/// Whatever the database answers.
pub fn meters(conn: &mut Conn, id: OrderGroupId) -> Result<Vec<(GroupMeter, Option<order::State>)>> {
    let same_order = relay_order_group_meters::site_id
        .eq(relay_orders::site_id)
        .and(relay_order_group_meters::order_id.eq(relay_orders::id.nullable()));
    on!(conn, |c| relay_order_group_meters::table
        .left_join(relay_orders::table.on(same_order))
        .filter(relay_order_group_meters::site_id.eq(val(id.site())))
        .filter(relay_order_group_meters::group_id.eq(val(id)))
        .order(relay_order_group_meters::meter_id)
        .select((GroupMeter::as_select(), relay_orders::state.nullable()))
        .load(c))
}

/// At most `limit` meters of a group that wait, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn waiting(conn: &mut Conn, id: OrderGroupId, limit: i64) -> Result<Vec<GroupMeter>> {
    on!(conn, |c| relay_order_group_meters::table
        .filter(relay_order_group_meters::site_id.eq(val(id.site())))
        .filter(relay_order_group_meters::group_id.eq(val(id)))
        .filter(relay_order_group_meters::outcome.eq(val(Outcome::Waiting)))
        .order(relay_order_group_meters::meter_id)
        .limit(limit)
        .select(GroupMeter::as_select())
        .load(c))
}

/// Stores what became of a meter.
///
/// # Errors
/// Whatever the database answers.
pub fn save_meter(conn: &mut Conn, meter: &GroupMeter) -> Result<()> {
    let key = (val(meter.group_id.site()), val(meter.group_id), val(meter.meter_id));
    on!(conn, |c| diesel::update(relay_order_group_meters::table.find(key))
        .set((
            relay_order_group_meters::outcome.eq(val(meter.outcome)),
            relay_order_group_meters::order_id.eq(val(meter.order_id)),
            relay_order_group_meters::code.eq(meter.code.clone()),
            relay_order_group_meters::detail.eq(meter.detail.clone()),
        ))
        .execute(c))
    .map(drop)
}
