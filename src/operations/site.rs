//! A site's switch for automatic disconnection.

use domain::{ids::SiteId, site::AutomaticDisconnection};
use store::site::Site;

use super::Error;
use crate::app::App;

/// Sets the switch. `expected`: the version the operator saw; another one is a conflict.
///
/// # Errors
/// The site does not exist, or was changed meanwhile.
pub async fn set_switch(
    app: &App,
    id: SiteId,
    switch: AutomaticDisconnection,
    expected: Option<i64>,
    by: &str,
) -> Result<Site, Error> {
    let (now, by) = (app.clock.now(), by.to_owned());
    let site = app
        .db
        .write(move |conn| {
            let mut site = store::site::by_id(conn, id)?;
            if expected.is_some_and(|expected| expected != site.version) {
                return Err(Error::from(store::Error::Stale));
            }
            let detail = format!("{} to {switch} by {by}", site.automatic_disconnection);
            store::alarm::raise(conn, id, "switch_changed", &format!("site:{id}"), &detail, now)?;
            site.automatic_disconnection = switch;
            Ok(store::site::save(conn, &site)?)
        })
        .await?;
    tracing::info!(site = %id, %switch, "automatic disconnection set");
    Ok(site)
}
