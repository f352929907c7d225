//! Selections of meters that were given a name.

use diesel::prelude::*;
use domain::ids::{SelectionId, SiteId};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::meter_selections,
};

row! {
    /// A selection.
    pub struct MeterSelection in meter_selections {
        /// Its identifier.
        pub id: SelectionId,
        /// Its name; unique within the site.
        pub name: String,
        /// Which meters, as JSON.
        pub selection: String,
    }
}

/// Stores a new selection.
///
/// # Errors
/// [`crate::Error::Unique`] `meter_selections_name`.
pub fn insert(conn: &mut Conn, new: &MeterSelection) -> Result<()> {
    let values = (new, meter_selections::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(meter_selections::table).values(values).execute(c)).map(drop)
}

/// The selection with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: SelectionId) -> Result<MeterSelection> {
    let row = on!(conn, |c| meter_selections::table
        .find((val(id.site()), val(id)))
        .select(MeterSelection::as_select())
        .first(c)
        .optional())?;
    found("meter selection", row)
}

/// At most `limit` of a site's selections after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<SelectionId>, limit: i64) -> Result<Vec<MeterSelection>> {
    let after = after.map_or(0, SelectionId::get);
    on!(conn, |c| meter_selections::table
        .filter(meter_selections::site_id.eq(val(site)))
        .filter(meter_selections::id.gt(val(after)))
        .order(meter_selections::id)
        .limit(limit)
        .select(MeterSelection::as_select())
        .load(c))
}

/// Forgets a selection.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn remove(conn: &mut Conn, id: SelectionId) -> Result<()> {
    let rows = on!(conn, |c| diesel::delete(meter_selections::table.find((val(id.site()), val(id)))).execute(c))?;
    found("meter selection", (rows > 0).then_some(()))
}
