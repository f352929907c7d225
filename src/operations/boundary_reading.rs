//! The readings at which a meter begins and ends to count for an account: taken now, or entered by hand with a reason.

use domain::{
    energy::Energy,
    ids::{MeterId, ReadingId},
    reading::{self, Kind, Neighbours, Observation, Quality, Registers, TimeSource},
};
use jiff::{SignedDuration, Timestamp};
use store::{Conn, reading::Reading};

use super::{Error, label, read_now};
use crate::{app::App, settings::Settings};

/// Where such a reading comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// Somebody read it off the display.
    Entered(Energy),
    /// The meter was read.
    Live(ReadingId),
}

impl Source {
    /// What was entered, or else a good reading of the meter, taken now.
    ///
    /// # Errors
    /// A refusal `no_fresh_reading` where the meter cannot be read.
    pub async fn of(app: &App, meter: MeterId, entered: Option<Energy>, by: &str) -> Result<Self, Error> {
        if let Some(total) = entered {
            return Ok(Self::Entered(total));
        }
        let request = read_now::request(app, meter, by).await?;
        let most = std::time::Duration::from_secs(app.settings.http.wait_max_s);
        let ended = read_now::wait(app, request.id, most).await?;
        let stale =
            || Error::refused("no_fresh_reading", "the meter was not read now; enter its reading with a reason");
        let reading = ended.reading_id.ok_or_else(stale)?;
        let row = app.db.read(move |conn| store::reading::by_id(conn, reading)).await?;
        if row.quality == Quality::Good { Ok(Self::Live(row.id)) } else { Err(stale()) }
    }
}

/// Steps of a display with two decimal places of kWh.
const DISPLAYED: Energy = Energy::new(100);

/// A reading at which a meter begins or ends to count.
#[derive(Debug, Clone, Copy)]
pub struct Boundary<'a> {
    /// The meter.
    pub meter: MeterId,
    /// `initial` or `final`.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// The field that it was entered in.
    pub field: &'static str,
    /// Why it was entered by hand.
    pub reason: Option<&'a str>,
}

impl Boundary<'_> {
    /// Its row; one that was entered is stored, as of now. A final one must agree with what is known of the meter since
    /// `installed_at`; an initial one begins anew.
    ///
    /// # Errors
    /// A refusal that names the field.
    pub fn row(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        installed_at: Timestamp,
        now: Timestamp,
    ) -> Result<Reading, Error> {
        let row = match self.source {
            Source::Live(id) => store::reading::by_id(conn, id)?,
            Source::Entered(total) => self.entered(conn, settings, total, installed_at, now)?,
        };
        if self.kind == Kind::Initial {
            // What is here already was taken before, whatever time a wrong clock gave it.
            let why = reading::Reason::BeforeInstallation.as_str();
            store::reading::withdraw_after(conn, self.meter, row.as_of, why)?;
        }
        Ok(row)
    }

    fn entered(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        total: Energy,
        installed_at: Timestamp,
        now: Timestamp,
    ) -> Result<Reading, Error> {
        let Some(reason) = self.reason else {
            return Err(Error::field("reason_missing", "reason", "a reading entered by hand needs a reason"));
        };
        let reason = label("reason", reason)?;
        let profile = store::meter::by_id(conn, self.meter)?.profile;
        let limits = &settings.meter_profile(&profile)?.limits;
        if total < Energy::ZERO || total >= limits.register_modulus {
            let modulus = limits.register_modulus;
            let detail = format!("must be at least 0 and below {modulus}, where the register begins anew");
            return Err(Error::field(self.field, self.field, detail));
        }
        let resolution = if total.get() % DISPLAYED.get() == 0 { DISPLAYED } else { Energy::new(1) };
        let seen = Observation {
            meter: self.meter,
            as_of: now,
            time_source: TimeSource::HeadEnd,
            received_at: now,
            copied_at: None,
            kind: self.kind,
            registers: Registers { total, ..Registers::default() },
            resolution,
            identity_verified: true,
        };
        let neighbours = self.neighbours(conn, installed_at, now)?;
        let judged = reading::judge(&seen, &neighbours, limits, installed_at, &settings.policy.reading);
        if judged.quality != Quality::Good {
            let why: Vec<&str> = judged.reasons.iter().map(|reason| reason.as_str()).collect();
            let detail = format!("does not agree with what the meter showed before: {}", why.join(", "));
            return Err(Error::field("implausible_reading", self.field, detail));
        }
        let row = Reading {
            id: store::ids::next(conn, self.meter.site())?,
            meter_id: self.meter,
            as_of: now,
            kind: self.kind,
            total,
            unwrapped: judged.total,
            sharp: None,
            peak: None,
            flat: None,
            valley: None,
            deep_valley: None,
            reverse: None,
            quality: Quality::Estimated,
            time_source: TimeSource::HeadEnd,
            received_at: now,
            copied_at: None,
            resolution,
            reason: Some(reason),
        };
        store::reading::insert_batch(conn, std::slice::from_ref(&row))?;
        Ok(row)
    }

    fn neighbours(&self, conn: &mut Conn, installed_at: Timestamp, now: Timestamp) -> Result<Neighbours, Error> {
        if self.kind == Kind::Initial {
            return Ok(Neighbours::default());
        }
        let at = domain::calendar::shift(now, SignedDuration::from_micros(1));
        let (before, _) = store::reading::neighbours(conn, self.meter, at)?;
        let before = before.filter(|row| row.as_of >= installed_at).as_ref().map(Reading::neighbour);
        Ok(Neighbours { before, after: None })
    }
}
