//! The readings at which a meter begins and ends to count for an account: taken now, or entered by hand with a reason.

use domain::{
    energy::Energy,
    ids::{MeterId, ReadingId},
    reading::{
        self, Judged, Kind, MeterLimits, Neighbours, Observation, Quality, Registers, TimeSource,
        registers::{ByPeriod, RegisterNeighbours, judge_registers},
    },
    tariff::Period,
};
use jiff::{SignedDuration, Timestamp};
use store::{Conn, reading::Reading};

use super::{Error, label, read_now};
use crate::{app::App, settings::Settings};

/// What somebody read off a meter's display.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its total.
    pub total: Energy,
    /// Its billed period registers; none where its total is billed.
    pub registers: ByPeriod,
    /// Whether somebody looked twice: then it stands though it does not agree with what was known of the meter.
    pub confirmed: bool,
}

impl Shown {
    /// What was entered in two fields, of which `field` is that of the total; none where nothing was.
    ///
    /// # Errors
    /// A refusal where registers, or that they were looked at twice, come without a total.
    pub fn of(
        total: Option<Energy>,
        registers: &ByPeriod,
        confirmed: bool,
        field: &'static str,
    ) -> Result<Option<Self>, Error> {
        match total {
            Some(total) => Ok(Some(Self { total, registers: registers.clone(), confirmed })),
            None if confirmed => Err(Error::field("total_missing", field, "only what is entered can be confirmed")),
            None if registers.is_empty() => Ok(None),
            None => Err(Error::field("total_missing", field, "period registers are entered beside the total")),
        }
    }
}

/// Where such a reading comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Somebody read it off the display.
    Entered(Shown),
    /// The meter was read.
    Live(ReadingId),
}

impl Source {
    /// What was entered, or else a good reading of the meter, taken now.
    ///
    /// # Errors
    /// A refusal `no_fresh_reading` where the meter cannot be read, `suspect_reading` where what it answers is not plausible.
    pub async fn of(app: &App, meter: MeterId, entered: Option<Shown>, by: &str) -> Result<Self, Error> {
        if let Some(shown) = entered {
            return Ok(Self::Entered(shown));
        }
        let request = read_now::request(app, meter, by).await?;
        let most = std::time::Duration::from_secs(app.settings.http.wait_max_s);
        let ended = read_now::wait(app, request.id, most).await?;
        let stale =
            || Error::refused("no_fresh_reading", "the meter was not read now; enter its reading with a reason");
        let reading = ended.reading_id.ok_or_else(stale)?;
        let row = app.db.read(move |conn| store::reading::by_id(conn, reading)).await?;
        match row.quality {
            Quality::Good => Ok(Self::Live(row.id)),
            Quality::Suspect => {
                let (total, why) = (row.total, row.reason.unwrap_or_default());
                let printed = app.db.read(move |conn| store::meter::by_id(conn, meter)).await?.address;
                let detail = format!(
                    "meter {printed} was read now and showed {total} kWh, which is suspect ({why}): find reading {reading} \
                     good (PUT /readings/{reading}/quality), or enter what the display shows, confirmed"
                );
                Err(Error::refused("suspect_reading", detail))
            }
            _ => Err(stale()),
        }
    }

    /// Whether it was entered, and stands whatever was known.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self, Self::Entered(Shown { confirmed: true, .. }))
    }
}

/// Steps of a display with two decimal places of kWh.
const DISPLAYED: Energy = Energy::new(100);

/// A reading at which a meter begins or ends to count.
#[derive(Debug, Clone)]
pub struct Boundary<'a> {
    /// The meter.
    pub meter: MeterId,
    /// `initial` or `final`.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// The field that its total was entered in.
    pub field: &'static str,
    /// The field that its period registers were entered in.
    pub registers_field: &'static str,
    /// The periods whose registers are billed; none where its total is.
    pub billed: &'a [Period],
    /// Why it was entered by hand.
    pub reason: Option<&'a str>,
}

impl Boundary<'_> {
    /// Its row; one that was entered is stored, as of now. Unless it is confirmed it must agree with what is known of the meter
    /// since `installed_at`.
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
        let row = match &self.source {
            Source::Live(id) => store::reading::by_id(conn, *id)?,
            Source::Entered(shown) => self.entered(conn, settings, shown, installed_at, now)?,
        };
        if !row.unwrapped_registers.keys().eq(self.billed) {
            let detail = format!("the meter's answer lacks what is billed, {}; enter its reading", words(self.billed));
            return Err(Error::field("register_missing", self.registers_field, detail));
        }
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
        shown: &Shown,
        installed_at: Timestamp,
        now: Timestamp,
    ) -> Result<Reading, Error> {
        let Some(reason) = self.reason else {
            return Err(Error::field("reason_missing", "reason", "a reading entered by hand needs a reason"));
        };
        let reason = label("reason", reason)?;
        let profile = store::meter::by_id(conn, self.meter)?.profile;
        let limits = &settings.meter_profile(&profile)?.limits;
        let total = shown.total;
        self.check_shown(shown, limits)?;
        let mut all = shown.registers.values().chain([&total]);
        let resolution = if all.all(|value| value.get() % DISPLAYED.get() == 0) { DISPLAYED } else { Energy::new(1) };
        let periods = [Period::Sharp, Period::Peak, Period::Flat, Period::Valley, Period::DeepValley]
            .map(|period| shown.registers.get(&period).copied());
        let seen = Observation {
            meter: self.meter,
            as_of: now,
            time_source: TimeSource::HeadEnd,
            received_at: now,
            copied_at: None,
            kind: self.kind,
            registers: Registers { total, periods, reverse: None },
            resolution,
            identity_verified: true,
        };
        let policy = &settings.policy.reading;
        let neighbours = self.neighbours(conn, installed_at, now)?;
        let mut judged = reading::judge(&seen, &neighbours, limits, installed_at, policy);
        let registers = self.register_neighbours(conn, installed_at, now)?;
        let (unwrapped_registers, reasons) =
            judge_registers(&seen, self.billed, &registers, limits, policy).unwrap_or_default();
        judged.doubt(reasons);
        let reason = reason + &self.agrees(&judged, &neighbours, shown.confirmed)?;
        let [sharp, peak, flat, valley, deep_valley] = periods;
        let row = Reading {
            id: store::ids::next(conn, self.meter.site())?,
            meter_id: self.meter,
            as_of: now,
            kind: self.kind,
            total,
            unwrapped: judged.total,
            sharp,
            peak,
            flat,
            valley,
            deep_valley,
            reverse: None,
            quality: Quality::Estimated,
            time_source: TimeSource::HeadEnd,
            received_at: now,
            copied_at: None,
            resolution,
            reason: Some(reason),
            unwrapped_registers,
        };
        store::reading::insert_batch(conn, std::slice::from_ref(&row))?;
        Ok(row)
    }

    /// What is to be added to its reason where it is confirmed, and does not agree with what the meter showed before.
    fn agrees(&self, judged: &Judged, known: &Neighbours, confirmed: bool) -> Result<String, Error> {
        if judged.quality == Quality::Good {
            return Ok(String::new());
        }
        let why: Vec<&str> = judged.reasons.iter().map(|reason| reason.as_str()).collect();
        let why = why.join(", ");
        if confirmed {
            return Ok(format!("; confirmed, though {why}"));
        }
        let before = known.before.map_or(String::new(), |before| format!(", {} kWh", before.total));
        let detail = format!(
            "does not agree with what the meter showed before{before}: {why}; look again, and confirm it if it is so"
        );
        Err(Error::field("implausible_reading", self.field, detail))
    }

    /// Every billed register is named, and no other, and the meter can show all of it.
    fn check_shown(&self, shown: &Shown, limits: &MeterLimits) -> Result<(), Error> {
        let field = self.registers_field;
        let registers = shown.registers.values().map(|value| (*value, field));
        for (value, field) in std::iter::once((shown.total, self.field)).chain(registers) {
            if value < Energy::ZERO || value >= limits.register_modulus {
                let modulus = limits.register_modulus;
                let detail = format!("must be at least 0 and below {modulus}, where the register begins anew");
                return Err(Error::field(field, field, detail));
            }
        }
        if shown.registers.keys().eq(self.billed) {
            return Ok(());
        }
        if self.billed.is_empty() {
            return Err(Error::field("register_not_billed", field, "the meter is billed by its total"));
        }
        let missing: Vec<Period> =
            self.billed.iter().filter(|period| !shown.registers.contains_key(period)).copied().collect();
        if missing.is_empty() {
            let detail = format!("the meter is billed by {} only", words(self.billed));
            return Err(Error::field("register_not_billed", field, detail));
        }
        let detail = format!("the meter is billed by its period registers: {} must be there, too", words(&missing));
        Err(Error::field("register_missing", field, detail))
    }

    fn register_neighbours(
        &self,
        conn: &mut Conn,
        installed_at: Timestamp,
        now: Timestamp,
    ) -> Result<RegisterNeighbours, Error> {
        if self.billed.is_empty() {
            return Ok(RegisterNeighbours::default());
        }
        let at = domain::calendar::shift(now, SignedDuration::from_micros(1));
        let (before, _) = store::reading::register_neighbours(conn, self.meter, at)?;
        let before = before.filter(|row| row.as_of >= installed_at);
        Ok(RegisterNeighbours { before: before.map(|row| (row.neighbour(), row.unwrapped_registers)), after: None })
    }

    fn neighbours(&self, conn: &mut Conn, installed_at: Timestamp, now: Timestamp) -> Result<Neighbours, Error> {
        let at = domain::calendar::shift(now, SignedDuration::from_micros(1));
        let (before, _) = store::reading::neighbours(conn, self.meter, at)?;
        let before = before.filter(|row| row.as_of >= installed_at).as_ref().map(Reading::neighbour);
        Ok(Neighbours { before, after: None })
    }
}

fn words(periods: &[Period]) -> String {
    periods.iter().map(|period| period.as_str()).collect::<Vec<_>>().join(", ")
}
