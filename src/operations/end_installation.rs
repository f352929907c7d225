//! The end of an installation: a meter's last reading for an account, and its settlement to that.

use domain::{
    bug::{Bug, is_planted},
    energy::Energy,
    reading::{Kind, registers::ByPeriod},
    settlement::{SettledDay, registers::KnownRegisters},
};
use jiff::Timestamp;
use store::{Conn, account::Account, installation::Installation, reading::Reading};

use super::{
    Error,
    books::Books,
    boundary_reading::{Boundary, Source},
    settle, unread,
};
use crate::settings::Settings;

/// What an installation ends with.
#[derive(Debug, Clone)]
pub struct Ending<'a> {
    /// Where the last reading comes from.
    pub source: Source,
    /// The field that it was entered in.
    pub field: &'static str,
    /// The field of its billed registers.
    pub registers_field: &'static str,
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
    let Ending { source, field, registers_field, reason } = ending;
    let confirmed = source.is_confirmed();
    let (meter, billed) = (old.meter_id, old.billed());
    let last = Boundary { meter, kind: Kind::Final, source, field, registers_field, billed: &billed, reason };
    let last = last.row(conn, settings, old.start_at, now)?;
    let books = Books::load(conn, account.clone())?;
    let settled_to = books.settled_to(old.id).unwrap_or(old.start_at);
    if last.as_of <= old.start_at || last.as_of < settled_to {
        return Err(Error::refused("no_fresh_reading", "the last reading is older than what is settled already"));
    }
    // A register never counts back: what it showed before with more digits stands, unless somebody looked twice.
    let before = books.last_settled(old.id);
    let (value, registers) = if confirmed {
        let registers = last.unwrapped_registers.clone();
        (if registers.is_empty() { last.unwrapped } else { registers.values().copied().sum() }, registers)
    } else if old.start_registers.is_empty() {
        let since = store::reading::known_between(conn, meter, settled_to, last.as_of)?;
        let before = before.map_or(old.start_value, |before| before.end_value);
        let value = since.iter().map(|known| known.total).fold(last.unwrapped.max(before), Energy::max);
        (value, ByPeriod::new())
    } else {
        let since = store::reading::known_registers_between(conn, meter, settled_to, last.as_of)?;
        let highest = highest(old, before, &last, &since);
        (highest.values().copied().sum(), highest)
    };
    store::installation::end(conn, old.id, last.as_of, (value, &registers), last.id)?;
    unread::forget(conn, meter, now)?;
    let ended = store::installation::by_id(conn, old.id)?;
    if !is_planted(Bug::ForgetOldMeter) {
        settle::one(conn, account, &ended, ended.resettle_since, now, &settings.policy)?;
    }
    store::installation::set_resettle(conn, old.id, None)?;
    Ok((last, value))
}

/// The highest that each billed register is known to have shown by the end.
fn highest(old: &Installation, before: Option<&SettledDay>, last: &Reading, since: &[KnownRegisters]) -> ByPeriod {
    let mut highest = old.start_registers.clone();
    let settled = before.into_iter().flat_map(|day| day.registers.iter().map(|(period, rise)| (period, &rise.to)));
    let read = since.iter().map(|known| &known.registers).chain([&last.unwrapped_registers]).flatten();
    for (period, value) in settled.chain(read) {
        highest.entry(*period).and_modify(|most| *most = (*most).max(*value));
    }
    highest
}
