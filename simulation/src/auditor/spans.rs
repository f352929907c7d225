//! The parts of a settled day at peak and in the valley, as the clock on the wall says they must be.

use domain::energy::Energy;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    InstallationSeen, Version, Violation,
    cost::is_peak,
    seen::DaySeen,
    time::{local, shift},
};

/// Peaks begin and end on the hour, and clocks are set by quarters of one.
const STEP: SignedDuration = SignedDuration::from_mins(15);

/// Whether each part of a day was at peak, and the register at its begin and its end. The register stood at `begin` when the
/// day began.
///
/// # Errors
/// The day was cut elsewhere than where peak and valley change, or goes down.
pub fn of(
    row: &DaySeen,
    installation: &InstallationSeen,
    begin: Energy,
    versions: &[Version],
    zone: &TimeZone,
) -> Result<Vec<(bool, Energy, Energy)>, Violation> {
    let wrong = |what: String| Violation::of("I1", format!("account {}, {}: {what}", row.account, row.day));
    let Some(version) = versions.iter().rfind(|version| version.valid_from <= row.day) else { return Ok(Vec::new()) };
    let peak_at = |at: Timestamp| is_peak(version, local(at, zone));
    let midnight = |day: DateTime| zone.to_ambiguous_zoned(day).compatible().map(|zoned| zoned.timestamp());
    let ends = row.day.tomorrow().map_err(|bad| wrong(bad.to_string()))?.to_datetime(jiff::civil::Time::midnight());
    let first = midnight(row.day.to_datetime(jiff::civil::Time::midnight())).map_err(|bad| wrong(bad.to_string()))?;
    let from = first.max(installation.start_at);
    let to = midnight(ends).map_err(|bad| wrong(bad.to_string()))?;
    let to = installation.end.map_or(to, |(at, _)| to.min(at));
    let mut changes = Vec::new();
    let mut at = shift(first, STEP);
    while at < to {
        if at > from && peak_at(at) != peak_at(shift(at, -SignedDuration::from_secs(1))) {
            changes.push(at);
        }
        at = shift(at, STEP);
    }
    let cuts: Vec<Timestamp> = row.cuts.iter().map(|cut| cut.at).collect();
    if cuts != changes {
        return Err(wrong(format!("cut at {cuts:?}, peak and valley change at {changes:?}")));
    }
    let values = row.cuts.iter().map(|cut| (cut.ends_peak, cut.at, cut.value));
    let mut parts = Vec::new();
    let mut before = begin;
    for (peak, until, value) in values.chain([(row.ends_at_peak, to, row.end_value)]) {
        if peak != peak_at(shift(until, -SignedDuration::from_secs(1))) {
            return Err(wrong(format!("what ends at {until} is taken for {}", if peak { "peak" } else { "valley" })));
        }
        if value < before {
            return Err(Violation::of(
                "double charge",
                format!("account {}: at {until} {value} after {before}", row.account),
            ));
        }
        parts.push((peak, before, value));
        before = value;
    }
    Ok(parts)
}
