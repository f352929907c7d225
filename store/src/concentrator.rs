//! Concentrators (集中器) of the archive.

use diesel::prelude::*;
use domain::ids::{ConcentratorId, SiteId};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    prepared::Prepare,
    schema::concentrators,
};

row! {
    /// A concentrator.
    pub struct Concentrator in concentrators {
        /// Its identifier.
        pub id: ConcentratorId,
        /// Its name.
        pub name: String,
        /// Administrative code A1, four digits.
        pub region: String,
        /// Terminal address A2. With the region it is unique over all sites, since a login names no site.
        pub terminal: u16,
        /// Name of its profile in config.
        pub profile: String,
        /// Its own password of setting and forwarding frames, sealed; none: that of its profile.
        pub password: Option<String>,
        /// Its clock less ours, in seconds, at `clock_read_at`.
        pub clock_drift_s: Option<i64>,
        /// When its clock was last read.
        pub clock_read_at: Option<Timestamp>,
        /// When it last logged in.
        pub last_login_at: Option<Timestamp>,
        /// When a frame of any kind last came from it.
        pub last_seen_at: Option<Timestamp>,
        /// When its archive was last read back and compared with ours.
        pub identity_checked_at: Option<Timestamp>,
        /// Grows by one with every change by an operator.
        pub version: i64,
    }
}

/// Stores a new concentrator.
///
/// # Errors
/// [`Error::Unique`] `concentrators_region_terminal`.
pub fn insert(conn: &mut Conn, new: &Concentrator) -> Result<()> {
    let values = (new, concentrators::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(concentrators::table).values(values).execute(c)).map(drop)
}

/// The concentrator with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ConcentratorId) -> Result<Concentrator> {
    let row = on!(conn, |c| concentrators::table
        .find((val(id.site()), val(id)))
        .select(Concentrator::as_select())
        .first(c)
        .optional())?;
    found("concentrator", row)
}

/// The concentrator that logs in under this address.
///
/// # Errors
/// Whatever the database answers.
pub fn by_address(conn: &mut Conn, region: &str, terminal: u16) -> Result<Option<Concentrator>> {
    on!(conn, |c| concentrators::table
        .filter(concentrators::region.eq(region))
        .filter(concentrators::terminal.eq(val(terminal)))
        .select(Concentrator::as_select())
        .first(c)
        .optional())
}

/// At most `limit` of a site's concentrators after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<ConcentratorId>, limit: i64) -> Result<Vec<Concentrator>> {
    let after = after.map_or(0, ConcentratorId::get);
    on!(conn, |c| concentrators::table
        .filter(concentrators::site_id.eq(val(site)))
        .filter(concentrators::id.gt(val(after)))
        .order(concentrators::id)
        .limit(limit)
        .select(Concentrator::as_select())
        .load(c))
}

/// Changes what the archive says of a concentrator that nobody else changed since `new.version`; gives it as it is now.
///
/// # Errors
/// [`Error::Stale`] where somebody did; [`Error::Unique`] `concentrators_region_terminal`.
pub fn save(conn: &mut Conn, new: &Concentrator) -> Result<Concentrator> {
    let row = on!(conn, |c| diesel::update(concentrators::table.find((val(new.id.site()), val(new.id))))
        .filter(concentrators::version.eq(new.version))
        .set((
            concentrators::name.eq(&new.name),
            concentrators::region.eq(&new.region),
            concentrators::terminal.eq(val(new.terminal)),
            concentrators::profile.eq(&new.profile),
            concentrators::version.eq(concentrators::version + 1),
        ))
        .returning(Concentrator::as_returning())
        .prepared()
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}

/// Keeps its own password, sealed, or none.
///
/// # Errors
/// [`Error::NotFound`].
pub fn keep_password(conn: &mut Conn, id: ConcentratorId, sealed: Option<&str>) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(concentrators::table.find((val(id.site()), val(id))))
        .set(concentrators::password.eq(sealed))
        .returning(concentrators::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// The passwords kept of all sites, sealed.
///
/// # Errors
/// Whatever the database answers.
pub fn all_passwords(conn: &mut Conn) -> Result<Vec<(ConcentratorId, String)>> {
    on!(conn, |c| concentrators::table
        .filter(concentrators::password.is_not_null())
        .select((concentrators::id, concentrators::password.assume_not_null()))
        .load(c))
}

/// It logged in.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_login(conn: &mut Conn, id: ConcentratorId, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(concentrators::table.find((val(id.site()), val(id))))
        .set((concentrators::last_login_at.eq(val(Some(at))), concentrators::last_seen_at.eq(val(Some(at)))))
        .returning(concentrators::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// A frame came from it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_seen(conn: &mut Conn, id: ConcentratorId, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(concentrators::table.find((val(id.site()), val(id))))
        .set(concentrators::last_seen_at.eq(val(Some(at))))
        .returning(concentrators::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// Its clock was read: `drift_s` is it less ours, in seconds.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_clock(conn: &mut Conn, id: ConcentratorId, drift_s: i64, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(concentrators::table.find((val(id.site()), val(id))))
        .set((concentrators::clock_drift_s.eq(drift_s), concentrators::clock_read_at.eq(val(Some(at)))))
        .returning(concentrators::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

/// Its archive was read back and compared.
///
/// # Errors
/// [`Error::NotFound`].
pub fn record_identity(conn: &mut Conn, id: ConcentratorId, at: Timestamp) -> Result<()> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(concentrators::table.find((val(id.site()), val(id))))
        .set(concentrators::identity_checked_at.eq(val(Some(at))))
        .returning(concentrators::site_id)
        .prepared()
        .load(c))?;
    touched(&rows)
}

fn touched(rows: &[SiteId]) -> Result<()> {
    found("concentrator", (!rows.is_empty()).then_some(()))
}

/// The profiles that rows name, of all sites.
///
/// # Errors
/// Whatever the database answers.
pub fn profiles(conn: &mut Conn) -> Result<Vec<String>> {
    on!(conn, |c| concentrators::table.select(concentrators::profile).distinct().load(c))
}
