//! The beginning of an installation: from its first reading on a meter counts for an account.

use domain::{
    ids::{AccountId, ConcentratorId, MeterId},
    reading::{Kind, registers::ByPeriod},
    relay::Cause,
    settlement::MULTIPLIER_MAX,
};
use jiff::Timestamp;
use store::{Conn, installation::Installation};

use super::{
    Error,
    boundary_reading::{Boundary, Source},
    decide_relay, ingest,
};
use crate::settings::Settings;

/// What an installation begins with.
#[derive(Debug, Clone)]
pub struct Beginning<'a> {
    /// The meter.
    pub meter: MeterId,
    /// CT x PT (倍率).
    pub multiplier: u32,
    /// Where its first reading comes from; the fields it was entered in are `initial_reading` and `initial_registers`.
    pub source: Source,
    /// Why it was entered by hand.
    pub reason: Option<&'a str>,
}

/// Begins an installation of a locked account.
///
/// # Errors
/// The meter counts for an account already, or sells electricity itself; a reading that does not hold.
pub fn begin(
    conn: &mut Conn,
    settings: &Settings,
    account: AccountId,
    beginning: Beginning<'_>,
    now: Timestamp,
) -> Result<Installation, Error> {
    let Beginning { meter, multiplier, source, reason } = beginning;
    check_meter(conn, meter)?;
    let billed = &settings.meter_profile(&store::meter::by_id(conn, meter)?.profile)?.billed;
    let (field, registers_field) = ("initial_reading", "initial_registers");
    let first = Boundary { meter, kind: Kind::Initial, source, field, registers_field, billed, reason };
    let first = first.row(conn, settings, Timestamp::MIN, now)?;
    let by_registers = (!billed.is_empty()).then(|| first.unwrapped_registers.values().copied().sum());
    let installation = Installation {
        id: store::ids::next(conn, account.site())?,
        account_id: account,
        meter_id: meter,
        multiplier,
        start_at: first.as_of,
        start_value: by_registers.unwrap_or(first.unwrapped),
        start_reading_id: first.id,
        end_at: None,
        end_value: None,
        end_reading_id: None,
        resettle_since: None,
        start_registers: first.unwrapped_registers,
        end_registers: ByPeriod::new(),
    };
    store::installation::insert(conn, &installation)?;
    ingest::for_somebody(conn, meter, now)?;
    Ok(installation)
}

/// The concentrator of a meter that may count for an account.
///
/// # Errors
/// It counts for one already, or sells electricity itself.
pub fn check_meter(conn: &mut Conn, meter: MeterId) -> Result<ConcentratorId, Error> {
    let row = store::meter::by_id(conn, meter)?;
    if store::installation::live_of_meter(conn, meter)?.is_some() {
        return Err(Error::conflict("meter_in_use", "the meter belongs to an account already"));
    }
    if row.relay_local_prepay == Some(true) {
        return Err(Error::refused(
            "local_prepay_meter",
            "the meter sells electricity itself (status word 3 bits 8-9)",
        ));
    }
    Ok(row.concentrator_id)
}

/// Why supply was cut for an account before is over.
///
/// # Errors
/// The database fails.
pub fn forget_causes(conn: &mut Conn, meter: MeterId) -> Result<(), Error> {
    let causes = store::meter::causes(conn, meter)?;
    let left = causes.without(Cause::AccountClosed).without(Cause::Credit).without(Cause::Customer);
    decide_relay::save_causes(conn, meter, &causes, &left)
}

/// A multiplier that an installation may have; 1 where none is named.
///
/// # Errors
/// A refusal that names the field.
pub fn multiplier(asked: Option<u32>) -> Result<u32, Error> {
    match asked.unwrap_or(1) {
        multiplier if (1..=MULTIPLIER_MAX).contains(&multiplier) => Ok(multiplier),
        _ => Err(Error::field("multiplier", "multiplier", format!("must be 1 to {MULTIPLIER_MAX}"))),
    }
}
