//! What a site has done so far, counted.

use diesel::prelude::*;
use domain::{
    ids::SiteId,
    notice::State as NoticeState,
    relay::{Action, order::State},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    column::val,
    conn::{Conn, on},
    error::Result,
    schema::{notices, readings, relay_orders, vends},
};

/// Counts of a site's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// Readings stored, of every quality.
    pub readings: i64,
    /// Notices sent or delivered.
    pub notices: i64,
    /// Disconnects whose relay was read disconnected.
    pub disconnects_confirmed: i64,
    /// Vends.
    pub vends: i64,
    /// Reconnects whose relay was read connected.
    pub reconnects_confirmed: i64,
    /// From a vend to the confirmed reconnect it ordered, for the first such reconnect.
    pub restore: Option<SignedDuration>,
}

/// Counts a site's rows.
///
/// # Errors
/// Whatever the database answers.
pub fn count(conn: &mut Conn, site: SiteId) -> Result<Story> {
    Ok(Story {
        readings: on!(conn, |c| readings::table.filter(readings::site_id.eq(val(site))).count().get_result(c))?,
        notices: on!(conn, |c| notices::table
            .filter(notices::site_id.eq(val(site)))
            .filter(notices::state.eq(val(NoticeState::Sent)).or(notices::state.eq(val(NoticeState::Delivered))))
            .count()
            .get_result(c))?,
        disconnects_confirmed: confirmed(conn, site, Action::Disconnect)?,
        vends: on!(conn, |c| vends::table.filter(vends::site_id.eq(val(site))).count().get_result(c))?,
        reconnects_confirmed: confirmed(conn, site, Action::Reconnect)?,
        restore: restore(conn, site)?,
    })
}

fn confirmed(conn: &mut Conn, site: SiteId, action: Action) -> Result<i64> {
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(site)))
        .filter(relay_orders::action.eq(val(action)))
        .filter(relay_orders::state.eq(val(State::Confirmed)))
        .count()
        .get_result(c))
}

fn restore(conn: &mut Conn, site: SiteId) -> Result<Option<SignedDuration>> {
    let its_vend = relay_orders::site_id.eq(vends::site_id).and(relay_orders::vend_id.eq(vends::id.nullable()));
    let first: Option<(Timestamp, Option<Timestamp>)> = on!(conn, |c| relay_orders::table
        .inner_join(vends::table.on(its_vend))
        .filter(relay_orders::site_id.eq(val(site)))
        .filter(relay_orders::action.eq(val(Action::Reconnect)))
        .filter(relay_orders::state.eq(val(State::Confirmed)))
        .order((relay_orders::ended_at, relay_orders::id))
        .select((vends::created_at, relay_orders::ended_at))
        .first(c)
        .optional())?;
    Ok(first.and_then(|(sold, ended)| ended.map(|ended| ended.duration_since(sold))))
}
