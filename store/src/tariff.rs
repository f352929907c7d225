//! Tariffs (电价): a name for price lists that follow each other.

use diesel::prelude::*;
use domain::{
    ids::{SiteId, TariffId},
    tariff::TariffVersion,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{tariff_versions, tariffs},
};

row! {
    /// A tariff's name; its prices are its versions.
    pub struct Tariff in tariffs {
        /// Its identifier.
        pub id: TariffId,
        /// Its name.
        pub name: String,
    }
}

/// Stores a new tariff, without versions.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &Tariff) -> Result<()> {
    let values = (new, tariffs::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(tariffs::table).values(values).execute(c)).map(drop)
}

/// The tariff with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: TariffId) -> Result<Tariff> {
    let row =
        on!(conn, |c| tariffs::table.find((val(id.site()), val(id))).select(Tariff::as_select()).first(c).optional())?;
    found("tariff", row)
}

/// Holds a tariff until the transaction ends: while somebody does, no version of it is entered, and no account changes to it.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: TariffId) -> Result<Tariff> {
    let row = on!(conn, |c| diesel::update(tariffs::table.find((val(id.site()), val(id))))
        .set(tariffs::name.eq(tariffs::name))
        .returning(Tariff::as_returning())
        .get_result(c)
        .optional())?;
    found("tariff", row)
}

/// At most `limit` of a site's tariffs after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<TariffId>, limit: i64) -> Result<Vec<Tariff>> {
    let after = after.map_or(0, TariffId::get);
    on!(conn, |c| tariffs::table
        .filter(tariffs::site_id.eq(val(site)))
        .filter(tariffs::id.gt(val(after)))
        .order(tariffs::id)
        .limit(limit)
        .select(Tariff::as_select())
        .load(c))
}

/// Stores a further price list.
///
/// # Errors
/// [`crate::Error::Unique`] `tariff_versions_tariff_id_valid_from` where one begins on that day.
pub fn insert_version(conn: &mut Conn, id: TariffId, version: &TariffVersion, entered_at: Timestamp) -> Result<()> {
    let values = (
        tariff_versions::site_id.eq(val(id.site())),
        tariff_versions::tariff_id.eq(val(id)),
        tariff_versions::version.eq(i64::from(version.version)),
        tariff_versions::valid_from.eq(val(version.valid_from)),
        tariff_versions::terms.eq(val(version)),
        tariff_versions::entered_at.eq(val(entered_at)),
    );
    on!(conn, |c| diesel::insert_into(tariff_versions::table).values(values).execute(c)).map(drop)
}

/// The price lists of a tariff, by the day from which they hold.
///
/// # Errors
/// Whatever the database answers.
pub fn versions(conn: &mut Conn, id: TariffId) -> Result<Vec<TariffVersion>> {
    on!(conn, |c| tariff_versions::table
        .filter(tariff_versions::site_id.eq(val(id.site())))
        .filter(tariff_versions::tariff_id.eq(val(id)))
        .order(tariff_versions::valid_from)
        .select(tariff_versions::terms)
        .load(c))
}
