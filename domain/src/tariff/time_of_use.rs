//! Prices by the time of day (分时电价): five periods, and the calendar that says when each holds at a meter that keeps one
//! register only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{BadTariff, PRICE_MAX, PRICE_TOO_HIGH};
use crate::{
    calendar::{midnight, next_day},
    money::Price,
};

words! {
    /// A part of the day with a price of its own.
    pub enum Period {
        /// 尖
        Sharp = "sharp",
        /// 峰
        Peak = "peak",
        /// 平: also every hour where a price does not depend on the time of day.
        Flat = "flat",
        /// 谷
        Valley = "valley",
        /// 深谷
        DeepValley = "deep_valley",
    }
}

impl Period {
    /// Its name in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Sharp => "尖",
            Self::Peak => "峰",
            Self::Flat => "平",
            Self::Valley => "谷",
            Self::DeepValley => "深谷",
        }
    }
}

/// Most switches of a day type.
pub const SWITCHES_MAX: usize = 24;
/// Most day types, and most seasons, of a calendar.
pub const DAY_TYPES_MAX: usize = 16;
/// Most holidays of a calendar.
pub const HOLIDAYS_MAX: usize = 400;

/// Prices by period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeOfUse {
    /// The price per kWh of each period that its calendar names, tax contained.
    pub prices: BTreeMap<Period, Price>,
    /// The kinds of days by name: the periods of each, in the order of the day, the first from 00:00.
    pub day_types: BTreeMap<String, Vec<Switch>>,
    /// The seasons in the order of the year. Days before the first belong to the last.
    pub seasons: Vec<Season>,
    /// Days that are of another type than their season says: holidays, and working days on a weekend (调休).
    #[serde(default)]
    pub holidays: BTreeMap<Date, String>,
}

/// From a local time of day on, a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The local time of day.
    pub at: Time,
    /// The period that holds from then on.
    pub period: Period,
}

/// A part of the year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// The month it begins in, 1 to 12.
    pub from_month: i8,
    /// The day of that month it begins on.
    pub from_day: i8,
    /// The day type from Monday to Friday.
    pub weekdays: String,
    /// The day type on Saturday and Sunday.
    pub weekends: String,
}

/// A part of a local day in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it ends: at a change of period, or with the day.
    pub until: Timestamp,
    /// Its period.
    pub period: Period,
}

impl TimeOfUse {
    /// Checks every rule of prices by period.
    ///
    /// # Errors
    /// Names the first field that breaks one.
    pub fn validate(&self) -> Result<(), BadTariff> {
        let bad = |field: String, problem| Err(BadTariff { field, problem });
        if self.day_types.is_empty() || self.day_types.len() > DAY_TYPES_MAX {
            return bad("day_types".to_owned(), "1 to 16 are needed");
        }
        let mut named = BTreeSet::new();
        for (name, switches) in &self.day_types {
            check_switches(switches)
                .map_err(|bad| BadTariff { field: format!("day_types.{name}{}", bad.field), ..bad })?;
            named.extend(switches.iter().map(|switch| switch.period));
        }
        if let Some(missing) = named.iter().find(|period| !self.prices.contains_key(period)) {
            return bad(format!("prices.{missing}"), "a day type names the period, a price is needed");
        }
        for (period, price) in &self.prices {
            if !named.contains(period) {
                return bad(format!("prices.{period}"), "no day type names the period");
            }
            if *price < Price::default() {
                return bad(format!("prices.{period}"), "must not be negative");
            }
            if *price > PRICE_MAX {
                return bad(format!("prices.{period}"), PRICE_TOO_HIGH);
            }
        }
        self.check_seasons()?;
        if self.holidays.len() > HOLIDAYS_MAX {
            return bad("holidays".to_owned(), "at most 400");
        }
        match self.holidays.iter().find(|(_, name)| !self.day_types.contains_key(*name)) {
            Some((date, _)) => bad(format!("holidays.{date}"), "names no day type"),
            None => Ok(()),
        }
    }

    fn check_seasons(&self) -> Result<(), BadTariff> {
        let bad = |field: String, problem| Err(BadTariff { field, problem });
        if self.seasons.is_empty() || self.seasons.len() > DAY_TYPES_MAX {
            return bad("seasons".to_owned(), "1 to 16 are needed");
        }
        let mut before = (0, 0);
        for (index, season) in self.seasons.iter().enumerate() {
            let field = |name: &str| format!("seasons[{index}].{name}");
            // A season begins on a day that every year has.
            if Date::new(2001, i16::from(season.from_month).try_into().unwrap_or(0), season.from_day).is_err() {
                return bad(field("from_day"), "must be a day that every year has");
            }
            if (season.from_month, season.from_day) <= before {
                return bad(field("from_day"), "must be after the season before it");
            }
            before = (season.from_month, season.from_day);
            for (name, day_type) in [("weekdays", &season.weekdays), ("weekends", &season.weekends)] {
                if !self.day_types.contains_key(day_type) {
                    return bad(field(name), "names no day type");
                }
            }
        }
        Ok(())
    }

    /// The periods of a local day.
    fn switches(&self, day: Date) -> &[Switch] {
        let name = self.holidays.get(&day).or_else(|| {
            let begun = |season: &&Season| (season.from_month, season.from_day) <= (day.month(), day.day());
            let season = self.seasons.iter().rfind(begun).or(self.seasons.last())?;
            let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            Some(if weekend { &season.weekends } else { &season.weekdays })
        });
        name.and_then(|name| self.day_types.get(name)).map_or(&[], Vec::as_slice)
    }

    /// The spans of a local day, at least one, the last until the midnight that ends it. An instant's period is that of its
    /// local time of day: where clocks go back over a change of period, the periods come twice.
    #[must_use]
    pub fn spans(&self, day: Date, zone: &TimeZone) -> Vec<Span> {
        let switches = self.switches(day);
        let (begin, end) = (midnight(day, zone), midnight(next_day(day), zone));
        let mut changes: BTreeSet<Timestamp> =
            switches.iter().flat_map(|switch| instants(day.to_datetime(switch.at), zone)).collect();
        changes.extend(zone.following(begin).map(|change| change.timestamp()).take_while(|at| *at < end));
        let mut spans: Vec<Span> = Vec::with_capacity(changes.len() + 1);
        let mut period = period_at(switches, begin, zone);
        for change in changes.range(begin..end).filter(|change| **change > begin) {
            let next = period_at(switches, *change, zone);
            if next != period {
                spans.push(Span { until: *change, period });
                period = next;
            }
        }
        spans.push(Span { until: end, period });
        spans
    }
}

/// The period of an instant of the day that has `switches`.
fn period_at(switches: &[Switch], at: Timestamp, zone: &TimeZone) -> Period {
    let time = zone.to_datetime(at).time();
    switches.iter().rfind(|switch| switch.at <= time).map_or(Period::Flat, |switch| switch.period)
}

/// Every instant at which local clocks show `time`: one, or two where they go back. (Where they jump over it, the jump
/// itself is the change.)
fn instants(time: DateTime, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
    let ambiguous = || zone.to_ambiguous_timestamp(time);
    [ambiguous().earlier().ok(), ambiguous().later().ok()].into_iter().flatten()
}

fn check_switches(switches: &[Switch]) -> Result<(), BadTariff> {
    let bad = |field: String, problem| Err(BadTariff { field, problem });
    if switches.is_empty() || switches.len() > SWITCHES_MAX {
        return bad(String::new(), "1 to 24 periods are needed");
    }
    let mut before = None;
    for (index, switch) in switches.iter().enumerate() {
        let field = || format!("[{index}].at");
        if index == 0 && switch.at != Time::midnight() {
            return bad(field(), "the first period begins at 00:00");
        }
        if before.is_some_and(|before| switch.at <= before) {
            return bad(field(), "must be after the period before it");
        }
        if switch.at.second() != 0 || switch.at.subsec_nanosecond() != 0 {
            return bad(field(), "must be a whole minute");
        }
        before = Some(switch.at);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
