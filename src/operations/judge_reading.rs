//! An operator's word on a reading: a suspect one is found good, a wrong one rejected; what was charged by it follows.

use domain::{
    account::State,
    calendar::shift,
    ids::{AccountId, ReadingId},
    reading::{Kind, Quality, Reason},
};
use jiff::Timestamp;
use serde::Deserialize;
use store::{Conn, reading::Reading};
use utoipa::ToSchema;

use super::{Error, audit_line, balance, decide_relay, ingest, label, settle};
use crate::{app::App, changes::Changed, settings::Settings};

/// What a reading is found to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// `good`: it costs money from now on; `rejected`: it does not, and is not made good by coming again.
    #[schema(value_type = String)]
    pub quality: Quality,
    /// Why; stands at the reading and in the audit log.
    pub reason: String,
}

/// Finds a reading good, or rejects it. Days that it changes are corrected, up to the settlement's horizon back; those of a closed
/// account never are, which is told. The same finding again changes nothing. Gives the reading as it is then.
///
/// # Errors
/// A conflict where it was superseded, conflicts with another or was entered by hand; a refusal where it is one with which a meter began or ceased to count for an
/// account, or where its time is still to come.
pub async fn judge(app: &App, id: ReadingId, finding: Finding, by: &str) -> Result<Reading, Error> {
    let reason = label("reason", &finding.reason)?;
    if !matches!(finding.quality, Quality::Good | Quality::Rejected) {
        return Err(Error::field("quality", "quality", "must be good or rejected"));
    }
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let (reading, touched) =
        app.db.write(move |conn| write(conn, &settings, id, (finding.quality, &reason), (&by, now))).await?;
    let Some((account, open)) = touched else { return Ok(reading) };
    settle::settle(app, account, Some(reading.as_of)).await?;
    if open {
        balance::refresh(app, account).await?;
        decide_relay::review(app, account).await?;
    }
    app.announce(Changed::Reading { meter: reading.meter_id, quality: reading.quality, duplicate: false });
    Ok(reading)
}

/// Gives the reading, and the account that it counts for, where it was found otherwise, and whether that is open.
fn write(
    conn: &mut Conn,
    settings: &Settings,
    id: ReadingId,
    (quality, reason): (Quality, &str),
    (by, now): (&str, Timestamp),
) -> Result<(Reading, Option<(AccountId, bool)>), Error> {
    let row = store::reading::by_id(conn, id)?;
    let installation = store::installation::at(conn, row.meter_id, row.as_of)?;
    // Its lock is that of everything that is charged.
    let account = match &installation {
        Some(installation) => Some(store::account::lock(conn, installation.account_id)?),
        None => None,
    };
    let row = store::reading::by_id(conn, id)?;
    if row.quality == quality {
        return Ok((row, None));
    }
    let latest = shift(now, settings.policy.reading.future_tolerance);
    check(conn, &row, quality, latest)?;
    let told = format!("found {quality}: {reason}");
    store::reading::set_quality(conn, id, quality, Some(&told))?;
    if quality == Quality::Good {
        store::meter::record_good(conn, row.meter_id, row.as_of, latest)?;
    } else if let Some(newest) = store::reading::latest_good(conn, row.meter_id)? {
        store::meter::record_good(conn, row.meter_id, newest.as_of, newest.as_of)?;
    }
    if let Some(installation) = &installation {
        ingest::note(conn, installation, row.as_of)?;
    }
    let detail = format!("reading {id}, {} kWh at {}, {told}", row.total, row.as_of);
    let object = format!("meter:{}", row.meter_id);
    audit_line::write(conn, id.site(), (by, now), "judge_reading", object, detail)?;
    let mut touched = None;
    if let Some(account) = account {
        // The version moves on, so that the hot balance goes back with the reading.
        store::account::save(conn, &account)?;
        touched = Some((account.id, account.state != State::Closed));
    }
    Ok((store::reading::by_id(conn, id)?, touched))
}

/// Whether it may be found so.
fn check(conn: &mut Conn, row: &Reading, quality: Quality, latest: Timestamp) -> Result<(), Error> {
    if !matches!(row.quality, Quality::Good | Quality::Suspect | Quality::Rejected) {
        let detail =
            format!("the reading is {}: only what is good, suspect or rejected is found otherwise", row.quality);
        return Err(Error::conflict("reading_not_judged", detail));
    }
    if quality == Quality::Good && row.as_of > latest {
        return Err(Error::refused(Reason::InTheFuture.as_str(), "the reading's time is still to come"));
    }
    let bounds = matches!(row.kind, Kind::Initial | Kind::Final) || store::installation::is_bound(conn, row.id)?;
    if quality == Quality::Rejected && bounds {
        let detail = "a meter began or ceased to count for an account with it; end that, with what its display shows";
        return Err(Error::refused("reading_is_a_boundary", detail));
    }
    Ok(())
}
