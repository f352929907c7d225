//! An operator has looked at an alarm: it is over. What is still wrong, or happens again, raises another.

use domain::ids::AlarmId;

use super::{Error, audit_line, label};
use crate::app::App;

/// Ends an alarm; one that is over stays as it is.
///
/// # Errors
/// There is no such alarm; `reason` is empty or too long.
pub async fn acknowledge(app: &App, id: AlarmId, reason: &str, by: &str) -> Result<store::alarm::Alarm, Error> {
    let (reason, by, now) = (label("reason", reason)?, by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let alarm = store::alarm::by_id(conn, id)?;
            if alarm.cleared_at.is_some() || !store::alarm::clear(conn, id.site(), &alarm.kind, &alarm.object, now)? {
                return Ok(alarm);
            }
            let detail = format!("{} of {}: {reason}", alarm.kind, alarm.object);
            audit_line::write(conn, id.site(), (&by, now), "acknowledge_alarm", format!("alarm:{id}"), detail)?;
            Ok(store::alarm::by_id(conn, id)?)
        })
        .await
}
