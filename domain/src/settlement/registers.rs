//! Meters that are billed by their period registers: each is settled by itself over the same readings, by the same rules as a
//! total, and its energy is in its own period, whatever the calendar says. A reading in which one of them is missing is no
//! boundary.

use super::{
    Anchor, BTreeMap, ChargeError, Date, Energy, Installation, Known, Period, Periods, ReadingId, Rise, SettledDay,
    Site, Tariff, TimeZone, Timestamp, Usage, changed, days, used_since,
};
use crate::reading::{Kind, registers::ByPeriod};

/// A meter at a supply whose period registers are billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterInstallation {
    /// When it began and ended, and its multiplier; its values are the sums of those of the registers.
    pub whole: Installation,
    /// Which registers are billed, and what each showed when it began; unwrapped.
    pub start: ByPeriod,
    /// What each showed when it was removed; empty before.
    pub end: ByPeriod,
}

/// A stored reading that may cost money, see [`Known`], with its registers unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRegisters {
    /// Its row.
    pub id: ReadingId,
    /// When the registers stood so.
    pub as_of: Timestamp,
    /// How it came about.
    pub kind: Kind,
    /// The billed registers, unwrapped, before the multiplier.
    pub registers: ByPeriod,
}

/// One register, as if the meter had no other.
struct Register {
    period: Period,
    installation: Installation,
    settled: Vec<SettledDay>,
    readings: Vec<Known>,
}

impl RegisterInstallation {
    /// Its registers, over the readings in which none is missing.
    fn registers(&self, settled: &[SettledDay], readings: &[KnownRegisters]) -> Vec<Register> {
        let whole = |known: &&KnownRegisters| self.start.keys().all(|period| known.registers.contains_key(period));
        let readings: Vec<&KnownRegisters> = readings.iter().filter(whole).collect();
        let one = |(period, start): (&Period, &Energy)| Register {
            period: *period,
            installation: Installation {
                start_value: *start,
                end: self.whole.end.and_then(|(at, _)| Some((at, *self.end.get(period)?))),
                ..self.whole
            },
            settled: settled.iter().filter_map(|day| of_day(day, *period)).collect(),
            readings: readings.iter().filter_map(|known| of_reading(known, *period)).collect(),
        };
        self.start.iter().map(one).collect()
    }
}

fn of_day(day: &SettledDay, period: Period) -> Option<SettledDay> {
    let end_value = day.registers.get(&period)?.to;
    let (readings, registers) = (day.readings.clone(), BTreeMap::new());
    Some(SettledDay { day: day.day, end_value, readings, period, cuts: Vec::new(), registers })
}

fn of_reading(known: &KnownRegisters, period: Period) -> Option<Known> {
    let total = *known.registers.get(&period)?;
    Some(Known { id: known.id, as_of: known.as_of, kind: known.kind, total })
}

/// The days to settle now, and those settled of which a register changed, see [`super::plan`]: also a day of which a register
/// begins otherwise.
///
/// # Errors
/// None but those of [`super::plan`].
pub fn plan(
    meter: &RegisterInstallation,
    settled: &[SettledDay],
    readings: &[KnownRegisters],
    now: Timestamp,
    site: Site<'_>,
) -> Result<Vec<SettledDay>, ChargeError> {
    let mut all: BTreeMap<Date, SettledDay> = BTreeMap::new();
    for Register { period, installation, settled, readings } in meter.registers(settled, readings) {
        let mut from = Anchor::of(&installation, &settled, site.zone).total;
        for day in days(&installation, &settled, &readings, Periods::Register(period), now, site)? {
            let to = day.end_value;
            let nothing = SettledDay { end_value: Energy::ZERO, period: Period::Flat, ..day };
            let sum = all.entry(nothing.day).or_insert(nothing);
            sum.end_value = sum.end_value + to;
            sum.registers.insert(period, Rise { from, to });
            from = to;
        }
    }
    Ok(changed(settled, all.into_values()))
}

/// What was used from the last settled boundary up to the latest reading in which no billed register is missing, and up to
/// when, see [`super::unsettled`].
///
/// # Errors
/// [`ChargeError::NoVersion`] where the tariff does not hold on one of the days.
pub fn unsettled(
    meter: &RegisterInstallation,
    settled: &[SettledDay],
    readings: &[KnownRegisters],
    priced: (&Tariff, Date),
    zone: &TimeZone,
) -> Result<(Usage, Timestamp), ChargeError> {
    let (mut usage, mut reached) = (Usage::none(), meter.whole.start_at);
    for Register { period, installation, settled, readings } in meter.registers(settled, readings) {
        let periods = Periods::Register(period);
        let (used, to) = used_since(&installation, &settled, &readings, periods, priced, zone)?;
        (usage, reached) = (usage.plus(&used), to);
    }
    Ok((usage, reached))
}

#[cfg(test)]
mod tests;
