//! Relay orders by a calendar: the schedule, when it switches next, and its meters.

use diesel::prelude::*;
use domain::{
    ids::{MeterId, ScheduleId, SiteId},
    relay::{Action, schedule::Schedule},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{relay_schedule_meters, relay_schedules},
};

/// How far a schedule has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleState {
    /// A second operator must approve it first.
    AwaitingApproval,
    /// It switches.
    Running,
    /// It only reconnects what it cut, and ends with that.
    Ending,
    /// It switches no more.
    Ended,
    /// A second operator was against it.
    Rejected,
    /// Nobody approved it in time.
    Expired,
}

row! {
    /// A schedule.
    pub struct RelaySchedule in relay_schedules {
        /// Its identifier.
        pub id: ScheduleId,
        /// Its calendar.
        pub calendar: Schedule,
        /// Why, for people.
        pub reason: String,
        /// How far it has come.
        pub state: ScheduleState,
        /// Why a second operator was needed, parted by commas; empty: none was.
        pub reservations: String,
        /// Prefix of the API key that entered it.
        pub operator_key: String,
        /// Prefix of the API key that approved or rejected it.
        pub decided_by: Option<String>,
        /// When it was entered.
        pub created_at: Timestamp,
        /// Until then it may be approved; none: it needed nobody.
        pub expires_at: Option<Timestamp>,
        /// When it switches next.
        pub next_at: Option<Timestamp>,
        /// What it does then.
        pub next_action: Option<Action>,
        /// When that was reckoned.
        pub reckoned_at: Option<Timestamp>,
        /// When it came to its end.
        pub ended_at: Option<Timestamp>,
        /// Grows by one with every [`lock`].
        pub version: i64,
    }
}

/// Stores a schedule with its meters.
///
/// # Errors
/// [`crate::Error::Unique`] where a meter belongs to another live schedule.
pub fn insert(conn: &mut Conn, new: &RelaySchedule, of: &[MeterId]) -> Result<()> {
    let site = new.id.site();
    let values = (new, relay_schedules::site_id.eq(val(site)));
    on!(conn, |c| diesel::insert_into(relay_schedules::table).values(values).execute(c))?;
    for meter in of {
        let values = (
            relay_schedule_meters::site_id.eq(val(site)),
            relay_schedule_meters::schedule_id.eq(val(new.id)),
            relay_schedule_meters::meter_id.eq(val(*meter)),
            relay_schedule_meters::live.eq(true),
        );
        on!(conn, |c| diesel::insert_into(relay_schedule_meters::table).values(values).execute(c))?;
    }
    Ok(())
}

/// The schedule with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ScheduleId) -> Result<RelaySchedule> {
    let row = on!(conn, |c| relay_schedules::table
        .find((val(id.site()), val(id)))
        .select(RelaySchedule::as_select())
        .first(c)
        .optional())?;
    found("relay schedule", row)
}

/// Holds a schedule until the transaction ends, so that one changes it at a time.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: ScheduleId) -> Result<RelaySchedule> {
    let row = on!(conn, |c| diesel::update(relay_schedules::table.find((val(id.site()), val(id))))
        .set(relay_schedules::version.eq(relay_schedules::version + 1))
        .returning(RelaySchedule::as_returning())
        .get_result(c)
        .optional())?;
    found("relay schedule", row)
}

/// Stores a schedule as changed since [`lock`]; one that ended lets its meters go.
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, schedule: &RelaySchedule) -> Result<()> {
    let (site, id) = (schedule.id.site(), schedule.id);
    on!(conn, |c| diesel::update(relay_schedules::table.find((val(site), val(id))))
        .set(schedule.changes())
        .execute(c))?;
    if schedule.ended_at.is_none() {
        return Ok(());
    }
    on!(conn, |c| diesel::update(relay_schedule_meters::table)
        .filter(relay_schedule_meters::site_id.eq(val(site)))
        .filter(relay_schedule_meters::schedule_id.eq(val(id)))
        .set(relay_schedule_meters::live.eq(false))
        .execute(c))
    .map(drop)
}

/// At most `limit` of a site's schedules before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    before: Option<(Timestamp, ScheduleId)>,
    limit: i64,
) -> Result<Vec<RelaySchedule>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    let same_time = relay_schedules::created_at.eq(val(at)).and(relay_schedules::id.lt(val(id)));
    on!(conn, |c| relay_schedules::table
        .filter(relay_schedules::site_id.eq(val(site)))
        .filter(relay_schedules::created_at.lt(val(at)).or(same_time))
        .order((relay_schedules::created_at.desc(), relay_schedules::id.desc()))
        .limit(limit)
        .select(RelaySchedule::as_select())
        .load(c))
}

/// A site's schedules that have not ended, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn open(conn: &mut Conn, site: SiteId) -> Result<Vec<ScheduleId>> {
    on!(conn, |c| relay_schedules::table
        .filter(relay_schedules::site_id.eq(val(site)))
        .filter(relay_schedules::ended_at.is_null())
        .order(relay_schedules::id)
        .select(relay_schedules::id)
        .load(c))
}

/// At most `limit` schedules of all sites after one that have something to be done at `now`: a switching, or an approval that
/// came too late; or whose next switching was reckoned by a clock that was ahead.
///
/// # Errors
/// Whatever the database answers.
pub fn due(conn: &mut Conn, now: Timestamp, after: Option<ScheduleId>, limit: i64) -> Result<Vec<ScheduleId>> {
    let after = after.map_or(0, ScheduleId::get);
    let waits = relay_schedules::state.eq(val(ScheduleState::AwaitingApproval));
    let late = waits.and(relay_schedules::expires_at.assume_not_null().le(val(now)));
    let switches = relay_schedules::next_at.assume_not_null().le(val(now));
    let ahead = relay_schedules::reckoned_at.assume_not_null().gt(val(now));
    on!(conn, |c| relay_schedules::table
        .filter(relay_schedules::ended_at.is_null())
        .filter(relay_schedules::id.gt(val(after)))
        .filter(late.or(switches).or(ahead))
        .order(relay_schedules::id)
        .limit(limit)
        .select(relay_schedules::id)
        .load(c))
}

/// The meters of a schedule, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn meters(conn: &mut Conn, id: ScheduleId) -> Result<Vec<MeterId>> {
    on!(conn, |c| relay_schedule_meters::table
        .filter(relay_schedule_meters::site_id.eq(val(id.site())))
        .filter(relay_schedule_meters::schedule_id.eq(val(id)))
        .order(relay_schedule_meters::meter_id)
        .select(relay_schedule_meters::meter_id)
        .load(c))
}

/// The live schedule that a meter belongs to.
///
/// # Errors
/// Whatever the database answers.
pub fn of_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<RelaySchedule>> {
    let id: Option<ScheduleId> = on!(conn, |c| relay_schedule_meters::table
        .filter(relay_schedule_meters::site_id.eq(val(meter.site())))
        .filter(relay_schedule_meters::meter_id.eq(val(meter)))
        .filter(relay_schedule_meters::live)
        .select(relay_schedule_meters::schedule_id)
        .first(c)
        .optional())?;
    id.map(|id| by_id(conn, id)).transpose()
}

/// A meter leaves its live schedule, if it belongs to one.
///
/// # Errors
/// Whatever the database answers.
pub fn leave(conn: &mut Conn, meter: MeterId) -> Result<()> {
    on!(conn, |c| diesel::delete(relay_schedule_meters::table)
        .filter(relay_schedule_meters::site_id.eq(val(meter.site())))
        .filter(relay_schedule_meters::meter_id.eq(val(meter)))
        .filter(relay_schedule_meters::live)
        .execute(c))
    .map(drop)
}

/// A meter takes another's place in its live schedule; it belongs to no other one any more.
///
/// # Errors
/// Whatever the database answers.
pub fn replace(conn: &mut Conn, old: MeterId, new: MeterId) -> Result<()> {
    leave(conn, new)?;
    on!(conn, |c| diesel::update(relay_schedule_meters::table)
        .filter(relay_schedule_meters::site_id.eq(val(old.site())))
        .filter(relay_schedule_meters::meter_id.eq(val(old)))
        .filter(relay_schedule_meters::live)
        .set(relay_schedule_meters::meter_id.eq(val(new)))
        .execute(c))
    .map(drop)
}
