//! Reading a meter now (召测): a stored request, carried out by the fleet, with one answer.

use std::time::Duration;

use actors::ports::Ack;
use domain::ids::{ConcentratorId, MeterId, ReadRequestId, ReadingId};
use store::read_request::{ReadRequest, ReadState};

use super::Error;
use crate::{app::App, changes::Changed};

/// Stores a request to read a meter now and hands it to the fleet; the answer is written into the same row.
///
/// # Errors
/// The meter does not exist, or the database fails.
pub async fn request(app: &App, meter: MeterId, by: &str) -> Result<ReadRequest, Error> {
    let (by, now) = (by.to_owned(), app.clock.now());
    let (row, concentrator) = app
        .db
        .write(move |conn| {
            let concentrator = store::meter::by_id(conn, meter)?.concentrator_id;
            let row = ReadRequest {
                id: store::ids::next(conn, meter.site())?,
                meter_id: meter,
                state: ReadState::Requested,
                requested_by: by.clone(),
                created_at: now,
                ended_at: None,
                reading_id: None,
                detail: None,
            };
            store::read_request::insert(conn, &row)?;
            Ok::<_, Error>((row, concentrator))
        })
        .await?;
    let (app, id) = (app.clone(), row.id);
    tokio::spawn(async move {
        if let Err(error) = carry_out(&app, id, concentrator, meter).await {
            tracing::warn!(request = %id, %error, "a read-now request was not ended");
        }
    });
    Ok(row)
}

async fn carry_out(app: &App, id: ReadRequestId, concentrator: ConcentratorId, meter: MeterId) -> Result<(), Error> {
    let answer = match app.fleet() {
        Some(fleet) => fleet.read_now(concentrator, meter).await.map_err(|error| error.to_string()),
        None => Err("the fleet is not running".to_owned()),
    };
    let now = app.clock.now();
    app.db
        .write(move |conn| {
            let mut row = store::read_request::by_id(conn, id)?;
            row.ended_at = Some(now);
            match &answer {
                Ok(acks) => {
                    row.reading_id = stored(conn, acks)?;
                    row.state = if row.reading_id.is_some() { ReadState::Done } else { ReadState::Failed };
                }
                Err(reason) => (row.state, row.detail) = (ReadState::Failed, Some(reason.clone())),
            }
            store::read_request::finish(conn, &row)?;
            Ok::<_, Error>(())
        })
        .await?;
    app.announce(Changed::ReadRequest { request: id });
    Ok(())
}

/// The row that the first of the readings was stored in.
fn stored(conn: &mut store::Conn, acks: &[Ack]) -> Result<Option<ReadingId>, Error> {
    for ack in acks {
        if let Some(row) = store::reading::live_at(conn, ack.meter, ack.as_of, ack.kind)? {
            return Ok(Some(row.id));
        }
    }
    Ok(None)
}

/// Waits for a request's end, not longer than `most`, and returns it as it stands then.
///
/// # Errors
/// The request does not exist, or the database fails.
pub async fn wait(app: &App, id: ReadRequestId, most: Duration) -> Result<ReadRequest, Error> {
    let mut changes = app.changes();
    let deadline = tokio::time::Instant::now() + most;
    loop {
        let row = app.db.read(move |conn| store::read_request::by_id(conn, id)).await?;
        let ended = row.state != ReadState::Requested;
        if ended || !changes.until(deadline, |change| *change == Changed::ReadRequest { request: id }).await {
            return Ok(row);
        }
    }
}

/// Ends the requests that an earlier run of the program left open.
///
/// # Errors
/// The database fails.
pub async fn end_interrupted(app: &App, rows: i64) -> Result<usize, Error> {
    let now = app.clock.now();
    app.db.write(move |conn| Ok(store::read_request::end_open(conn, "interrupted by a restart", now, rows)?)).await
}
