//! Events that a concentrator noted: each is stored once; important ones raise alarms until something tells that they are over.

use actors::ports::{EventSeen, EventsRead};
use domain::ids::ConcentratorId;
use store::{
    Conn,
    concentrator_event::{ConcentratorEvent, List},
};

use super::Error;
use crate::{app::App, hex};

/// Stores events that were read.
///
/// # Errors
/// The database fails.
pub async fn read(app: &App, read: EventsRead) -> Result<(), Error> {
    app.db.write(move |conn| store_new(conn, &read)).await
}

fn store_new(conn: &mut Conn, read: &EventsRead) -> Result<(), Error> {
    let list = if read.important { List::Important } else { List::General };
    let known = store::concentrator_event::read_to(conn, read.concentrator, list)?;
    // They come in their order: what lies before the last one stored was told before, perhaps by a report whose answer was lost.
    let stored = known.map_or(0, |known| known.wrapping_sub(read.from));
    for event in read.events.iter().filter(|event| event.number.wrapping_sub(read.from) >= stored) {
        let row = ConcentratorEvent {
            id: store::ids::next(conn, read.concentrator.site())?,
            concentrator_id: read.concentrator,
            list,
            number: event.number,
            code: event.code,
            content: hex::text(&event.content),
            occurred_at: event.occurred_at,
            meter_id: event.meter,
            received_at: read.at,
        };
        store::concentrator_event::insert(conn, &row)?;
        if read.important {
            alarm(conn, read.concentrator, event, read.at)?;
        }
    }
    Ok(())
}

/// What happened stands as an alarm until its end is told, or for good where it has none.
fn alarm(conn: &mut Conn, concentrator: ConcentratorId, event: &EventSeen, now: jiff::Timestamp) -> Result<(), Error> {
    let kind = format!("event_{}", event.code);
    let object = match event.meter {
        Some(meter) => format!("meter:{meter}"),
        None => format!("concentrator:{concentrator}"),
    };
    if event.is_end {
        store::alarm::clear(conn, concentrator.site(), &kind, &object, now)?;
        return Ok(());
    }
    let when = event.occurred_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let detail = format!("{}{when} (ERC {})", event.name, event.code);
    store::alarm::raise(conn, concentrator.site(), &kind, &object, &detail, now)?;
    Ok(())
}
