//! Alarms to operators. The same thing again is counted on the alarm that stands.

use diesel::prelude::*;
use domain::ids::{AlarmId, SiteId};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    ids,
    schema::alarms,
};

row! {
    /// An alarm.
    pub struct Alarm in alarms {
        /// Its identifier.
        pub id: AlarmId,
        /// What is wrong.
        pub kind: String,
        /// With what.
        pub object: String,
        /// As last seen.
        pub detail: String,
        /// When it was first seen.
        pub raised_at: Timestamp,
        /// When it was last seen.
        pub last_at: Timestamp,
        /// How often it was seen.
        pub count: i64,
        /// When it was over; none: it stands.
        pub cleared_at: Option<Timestamp>,
    }
}

/// Raises an alarm, or counts it on the one that stands; whether it is new.
///
/// # Errors
/// Whatever the database answers.
pub fn raise(conn: &mut Conn, site: SiteId, kind: &str, object: &str, detail: &str, at: Timestamp) -> Result<bool> {
    let new = Alarm {
        id: ids::next(conn, site)?,
        kind: kind.to_owned(),
        object: object.to_owned(),
        detail: detail.to_owned(),
        raised_at: at,
        last_at: at,
        count: 1,
        cleared_at: None,
    };
    let values = (&new, alarms::site_id.eq(val(site)));
    let inserted =
        on!(conn, |c| diesel::insert_into(alarms::table).values(values).on_conflict_do_nothing().execute(c))?;
    if inserted == 0 {
        on!(conn, |c| diesel::update(alarms::table)
            .filter(alarms::site_id.eq(val(site)))
            .filter(alarms::kind.eq(kind))
            .filter(alarms::object.eq(object))
            .filter(alarms::cleared_at.is_null())
            .set((alarms::detail.eq(detail), alarms::last_at.eq(val(at)), alarms::count.eq(alarms::count + 1)))
            .execute(c))?;
    }
    Ok(inserted > 0)
}

/// The alarm of a kind with an object that stands.
///
/// # Errors
/// Whatever the database answers.
pub fn standing(conn: &mut Conn, site: SiteId, kind: &str, object: &str) -> Result<Option<Alarm>> {
    on!(conn, |c| alarms::table
        .filter(alarms::site_id.eq(val(site)))
        .filter(alarms::kind.eq(kind))
        .filter(alarms::object.eq(object))
        .filter(alarms::cleared_at.is_null())
        .select(Alarm::as_select())
        .first(c)
        .optional())
}

/// The alarm with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: AlarmId) -> Result<Alarm> {
    let row =
        on!(conn, |c| alarms::table.find((val(id.site()), val(id))).select(Alarm::as_select()).first(c).optional())?;
    found("alarm", row)
}

/// Clears the alarm that stands; whether one did.
///
/// # Errors
/// Whatever the database answers.
pub fn clear(conn: &mut Conn, site: SiteId, kind: &str, object: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(conn, |c| diesel::update(alarms::table)
        .filter(alarms::site_id.eq(val(site)))
        .filter(alarms::kind.eq(kind))
        .filter(alarms::object.eq(object))
        .filter(alarms::cleared_at.is_null())
        .set(alarms::cleared_at.eq(val(Some(at))))
        .execute(c))?;
    Ok(rows > 0)
}

/// At most `limit` of a site's alarms before one, the newest first; `standing`: only those not cleared.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    standing: bool,
    before: Option<(Timestamp, AlarmId)>,
    limit: i64,
) -> Result<Vec<Alarm>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| {
        let mut query = alarms::table
            .filter(alarms::site_id.eq(val(site)))
            .filter(alarms::raised_at.lt(val(at)).or(alarms::raised_at.eq(val(at)).and(alarms::id.lt(val(id)))))
            .order((alarms::raised_at.desc(), alarms::id.desc()))
            .limit(limit)
            .select(Alarm::as_select())
            .into_boxed();
        // As one filter `is_null().or(bound bool)` this keeps the compiler busy for ever.
        if standing {
            query = query.filter(alarms::cleared_at.is_null());
        }
        query.load(c)
    })
}
