//! F129 and F161: forward active energy, now and at the end of a day.

use jiff::civil::Date;

use crate::{
    DecodeError, EncodeError,
    formats::{self, Register, WireTime},
    wire::Reader,
};

/// The most periods a meter keeps (M).
const MAX_PERIODS: u8 = 63;

/// Bytes of a register in fmt 14.
const ENERGY_14: usize = 5;

/// One measuring point's answer to F129: present forward active energy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointEnergy {
    /// The measuring point.
    pub point: u16,
    /// When the concentrator read the meter, by its own clock, to the minute.
    pub read_at: WireTime,
    /// The total.
    pub total: Register,
    /// The periods in the meter's order: sharp, peak, flat, valley, .. Empty or not available for meters without.
    pub periods: Vec<Register>,
}

/// One unit of an F161 request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreezeRequest {
    /// The measuring point.
    pub point: u16,
    /// The day at whose end the register is wanted (Td_d: the value at 24:00 of that day).
    pub day: Date,
}

/// One measuring point's answer to F161: forward active energy at the end of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyFreeze {
    /// The day at whose end the values stood (24:00).
    pub day: Date,
    /// The values; [`PointEnergy::read_at`] is when the concentrator copied them from the meter.
    pub energy: PointEnergy,
}

impl PointEnergy {
    pub(super) fn encode(&self) -> Result<(u16, Vec<u8>), EncodeError> {
        Ok((self.point, self.content()?))
    }

    /// Time, M, total and M periods.
    fn content(&self) -> Result<Vec<u8>, EncodeError> {
        let periods = u8::try_from(self.periods.len()).unwrap_or(u8::MAX);
        if periods > MAX_PERIODS {
            return Err(EncodeError::OutOfRange("number of periods"));
        }
        let mut bytes = formats::encode_time_15(self.read_at)?.to_vec();
        bytes.push(periods);
        for register in std::iter::once(&self.total).chain(&self.periods) {
            bytes.extend(formats::encode_energy_14(*register)?);
        }
        Ok(bytes)
    }

    pub(super) fn decode(point: u16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let PointReading { point, read_at, total, periods } = PointReading::decode(point, reader)?;
        Ok(Self { point, read_at, total, periods: periods.collect() })
    }
}

/// A [`PointEnergy`] that is read where it stands.
#[derive(Debug, Clone)]
pub struct PointReading<'a> {
    /// The measuring point.
    pub point: u16,
    /// See [`PointEnergy::read_at`].
    pub read_at: WireTime,
    /// The total.
    pub total: Register,
    /// The periods in the meter's order.
    pub periods: Periods<'a>,
}

/// Registers of periods, one after the other.
#[derive(Debug, Clone)]
pub struct Periods<'a>(&'a [u8]);

impl Iterator for Periods<'_> {
    type Item = Register;

    #[inline]
    fn next(&mut self) -> Option<Register> {
        let (register, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(formats::decode_energy_14(*register))
    }
}

impl<'a> PointReading<'a> {
    #[inline]
    pub(super) fn decode(point: u16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let read_at = formats::decode_time_15(reader.array()?);
        let count = reader.u8()?;
        if count > MAX_PERIODS {
            return Err(DecodeError::Undefined { field: "number of periods", value: count.into() });
        }
        let total = formats::decode_energy_14(reader.array()?);
        let periods = Periods(reader.bytes(usize::from(count) * ENERGY_14)?);
        Ok(Self { point, read_at, total, periods })
    }
}

impl FreezeRequest {
    pub(super) fn encode(&self) -> Result<(u16, Vec<u8>), EncodeError> {
        Ok((self.point, formats::encode_date_20(self.day)?.to_vec()))
    }

    pub(super) fn decode(point: u16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { point, day: formats::decode_date_20(reader.array()?)? })
    }
}

impl DailyFreeze {
    /// Td_d, then as F129.
    pub(super) fn encode(&self) -> Result<(u16, Vec<u8>), EncodeError> {
        let mut bytes = formats::encode_date_20(self.day)?.to_vec();
        bytes.extend(self.energy.content()?);
        Ok((self.energy.point, bytes))
    }

    pub(super) fn decode(point: u16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { day: formats::decode_date_20(reader.array()?)?, energy: PointEnergy::decode(point, reader)? })
    }
}
