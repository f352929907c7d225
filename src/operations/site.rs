//! A site's switch for automatic disconnection.

use domain::{ids::SiteId, site::AutomaticDisconnection};
use store::site::Site;

use super::{Error, audit_line};
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
            let change = format!("{} to {switch}", site.automatic_disconnection);
            let object = format!("site:{id}");
            store::alarm::raise(conn, id, "switch_changed", &object, &format!("{change} by {by}"), now)?;
            audit_line::write(conn, id, (&by, now), "set_automatic_disconnection", object, change)?;
            site.automatic_disconnection = switch;
            Ok(store::site::save(conn, &site)?)
        })
        .await?;
    tracing::info!(site = %id, %switch, "automatic disconnection set");
    Ok(site)
}
