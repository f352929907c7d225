//! Settlement: from readings to the register's values at local midnights and at changes of the period, to the energy of
//! each day.
//!
//! A boundary's value is the reading there, or an interpolation between the good readings around it; it comes from
//! readings only, and never falls below the boundary before it. Values are the register's, before the multiplier.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{at, day_before, day_of, midnight, next_day, shift},
    charge::{ChargeError, Usage},
    energy::Energy,
    ids::ReadingId,
    reading::Known,
    site::Site,
    tariff::{Period, Span, Tariff},
};

pub mod registers;

/// Most that a multiplier may be.
pub const MULTIPLIER_MAX: u32 = 100_000;

/// A meter at a supply, from one reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation {
    /// When it began to count for the account.
    pub start_at: Timestamp,
    /// What its register showed then, unwrapped.
    pub start_value: Energy,
    /// CT x PT (倍率), 1 to [`MULTIPLIER_MAX`]: energy is this times what the register counts.
    pub multiplier: u32,
    /// When it was removed, and its register's value then; nothing counts that is later or higher.
    pub end: Option<(Timestamp, Energy)>,
}

impl Installation {
    /// When a day ends for it: at the midnight, or when it was removed; none where it was removed before the day began.
    #[must_use]
    pub fn end_of(&self, day: Date, zone: &TimeZone) -> Option<Timestamp> {
        let end = midnight(next_day(day), zone);
        match self.end {
            Some((removed, _)) if removed <= midnight(day, zone) => None,
            Some((removed, _)) => Some(removed.min(end)),
            None => Some(end),
        }
    }
}

/// A day whose energy is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledDay {
    /// The local day.
    pub day: Date,
    /// The register's value at the midnight that ends it, or at the removal; unwrapped, before the multiplier.
    pub end_value: Energy,
    /// The readings the value comes from: one at the midnight, or the two around it.
    pub readings: Vec<ReadingId>,
    /// The period in which the day ends.
    pub period: Period,
    /// The changes of the period before that, in order.
    pub cuts: Vec<Cut>,
    /// Each billed period register over the day, see [`registers`]: `end_value` is their sum, the day ends in no period and
    /// has no changes of it. Empty where the total is billed.
    pub registers: BTreeMap<Period, Rise>,
}

/// A register from where the day began to where it ended; unwrapped, before the multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rise {
    /// What it showed at the beginning.
    pub from: Energy,
    /// What it showed at the end.
    pub to: Energy,
}

/// A change of the period inside a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// When it is.
    pub at: Timestamp,
    /// The period that ends.
    pub period: Period,
    /// The register's value then, unwrapped, before the multiplier.
    pub value: Energy,
    /// The readings the value comes from: one at that instant, or the two around it.
    pub readings: Vec<ReadingId>,
}

impl SettledDay {
    /// The day's energies by period, after the multiplier, where the register stood at `start` when it began.
    pub fn energies(&self, start: Energy, multiplier: u32) -> impl Iterator<Item = (Period, Energy)> {
        let cuts = self.cuts.iter().map(|cut| (cut.period, cut.value));
        let end = self.registers.is_empty().then_some((self.period, self.end_value));
        let mut from = start;
        let by_time = cuts.chain(end).map(move |(period, value)| (period, value - std::mem::replace(&mut from, value)));
        let by_register = self.registers.iter().map(|(period, rise)| (*period, rise.to - rise.from));
        by_time.chain(by_register).map(move |(period, rise)| (period, Energy::new(rise.get() * i64::from(multiplier))))
    }

    /// Whether another has the same values at the same instants.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let values = |day: &Self| day.cuts.iter().map(|cut| (cut.at, cut.period, cut.value)).collect::<Vec<_>>();
        (self.end_value, self.period) == (other.end_value, other.period)
            && self.registers == other.registers
            && values(self) == values(other)
    }
}

/// The first of the settled days that [`plan`] needs to see everything that can have changed; of the readings it then
/// needs those from the midnight on that ends that day. None: it needs everything from the installation's start.
///
/// `latest_before` is the latest good reading before both the last settled midnight and the oldest reading that is new
/// or turned good or suspect; where there is none, the installation's start.
#[must_use]
pub fn load_from(installation: &Installation, latest_before: Timestamp, zone: &TimeZone) -> Option<Date> {
    let first = day_before(day_of(latest_before, zone));
    (first > day_of(installation.start_at, zone)).then_some(first)
}

/// A boundary's value and the readings it comes from.
type Boundary = (Energy, Vec<ReadingId>);

/// A point of the register's curve: a good reading.
#[derive(Clone, Copy)]
struct Point {
    as_of: Timestamp,
    total: Energy,
    reading: Option<ReadingId>,
}

/// The register's curve as known from readings, swept over from boundary to boundary. Behind the sweep a step back costs
/// and gives nothing: each day's points are raised to the running maximum, which begins with the day's first boundary.
/// So a boundary depends on nothing before the day of the last reading before it, see [`load_from`].
struct Curve {
    points: Vec<Point>,
    swept: usize,
    boundary: Energy,
}

impl Curve {
    /// The curve from `anchor` on, and from the last reading before it where there is none at it: what follows is interpolated
    /// from there. Of several readings at one instant the first by [`crate::reading::Kind::precedence`] counts.
    fn new(anchor: &Anchor, readings: &[Known], end: Option<(Timestamp, Energy)>) -> Self {
        let counted = readings.iter().filter(|known| end.is_none_or(|(end, _)| known.as_of <= end));
        let most = |total: Energy| end.map_or(total, |(_, value)| total.min(value));
        let by_time: BTreeMap<(Timestamp, u8), &Known> =
            counted.map(|known| ((known.as_of, known.kind.precedence()), known)).collect();
        let mut points: Vec<Point> = Vec::with_capacity(by_time.len() + 1);
        let there = by_time.values().find(|known| known.as_of == anchor.at).map(|known| known.id);
        if anchor.is_start || there.is_some() {
            points.push(Point { as_of: anchor.at, total: anchor.total, reading: there });
        } else if let Some(before) = by_time.values().rfind(|known| known.as_of < anchor.at) {
            let total = most(before.total).min(anchor.total);
            points.push(Point { as_of: before.as_of, total, reading: Some(before.id) });
        }
        let swept = points.len();
        for known in by_time.values() {
            let last = points.last().map_or(anchor.at, |last| last.as_of.max(anchor.at));
            if known.as_of > last {
                points.push(Point { as_of: known.as_of, total: most(known.total), reading: Some(known.id) });
            }
        }
        Self { points, swept, boundary: anchor.total }
    }

    /// Sweeps up to `end`.
    fn sweep(&mut self, end: Timestamp) {
        let mut highest = self.boundary;
        while let Some(point) = self.points.get_mut(self.swept).filter(|point| point.as_of <= end) {
            highest = highest.max(point.total);
            point.total = highest;
            self.swept += 1;
        }
    }

    /// The last point swept over.
    fn behind(&self) -> Option<&Point> {
        self.points.get(self.swept.checked_sub(1)?)
    }

    /// The reading at `end`, where the sweep stands.
    fn reading_at(&self, end: Timestamp) -> Option<Boundary> {
        let there = self.behind().filter(|point| point.as_of == end)?;
        Some((there.total, there.reading.into_iter().collect()))
    }

    /// The reading at `end`, where the sweep stands, else what lies between the readings around it.
    fn value_at(&self, end: Timestamp) -> Option<Boundary> {
        self.reading_at(end).or_else(|| {
            let (before, after) = (self.behind()?, self.points.get(self.swept)?);
            let readings = [before.reading, after.reading].into_iter().flatten().collect();
            Some((interpolate(before, after, end), readings))
        })
    }

    /// What was read there last counts as this, though more was seen before, with other digits.
    fn conclude(&mut self, end: Timestamp, value: Energy) {
        let behind = self.swept.checked_sub(1).and_then(|index| self.points.get_mut(index));
        if let Some(there) = behind.filter(|point| point.as_of == end) {
            there.total = value.max(self.boundary);
        }
    }

    /// Fixes the value of the boundary at `end`, where the sweep stands: what follows begins there.
    fn fix(&mut self, end: Timestamp, value: Energy) {
        self.boundary = value;
        let behind = self.swept.checked_sub(1).and_then(|index| self.points.get_mut(index));
        if let Some(there) = behind.filter(|point| point.as_of == end) {
            there.total = value;
        }
    }
}

/// `v0 + floor((v1 - v0)(t - t0)/(t1 - t0))`, in whole microseconds.
fn interpolate(before: &Point, after: &Point, at: Timestamp) -> Energy {
    let since = |instant: Timestamp| i128::from(instant.as_microsecond() - before.as_of.as_microsecond());
    let rise = i128::from((after.total.max(before.total) - before.total).get()) * since(at);
    let share = rise.div_euclid(since(after.as_of).max(1));
    before.total + Energy::new(i64::try_from(share).unwrap_or(i64::MAX))
}

/// Where the days that are planned begin: the installation's start, or a settled boundary that stays.
struct Anchor {
    at: Timestamp,
    total: Energy,
    is_start: bool,
    /// The first day after it.
    first_day: Date,
}

impl Anchor {
    fn of(installation: &Installation, settled: &[SettledDay], zone: &TimeZone) -> Self {
        let start_day = day_of(installation.start_at, zone);
        match settled.first() {
            Some(first) if first.day != start_day => {
                let first_day = next_day(first.day);
                Self { at: midnight(first_day, zone), total: first.end_value, is_start: false, first_day }
            }
            _ => Self {
                at: installation.start_at,
                total: installation.start_value,
                is_start: true,
                first_day: start_day,
            },
        }
    }
}

/// The days to settle now, and those settled of which a value changed: in day order, to be stored in place of what was.
///
/// `settled` is without gaps, in day order; cut at the front (see [`load_from`]) its first day stays as it is.
/// `readings` may come in any order; those before the first day that may change are not looked at.
///
/// # Errors
/// [`ChargeError::NoVersion`] where the tariff does not hold on one of the days.
pub fn plan(
    installation: &Installation,
    settled: &[SettledDay],
    readings: &[Known],
    tariff: &Tariff,
    now: Timestamp,
    site: Site<'_>,
) -> Result<Vec<SettledDay>, ChargeError> {
    let all = days(installation, settled, readings, Periods::Calendar(tariff), now, site)?;
    Ok(changed(settled, all))
}

/// What says in which period energy is used.
#[derive(Clone, Copy)]
enum Periods<'a> {
    /// The time of day.
    Calendar(&'a Tariff),
    /// The register that counts it.
    Register(Period),
}

/// Those of `days` that are not stored with the same values.
fn changed(settled: &[SettledDay], days: impl IntoIterator<Item = SettledDay>) -> Vec<SettledDay> {
    let stored: BTreeMap<Date, &SettledDay> = settled.iter().map(|day| (day.day, day)).collect();
    days.into_iter().filter(|day| stored.get(&day.day).is_none_or(|stored| !stored.agrees(day))).collect()
}

/// The days from the first that may change to the last that settles now, as the readings tell them.
fn days(
    installation: &Installation,
    settled: &[SettledDay],
    readings: &[Known],
    periods: Periods<'_>,
    now: Timestamp,
    site: Site<'_>,
) -> Result<Vec<SettledDay>, ChargeError> {
    let anchor = Anchor::of(installation, settled, site.zone);
    let mut curve = Curve::new(&anchor, readings, installation.end);
    let stored: BTreeMap<Date, &SettledDay> = settled.iter().map(|day| (day.day, day)).collect();
    let mut days = Vec::new();
    let mut day = anchor.first_day;
    while let Some(end) = installation.end_of(day, site.zone).filter(|end| stored.contains_key(&day) || now >= *end) {
        let stored = stored.get(&day).copied();
        if let Some(stored) = stored.filter(|_| now > shift(end, site.policy.settlement.correction_horizon)) {
            curve.sweep(end);
            curve.fix(end, stored.end_value);
            days.push(stored.clone());
        } else {
            let spans = spans_of(installation, day, end, periods, site.zone)?;
            let cuts = curve.cuts(&spans, stored);
            curve.sweep(end);
            if let Some((_, value)) = installation.end.filter(|(at, _)| *at == end) {
                curve.conclude(end, value);
            }
            let known = match stored {
                Some(stored) => curve.value_at(end).or_else(|| Some((stored.end_value, stored.readings.clone()))),
                None if waits(installation, day, now, site) => curve.reading_at(end),
                None => curve.value_at(end),
            };
            let Some((value, readings)) = known else { break };
            let end_value = value.max(curve.boundary);
            curve.fix(end, end_value);
            let period = spans.last().map_or(Period::Flat, |last| last.period);
            days.push(SettledDay { day, end_value, readings, period, cuts, registers: BTreeMap::new() });
        }
        day = next_day(day);
    }
    Ok(days)
}

/// Whether an open day still waits for a reading at its midnight. A meter that was removed settles at once, with what is
/// known.
fn waits(installation: &Installation, day: Date, now: Timestamp, site: Site<'_>) -> bool {
    let noon = at(next_day(day), site.policy.settlement.interpolate_from, site.zone);
    now < noon && installation.end.is_none()
}

/// The spans of a day in one period each while the installation counts, the last until `end`.
fn spans_of(
    installation: &Installation,
    day: Date,
    end: Timestamp,
    periods: Periods<'_>,
    zone: &TimeZone,
) -> Result<Vec<Span>, ChargeError> {
    let mut spans = match periods {
        Periods::Calendar(tariff) => tariff.spans(day, zone)?,
        Periods::Register(period) => return Ok(vec![Span { until: end, period }]),
    };
    spans.retain(|span| span.until > installation.start_at);
    let ends = spans.iter().position(|span| span.until >= end).unwrap_or(spans.len());
    spans.truncate(ends + 1);
    if let Some(last) = spans.last_mut() {
        last.until = end;
    }
    Ok(spans)
}

impl Curve {
    /// Sweeps over the changes of the period inside a day and fixes their values. What the readings at hand do not tell
    /// any more stays as stored.
    fn cuts(&mut self, spans: &[Span], stored: Option<&SettledDay>) -> Vec<Cut> {
        let Some((_, inside)) = spans.split_last() else { return Vec::new() };
        let mut cuts = Vec::with_capacity(inside.len());
        for span in inside {
            let at = span.until;
            self.sweep(at);
            let stored = || stored?.cuts.iter().find(|cut| cut.at == at).map(|cut| (cut.value, cut.readings.clone()));
            let (value, readings) = self.value_at(at).or_else(stored).unwrap_or((self.boundary, Vec::new()));
            let value = value.max(self.boundary);
            self.fix(at, value);
            cuts.push(Cut { at, period: span.period, value, readings });
        }
        cuts
    }
}

/// What was used from the last settled boundary up to the latest good reading, and up to when: split at local midnights and
/// changes of the period as settlement would. `opened` is the day the account was opened; `settled` and `readings` as in
/// [`plan`], with the last reading before where there is none at the midnight from which on `settled` tells nothing.
///
/// # Errors
/// [`ChargeError::NoVersion`] where the tariff does not hold on one of the days.
pub fn unsettled(
    installation: &Installation,
    settled: &[SettledDay],
    readings: &[Known],
    priced: (&Tariff, Date),
    zone: &TimeZone,
) -> Result<(Usage, Timestamp), ChargeError> {
    used_since(installation, settled, readings, Periods::Calendar(priced.0), priced, zone)
}

/// See [`unsettled`].
fn used_since(
    installation: &Installation,
    settled: &[SettledDay],
    readings: &[Known],
    periods: Periods<'_>,
    (tariff, opened): (&Tariff, Date),
    zone: &TimeZone,
) -> Result<(Usage, Timestamp), ChargeError> {
    let anchor = Anchor::of(installation, settled, zone);
    let mut curve = Curve::new(&anchor, readings, installation.end);
    let stored: BTreeMap<Date, Energy> = settled.iter().map(|day| (day.day, day.end_value)).collect();
    let known_to = curve.points.last().map_or(anchor.at, |latest| latest.as_of);
    let (mut usage, mut day, mut reached) = (Usage::none(), anchor.first_day, anchor.at);
    while reached < known_to || stored.contains_key(&day) {
        let Some(end) = installation.end_of(day, zone) else { break };
        match stored.get(&day) {
            Some(end_value) => {
                curve.sweep(end);
                curve.fix(end, *end_value);
                reached = end;
            }
            None => {
                let (window, version) = tariff.window(day, opened)?;
                reached = end.min(known_to);
                for span in spans_of(installation, day, reached, periods, zone)? {
                    let from = curve.boundary;
                    curve.sweep(span.until);
                    let value = curve.value_at(span.until).map_or(from, |(value, _)| value.max(from));
                    curve.fix(span.until, value);
                    let used = Energy::new((value - from).get() * i64::from(installation.multiplier));
                    usage.put((window, version, span.period), used);
                }
            }
        }
        day = next_day(day);
    }
    Ok((usage, reached))
}

#[cfg(test)]
mod tests;
