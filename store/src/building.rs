//! Buildings (楼栋) of a site, which meters hang in them, and their supply guard (保电).

use diesel::prelude::*;
use domain::ids::{AccountId, BuildingId, MeterId, SiteId};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{building_meters, buildings, installations},
};

row! {
    /// A building.
    pub struct Building in buildings {
        /// Its identifier.
        pub id: BuildingId,
        /// Its name; unique within the site.
        pub name: String,
        /// Supply guard (保电): no meter in it is cut.
        pub guarded: bool,
        /// Why it is guarded.
        pub guard_reason: Option<String>,
    }
}

/// Stores a new building.
///
/// # Errors
/// [`crate::Error::Unique`] `buildings_name`.
pub fn insert(conn: &mut Conn, new: &Building) -> Result<()> {
    let values = (new, buildings::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(buildings::table).values(values).execute(c)).map(drop)
}

/// The building with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: BuildingId) -> Result<Building> {
    let row = on!(conn, |c| buildings::table
        .find((val(id.site()), val(id)))
        .select(Building::as_select())
        .first(c)
        .optional())?;
    found("building", row)
}

/// At most `limit` of a site's buildings after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<BuildingId>, limit: i64) -> Result<Vec<Building>> {
    let after = after.map_or(0, BuildingId::get);
    on!(conn, |c| buildings::table
        .filter(buildings::site_id.eq(val(site)))
        .filter(buildings::id.gt(val(after)))
        .order(buildings::id)
        .limit(limit)
        .select(Building::as_select())
        .load(c))
}

/// Sets or lifts a building's guard.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn guard(conn: &mut Conn, id: BuildingId, guarded: bool, reason: Option<&str>) -> Result<()> {
    let rows = on!(conn, |c| diesel::update(buildings::table.find((val(id.site()), val(id))))
        .set((buildings::guarded.eq(guarded), buildings::guard_reason.eq(reason)))
        .execute(c))?;
    found("building", (rows > 0).then_some(()))
}

/// The building in which a meter hangs.
///
/// # Errors
/// Whatever the database answers.
pub fn of_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<Building>> {
    let its = buildings::site_id.eq(building_meters::site_id).and(buildings::id.eq(building_meters::building_id));
    on!(conn, |c| building_meters::table
        .inner_join(buildings::table.on(its))
        .filter(building_meters::site_id.eq(val(meter.site())))
        .filter(building_meters::meter_id.eq(val(meter)))
        .select(Building::as_select())
        .first(c)
        .optional())
}

/// Says in which building a meter hangs; none: in none.
///
/// # Errors
/// [`crate::Error::NotFound`] where one of the two does not exist.
pub fn put(conn: &mut Conn, meter: MeterId, building: Option<BuildingId>) -> Result<()> {
    let key = (val(meter.site()), val(meter));
    on!(conn, |c| diesel::delete(building_meters::table.find(key)).execute(c))?;
    let Some(building) = building else { return Ok(()) };
    let values = (
        building_meters::site_id.eq(val(meter.site())),
        building_meters::meter_id.eq(val(meter)),
        building_meters::building_id.eq(val(building)),
    );
    on!(conn, |c| diesel::insert_into(building_meters::table).values(values).execute(c)).map(drop)
}

/// The accounts that meters in a building count for now, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn accounts(conn: &mut Conn, id: BuildingId) -> Result<Vec<AccountId>> {
    let same_meter = installations::site_id
        .eq(building_meters::site_id)
        .and(installations::meter_id.eq(building_meters::meter_id))
        .and(installations::end_at.is_null());
    on!(conn, |c| building_meters::table
        .inner_join(installations::table.on(same_meter))
        .filter(building_meters::site_id.eq(val(id.site())))
        .filter(building_meters::building_id.eq(val(id)))
        .order(installations::account_id)
        .select(installations::account_id)
        .distinct()
        .load(c))
}
