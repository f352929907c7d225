//! What the fleet is told of a concentrator: its rows and profiles, put together.

use std::{collections::BTreeMap, sync::Arc};

use actors::ports::{ConcentratorPlan, MeterPlan};
use domain::{
    calendar::{day_before, day_of, midnight},
    ids::{ConcentratorId, MeterId},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use protocols::qgdw376::TerminalAddress;
use store::Conn;

use crate::{
    app::App,
    operations::{Error, books, decide_relay},
    settings::Settings,
};

/// Reads a concentrator's plan.
///
/// # Errors
/// A row is missing, does not parse, or names a profile that the settings do not have.
pub async fn load(app: &App, id: ConcentratorId) -> Result<ConcentratorPlan, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    app.db.read(move |conn| build(conn, &settings, id, now)).await
}

fn build(conn: &mut Conn, settings: &Settings, id: ConcentratorId, now: Timestamp) -> Result<ConcentratorPlan, Error> {
    let row = store::concentrator::by_id(conn, id)?;
    let site = store::site::by_id(conn, id.site())?;
    let zone = books::zone(&site)?;
    let bad = |what: &str| books::corrupt(format!("{what} of concentrator {id}"));
    let region = u16::from_str_radix(&row.region, 16).map_err(|_| bad("region"))?;
    let held = freezes_held(conn, settings, id, &zone, now)?;
    let mut meters = Vec::new();
    for meter in store::meter::of_concentrator(conn, id)? {
        let profile = settings.meter_profile(&meter.profile)?;
        let started = store::installation::live_of_meter(conn, meter.id)?.map(|one| one.start_at);
        meters.push(MeterPlan {
            id: meter.id,
            address: meter.address.parse().map_err(|_| bad("a meter's address"))?,
            serial: meter.serial,
            point: meter.point,
            port: meter.port,
            rate: profile.rate,
            line: profile.line,
            profile: profile.wire.clone(),
            since: since(started, &zone, now),
            freezes_held: held.get(&meter.id).into_iter().flatten().copied().collect(),
            last_reading_at: meter.last_good_as_of,
        });
    }
    Ok(ConcentratorPlan {
        id,
        terminal: TerminalAddress { region, terminal: row.terminal },
        policy: Arc::new(decide_relay::policy_of(settings, &site)),
        profile: settings.concentrator_profile(&row.profile)?.wire.clone(),
        zone,
        meters,
    })
}

/// The first local day whose freeze is wanted: that of the installation, or yesterday for a meter without one.
fn since(started: Option<Timestamp>, zone: &TimeZone, now: Timestamp) -> Date {
    started.map_or_else(|| day_before(day_of(now, zone)), |started| day_of(started, zone))
}

/// The days of the backfill whose freezes are stored, by meter.
fn freezes_held(
    conn: &mut Conn,
    settings: &Settings,
    id: ConcentratorId,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<BTreeMap<MeterId, Vec<Date>>, Error> {
    let mut first = day_of(now, zone);
    for _ in 0..settings.policy.polling.backfill_days {
        first = day_before(first);
    }
    let mut held: BTreeMap<MeterId, Vec<Date>> = BTreeMap::new();
    for (meter, as_of) in store::reading::freezes_since(conn, id, midnight(first, zone))? {
        // A freeze stands at the midnight that ends its day.
        held.entry(meter).or_default().push(day_before(day_of(as_of, zone)));
    }
    Ok(held)
}
