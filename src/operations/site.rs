//! A site's switch for automatic disconnection, and the button that stops cuts.

use domain::{
    bug::{Bug, is_planted},
    ids::{OrderGroupId, OrderId, ScheduleId, SiteId},
    relay::Action,
    site::AutomaticDisconnection,
};
use serde::Serialize;
use store::{relay_order::RelayOrder, site::Site};
use utoipa::ToSchema;

use super::{Error, audit_line, decide_relay, label, order_group, schedule};
use crate::{app::App, changes::Changed};

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
            store::account::decide_soon(conn, id, now)?;
            Ok(store::site::save(conn, &site)?)
        })
        .await?;
    tracing::info!(site = %id, %switch, "automatic disconnection set");
    Ok(site)
}

/// What the stop button did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stopped {
    /// Disconnects that had not been sent yet and never will be.
    #[schema(value_type = Vec<String>)]
    pub cancelled: Vec<OrderId>,
    /// Disconnects that had been sent: their relays are read, and may be open; they are not sent again.
    #[schema(value_type = Vec<String>)]
    pub sent: Vec<OrderId>,
    /// Groups of disconnects that give no further orders.
    #[schema(value_type = Vec<String>)]
    pub groups_rejected: Vec<OrderGroupId>,
    /// Schedules that cut nobody any more: those that have cut reconnect, and all end. They do not begin again by themselves.
    #[schema(value_type = Vec<String>)]
    pub schedules_ended: Vec<ScheduleId>,
}

/// Presses the stop button: from now on the site only reports who would be cut, and every disconnect that was not sent yet is
/// cancelled, whoever ordered it; groups of disconnects give no further orders, and schedules
/// only reconnect what they cut. What was sent before is read until its relay is known, and never sent again. Pressed again, it
/// does what is left to do.
///
/// # Errors
/// The site does not exist; a reason that is none; the first order that could not be cancelled, after all others were.
pub async fn stop(app: &App, id: SiteId, reason: &str, by: &str) -> Result<Stopped, Error> {
    let (reason, now, by) = (label("reason", reason)?, app.clock.now(), by.to_owned());
    let (told, key) = (reason.clone(), by.clone());
    // The switch first: from its commit on nothing that the site decided by itself may be sent.
    let ((sent, unsent), groups_rejected, schedules_ended): ((Vec<RelayOrder>, Vec<RelayOrder>), _, _) = app
        .db
        .write(move |conn| {
            let mut site = store::site::lock(conn, id)?;
            if site.automatic_disconnection == AutomaticDisconnection::On {
                site.automatic_disconnection = AutomaticDisconnection::ReportOnly;
            }
            if !is_planted(Bug::SpareUnsentCuts) {
                site.cuts_stopped_before = Some(store::ids::next(conn, id)?);
            }
            store::site::save(conn, &site)?;
            store::account::decide_soon(conn, id, now)?;
            let object = format!("site:{id}");
            store::alarm::raise(conn, id, "cuts_stopped", &object, &format!("{told}, by {key}"), now)?;
            audit_line::write(conn, id, (&key, now), "stop_cuts", object, told.clone())?;
            // Before the groups: a schedule that switches meanwhile has written its group by then.
            let schedules = schedule::stop(conn, id, &key, now)?;
            let groups = order_group::stop(conn, id, &key, now)?;
            let mut live = store::relay_order::live(conn, id)?;
            live.retain(|order| order.action == Action::Disconnect && !is_planted(Bug::SpareUnsentCuts));
            Ok::<_, Error>((live.into_iter().partition(|order| order.attempts > 0), groups, schedules))
        })
        .await?;
    tracing::warn!(site = %id, by, "cuts stopped");
    let (mut cancelled, mut failed) = (Vec::new(), None);
    for order in unsent {
        let (settings, why) = (app.settings.clone(), format!("stopped: {reason}"));
        let done = app.db.write(move |conn| {
            order.account_id.map(|account| store::account::lock(conn, account)).transpose()?;
            decide_relay::cancel(conn, &settings, order.id, &why, now)
        });
        match done.await {
            Ok(true) => {
                app.announce(Changed::Order { order: order.id });
                cancelled.push(order.id);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(order = %order.id, %error, "a disconnect could not be cancelled");
                failed = failed.or(Some(error));
            }
        }
    }
    let sent = sent.into_iter().map(|order| order.id).collect();
    failed.map_or(Ok(Stopped { cancelled, sent, groups_rejected, schedules_ended }), Err)
}
