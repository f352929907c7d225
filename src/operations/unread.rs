//! Meters that should be cut and are not read: somebody is told once that takes too long.

use domain::{
    ids::MeterId,
    relay::{
        decide::{Guard, MeterFacts},
        wait::{self, Wait},
    },
    site::Policy,
};
use jiff::Timestamp;
use store::Conn;

use super::Error;

/// The alarm that stands while a cut waits for its meter to be read for too long.
const ALARM: &str = "unread_before_cut";

fn object(meter: MeterId) -> String {
    format!("meter:{meter}")
}

/// Tells of a cut that waits for its meter to be read for too long, once, until the meter is read or no cut is due. `waits` is
/// what was decided just now; what was before is still in its row.
///
/// # Errors
/// The database fails.
pub(super) fn tell(
    conn: &mut Conn,
    seen: &MeterFacts,
    (id, waits): (MeterId, Option<&Wait>),
    policy: &Policy,
    now: Timestamp,
) -> Result<(), Error> {
    let unread = |guards: &[Guard]| guards.contains(&Guard::StaleReading);
    let Some(before) = store::supply_wait::of_meter(conn, id)?.filter(|before| unread(&before.guards)) else {
        return Ok(());
    };
    let Some(waits) = waits.filter(|waits| unread(&waits.guards)) else { return forget(conn, id, now) };
    let late = wait::is_unread_too_long(waits, before.since, seen, policy.disconnection.unread_alarm_after, now);
    if late && store::alarm::standing(conn, id.site(), ALARM, &object(id))?.is_none() {
        let read = seen.last_good_reading_at.map_or_else(|| "never".to_owned(), |as_of| as_of.to_string());
        let detail = format!("its supply should be cut since {}; last read: {read}", before.since);
        store::alarm::raise(conn, id.site(), ALARM, &object(id), &detail, now)?;
    }
    Ok(())
}

/// No cut waits for this meter to be read any more.
///
/// # Errors
/// The database fails.
pub(super) fn forget(conn: &mut Conn, id: MeterId, now: Timestamp) -> Result<(), Error> {
    store::alarm::clear(conn, id.site(), ALARM, &object(id), now)?;
    Ok(())
}
