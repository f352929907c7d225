//! Meters whose supply is not yet what their account's money asks for: they should be off and are on, or wait to be restored.
//! Cuts above the mass-cut limits are kept here as well, until an operator releases them or they are no longer due.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, MeterId, OrderId, SiteId},
    relay::{Action, Cause, RelayState, decide::Guard, order, wait},
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::{meters, relay_orders, supply_waits},
};

row! {
    /// A meter that waits.
    pub struct SupplyWait in supply_waits {
        /// The meter.
        pub meter_id: MeterId,
        /// The account whose money decides.
        pub account_id: AccountId,
        /// What its relay should be.
        pub wanted: RelayState,
        /// Since when it waits.
        pub since: Timestamp,
        /// What held it when it was decided over last.
        pub guards: Vec<Guard>,
        /// When its cut was found to be above the day's limit.
        pub quarantined_at: Option<Timestamp>,
        /// When an operator let it go on.
        pub released_at: Option<Timestamp>,
        /// Prefix of the operator's API key.
        pub released_by: Option<String>,
    }
}

impl SupplyWait {
    /// Whether its cut waits for an operator.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.quarantined_at.is_some() && self.released_at.is_none()
    }
}

/// Which waits are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// For what; none: both.
    pub wanted: Option<RelayState>,
    /// Only those that began by then.
    pub since_by: Option<Timestamp>,
    /// Only those that wait for an operator.
    pub quarantined: bool,
}

/// A meter's wait, if it waits.
///
/// # Errors
/// Whatever the database answers.
pub fn of_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<SupplyWait>> {
    on!(conn, |c| supply_waits::table
        .find((val(meter.site()), val(meter)))
        .select(SupplyWait::as_select())
        .first(c)
        .optional())
}

/// Writes what a decision left a meter waiting for; nothing where it is as it was.
///
/// # Errors
/// Whatever the database answers.
pub fn keep(
    conn: &mut Conn,
    (meter_id, account_id): (MeterId, AccountId),
    now_waits: Option<wait::Wait>,
    now: Timestamp,
) -> Result<()> {
    let before = of_meter(conn, meter_id)?.filter(|before| before.account_id == account_id || now_waits.is_none());
    let Some(wait::Wait { wanted, guards }) = now_waits else {
        return if before.is_some() { remove(conn, meter_id) } else { Ok(()) };
    };
    let since = wait::since(before.as_ref().map(|before| (before.wanted, before.since)), wanted, now);
    let new = match &before {
        Some(before) if before.wanted == wanted => SupplyWait { since, guards, ..before.clone() },
        _ => SupplyWait {
            meter_id,
            account_id,
            wanted,
            since,
            guards,
            quarantined_at: None,
            released_at: None,
            released_by: None,
        },
    };
    if before.as_ref() == Some(&new) { Ok(()) } else { save(conn, &new) }
}

/// Stores a meter's wait, in place of one that it has.
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, new: &SupplyWait) -> Result<()> {
    let key = (val(new.meter_id.site()), val(new.meter_id));
    let updated = on!(conn, |c| diesel::update(supply_waits::table.find(key)).set(new.changes()).execute(c))?;
    if updated == 0 {
        let values = (new, supply_waits::site_id.eq(val(new.meter_id.site())));
        on!(conn, |c| diesel::insert_into(supply_waits::table).values(values).execute(c))?;
    }
    Ok(())
}

/// Lets a quarantined cut go on; whether it was one.
///
/// # Errors
/// Whatever the database answers.
pub fn release(conn: &mut Conn, meter: MeterId, (by, at): (&str, Timestamp)) -> Result<bool> {
    let rows = on!(conn, |c| diesel::update(supply_waits::table.find((val(meter.site()), val(meter))))
        .filter(supply_waits::quarantined_at.is_not_null())
        .filter(supply_waits::released_at.is_null())
        .set((supply_waits::released_at.eq(val(Some(at))), supply_waits::released_by.eq(Some(by))))
        .execute(c))?;
    Ok(rows > 0)
}

/// A meter waits for nothing any more.
///
/// # Errors
/// Whatever the database answers.
pub fn remove(conn: &mut Conn, meter: MeterId) -> Result<()> {
    let key = (val(meter.site()), val(meter));
    on!(conn, |c| diesel::delete(supply_waits::table.find(key)).execute(c)).map(drop)
}

/// At most `limit` of a site's waits after one, by meter.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    filter: Filter,
    after: Option<MeterId>,
    limit: i64,
) -> Result<Vec<SupplyWait>> {
    let any = |given: bool| (!given).into_sql::<diesel::sql_types::Bool>();
    let Filter { wanted, since_by, quarantined } = filter;
    let is_quarantined = supply_waits::quarantined_at.is_not_null().and(supply_waits::released_at.is_null());
    on!(conn, |c| supply_waits::table
        .filter(supply_waits::site_id.eq(val(site)))
        .filter(supply_waits::meter_id.gt(val(after.map_or(0, MeterId::get))))
        .filter(any(wanted.is_some()).or(supply_waits::wanted.nullable().eq(val(wanted))))
        .filter(supply_waits::since.le(val(since_by.unwrap_or(Timestamp::MAX))))
        .filter(any(quarantined).or(is_quarantined))
        .order(supply_waits::meter_id)
        .limit(limit)
        .select(SupplyWait::as_select())
        .load(c))
}

/// How many of a site's automatic disconnects are due before an order: they were ordered earlier, were not sent, wait for
/// nothing, and their meters were seen since a moment.
///
/// # Errors
/// Whatever the database answers.
pub fn due_before(conn: &mut Conn, order: OrderId, now: Timestamp, seen_since: Timestamp) -> Result<u32> {
    let same_meter = meters::site_id.eq(relay_orders::site_id).and(meters::id.eq(relay_orders::meter_id));
    let its_wait =
        supply_waits::site_id.eq(relay_orders::site_id).and(supply_waits::meter_id.eq(relay_orders::meter_id));
    let free = supply_waits::quarantined_at.is_null().or(supply_waits::released_at.is_not_null());
    let count: i64 = on!(conn, |c| relay_orders::table
        .inner_join(meters::table.on(same_meter))
        .left_join(supply_waits::table.on(its_wait))
        .filter(relay_orders::site_id.eq(val(order.site())))
        .filter(relay_orders::id.lt(val(order)))
        .filter(relay_orders::ended_at.is_null())
        .filter(relay_orders::state.eq(val(order::State::Ordered)))
        .filter(relay_orders::attempts.eq(val(0_u32)))
        .filter(relay_orders::action.eq(val(Action::Disconnect)))
        .filter(relay_orders::cause.eq(val(Cause::Credit)))
        .filter(relay_orders::next_attempt_at.is_null().or(relay_orders::next_attempt_at.le(val(Some(now)))))
        .filter(meters::last_seen_at.ge(val(Some(seen_since))))
        .filter(free)
        .count()
        .get_result(c))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How many of a site's meters wait for an operator.
///
/// # Errors
/// Whatever the database answers.
pub fn quarantined(conn: &mut Conn, site: SiteId) -> Result<i64> {
    on!(conn, |c| supply_waits::table
        .filter(supply_waits::site_id.eq(val(site)))
        .filter(supply_waits::quarantined_at.is_not_null())
        .filter(supply_waits::released_at.is_null())
        .count()
        .get_result(c))
}
