//! Meters (电表) of the archive, with what is known of their present state, and why supply is not wanted at them.

use std::collections::BTreeMap;

use diesel::prelude::*;
use domain::{
    ids::{AccountId, ConcentratorId, MeterId, SiteId},
    polling::Sightings,
    relay::{Cause, Causes, RelayReading, RelayState},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    prepared::Prepare,
    schema::{installations, meter_causes, meters},
    search::{lower, pattern},
};

/// Whether the archive read back from the concentrator named the meter that ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Not compared since it was entered or came into doubt.
    Unverified,
    /// It did.
    Verified,
    /// It named another one: nothing that comes from this point may cost money.
    Foreign,
}

row! {
    /// A meter.
    pub struct Meter in meters {
        /// Its identifier.
        pub id: MeterId,
        /// The concentrator it is read through.
        pub concentrator_id: ConcentratorId,
        /// DL/T 645 address, twelve digits; unique within the site.
        pub address: String,
        /// Its number in the concentrator's archive (装置序号); unique there.
        pub serial: u16,
        /// Measuring point number (测量点号); unique within the concentrator.
        pub point: u16,
        /// Port of the concentrator it is wired to.
        pub port: u8,
        /// Name of its profile in config.
        pub profile: String,
        /// Its name.
        pub name: String,
        /// Supply guard (保电): never cut.
        pub guarded: bool,
        /// Why it is guarded.
        pub guard_reason: Option<String>,
        /// The relay, as last read.
        pub relay: Option<RelayState>,
        /// The command the relay last took, as last read.
        pub relay_command: Option<RelayState>,
        /// Whether the meter itself sells electricity, as last read.
        pub relay_local_prepay: Option<bool>,
        /// When the relay was last read.
        pub relay_read_at: Option<Timestamp>,
        /// It refused us: no automatic order goes to it until an operator clears this.
        pub relay_blocked: bool,
        /// What the concentrator's archive says of it.
        pub identity: Identity,
        /// When that was last compared.
        pub identity_at: Option<Timestamp>,
        /// When it last answered anything.
        pub last_seen_at: Option<Timestamp>,
        /// When it answered again after the last gap.
        pub seen_again_at: Option<Timestamp>,
        /// How many gaps ended on the local day of `seen_again_at`.
        pub seen_gaps: u32,
        /// `as_of` of its latest good reading.
        pub last_good_as_of: Option<Timestamp>,
        /// Grows by one with every change by an operator.
        pub version: i64,
    }
}

impl Meter {
    /// When it was seen.
    #[must_use]
    pub fn sightings(&self) -> Sightings {
        Sightings { last_seen_at: self.last_seen_at, seen_again_at: self.seen_again_at, gaps_that_day: self.seen_gaps }
    }

    /// The last look at its relay.
    #[must_use]
    pub fn relay_reading(&self) -> Option<(RelayReading, Timestamp)> {
        let reading =
            RelayReading { relay: self.relay?, command: self.relay_command?, local_prepay: self.relay_local_prepay? };
        Some((reading, self.relay_read_at?))
    }
}

/// Stores a new meter.
///
/// # Errors
/// [`Error::Unique`] `meters_address`, `meters_concentrator_id_point` or `meters_concentrator_id_serial`.
pub fn insert(conn: &mut Conn, new: &Meter) -> Result<()> {
    let values = (new, meters::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(meters::table).values(values).execute(c)).map(drop)
}

/// The meter with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: MeterId) -> Result<Meter> {
    let row =
        on!(conn, |c| meters::table.find((val(id.site()), val(id))).select(Meter::as_select()).first(c).optional())?;
    found("meter", row)
}

/// A site's meter with this address.
///
/// # Errors
/// Whatever the database answers.
pub fn by_address(conn: &mut Conn, site: SiteId, address: &str) -> Result<Option<Meter>> {
    on!(conn, |c| meters::table
        .filter(meters::site_id.eq(val(site)))
        .filter(meters::address.eq(address))
        .select(Meter::as_select())
        .first(c)
        .optional())
}

/// All meters of a concentrator, by measuring point.
///
/// # Errors
/// Whatever the database answers.
pub fn of_concentrator(conn: &mut Conn, id: ConcentratorId) -> Result<Vec<Meter>> {
    on!(conn, |c| meters::table
        .filter(meters::site_id.eq(val(id.site())))
        .filter(meters::concentrator_id.eq(val(id)))
        .order(meters::point)
        .select(Meter::as_select())
        .load(c))
}

/// At most `limit` of a site's meters after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<MeterId>, limit: i64) -> Result<Vec<Meter>> {
    search(conn, site, "", after, limit)
}

/// The same of those with `part` in their address or name.
///
/// # Errors
/// Whatever the database answers.
pub fn search(conn: &mut Conn, site: SiteId, part: &str, after: Option<MeterId>, limit: i64) -> Result<Vec<Meter>> {
    let (after, wanted) = (after.map_or(0, MeterId::get), pattern(part));
    on!(conn, |c| meters::table
        .filter(meters::site_id.eq(val(site)))
        .filter(meters::id.gt(val(after)))
        .filter(meters::address.like(&wanted).escape('!').or(lower(meters::name).like(&wanted).escape('!')))
        .order(meters::id)
        .limit(limit)
        .select(Meter::as_select())
        .load(c))
}

/// How many meters a site has.
///
/// # Errors
/// Whatever the database answers.
pub fn count(conn: &mut Conn, site: SiteId) -> Result<u32> {
    let count: i64 = on!(conn, |c| meters::table.filter(meters::site_id.eq(val(site))).count().get_result(c))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Changes what the archive says of a meter, and its guard, where nobody else did since `new.version`; gives it as it is
/// now.
///
/// # Errors
/// [`Error::Stale`] where somebody did; [`Error::Unique`] as [`insert`].
pub fn save(conn: &mut Conn, new: &Meter) -> Result<Meter> {
    let row = on!(conn, |c| diesel::update(meters::table.find((val(new.id.site()), val(new.id))))
        .filter(meters::version.eq(new.version))
        .set((
            meters::concentrator_id.eq(val(new.concentrator_id)),
            meters::address.eq(&new.address),
            meters::serial.eq(val(new.serial)),
            meters::point.eq(val(new.point)),
            meters::port.eq(val(new.port)),
            meters::profile.eq(&new.profile),
            meters::name.eq(&new.name),
            meters::guarded.eq(new.guarded),
            meters::guard_reason.eq(&new.guard_reason),
            meters::version.eq(meters::version + 1),
        ))
        .returning(Meter::as_returning())
        .prepared()
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}

/// Keeps its own passwords, sealed, or none.
///
/// # Errors
/// [`Error::NotFound`].
pub fn keep_passwords(conn: &mut Conn, id: MeterId, sealed: Option<&str>) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .set(meters::passwords.eq(sealed))
        .returning(meters::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// Whether it has passwords of its own.
///
/// # Errors
/// Whatever the database answers.
pub fn has_passwords(conn: &mut Conn, id: MeterId) -> Result<bool> {
    let rows: i64 = on!(conn, |c| meters::table
        .find((val(id.site()), val(id)))
        .filter(meters::passwords.is_not_null())
        .count()
        .get_result(c))?;
    Ok(rows > 0)
}

/// The passwords kept of a concentrator's meters, sealed.
///
/// # Errors
/// Whatever the database answers.
pub fn passwords_of_concentrator(conn: &mut Conn, id: ConcentratorId) -> Result<BTreeMap<MeterId, String>> {
    let rows: Vec<(MeterId, String)> = on!(conn, |c| meters::table
        .filter(meters::site_id.eq(val(id.site())))
        .filter(meters::concentrator_id.eq(val(id)))
        .filter(meters::passwords.is_not_null())
        .select((meters::id, meters::passwords.assume_not_null()))
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// The passwords kept of all sites' meters, sealed.
///
/// # Errors
/// Whatever the database answers.
pub fn all_passwords(conn: &mut Conn) -> Result<Vec<(MeterId, String)>> {
    on!(conn, |c| meters::table
        .filter(meters::passwords.is_not_null())
        .select((meters::id, meters::passwords.assume_not_null()))
        .load(c))
}

/// Its relay was read.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_relay(conn: &mut Conn, id: MeterId, reading: RelayReading, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .set((
            meters::relay.eq(val(Some(reading.relay))),
            meters::relay_command.eq(val(Some(reading.command))),
            meters::relay_local_prepay.eq(reading.local_prepay),
            meters::relay_read_at.eq(val(Some(at))),
        ))
        .returning(meters::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// It answered.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_seen(conn: &mut Conn, id: MeterId, sightings: &Sightings) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .set((
            meters::last_seen_at.eq(val(sightings.last_seen_at)),
            meters::seen_again_at.eq(val(sightings.seen_again_at)),
            meters::seen_gaps.eq(val(sightings.gaps_that_day)),
        ))
        .returning(meters::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// It was compared with the concentrator's archive, or came into doubt.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_identity(conn: &mut Conn, id: MeterId, identity: Identity, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .set((meters::identity.eq(val(identity)), meters::identity_at.eq(val(Some(at)))))
        .returning(meters::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// A good reading was stored; an older one than the latest changes nothing, unless that lies after `latest`: then a clock
/// that was wrong gave it its time.
///
/// # Errors
/// Whatever the database answers.
pub fn record_good(conn: &mut Conn, id: MeterId, as_of: Timestamp, latest: Timestamp) -> Result<()> {
    on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .filter(
            meters::last_good_as_of
                .is_null()
                .or(meters::last_good_as_of.lt(val(Some(as_of))))
                .or(meters::last_good_as_of.gt(val(Some(latest)))),
        )
        .set(meters::last_good_as_of.eq(val(Some(as_of))))
        .returning(meters::site_id)
        .prepared()
        .load::<SiteId>(c))
    .map(drop)
}

/// It refused us, or an operator cleared that.
///
/// # Errors
/// [`Error::NotFound`].
pub fn block_relay(conn: &mut Conn, id: MeterId, blocked: bool) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(meters::table.find((val(id.site()), val(id))))
        .set(meters::relay_blocked.eq(blocked))
        .returning(meters::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

fn touched(rows: &[SiteId]) -> Result<()> {
    found("meter", (!rows.is_empty()).then_some(()))
}

/// Why supply is not wanted at a meter.
///
/// # Errors
/// Whatever the database answers.
pub fn causes(conn: &mut Conn, id: MeterId) -> Result<Causes> {
    let causes: Vec<Cause> = on!(conn, |c| meter_causes::table
        .filter(meter_causes::site_id.eq(val(id.site())))
        .filter(meter_causes::meter_id.eq(val(id)))
        .select(meter_causes::cause)
        .load(c))?;
    Ok(causes.into_iter().collect())
}

/// The causes at each meter that an account has now.
///
/// # Errors
/// Whatever the database answers.
pub fn causes_of_account(conn: &mut Conn, id: AccountId) -> Result<BTreeMap<MeterId, Causes>> {
    let same_meter =
        meter_causes::site_id.eq(installations::site_id).and(meter_causes::meter_id.eq(installations::meter_id));
    let rows: Vec<(MeterId, Option<Cause>)> = on!(conn, |c| installations::table
        .left_join(meter_causes::table.on(same_meter))
        .filter(installations::site_id.eq(val(id.site())))
        .filter(installations::account_id.eq(val(id)))
        .filter(installations::end_at.is_null())
        .select((installations::meter_id, meter_causes::cause.nullable()))
        .load(c))?;
    let mut all: BTreeMap<MeterId, Causes> = BTreeMap::new();
    for (meter, cause) in rows {
        let causes = all.entry(meter).or_default();
        if let Some(cause) = cause {
            *causes = causes.with(cause);
        }
    }
    Ok(all)
}

/// Adds a cause; whether it was not there.
///
/// # Errors
/// Whatever the database answers.
pub fn add_cause(conn: &mut Conn, id: MeterId, cause: Cause) -> Result<bool> {
    let row = (
        meter_causes::site_id.eq(val(id.site())),
        meter_causes::meter_id.eq(val(id)),
        meter_causes::cause.eq(val(cause)),
    );
    let rows = on!(conn, |c| diesel::insert_into(meter_causes::table).values(row).on_conflict_do_nothing().execute(c))?;
    Ok(rows > 0)
}

/// Removes a cause; whether it was there.
///
/// # Errors
/// Whatever the database answers.
pub fn remove_cause(conn: &mut Conn, id: MeterId, cause: Cause) -> Result<bool> {
    let rows =
        on!(conn, |c| diesel::delete(meter_causes::table.find((val(id.site()), val(id), val(cause)))).execute(c))?;
    Ok(rows > 0)
}

/// The profiles that rows name, of all sites.
///
/// # Errors
/// Whatever the database answers.
pub fn profiles(conn: &mut Conn) -> Result<Vec<String>> {
    on!(conn, |c| meters::table.select(meters::profile).distinct().load(c))
}
