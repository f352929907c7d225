//! The end of an installation: a meter's last reading for an account, and its settlement to that.

use domain::{
    bug::{Bug, is_planted},
    energy::Energy,
    reading::Kind,
};
use jiff::Timestamp;
use store::{Conn, account::Account, installation::Installation, reading::Reading};

use super::{
    Error,
    books::Books,
    boundary_reading::{Boundary, Source},
    settle,
};
use crate::settings::Settings;

/// What an installation ends with.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Where the last reading comes from.
    pub source: Source,
    /// The field that it was entered in.
    pub field: &'static str,
    /// Why it was entered by hand.
    pub reason: Option<&'a str>,
}

/// Ends an installation of a locked account and settles it to its last reading; gives that, and the register's value then.
///
/// # Errors
/// A refusal where the reading does not agree with what is known, or is older than what is settled.
pub fn end(
    conn: &mut Conn,
    settings: &Settings,
    account: &mut Account,
    old: &Installation,
    ending: Ending<'_>,
    now: Timestamp,
) -> Result<(Reading, Energy), Error> {
    let Ending { source, field, reason } = ending;
    let last = Boundary { meter: old.meter_id, kind: Kind::Final, source, field, reason };
    let last = last.row(conn, settings, old.start_at, now)?;
    let books = Books::load(conn, account.clone())?;
    let settled_to = books.settled_to(old.id).unwrap_or(old.start_at);
    if last.as_of <= old.start_at || last.as_of < settled_to {
        return Err(Error::refused("no_fresh_reading", "the last reading is older than what is settled already"));
    }
    // A register never counts back: what it showed before with more digits stands.
    let since = store::reading::known_between(conn, old.meter_id, settled_to, last.as_of)?;
    let before = books.settled_value(old.id).unwrap_or(old.start_value);
    let value = since.iter().map(|known| known.total).fold(last.unwrapped.max(before), Energy::max);
    store::installation::end(conn, old.id, last.as_of, value, last.id)?;
    let ended = store::installation::by_id(conn, old.id)?;
    if !is_planted(Bug::ForgetOldMeter) {
        settle::one(conn, account, &ended, ended.resettle_since, now, &settings.policy)?;
    }
    store::installation::set_resettle(conn, old.id, None)?;
    Ok((last, value))
}
