//! The archive in the concentrators: what each was found to hold, and an operator's order to overwrite it.

use actors::{SyncError, ports::ArchiveFinding};
use domain::ids::{ConcentratorId, MeterId};
use jiff::Timestamp;
use store::meter::Identity;

use super::Error;
use crate::app::App;

/// Downloads our archive into a concentrator over whatever it holds, and reads it back.
///
/// # Errors
/// The concentrator does not exist, or is not online.
pub async fn sync(app: &App, id: ConcentratorId) -> Result<(), Error> {
    app.db.read(move |conn| Ok::<_, Error>(store::concentrator::by_id(conn, id)?)).await?;
    let Some(fleet) = app.fleet() else { return Err(Error::Busy) };
    fleet.sync_archive(id).await.map_err(|error| match error {
        SyncError::Offline => Error::conflict("concentrator_offline", "the concentrator is not online"),
        SyncError::Gone => Error::Busy,
    })
}

/// Takes note of what a concentrator holds. Where it names another meter, an alarm stands until it names ours.
///
/// # Errors
/// The database fails.
pub async fn found(
    app: &App,
    concentrator: ConcentratorId,
    meters: Vec<(MeterId, ArchiveFinding)>,
    at: Timestamp,
) -> Result<(), Error> {
    app.db
        .write(move |conn| {
            for (meter, finding) in &meters {
                let object = format!("meter:{meter}");
                let identity = match finding {
                    ArchiveFinding::Matches => Identity::Verified,
                    ArchiveFinding::Absent => Identity::Unverified,
                    ArchiveFinding::Foreign { .. } => Identity::Foreign,
                };
                store::meter::record_identity(conn, *meter, identity, at)?;
                if let ArchiveFinding::Foreign { address } = finding {
                    let detail = format!("the concentrator's archive names {address}");
                    store::alarm::raise(conn, meter.site(), "foreign_archive", &object, &detail, at)?;
                } else if *finding == ArchiveFinding::Matches {
                    store::alarm::clear(conn, meter.site(), "foreign_archive", &object, at)?;
                }
            }
            Ok::<_, Error>(store::concentrator::record_identity(conn, concentrator, at)?)
        })
        .await
}
