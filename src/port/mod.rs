//! The actors' door to the world: each call is handed to the operation that does it.

mod plan;

use std::sync::Weak;

use actors::ports::{Ack, Answer, Authorization, ConcentratorPlan, DueOrder, Port, PortError, Report, SessionEvent};
use domain::{
    bug::{Bug, is_planted},
    calendar::shift,
    ids::{ConcentratorId, OrderId},
    reading::Observation,
    relay::order::{Event, Order},
};
use protocols::qgdw376::TerminalAddress;
use store::relay_order::Whose;

use crate::{
    app::{App, Parts},
    operations::{Error, archive, authorize_order::Authorized, events, field, ingest, record_order},
};

/// Rows kept of concentrators that nobody entered.
const UNKNOWN_CONCENTRATORS_KEPT: i64 = 1000;

/// [`Port`] by way of the operations. The program holds its fleet, which holds this: it does not hold the program.
pub struct Door {
    app: Weak<Parts>,
}

impl Door {
    /// The door to this program.
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self { app: app.downgrade() }
    }

    fn answer<T, F>(&self, call: impl FnOnce(App) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let done = App::upgrade(&self.app).map(call);
        let gone = || PortError::Unavailable("the program has ended".to_owned());
        Box::pin(async move { done.ok_or_else(gone)?.await.map_err(outward) })
    }
}

/// What is no use to try again is refused; everything else may go better later.
fn outward(error: Error) -> PortError {
    match error {
        Error::NotFound(_) | Error::Conflict { .. } | Error::Refused { .. } | Error::Many { .. } => {
            PortError::Refused(error.to_string())
        }
        Error::Busy | Error::Store(_) | Error::Hot(_) => PortError::Unavailable(error.to_string()),
    }
}

impl Port for Door {
    fn identify(&self, terminal: TerminalAddress, peer: String) -> Answer<Option<ConcentratorId>> {
        self.answer(|app| async move {
            let now = app.clock.now();
            let region = format!("{:04X}", terminal.region);
            app.db
                .write(move |conn| {
                    let known = store::concentrator::by_address(conn, &region, terminal.terminal)?;
                    if known.is_none() {
                        let most = UNKNOWN_CONCENTRATORS_KEPT;
                        store::unknown_concentrator::record(conn, &region, terminal.terminal, &peer, now, most)?;
                    }
                    Ok(known.map(|row| row.id))
                })
                .await
        })
    }

    fn load(&self, concentrator: ConcentratorId) -> Answer<ConcentratorPlan> {
        self.answer(|app| async move { plan::load(&app, concentrator).await })
    }

    fn session(&self, concentrator: ConcentratorId, event: SessionEvent) -> Answer<()> {
        self.answer(|app| async move { field::session(&app, concentrator, event).await })
    }

    fn ingest(&self, observations: Vec<Observation>, urgent: bool) -> Answer<Vec<Ack>> {
        self.answer(|app| async move { ingest::ingest(&app, observations, urgent).await })
    }

    fn due(&self, of: Option<ConcentratorId>) -> Answer<Vec<DueOrder>> {
        self.answer(|app| async move {
            let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
            // All of them: only where somebody was heard lately; an order for the others waits for their login.
            let whose = match of {
                Some(of) => Whose::Of(of),
                None => Whose::HeardSince(shift(now, -app.settings.fleet.silence_limit())),
            };
            let read = move |conn: &mut store::Conn| store::relay_order::due(conn, now, whose, rows);
            let due = app.db.read(read).await.map_err(Error::from)?;
            Ok(due.into_iter().map(|(row, concentrator)| DueOrder { concentrator, order: row.order() }).collect())
        })
    }

    fn authorize(&self, order: OrderId) -> Answer<Authorization> {
        self.answer(|app| async move {
            Ok(match record_order::authorize(&app, order).await? {
                Authorized::Send(order) => Authorization::Send(order),
                Authorized::Held { until, .. } => Authorization::Held { until },
                Authorized::Ended(order) if is_planted(Bug::IgnoreSupersede) => Authorization::Send(order),
                Authorized::Ended(order) => Authorization::Ended(order),
            })
        })
    }

    fn record(&self, order: OrderId, event: Event) -> Answer<Order> {
        self.answer(|app| async move { record_order::record(&app, order, event).await })
    }

    fn report(&self, report: Report) -> Answer<()> {
        self.answer(|app| async move {
            match report {
                Report::Archive { concentrator, at, meters } => archive::found(&app, concentrator, meters, at).await,
                Report::Reachable { meter, at } => field::reachable(&app, meter, at).await,
                Report::RelaySeen { meter, reading, at } => record_order::relay_seen(&app, meter, reading, at).await,
                Report::ConcentratorClock { concentrator, drift_s, at } => {
                    field::clock(&app, concentrator, drift_s, at).await
                }
                Report::Events(read) => events::read(&app, read).await,
                Report::Quarantined { what, restarts, at } => field::quarantined(&app, what, restarts, at).await,
            }
        })
    }
}
