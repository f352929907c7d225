//! What the fleet is told of a concentrator: its rows and profiles, put together.

use std::{collections::BTreeMap, sync::Arc};

use actors::ports::{ConcentratorPlan, MeterPlan, MeterProfile};
use domain::{
    calendar::{day_before, day_of, midnight, shift},
    ids::{ConcentratorId, MeterId},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use protocols::{Secret, qgdw376::TerminalAddress};
use store::{Conn, concentrator_event::List};

use crate::{
    app::App,
    hex,
    operations::{
        Error, books, decide_relay,
        passwords::{ConcentratorPassword, MeterPasswords},
    },
    settings::{Settings, profiles},
    vault::Vault,
};

/// Reads a concentrator's plan.
///
/// # Errors
/// A row is missing, does not parse, or names a profile that the settings do not have.
pub async fn load(app: &App, id: ConcentratorId) -> Result<ConcentratorPlan, Error> {
    let (now, parts) = (app.clock.now(), app.clone());
    app.db.read(move |conn| build(conn, (&parts.settings, &parts.vault), id, now)).await
}

fn build(
    conn: &mut Conn,
    (settings, vault): (&Settings, &Vault),
    id: ConcentratorId,
    now: Timestamp,
) -> Result<ConcentratorPlan, Error> {
    let row = store::concentrator::by_id(conn, id)?;
    let site = store::site::by_id(conn, id.site())?;
    let zone = books::zone(&site)?;
    let bad = |what: &str| books::corrupt(format!("{what} of concentrator {id}"));
    let region = u16::from_str_radix(&row.region, 16).map_err(|_| bad("region"))?;
    let held = freezes_held(conn, settings, id, &zone, now)?;
    let kept = store::meter::passwords_of_concentrator(conn, id)?;
    let mut meters = Vec::new();
    for meter in store::meter::of_concentrator(conn, id)? {
        let profile = settings.meter_profile(&meter.profile)?;
        let mut wire = profile.wire.clone();
        if let Some(sealed) = kept.get(&meter.id) {
            take_own(&MeterPasswords::open(vault, meter.id, sealed)?, &mut wire)
                .ok_or_else(|| bad("a meter's password"))?;
        }
        let started = store::installation::live_of_meter(conn, meter.id)?.map(|one| one.start_at);
        meters.push(MeterPlan {
            id: meter.id,
            address: meter.address.parse().map_err(|_| bad("a meter's address"))?,
            serial: meter.serial,
            point: meter.point,
            port: meter.port,
            rate: profile.rate,
            line: profile.line,
            profile: wire,
            since: since(started, &zone, now),
            freezes_held: held.get(&meter.id).into_iter().flatten().copied().collect(),
            last_reading_at: meter.last_good_as_of,
        });
    }
    let mut profile = settings.concentrator_profile(&row.profile)?.wire.clone();
    if let Some(sealed) = &row.password {
        let own = ConcentratorPassword::open(vault, id, sealed)?;
        profile.password = hex::array(&own.password).map(Secret::new).ok_or_else(|| bad("the password"))?;
    }
    Ok(ConcentratorPlan {
        id,
        terminal: TerminalAddress { region, terminal: row.terminal },
        policy: Arc::new(decide_relay::policy_of(settings, &site)),
        profile,
        zone,
        meters,
        important_events_read_to: store::concentrator_event::read_to(conn, id, List::Important)?,
        general_events_read_to: store::concentrator_event::read_to(conn, id, List::General)?,
    })
}

/// A meter's own passwords go over those of its profile.
fn take_own(own: &MeterPasswords, profile: &mut MeterProfile) -> Option<()> {
    profile.relay_password = profiles::relay_password(&own.relay_password, own.relay_password_level)?;
    if let Some(archive) = &own.archive_password {
        profile.archive_password = Secret::new(hex::array(archive)?);
    }
    Some(())
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
        // A freeze stands at the midnight that ends its day, by the meter's clock: half a day before is inside that day.
        held.entry(meter).or_default().push(day_of(shift(as_of, -SignedDuration::from_hours(12)), zone));
    }
    Ok(held)
}
