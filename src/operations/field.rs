//! What the field tells of itself: sessions, clocks, meters that answer again, actors that were given up.

use actors::ports::{SessionEvent, Supervised};
use domain::{
    ids::{ConcentratorId, MeterId, SiteId},
    relay::order::{Event, apply},
};
use jiff::Timestamp;

use super::Error;
use crate::{app::App, changes::Changed};

/// A session began, is alive, or ended. At a login the live orders behind the concentrator need not wait any longer.
///
/// # Errors
/// The database fails.
pub async fn session(app: &App, id: ConcentratorId, event: SessionEvent) -> Result<(), Error> {
    let settings = app.settings.clone();
    app.db
        .write(move |conn| match &event {
            SessionEvent::Login { at, .. } => {
                store::concentrator::record_login(conn, id, *at)?;
                for meter in store::meter::of_concentrator(conn, id)? {
                    reachable_now(conn, &settings, meter.id, *at)?;
                }
                Ok::<_, Error>(())
            }
            SessionEvent::Heartbeat { at } | SessionEvent::Logout { at } => {
                Ok(store::concentrator::record_seen(conn, id, *at)?)
            }
            SessionEvent::Lost { .. } => Ok(()),
        })
        .await?;
    app.announce(Changed::Concentrator { concentrator: id });
    Ok(())
}

/// A meter answered after a silence.
///
/// # Errors
/// The database fails.
pub async fn reachable(app: &App, meter: MeterId, at: Timestamp) -> Result<(), Error> {
    let settings = app.settings.clone();
    app.db.write(move |conn| reachable_now(conn, &settings, meter, at)).await
}

fn reachable_now(
    conn: &mut store::Conn,
    settings: &crate::settings::Settings,
    meter: MeterId,
    at: Timestamp,
) -> Result<(), Error> {
    let Some(found) = store::relay_order::live_of(conn, meter)? else { return Ok(()) };
    // Whatever else happens to the order happens under its account's lock too.
    if let Some(account) = found.account_id {
        let locked = store::account::lock(conn, account)?;
        store::account::save(conn, &locked)?;
    }
    let row = store::relay_order::by_id(conn, found.id)?;
    let before = row.order();
    if let Ok(transition) = apply(&before, Event::Reachable, at, &settings.policy.relay)
        && transition.order != before
    {
        store::relay_order::transition(
            conn,
            &row.with(&transition.order),
            before.state,
            at,
            "it can be reached again",
        )?;
    }
    Ok(())
}

/// A concentrator's clock was read.
///
/// # Errors
/// The database fails.
pub async fn clock(app: &App, id: ConcentratorId, drift_s: i64, at: Timestamp) -> Result<(), Error> {
    let tolerance = app.settings.policy.disconnection.clock_tolerance.as_secs();
    app.db
        .write(move |conn| {
            store::concentrator::record_clock(conn, id, drift_s, at)?;
            let object = format!("concentrator:{id}");
            if drift_s.abs() > tolerance {
                let detail = format!("its clock is off by {drift_s} s");
                store::alarm::raise(conn, id.site(), "clock_off", &object, &detail, at)?;
            } else {
                store::alarm::clear(conn, id.site(), "clock_off", &object, at)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// An actor failed too often and is no longer started.
///
/// # Errors
/// The database fails.
pub async fn quarantined(app: &App, what: Supervised, restarts: u32, at: Timestamp) -> Result<(), Error> {
    let (site, object): (SiteId, String) = match what {
        Supervised::Meter(id) => (id.site(), format!("meter:{id}")),
        Supervised::Concentrator(id) => (id.site(), format!("concentrator:{id}")),
    };
    let detail = format!("its actor failed {restarts} times");
    app.db
        .write(move |conn| {
            store::alarm::raise(conn, site, "quarantined", &object, &detail, at)?;
            Ok::<_, Error>(())
        })
        .await
}
