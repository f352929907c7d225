//! The data formats of Q/GDW 376.1 appendix A that are in use ("fmt n" in docs/protocols/qgdw376.md section 4), and
//! DL/T 645's energy (XXXXXX.XX kWh), which has the layout of fmt 11.
//!
//! Times have no zone: they are the local time of the device that wrote them. Years are 2000..=2099.

use domain::energy::Energy;
use jiff::civil::{Date, DateTime};

use crate::{
    EncodeError,
    bcd::{self, BadBcd},
};

/// A register as it came: a value, `None` where the sender says "not available", or digits that are none.
pub type Register = Result<Option<Energy>, BadBcd>;

/// A time as it came: a time, `None` where the sender says "not available", or a date that does not exist.
pub type WireTime = Result<Option<DateTime>, BadTime>;

/// A field that should be a time and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadTime {
    /// A byte is not BCD.
    #[error(transparent)]
    Bcd(#[from] BadBcd),
    /// Digits, but no moment of the calendar.
    #[error("no such date or time")]
    Impossible,
}

/// 0.1 Wh in one unit of fmt 11 (0.01 kWh).
const CENTI_KWH: u64 = 100;

/// fmt 14: XXXXXX.XXXX kWh, which is [`Energy`]'s own unit.
#[inline]
pub fn decode_energy_14(bytes: [u8; 5]) -> Register {
    register(bcd::decode_nullable(&bytes)?, 1)
}

/// fmt 14; what is not available becomes EEH.
pub fn encode_energy_14(register: Register) -> Result<[u8; 5], EncodeError> {
    match register? {
        Some(energy) => bcd::encode(unsigned(energy)?, "energy"),
        None => Ok([0xEE; 5]),
    }
}

/// fmt 11: XXXXXX.XX kWh.
#[inline]
pub fn decode_energy_11(bytes: [u8; 4]) -> Register {
    register(bcd::decode_nullable(&bytes)?, CENTI_KWH)
}

/// fmt 11; digits below 0.01 kWh are cut off, as a meter's display does, and what is not available becomes FFH.
pub fn encode_energy_11(register: Register) -> Result<[u8; 4], EncodeError> {
    match register? {
        Some(energy) => bcd::encode(unsigned(energy)? / CENTI_KWH, "energy"),
        None => Ok([0xFF; 4]),
    }
}

#[inline]
fn register(digits: Option<u64>, unit: u64) -> Register {
    // 5 BCD bytes hold at most 10^10, so neither step can fail; a value that could not be held would not be one.
    Ok(digits.and_then(|digits| i64::try_from(digits.checked_mul(unit)?).ok()).map(Energy::new))
}

fn unsigned(energy: Energy) -> Result<u64, EncodeError> {
    u64::try_from(energy.get()).map_err(|_| EncodeError::OutOfRange("energy"))
}

/// fmt 1: ss mm hh DD, week and month in one byte, YY. The day of the week is not looked at (some devices send 0).
pub fn decode_clock_1(bytes: [u8; 6]) -> WireTime {
    if bcd::is_null(&bytes) {
        return Ok(None);
    }
    let [second, minute, hour, day, week_and_month, year] = bytes;
    date_time([year, week_and_month & 0x1F, day, hour, minute, second]).map(Some)
}

/// fmt 1, with the day of the week (1 = Monday .. 7 = Sunday) in the top three bits of the month's byte.
pub fn encode_clock_1(time: DateTime) -> Result<[u8; 6], EncodeError> {
    let [year, month, day, hour, minute, second] = fields(time)?;
    let week = u8::try_from(time.date().weekday().to_monday_one_offset())
        .map_err(|_| EncodeError::OutOfRange("day of the week"))?;
    Ok([second, minute, hour, day, week << 5 | month, year])
}

/// fmt 15: mm hh DD MM YY.
#[inline]
pub fn decode_time_15(bytes: [u8; 5]) -> WireTime {
    if bcd::is_null(&bytes) {
        return Ok(None);
    }
    let [minute, hour, day, month, year] = bytes;
    date_time([year, month, day, hour, minute, 0]).map(Some)
}

/// fmt 15; seconds are cut off, and what is not available becomes EEH.
pub fn encode_time_15(time: WireTime) -> Result<[u8; 5], EncodeError> {
    let Some(time) = time? else { return Ok([0xEE; 5]) };
    let [year, month, day, hour, minute, _] = fields(time)?;
    Ok([minute, hour, day, month, year])
}

/// fmt 16: ss mm hh DD, as time tags carry it.
pub fn encode_day_time_16(time: DateTime) -> Result<[u8; 4], EncodeError> {
    let [_, _, day, hour, minute, second] = fields(time)?;
    Ok([second, minute, hour, day])
}

/// fmt 20: DD MM YY.
pub fn decode_date_20(bytes: [u8; 3]) -> Result<Date, BadTime> {
    let [day, month, year] = bytes;
    date_time([year, month, day, 0, 0, 0]).map(DateTime::date)
}

/// fmt 20.
pub fn encode_date_20(date: Date) -> Result<[u8; 3], EncodeError> {
    let [year, month, day, ..] = fields(date.at(0, 0, 0, 0))?;
    Ok([day, month, year])
}

/// DL/T 645: ss mm hh DD MM YY.
pub fn decode_seconds_first(bytes: [u8; 6]) -> Result<DateTime, BadTime> {
    let [second, minute, hour, day, month, year] = bytes;
    date_time([year, month, day, hour, minute, second])
}

/// DL/T 645: ss mm hh DD MM YY.
pub fn encode_seconds_first(time: DateTime) -> Result<[u8; 6], EncodeError> {
    let [year, month, day, hour, minute, second] = fields(time)?;
    Ok([second, minute, hour, day, month, year])
}

/// From BCD year, month, day, hour, minute, second.
#[inline]
fn date_time(fields: [u8; 6]) -> Result<DateTime, BadTime> {
    let mut numbers = [0_i8; 6];
    for (number, field) in numbers.iter_mut().zip(fields) {
        *number = i8::try_from(bcd::decode_byte(field)?).map_err(|_| BadTime::Impossible)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    DateTime::new(2000 + i16::from(year), month, day, hour, minute, second, 0).map_err(|_| BadTime::Impossible)
}

/// To BCD year, month, day, hour, minute, second.
fn fields(time: DateTime) -> Result<[u8; 6], EncodeError> {
    let year = time.year().checked_sub(2000).ok_or(EncodeError::OutOfRange("year"))?;
    let numbers =
        [year, time.month().into(), time.day().into(), time.hour().into(), time.minute().into(), time.second().into()];
    let mut fields = [0; 6];
    for (field, number) in fields.iter_mut().zip(numbers) {
        let number = u64::try_from(number).map_err(|_| EncodeError::OutOfRange("time"))?;
        [*field] = bcd::encode(number, "time")?;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fmt_1_carries_the_week_above_the_month() {
        // A captured concentrator clock: Tuesday 2015-12-15 11:48:49 (AFN0C F2 in testdata/qgdw376.jsonl).
        let bytes = [0x49, 0x48, 0x11, 0x15, 0x52, 0x15];
        let time = date(2015, 12, 15).at(11, 48, 49, 0);
        assert_eq!(decode_clock_1(bytes), Ok(Some(time)));
        assert_eq!(encode_clock_1(time), Ok(bytes));
    }

    #[test]
    fn a_day_that_does_not_exist_is_refused() {
        assert_eq!(decode_time_15([0x00, 0x00, 0x31, 0x02, 0x24]), Err(BadTime::Impossible));
        assert_eq!(decode_time_15([0x00, 0x1A, 0x31, 0x02, 0x24]), Err(BadTime::Bcd(BadBcd(0x1A))));
        assert_eq!(decode_time_15([0xEE; 5]), Ok(None));
    }

    #[test]
    fn years_outside_the_century_are_refused() {
        assert_eq!(encode_date_20(date(1999, 12, 31)), Err(EncodeError::OutOfRange("time")));
        assert_eq!(encode_date_20(date(2100, 1, 1)), Err(EncodeError::OutOfRange("time")));
    }

    #[test]
    fn energies_of_both_formats_are_tenths_of_a_watt_hour() {
        assert_eq!(decode_energy_14([0x00, 0x79, 0x92, 0x00, 0x00]), Ok(Some(Energy::new(927_900))));
        assert_eq!(decode_energy_11([0x78, 0x56, 0x34, 0x12]), Ok(Some(Energy::new(1_234_567_800))));
        assert_eq!(encode_energy_11(Ok(Some(Energy::new(199)))), Ok([0x01, 0, 0, 0]));
    }

    #[test]
    fn a_register_cannot_be_negative_or_too_long() {
        let refused = Err(EncodeError::OutOfRange("energy"));
        assert_eq!(encode_energy_14(Ok(Some(Energy::new(-1)))), refused);
        assert_eq!(encode_energy_14(Ok(Some(Energy::new(10_000_000_000)))), refused);
    }

    proptest! {
        #[test]
        fn energies_go_round(units in 0_i64..10_000_000_000) {
            let energy = Ok(Some(Energy::new(units)));
            prop_assert_eq!(decode_energy_14(encode_energy_14(energy).unwrap()), energy);
            let coarse = Ok(Some(Energy::new(units / 100 * 100)));
            prop_assert_eq!(decode_energy_11(encode_energy_11(energy).unwrap()), coarse);
        }

        #[test]
        fn times_go_round(days in 0_i32..36_525, second in 0_i32..86_400) {
            let time = date(2000, 1, 1).at(0, 0, 0, 0)
                .checked_add(jiff::Span::new().days(days).seconds(second)).unwrap();
            prop_assert_eq!(decode_clock_1(encode_clock_1(time).unwrap()), Ok(Some(time)));
            prop_assert_eq!(decode_seconds_first(encode_seconds_first(time).unwrap()), Ok(time));
            prop_assert_eq!(decode_date_20(encode_date_20(time.date()).unwrap()), Ok(time.date()));
            let minute = time.with().second(0).build().unwrap();
            prop_assert_eq!(decode_time_15(encode_time_15(Ok(Some(time))).unwrap()), Ok(Some(minute)));
        }
    }
}
