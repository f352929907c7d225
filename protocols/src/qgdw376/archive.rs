//! F10: the concentrator's archive of meters, 27 bytes a record.

use super::{
    function::parameter,
    unit::{encode_count, unit},
};
use crate::{DecodeError, EncodeError, Secret, dlt645::MeterAddress, wire::Reader};

/// F10 as it is set and as it is answered: a count and the records.
pub(super) fn encode(records: &[ArchiveRecord]) -> Result<Vec<u8>, EncodeError> {
    let mut data = unit(0, parameter::ARCHIVE)?.to_vec();
    data.extend(encode_count(records.len())?);
    for record in records {
        data.extend(record.encode()?);
    }
    Ok(data)
}

pub(super) fn decode(mut reader: Reader<'_>) -> Result<Vec<ArchiveRecord>, DecodeError> {
    let count = reader.u16()?;
    (0..count).map(|_| ArchiveRecord::decode(&mut reader)).collect()
}

/// What is spoken between concentrator and meter (F10, byte 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterProtocol {
    /// 0: the meter is not read.
    NotRead,
    /// 1: DL/T 645-1997.
    Dlt645Of1997,
    /// 2: the concentrator's own AC sampling.
    AcSampling,
    /// 30: DL/T 645-2007.
    Dlt645Of2007,
    /// 31: a narrow-band carrier module behind a serial interface.
    NarrowbandCarrier,
    /// Any other, by its number.
    Other(u8),
}

impl MeterProtocol {
    /// From the number in the archive.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::NotRead,
            1 => Self::Dlt645Of1997,
            2 => Self::AcSampling,
            30 => Self::Dlt645Of2007,
            31 => Self::NarrowbandCarrier,
            other => Self::Other(other),
        }
    }

    /// The number in the archive.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::NotRead => 0,
            Self::Dlt645Of1997 => 1,
            Self::AcSampling => 2,
            Self::Dlt645Of2007 => 30,
            Self::NarrowbandCarrier => 31,
            Self::Other(other) => other,
        }
    }
}

/// One meter in a concentrator's archive. Source: docs/protocols/qgdw376.md, F10 record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRecord {
    /// The record's number, 1..=2040.
    pub serial: u16,
    /// The measuring point under which the meter is read, 1..=2040; 0 deletes the record.
    pub point: u16,
    /// Rate of the port: 0 default, 1 = 600, 2 = 1200, 3 = 2400, 4 = 4800, 5 = 7200, 6 = 9600, 7 = 19200 baud.
    pub rate: u8,
    /// Port 1..=31: 1 AC sampling, 2-4 RS-485, 31 carrier.
    pub port: u8,
    /// What the meter speaks.
    pub protocol: MeterProtocol,
    /// The meter.
    pub meter: MeterAddress,
    /// The meter's password, as the concentrator shall send it.
    pub password: Secret<6>,
    /// How many tariff periods the meter keeps, 1..=48.
    pub periods: u8,
    /// Digits before the point of a displayed energy, 4..=7.
    pub integer_digits: u8,
    /// Digits behind the point of a displayed energy, 1..=4.
    pub decimals: u8,
    /// The collector between concentrator and meter; [`MeterAddress::NONE`] without.
    pub collector: MeterAddress,
    /// User class: big in the high nibble, small in the low one.
    pub class: u8,
}

impl ArchiveRecord {
    /// Bytes of a record.
    pub const LENGTH: usize = 27;

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let field = |value: u8, lowest: u8, highest: u8, what| {
            if (lowest..=highest).contains(&value) { Ok(value - lowest) } else { Err(EncodeError::OutOfRange(what)) }
        };
        let rate = field(self.rate, 0, 7, "rate")?;
        let port = field(self.port, 0, 31, "port")?;
        let integer_digits = field(self.integer_digits, 4, 7, "integer digits")?;
        let decimals = field(self.decimals, 1, 4, "decimals")?;

        let mut bytes = Vec::with_capacity(Self::LENGTH);
        bytes.extend(self.serial.to_le_bytes());
        bytes.extend(self.point.to_le_bytes());
        bytes.extend([rate << 5 | port, self.protocol.to_byte()]);
        bytes.extend(self.meter.to_wire());
        bytes.extend(self.password.bytes());
        bytes.extend([self.periods, integer_digits << 2 | decimals]);
        bytes.extend(self.collector.to_wire());
        bytes.push(self.class);
        Ok(bytes)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (serial, point) = (reader.u16()?, reader.u16()?);
        let [rate_and_port, protocol] = reader.array()?;
        let meter = MeterAddress::from_wire(reader.array()?);
        let password = Secret::new(reader.array()?);
        let [periods, digits] = reader.array()?;
        let collector = MeterAddress::from_wire(reader.array()?);
        Ok(Self {
            serial,
            point,
            rate: rate_and_port >> 5,
            port: rate_and_port & 0x1F,
            protocol: MeterProtocol::from_byte(protocol),
            meter,
            password,
            periods,
            integer_digits: 4 + (digits >> 2 & 0b11),
            decimals: 1 + (digits & 0b11),
            collector,
            class: reader.u8()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_record_has_the_27_bytes_of_the_table() {
        let bytes = [
            1, 0, 3, 0, 0x7F, 30, 0x06, 0x10, 0x24, 0x05, 0x19, 0x20, 1, 2, 3, 4, 5, 6, 4, 0x09, 0, 0, 0, 0, 0, 0, 0x51,
        ];
        let record = ArchiveRecord {
            serial: 1,
            point: 3,
            rate: 3,
            port: 31,
            protocol: MeterProtocol::Dlt645Of2007,
            meter: "201905241006".parse().unwrap(),
            password: Secret::new([1, 2, 3, 4, 5, 6]),
            periods: 4,
            integer_digits: 6,
            decimals: 2,
            collector: MeterAddress::NONE,
            class: 0x51,
        };
        assert_eq!(bytes.len(), ArchiveRecord::LENGTH);
        assert_eq!(ArchiveRecord::decode(&mut Reader::new(&bytes)).unwrap(), record);
        assert_eq!(record.encode().unwrap(), bytes);
        let refused = ArchiveRecord { port: 32, ..record }.encode();
        assert_eq!(refused, Err(EncodeError::OutOfRange("port")));
    }

    #[test]
    fn every_protocol_number_goes_round() {
        for byte in 0..=255 {
            assert_eq!(MeterProtocol::from_byte(byte).to_byte(), byte);
        }
    }
}
