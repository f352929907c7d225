//! Outages: when the program was down for a site, what it missed, and what came of it; and the heartbeats that tell.

use diesel::prelude::*;
use domain::{
    account::State,
    calendar::shift,
    ids::{OutageId, SiteId},
    reading::{Kind, Quality},
};
use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{accounts, heartbeats, installations, notices, outages, readings, relay_orders, settled_days},
};

row! {
    /// An outage.
    pub struct Outage in outages {
        /// Its identifier.
        pub id: OutageId,
        /// The last heartbeat before.
        pub down_from: Timestamp,
        /// The start after it.
        pub up_at: Timestamp,
        /// What was found missing at the start, JSON.
        pub missed: String,
        /// Reported then at the latest.
        pub deadline_at: Timestamp,
        /// When it was reported; none: what was missed is being caught up.
        pub reported_at: Option<Timestamp>,
        /// What is still missing and what was posted, JSON.
        pub report: Option<String>,
    }
}

/// When the program was last up for a site.
///
/// # Errors
/// Whatever the database answers.
pub fn last_beat(conn: &mut Conn, site: SiteId) -> Result<Option<Timestamp>> {
    on!(conn, |c| heartbeats::table.find(val(site)).select(heartbeats::at).first(c).optional())
}

/// Notes that the program is up for a site.
///
/// # Errors
/// Whatever the database answers.
pub fn beat(conn: &mut Conn, site: SiteId, now: Timestamp) -> Result<()> {
    on!(conn, |c| diesel::insert_into(heartbeats::table)
        .values((heartbeats::site_id.eq(val(site)), heartbeats::at.eq(val(now))))
        .on_conflict(heartbeats::site_id)
        .do_update()
        .set(heartbeats::at.eq(val(now)))
        .execute(c))
    .map(drop)
}

/// Stores an outage.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &Outage) -> Result<()> {
    let values = (new, outages::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(outages::table).values(values).execute(c)).map(drop)
}

/// Stores the report of an outage that had none; whether it was the first.
///
/// # Errors
/// Whatever the database answers.
pub fn set_report(conn: &mut Conn, id: OutageId, report: &str, now: Timestamp) -> Result<bool> {
    let rows = on!(conn, |c| diesel::update(outages::table.find((val(id.site()), val(id))))
        .filter(outages::reported_at.is_null())
        .set((outages::reported_at.eq(val(Some(now))), outages::report.eq(report)))
        .execute(c))?;
    Ok(rows > 0)
}

/// At most `limit` of a site's outages without a report, the oldest first.
///
/// # Errors
/// Whatever the database answers.
pub fn unreported(conn: &mut Conn, site: SiteId, limit: i64) -> Result<Vec<Outage>> {
    on!(conn, |c| outages::table
        .filter(outages::site_id.eq(val(site)))
        .filter(outages::reported_at.is_null())
        .order((outages::up_at, outages::id))
        .limit(limit)
        .select(Outage::as_select())
        .load(c))
}

/// The outage with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: OutageId) -> Result<Outage> {
    let row =
        on!(conn, |c| outages::table.find((val(id.site()), val(id))).select(Outage::as_select()).first(c).optional())?;
    found("outage", row)
}

/// At most `limit` of a site's outages before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, before: Option<(Timestamp, OutageId)>, limit: i64) -> Result<Vec<Outage>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| outages::table
        .filter(outages::site_id.eq(val(site)))
        .filter(outages::up_at.lt(val(at)).or(outages::up_at.eq(val(at)).and(outages::id.lt(val(id)))))
        .order((outages::up_at.desc(), outages::id.desc()))
        .limit(limit)
        .select(Outage::as_select())
        .load(c))
}

/// How far from a site's midnight that of a meter may be whose clock is not set with the site's.
const OWN_MIDNIGHT: SignedDuration = SignedDuration::from_hours(2);

/// How many of a site's live installations have no good daily freeze of a midnight that they were there for, by their own clock.
///
/// # Errors
/// Whatever the database answers.
pub fn freezes_missing(conn: &mut Conn, site: SiteId, midnight: Timestamp) -> Result<i64> {
    let frozen = readings::table
        .filter(readings::site_id.eq(installations::site_id))
        .filter(readings::meter_id.eq(installations::meter_id))
        .filter(readings::as_of.between(val(shift(midnight, -OWN_MIDNIGHT)), val(shift(midnight, OWN_MIDNIGHT))))
        .filter(readings::kind.eq(val(Kind::DailyFreeze)))
        .filter(readings::quality.eq(val(Quality::Good)));
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(site)))
        .filter(installations::end_at.is_null())
        .filter(installations::start_at.lt(val(midnight)))
        .filter(diesel::dsl::not(diesel::dsl::exists(frozen)))
        .count()
        .get_result(c))
}

/// How many of a site's live installations have a day not settled that ended at a midnight which they were there for.
///
/// # Errors
/// Whatever the database answers.
pub fn days_missing(conn: &mut Conn, site: SiteId, day: Date, midnight: Timestamp) -> Result<i64> {
    let settled = settled_days::table
        .filter(settled_days::site_id.eq(installations::site_id))
        .filter(settled_days::account_id.eq(installations::account_id))
        .filter(settled_days::day.eq(val(day)))
        .filter(settled_days::installation_id.eq(installations::id));
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(site)))
        .filter(installations::end_at.is_null())
        .filter(installations::start_at.lt(val(midnight)))
        .filter(diesel::dsl::not(diesel::dsl::exists(settled)))
        .count()
        .get_result(c))
}

/// How many of a site's open accounts have not had the fixed charges of a day posted.
///
/// # Errors
/// Whatever the database answers.
pub fn fixed_missing(conn: &mut Conn, site: SiteId, day: Date) -> Result<i64> {
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::state.eq(val(State::Active)).or(accounts::state.eq(val(State::Suspended))))
        .filter(accounts::fixed_to.le(val(Some(day))))
        .count()
        .get_result(c))
}

/// How many of a site's notices were to be tried by an instant and were not.
///
/// # Errors
/// Whatever the database answers.
pub fn notices_late(conn: &mut Conn, site: SiteId, by: Timestamp) -> Result<i64> {
    on!(conn, |c| notices::table
        .filter(notices::site_id.eq(val(site)))
        .filter(notices::next_attempt_at.le(val(Some(by))))
        .count()
        .get_result(c))
}

/// How many of a site's relay orders were ordered by an instant and have not ended.
///
/// # Errors
/// Whatever the database answers.
pub fn orders_late(conn: &mut Conn, site: SiteId, by: Timestamp) -> Result<i64> {
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(site)))
        .filter(relay_orders::ended_at.is_null())
        .filter(relay_orders::created_at.le(val(by)))
        .count()
        .get_result(c))
}
