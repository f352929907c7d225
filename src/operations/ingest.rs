//! Taking in readings: judged, stored and committed before anybody acts on them.

use std::collections::{BTreeMap, BTreeSet};

use actors::ports::Ack;
use domain::{
    account::State,
    calendar::shift,
    ids::{AccountId, InstallationId, MeterId},
    reading::{
        self, Collision, Existing, Judged, Neighbours, Observation, Quality,
        registers::{ByPeriod, RegisterNeighbours, judge_registers},
    },
    site::Site,
    tariff::Period,
};
use jiff::{SignedDuration, Timestamp};
use store::{Conn, installation::Installation, meter::Meter, reading::Reading};

use super::{
    Error, books,
    books::{Books, MeterBooks},
    decide_relay, settle,
};
use crate::{
    app::App,
    changes::Changed,
    hot::{MeterPart, Update},
    settings::Settings,
};

/// The alarm that stands while a meter is read that counts for nobody any more.
const READ_FOR_NOBODY: &str = "read_for_nobody";

/// What one batch left to do once it was committed.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// One for each observation, in order.
    pub acks: Vec<Ack>,
    /// Accounts and their meters with new good readings.
    touched: BTreeSet<(AccountId, MeterId)>,
    /// Installations that ended, and the first good reading of their time that came late.
    late: BTreeMap<InstallationId, (Installation, Timestamp)>,
    hot: Vec<(AccountId, MeterId, MeterPart)>,
    settle: BTreeMap<AccountId, Timestamp>,
}

/// Stores observations with the next batch, then brings hot balances, settlement and relay decisions up to them.
///
/// # Errors
/// Nothing is stored when this is returned, or it is not known whether it was; the same observations may come again.
pub async fn ingest(app: &App, observations: Vec<Observation>, urgent: bool) -> Result<Vec<Ack>, Error> {
    let rows = observations.len();
    let stored = app.readings()?.submit(observations, rows, urgent).await?;
    store::fault::point("ingest.committed");
    follow(app, &stored).await;
    for ack in &stored.acks {
        app.announce(Changed::Reading { meter: ack.meter, quality: ack.quality, duplicate: ack.duplicate });
    }
    Ok(stored.acks)
}

/// What follows a commit may fail without harm: it is done again at the next reading and at the next look.
async fn follow(app: &App, stored: &Stored) {
    let mut review = BTreeSet::new();
    for (account, meter, part) in &stored.hot {
        let update = Update { account: *account, ledger: None, meters: vec![(*meter, part.clone())] };
        match decide_relay::stands_otherwise(app, update).await {
            Ok(false) => {}
            Ok(true) => drop(review.insert(*account)),
            Err(error) => tracing::warn!(%account, %error, "a hot balance was not judged"),
        }
    }
    for (account, since) in &stored.settle {
        match settle::settle(app, *account, Some(*since)).await {
            Ok(0) => {}
            Ok(_) => drop(review.remove(account)),
            Err(error) => tracing::warn!(%account, %error, "an account was not settled"),
        }
    }
    for account in review {
        if let Err(error) = decide_relay::review(app, account).await {
            tracing::warn!(%account, %error, "supply was not decided");
        }
    }
}

/// Stores one batch in one transaction: what [`crate::batch`] calls.
///
/// # Errors
/// The database fails; then nothing of the batch is stored. What is wrong with one observation refuses its own item.
pub fn write(
    conn: &mut Conn,
    settings: &Settings,
    items: &[Vec<Observation>],
) -> Result<Vec<Result<Stored, Error>>, Error> {
    let mut batch = Batch { settings, meters: BTreeMap::new(), pending: Vec::new() };
    let mut results = Vec::with_capacity(items.len());
    for observations in items {
        let mut stored = Stored::default();
        let mut failed = None;
        for observation in observations {
            match batch.take(conn, observation, &mut stored) {
                Ok(()) => {}
                Err(error) if error.is_of_the_database() => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        results.push(failed.map_or(Ok(stored), Err));
    }
    batch.flush(conn)?;
    for stored in results.iter_mut().flatten() {
        after(conn, stored)?;
    }
    store::fault::point("ingest.written");
    Ok(results)
}

struct Batch<'a> {
    settings: &'a Settings,
    meters: BTreeMap<MeterId, Meter>,
    pending: Vec<Reading>,
}

impl Batch<'_> {
    fn take(&mut self, conn: &mut Conn, new: &Observation, stored: &mut Stored) -> Result<(), Error> {
        // The next reading of a meter is judged by the one before it, so that one must be in the table.
        if self.pending.iter().any(|row| row.meter_id == new.meter) {
            self.flush(conn)?;
        }
        let meter = match self.meters.get(&new.meter) {
            Some(meter) => meter.clone(),
            None => store::meter::by_id(conn, new.meter)?,
        };
        let installation = store::installation::at(conn, new.meter, new.as_of)?;
        let (judged, registers) = self.judge(conn, &meter, installation.as_ref(), new)?;
        let taken = store::reading::live_at(conn, new.meter, new.as_of, new.kind)?;
        let mut quality = judged.quality;
        let mut duplicate = false;
        if let Some(old) = taken {
            let existing = Existing { quality: old.quality, registers: old.registers() };
            // The same with registers that were missing before is the better one.
            let more = old.unwrapped_registers.is_empty() && !registers.is_empty() && judged.quality == Quality::Good;
            match reading::collide(&existing, &new.registers, judged.quality) {
                Collision::Duplicate if more => {
                    store::reading::set_quality(conn, old.id, Quality::Superseded, None)?;
                }
                Collision::Duplicate => duplicate = true,
                Collision::Supersede => store::reading::set_quality(conn, old.id, Quality::Superseded, None)?,
                Collision::Conflict => quality = Quality::Conflict,
            }
            if duplicate {
                quality = old.quality;
            }
        }
        if !duplicate {
            self.pending.push(row(conn, new, &judged, quality, registers)?);
            self.raise(conn, new, quality, &judged)?;
            if installation.is_none() {
                for_nobody(conn, new)?;
            }
        }
        self.seen(conn, meter, new, quality)?;
        stored.acks.push(Ack {
            meter: new.meter,
            as_of: new.as_of,
            kind: new.kind,
            registers: new.registers,
            quality,
            duplicate,
        });
        if quality == Quality::Good
            && let Some(installation) = installation
        {
            if installation.end_at.is_some() {
                let (_, since) = stored.late.entry(installation.id).or_insert((installation, new.as_of));
                *since = new.as_of.min(*since);
            } else {
                stored.touched.insert((installation.account_id, new.meter));
                let since = stored.settle.entry(installation.account_id).or_insert(new.as_of);
                *since = new.as_of.min(*since);
            }
        }
        Ok(())
    }

    fn judge(
        &self,
        conn: &mut Conn,
        meter: &Meter,
        installation: Option<&Installation>,
        new: &Observation,
    ) -> Result<(Judged, ByPeriod), Error> {
        let profile = self.settings.meter_profile(&meter.profile)?;
        let limits = &profile.limits;
        let installed_at = installation.map_or(Timestamp::MIN, |one| one.start_at);
        // Whatever kind it is of, a reading at the same instant is evidence too.
        let at = shift(new.as_of, SignedDuration::from_micros(1));
        let (before, after) = store::reading::neighbours(conn, new.meter, at)?;
        let neighbours = Neighbours {
            before: before.filter(|row| row.as_of >= installed_at).as_ref().map(Reading::neighbour),
            after: after.filter(|row| row.as_of <= self.latest(new)).as_ref().map(Reading::neighbour),
        };
        let policy = &self.settings.policy.reading;
        let mut judged = reading::judge(new, &neighbours, limits, installed_at, policy);
        let billed = installation.map_or_else(|| profile.billed.clone(), Installation::billed);
        if billed.is_empty() {
            return Ok((judged, ByPeriod::new()));
        }
        let (before, after) = store::reading::register_neighbours(conn, new.meter, at)?;
        let near = |row: Reading| (row.neighbour(), row.unwrapped_registers);
        let neighbours = RegisterNeighbours {
            before: before.filter(|row| row.as_of >= installed_at).map(near),
            after: after.filter(|row| row.as_of <= self.latest(new)).map(near),
        };
        let Some((registers, reasons)) = judge_registers(new, &billed, &neighbours, limits, policy) else {
            if installation.is_some() {
                missing(conn, new, &billed)?;
            }
            return Ok((judged, ByPeriod::new()));
        };
        judged.doubt(reasons);
        Ok((judged, registers))
    }

    /// A reading whose time lies after this was given it by a clock that was wrong, and is no evidence yet.
    fn latest(&self, new: &Observation) -> Timestamp {
        shift(new.received_at, self.settings.policy.reading.future_tolerance)
    }

    fn raise(&self, conn: &mut Conn, new: &Observation, quality: Quality, judged: &Judged) -> Result<(), Error> {
        let (kind, detail) = match quality {
            Quality::Suspect => {
                let reasons: Vec<&str> = judged.reasons.iter().map(|reason| reason.as_str()).collect();
                ("suspect_reading", reasons.join(","))
            }
            Quality::Conflict => ("conflicting_reading", format!("{} at {}", new.registers.total, new.as_of)),
            _ => return Ok(()),
        };
        store::alarm::raise(conn, new.meter.site(), kind, &format!("meter:{}", new.meter), &detail, new.received_at)?;
        Ok(())
    }

    /// A meter that was silent for long is noted as seen again from now on.
    fn seen(&mut self, conn: &mut Conn, mut meter: Meter, new: &Observation, quality: Quality) -> Result<(), Error> {
        let site = store::site::by_id(conn, meter.id.site())?;
        let zone = books::zone(&site)?;
        let sightings = meter.sightings().seen(new.received_at, Site { policy: &self.settings.policy, zone: &zone });
        store::meter::record_seen(conn, meter.id, &sightings)?;
        (meter.last_seen_at, meter.seen_again_at, meter.seen_gaps) =
            (sightings.last_seen_at, sightings.seen_again_at, sightings.gaps_that_day);
        if quality == Quality::Good {
            store::meter::record_good(conn, meter.id, new.as_of, self.latest(new))?;
        }
        self.meters.insert(meter.id, meter);
        Ok(())
    }

    fn flush(&mut self, conn: &mut Conn) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.pending);
        if !rows.is_empty() {
            store::reading::insert_batch(conn, &rows)?;
        }
        Ok(())
    }
}

/// A reading of a meter whose account was closed, or that was removed from it, is kept and costs nobody anything; the first one
/// is told, until the meter counts for somebody again.
fn for_nobody(conn: &mut Conn, new: &Observation) -> Result<(), Error> {
    let (site, object) = (new.meter.site(), format!("meter:{}", new.meter));
    let Some(last) = store::installation::last_before(conn, new.meter, new.as_of)? else { return Ok(()) };
    if store::alarm::standing(conn, site, READ_FOR_NOBODY, &object)?.is_none() {
        let (account, total, as_of) = (last.account_id, new.registers.total, new.as_of);
        let detail = format!("{total} kWh at {as_of}, and it counts for nobody since it ended for account {account}");
        store::alarm::raise(conn, site, READ_FOR_NOBODY, &object, &detail, new.received_at)?;
    }
    Ok(())
}

/// A meter counts for somebody from now on.
///
/// # Errors
/// The database fails.
pub(super) fn for_somebody(conn: &mut Conn, meter: MeterId, now: Timestamp) -> Result<(), Error> {
    store::alarm::clear(conn, meter.site(), READ_FOR_NOBODY, &format!("meter:{meter}"), now)?;
    Ok(())
}

/// A reading that can settle nothing is told: as long as no other comes, nothing is charged.
fn missing(conn: &mut Conn, new: &Observation, billed: &[Period]) -> Result<(), Error> {
    let lacks = billed.iter().filter(|period| new.registers.of(**period).is_none());
    let lacks: Vec<&str> = lacks.map(|period| period.as_str()).collect();
    let detail = format!("the {} register is billed and was not in the reading of {}", lacks.join(", "), new.as_of);
    let object = format!("meter:{}", new.meter);
    store::alarm::raise(conn, new.meter.site(), "register_missing", &object, &detail, new.received_at)?;
    Ok(())
}

fn row(
    conn: &mut Conn,
    new: &Observation,
    judged: &Judged,
    quality: Quality,
    unwrapped_registers: ByPeriod,
) -> Result<Reading, Error> {
    let [sharp, peak, flat, valley, deep_valley] = new.registers.periods;
    let reasons: Vec<&str> = judged.reasons.iter().map(|reason| reason.as_str()).collect();
    Ok(Reading {
        id: store::ids::next(conn, new.meter.site())?,
        meter_id: new.meter,
        as_of: new.as_of,
        kind: new.kind,
        total: new.registers.total,
        unwrapped: judged.total,
        sharp,
        peak,
        flat,
        valley,
        deep_valley,
        reverse: new.registers.reverse,
        quality,
        time_source: new.time_source,
        received_at: new.received_at,
        copied_at: new.copied_at,
        resolution: new.resolution,
        reason: (!reasons.is_empty()).then(|| reasons.join(",")),
        unwrapped_registers,
    })
}

/// Reads, in the same transaction, what the new readings mean for their accounts.
fn after(conn: &mut Conn, stored: &mut Stored) -> Result<(), Error> {
    let mut to_settle = BTreeMap::new();
    for (account, meter) in &stored.touched {
        let loaded = store::account::by_id(conn, *account).map_err(Error::from);
        let books = match loaded.and_then(|row| Books::load(conn, row)) {
            Err(error) if error.is_of_the_database() => return Err(error),
            // The readings stand; the account is told of, and looked at again with its next reading.
            Err(error) => {
                tracing::error!(%account, %error, "an account's books cannot be read");
                continue;
            }
            Ok(books) if matches!(books.account.state, State::Active | State::Suspended) => books,
            Ok(_) => continue,
        };
        let Some(of_meter) = books.meters.iter().find(|one| one.installation.meter_id == *meter) else { continue };
        stored.hot.push((*account, *meter, books.hot_meter(of_meter)));
        // Only a reading at or before the newest midnight, the first after an open one, or one before the reading that an
        // interpolation used can settle or correct a day, or any where a day waits for a correction.
        let settled_to = of_meter.settled_to(&books.zone);
        let open = domain::calendar::midnight(domain::calendar::day_of(of_meter.as_of, &books.zone), &books.zone);
        let looked_to = interpolated_to(conn, of_meter)?.unwrap_or(settled_to).max(settled_to);
        let asked = settled_to < open || of_meter.installation.resettle_since.is_some();
        if let Some(since) = stored.settle.get(account).filter(|since| **since <= looked_to || asked) {
            to_settle.insert(*account, note(conn, &of_meter.installation, *since)?);
        }
    }
    for (installation, since) in stored.late.values() {
        let since = note(conn, installation, *since)?;
        let account = to_settle.entry(installation.account_id).or_insert(since);
        *account = since.min(*account);
    }
    stored.settle = to_settle;
    Ok(())
}

/// The time of the reading after the newest settled midnight that its value was interpolated with, if it was.
fn interpolated_to(conn: &mut Conn, meter: &MeterBooks) -> Result<Option<Timestamp>, Error> {
    match meter.last.as_ref().and_then(|last| last.readings.get(1)) {
        Some(later) => Ok(Some(store::reading::by_id(conn, *later)?.as_of)),
        None => Ok(None),
    }
}

/// Kept with the readings: a crash before the days are looked into again must not lose a correction.
pub(super) fn note(conn: &mut Conn, installation: &Installation, since: Timestamp) -> Result<Timestamp, Error> {
    let since = installation.resettle_since.map_or(since, |noted| noted.min(since));
    store::installation::set_resettle(conn, installation.id, Some(since))?;
    Ok(since)
}
