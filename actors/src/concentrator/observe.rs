//! From what a concentrator or meter answered to readings: whose clock, which moment, which resolution.

use domain::{
    calendar::midnight,
    energy::Energy,
    ids::MeterId,
    reading::{Kind, Observation, Registers, TimeSource},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, Time},
    tz::{Offset, TimeZone},
};
use protocols::{
    dlt645::Value,
    formats::Register,
    qgdw376::{DailyFreeze, PointEnergy},
};

/// Finest step of Q/GDW 376.1 format 14: 0.1 Wh.
const FORMAT_14: Energy = Energy::new(1);
/// Finest step of DL/T 645's XXXXXX.XX kWh: 10 Wh.
const DLT645: Energy = Energy::new(100);
/// The concentrator's times have minutes only.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// The drift is known no better than this, since clocks are read to the second.
const DRIFT_ERROR: SignedDuration = SignedDuration::from_secs(1);

/// When an answer was asked for and came, and how the concentrator's clock stood to ours.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances<'a> {
    pub(crate) zone: &'a TimeZone,
    pub(crate) sent: Timestamp,
    pub(crate) received: Timestamp,
    /// The concentrator's clock minus ours, as last read.
    pub(crate) drift: SignedDuration,
    pub(crate) identity_verified: bool,
    /// The offset from UTC that the meter's clock keeps, where it is not set as the site's are.
    pub(crate) utc_offset: Option<Offset>,
}

/// An answer to F129. `None`: not available, or no sense in it.
pub(crate) fn instant(meter: MeterId, answer: &PointEnergy, of: &Circumstances<'_>) -> Option<Observation> {
    let registers = registers(answer.total, &answer.periods)?;
    let read_at = local(answer.read_at.ok().flatten()?, of.zone)?;
    let (as_of, time_source) = instant_as_of(read_at, of);
    Some(Observation {
        meter,
        as_of,
        time_source,
        received_at: of.received,
        copied_at: None,
        kind: Kind::Instant,
        registers,
        resolution: FORMAT_14,
        identity_verified: of.identity_verified,
    })
}

/// The time in an F129 answer is the concentrator's, to the minute. If that minute, by its clock, was going on between
/// our question and its answer, the meter was read just then, and our own clock says more exactly when; otherwise the
/// value comes from the concentrator's memory and its time is all there is.
fn instant_as_of(read_at: Timestamp, of: &Circumstances<'_>) -> (Timestamp, TimeSource) {
    let earliest = read_at.checked_sub(of.drift).and_then(|begin| begin.checked_sub(DRIFT_ERROR));
    let minute = earliest.and_then(|begin| Ok((begin, begin.checked_add(MINUTE + DRIFT_ERROR + DRIFT_ERROR)?)));
    match minute {
        Ok((begin, end)) if begin <= of.received && of.sent < end => (of.received.min(end), TimeSource::HeadEnd),
        _ => (read_at, TimeSource::Concentrator),
    }
}

/// An answer to F161: the register at the midnight of the meter's clock that ends its day.
pub(crate) fn freeze(meter: MeterId, answer: &DailyFreeze, of: &Circumstances<'_>) -> Option<Observation> {
    let registers = registers(answer.energy.total, &answer.energy.periods)?;
    let next = answer.day.tomorrow().ok()?;
    Some(Observation {
        meter,
        as_of: match of.utc_offset {
            Some(offset) => offset.to_timestamp(next.to_datetime(Time::midnight())).ok()?,
            None => midnight(next, of.zone),
        },
        time_source: TimeSource::Meter,
        received_at: of.received,
        copied_at: answer.energy.read_at.ok().flatten().and_then(|copied| local(copied, of.zone)),
        kind: Kind::DailyFreeze,
        registers,
        resolution: FORMAT_14,
        identity_verified: of.identity_verified,
    })
}

/// A meter's own answer, which carries no time but names the meter.
pub(crate) fn direct(meter: MeterId, value: &Value, received: Timestamp) -> Option<Observation> {
    let registers = match value {
        Value::ForwardActiveTotal(total) => registers(*total, &[])?,
        Value::ForwardActiveBlock { total, periods } => registers(*total, periods)?,
        Value::Relay(_) => return None,
    };
    Some(Observation {
        meter,
        as_of: received,
        time_source: TimeSource::HeadEnd,
        received_at: received,
        copied_at: None,
        kind: Kind::Instant,
        registers,
        resolution: DLT645,
        identity_verified: true,
    })
}

fn registers(total: Register, periods: &[Register]) -> Option<Registers> {
    let mut registers = Registers { total: total.ok().flatten()?, ..Registers::default() };
    for (period, value) in registers.periods.iter_mut().zip(periods) {
        *period = value.ok().flatten();
    }
    Some(registers)
}

/// The instant of a device's local time.
pub(crate) fn local(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::SiteId;
    use jiff::{civil::date, tz::offset};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn meter() -> MeterId {
        MeterId::new(SiteId::new(1).unwrap(), 7).unwrap()
    }

    fn circumstances(zone: &TimeZone) -> Circumstances<'_> {
        Circumstances {
            zone,
            sent: at("2026-03-01T04:00:58Z"),
            received: at("2026-03-01T04:01:02Z"),
            drift: SignedDuration::ZERO,
            identity_verified: true,
            utc_offset: None,
        }
    }

    fn point(read_at: DateTime) -> PointEnergy {
        PointEnergy { point: 7, read_at: Ok(Some(read_at)), total: Ok(Some(Energy::new(927_900))), periods: vec![] }
    }

    #[test]
    fn a_value_of_the_present_minute_was_read_now() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let seen = instant(meter(), &point(date(2026, 3, 1).at(12, 0, 0, 0)), &circumstances(&zone)).unwrap();
        assert_eq!((seen.as_of, seen.time_source), (at("2026-03-01T04:01:01Z"), TimeSource::HeadEnd));
        let seen = instant(meter(), &point(date(2026, 3, 1).at(12, 1, 0, 0)), &circumstances(&zone)).unwrap();
        assert_eq!((seen.as_of, seen.time_source), (at("2026-03-01T04:01:02Z"), TimeSource::HeadEnd));
    }

    #[test]
    fn a_value_from_memory_has_the_concentrators_time() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let seen = instant(meter(), &point(date(2026, 3, 1).at(11, 45, 0, 0)), &circumstances(&zone)).unwrap();
        assert_eq!((seen.as_of, seen.time_source), (at("2026-03-01T03:45:00Z"), TimeSource::Concentrator));
    }

    #[test]
    fn not_available_is_no_reading() {
        let zone = TimeZone::UTC;
        let absent = PointEnergy { total: Ok(None), ..point(date(2026, 3, 1).at(4, 0, 0, 0)) };
        assert_eq!(instant(meter(), &absent, &circumstances(&zone)), None);
    }

    #[test]
    fn a_freeze_stands_for_the_midnight_that_ends_its_day() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let energy = point(date(2026, 3, 1).at(0, 10, 0, 0));
        let answer = DailyFreeze { day: date(2026, 2, 28), energy };
        let seen = freeze(meter(), &answer, &circumstances(&zone)).unwrap();
        assert_eq!(seen.as_of, at("2026-02-28T16:00:00Z"));
        assert_eq!(seen.copied_at, Some(at("2026-02-28T16:10:00Z")));
    }

    #[test]
    fn a_clock_that_is_not_set_with_the_sites_ends_its_days_at_its_own_midnight() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let frozen = |day, hours: Option<i8>| {
            let answer = DailyFreeze { day, energy: point(date(2026, 7, 2).at(1, 10, 0, 0)) };
            freeze(meter(), &answer, &Circumstances { utc_offset: hours.map(offset), ..circumstances(&zone) })
                .unwrap()
                .as_of
        };
        assert_eq!(frozen(date(2026, 7, 1), None), at("2026-07-02T00:00:00+02:00"));
        assert_eq!(
            frozen(date(2026, 7, 1), Some(1)),
            at("2026-07-02T01:00:00+02:00"),
            "an ordinary reading to the site"
        );
        assert_eq!(frozen(date(2026, 1, 1), Some(1)), frozen(date(2026, 1, 1), None), "in winter they agree");
    }

    proptest! {
        /// Values read live never go back in time, whatever the concentrator's drift, known to about a second.
        #[test]
        fn live_reads_keep_their_order(
            drift in -3_000_i64..3_000,
            error_ms in -1_000_i64..1_000,
            gaps in prop::collection::vec(1_i64..90, 2..20),
        ) {
            let zone = TimeZone::UTC;
            let drift = SignedDuration::from_secs(drift);
            let error = SignedDuration::from_millis(error_ms);
            let (mut now, mut last) = (at("2026-03-01T04:00:00Z"), Timestamp::MIN);
            for gap in gaps {
                now += SignedDuration::from_secs(gap);
                let theirs = (now + drift + error).to_zoned(TimeZone::UTC).datetime();
                let minute = theirs.with().second(0).build().unwrap();
                let received = now + SignedDuration::from_millis(500);
                let of = Circumstances { sent: now, received, drift, ..circumstances(&zone) };
                let seen = instant(meter(), &point(minute), &of).unwrap();
                prop_assert_eq!(seen.time_source, TimeSource::HeadEnd);
                prop_assert!(seen.as_of > last && seen.as_of <= received);
                last = seen.as_of;
            }
        }
    }
}
