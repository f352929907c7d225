//! Buildings (楼栋): entering them, and which meters hang in them.

use domain::ids::{BuildingId, MeterId, SiteId};
use serde::Deserialize;
use store::building::Building;
use utoipa::ToSchema;

use super::{Error, audit_line, decide_relay, label};
use crate::app::App;

/// A building to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBuilding {
    /// The site.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Its name, unique on the site.
    pub name: String,
}

/// Enters a building.
///
/// # Errors
/// Names the field that does not hold; a conflict where the name is taken.
pub async fn enter(app: &App, new: NewBuilding) -> Result<Building, Error> {
    let name = label("name", &new.name)?;
    app.db
        .write(move |conn| {
            store::site::by_id(conn, new.site_id)?;
            let id = store::ids::next(conn, new.site_id)?;
            let building = Building { id, name: name.clone(), guarded: false, guard_reason: None };
            store::building::insert(conn, &building)?;
            Ok(building)
        })
        .await
}

/// Says in which building a meter hangs; none: in none. Supply is decided again.
///
/// # Errors
/// The meter or the building does not exist, or the building is on another site.
pub async fn hang(app: &App, meter: MeterId, building: Option<BuildingId>, by: &str) -> Result<(), Error> {
    if building.is_some_and(|building| building.site() != meter.site()) {
        return Err(Error::field("building", "building_id", "belongs to another site"));
    }
    let (by, now) = (by.to_owned(), app.clock.now());
    let account = app
        .db
        .write(move |conn| {
            store::meter::by_id(conn, meter)?;
            let into = building.map(|id| store::building::by_id(conn, id)).transpose()?;
            store::building::put(conn, meter, building)?;
            let detail = into.map_or_else(|| "in no building".to_owned(), |into| format!("in {}", into.name));
            audit_line::write(conn, meter.site(), (&by, now), "hang_meter", format!("meter:{meter}"), detail)?;
            Ok::<_, Error>(store::account::by_meter(conn, meter)?.map(|account| account.id))
        })
        .await?;
    match account {
        Some(account) => decide_relay::review(app, account).await,
        None => Ok(()),
    }
}
