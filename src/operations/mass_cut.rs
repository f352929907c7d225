//! The mass-cut limits: automatic disconnects are counted as they are sent; what is above a site's day waits in quarantine
//! for an operator.

use domain::{
    calendar::day_of,
    ids::{MeterId, SiteId},
    relay::{
        Action, Cause, RelayState,
        decide::{Authorization, Guard},
        mass_cut::{Admission, Asking, Tally, admit as decide},
        order::Order,
    },
    site,
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use store::{
    Conn,
    site::Site,
    supply_wait::{self, SupplyWait},
};
use utoipa::ToSchema;

use super::{Error, audit_line, decide_relay, label};
use crate::app::App;

/// The alarm that stands while cuts wait for an operator.
const ALARM: &str = "cuts_quarantined";

/// Whether an order that nothing else holds may be sent now. An automatic disconnect is counted when it is sent first, and
/// quarantined where it is above the day's limit.
///
/// # Errors
/// A row is missing or does not parse; the database fails.
pub(super) fn admit(
    conn: &mut Conn,
    order: &Order,
    site: site::Site<'_>,
    now: Timestamp,
) -> Result<Authorization, Error> {
    let counts = order.action == Action::Disconnect && order.cause == Cause::Credit && order.attempts == 0;
    let Some(account_id) = order.account.filter(|_| counts) else { return Ok(Authorization::Send) };
    let id = order.id.site();
    let policy = &site.policy.disconnection;
    // Held from here on: one disconnect of a site after the other.
    let tally = store::cut_tally::lock(conn, id, Tally::new(now, site.zone))?;
    let wait = supply_wait::of_meter(conn, order.meter)?;
    let seen_since = domain::calendar::shift(now, -policy.reading_freshness);
    let asking = Asking {
        meters: store::meter::count(conn, id)?,
        before_it: supply_wait::due_before(conn, order.id, now, seen_since)?,
        released: wait.as_ref().is_some_and(|wait| wait.released_at.is_some()),
    };
    let until = domain::calendar::shift(now, policy.held_recheck);
    match decide(tally, asking, &policy.mass_cut, now, site.zone) {
        Admission::Send(tally) => {
            store::cut_tally::save(conn, id, tally)?;
            Ok(Authorization::Send)
        }
        Admission::Wait(until) => Ok(Authorization::Held { guards: vec![Guard::CutLimit], until }),
        Admission::Quarantine => {
            let quarantined = match wait {
                Some(wait) => SupplyWait { quarantined_at: Some(now), ..wait },
                None => SupplyWait {
                    meter_id: order.meter,
                    account_id,
                    wanted: RelayState::Disconnected,
                    since: now,
                    guards: vec![Guard::Quarantine],
                    quarantined_at: Some(now),
                    released_at: None,
                    released_by: None,
                },
            };
            supply_wait::save(conn, &quarantined)?;
            alarm(conn, id, now)?;
            Ok(Authorization::Held { guards: vec![Guard::Quarantine], until })
        }
    }
}

fn object(site: SiteId) -> String {
    format!("site:{site}")
}

fn alarm(conn: &mut Conn, site: SiteId, now: Timestamp) -> Result<(), Error> {
    let waiting = supply_wait::quarantined(conn, site)?;
    let detail = format!("{waiting} cuts above the day's limit wait for an operator");
    store::alarm::raise(conn, site, ALARM, &object(site), &detail, now)?;
    Ok(())
}

/// A quarantined cut was found due again: on another local day than the alarm was raised, it is raised anew.
///
/// # Errors
/// The database fails.
pub(super) fn remind(conn: &mut Conn, site: &Site, zone: &TimeZone, now: Timestamp) -> Result<(), Error> {
    let stands = store::alarm::standing(conn, site.id, ALARM, &object(site.id))?;
    if stands.is_none_or(|alarm| day_of(alarm.raised_at, zone) != day_of(now, zone)) {
        store::alarm::clear(conn, site.id, ALARM, &object(site.id), now)?;
        alarm(conn, site.id, now)?;
    }
    Ok(())
}

/// Cuts to be let go on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCuts {
    /// The site.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// The meters; absent: all that wait for an operator.
    #[schema(value_type = Option<Vec<String>>)]
    pub meters: Option<Vec<MeterId>>,
    /// Why; stands in the audit log.
    pub reason: String,
}

/// Releases quarantined cuts: they are sent as far as an hour's limit allows, and count in the day. Returns the meters.
///
/// # Errors
/// The reason does not hold; a meter of another site; the database fails.
pub async fn release(app: &App, what: ReleaseCuts, by: &str) -> Result<Vec<MeterId>, Error> {
    let (reason, by, now) = (label("reason", &what.reason)?, by.to_owned(), app.clock.now());
    let site = what.site_id;
    if what.meters.iter().flatten().any(|meter| meter.site() != site) {
        return Err(Error::field("meters", "meters", "one belongs to another site"));
    }
    let released = app
        .db
        .write(move |conn| {
            store::site::by_id(conn, site)?;
            let filter = supply_wait::Filter { quarantined: true, ..supply_wait::Filter::default() };
            let meant = |wait: &SupplyWait| what.meters.as_ref().is_none_or(|meters| meters.contains(&wait.meter_id));
            let mut waits = Vec::new();
            for wait in supply_wait::page(conn, site, filter, None, i64::MAX)?.into_iter().filter(meant) {
                if supply_wait::release(conn, wait.meter_id, (&by, now))? {
                    let object = format!("meter:{}", wait.meter_id);
                    audit_line::write(conn, site, (&by, now), "release_cut", object, reason.clone())?;
                    waits.push(wait);
                }
            }
            if supply_wait::quarantined(conn, site)? == 0 {
                store::alarm::clear(conn, site, ALARM, &object(site), now)?;
            }
            Ok::<_, Error>(waits)
        })
        .await?;
    for wait in &released {
        // One account that cannot be decided over must not keep the others waiting: its time comes with the next look.
        if let Err(error) = decide_relay::review(app, wait.account_id).await {
            tracing::warn!(account = %wait.account_id, %error, "supply was not decided after a release");
        }
    }
    Ok(released.into_iter().map(|wait| wait.meter_id).collect())
}
