//! Data unit identifiers: which measuring points (DA) and which functions (DT) a piece of data belongs to.
//!
//! Source: docs/protocols/qgdw376.md section 2.

use super::{Afn, Frame, MessageError};
use crate::{DecodeError, EncodeError, wire::Reader};

/// DA of one measuring point, 0..=2040; 0 is the concentrator itself.
pub fn point_da(point: u16) -> Result<[u8; 2], EncodeError> {
    let Some(index) = point.checked_sub(1) else { return Ok([0, 0]) };
    let group = u8::try_from(index / 8 + 1).map_err(|_| EncodeError::OutOfRange("measuring point"))?;
    Ok([1 << (index % 8), group])
}

/// The fewest DAs that name all `points`, ascending.
pub(super) fn points_das(points: &[u16]) -> Result<Vec<[u8; 2]>, EncodeError> {
    let mut points = points.to_vec();
    points.sort_unstable();
    let mut das: Vec<[u8; 2]> = Vec::new();
    for point in points {
        let [bit, group] = point_da(point)?;
        match das.last_mut() {
            Some([bits, last]) if *last == group => *bits |= bit,
            _ => das.push([bit, group]),
        }
    }
    Ok(das)
}

/// DT of one function, F1..=F248.
pub fn function_dt(function: u16) -> Result<[u8; 2], EncodeError> {
    let out_of_range = EncodeError::OutOfRange("function");
    match function.checked_sub(1) {
        Some(index @ 0..=247) => Ok([1 << (index % 8), u8::try_from(index / 8).map_err(|_| out_of_range)?]),
        _ => Err(out_of_range),
    }
}

/// DA and DT of one point and one function.
pub(super) fn unit(point: u16, function: u16) -> Result<[u8; 4], EncodeError> {
    let ([a, b], [c, d]) = (point_da(point)?, function_dt(function)?);
    Ok([a, b, c, d])
}

/// Several units of one function, each with its own DA and DT; `one` gives a unit's point and content.
pub(super) fn encode_units<T>(
    units: &[T],
    function: u16,
    one: impl Fn(&T) -> Result<(u16, Vec<u8>), EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut data = Vec::new();
    for each in units {
        let (point, content) = one(each)?;
        data.extend(unit(point, function)?);
        data.extend(content);
    }
    Ok(data)
}

/// A count of records, in two bytes.
pub(super) fn encode_count(count: usize) -> Result<[u8; 2], EncodeError> {
    u16::try_from(count).map(u16::to_le_bytes).map_err(|_| EncodeError::OutOfRange("number of records"))
}

/// The measuring points and functions of one DA and DT: each point with each function, in the order in which their data
/// follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    /// A bit for each point that is left, and the lowest one's number.
    points: u8,
    first_point: u16,
    functions: u8,
    first_function: u16,
    /// The functions that are left of the lowest point.
    left: u8,
}

impl Units {
    #[inline]
    fn new(da: [u8; 2], dt: [u8; 2]) -> Result<Self, MessageError> {
        let (points, first_point) = match da {
            [0, 0] => (1, 0),
            [0, _] | [_, 0] => return Err(MessageError::BadPoints(da)),
            [bits, group] => (bits, u16::from(group - 1) * 8 + 1),
        };
        // Some devices use groups above 30.
        let [functions, group] = dt;
        if functions == 0 {
            return Err(MessageError::BadFunctions(dt));
        }
        Ok(Self { points, first_point, functions, first_function: u16::from(group) * 8 + 1, left: functions })
    }

    const fn is_single(&self) -> bool {
        self.points.count_ones() == 1 && self.functions.count_ones() == 1
    }
}

impl Iterator for Units {
    type Item = (u16, u16);

    #[inline]
    fn next(&mut self) -> Option<(u16, u16)> {
        if self.points == 0 {
            return None;
        }
        let unit = (self.first_point + lowest(self.points), self.first_function + lowest(self.left));
        self.left = without_lowest(self.left);
        if self.left == 0 {
            (self.points, self.left) = (without_lowest(self.points), self.functions);
        }
        Some(unit)
    }
}

/// Which bit is the lowest one that is set.
#[inline]
fn lowest(bits: u8) -> u16 {
    u16::try_from(bits.trailing_zeros()).unwrap_or(0)
}

#[inline]
const fn without_lowest(bits: u8) -> u8 {
    bits & bits.wrapping_sub(1)
}

/// The functions of a DT, ascending.
pub(super) fn functions(dt: [u8; 2]) -> Result<Vec<u16>, MessageError> {
    Ok(Units::new([0, 0], dt)?.map(|(_, function)| function).collect())
}

/// The next DA and DT.
#[inline]
pub(super) fn next_units(reader: &mut Reader<'_>) -> Result<Units, MessageError> {
    Units::new(reader.array()?, reader.array()?)
}

/// The points and functions that a frame's data begins with, for traces.
pub fn first_unit(data: &[u8]) -> Result<Vec<(u16, u16)>, MessageError> {
    Ok(next_units(&mut Reader::new(data))?.collect())
}

/// A frame's first units, which say what the message is.
pub(super) struct Head<'a> {
    afn: Afn,
    /// Fn of the first unit.
    pub(super) function: u16,
    units: Units,
    content: Reader<'a>,
}

impl<'a> Head<'a> {
    pub(super) fn decode(frame: &'a Frame) -> Result<Self, MessageError> {
        Self::of(frame.afn, &frame.data)
    }

    #[inline]
    pub(super) fn of(afn: Afn, data: &'a [u8]) -> Result<Self, MessageError> {
        if let Afn::Other(_) = afn {
            return Err(MessageError::UnknownAfn(afn));
        }
        let mut content = Reader::new(data);
        let units = next_units(&mut content)?;
        Ok(Self { afn, function: units.first_function + lowest(units.functions), units, content })
    }

    /// The content of a message that has one unit.
    pub(super) const fn single(&self) -> Result<Reader<'a>, MessageError> {
        if self.units.is_single() { Ok(self.content) } else { Err(MessageError::Mixed(self.afn)) }
    }

    /// Each unit of a message that has many of one function; `one` takes a unit's content off the reader.
    #[inline]
    pub(super) fn each<T, F: Fn(u16, &mut Reader<'a>) -> Result<T, DecodeError>>(self, one: F) -> Each<'a, F> {
        Each { afn: self.afn, wanted: self.function, units: Some(self.units), content: self.content, one }
    }

    /// All of them at once.
    pub(super) fn all<T>(
        self,
        one: impl Fn(u16, &mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, MessageError> {
        self.each(one).collect()
    }

    pub(super) const fn unknown(&self) -> MessageError {
        MessageError::UnknownFunction { afn: self.afn, function: self.function }
    }
}

/// The units of a message, one after the other; nothing comes after an error.
///
/// Up to three bytes behind the last unit are ignored: they cannot be one, and some concentrators append event
/// counters without announcing them.
pub(super) struct Each<'a, F> {
    afn: Afn,
    wanted: u16,
    /// Those of the present DA and DT; none: the end.
    units: Option<Units>,
    content: Reader<'a>,
    one: F,
}

impl<'a, T, F: Fn(u16, &mut Reader<'a>) -> Result<T, DecodeError>> Each<'a, F> {
    #[inline]
    fn unit(&mut self) -> Result<Option<T>, MessageError> {
        loop {
            let Some(units) = &mut self.units else { return Ok(None) };
            match units.next() {
                Some((point, function)) if function == self.wanted => {
                    return Ok(Some((self.one)(point, &mut self.content)?));
                }
                Some(_) => return Err(MessageError::Mixed(self.afn)),
                None if self.content.left() < 4 => self.units = None,
                None => self.units = Some(next_units(&mut self.content)?),
            }
        }
    }
}

impl<'a, T, F: Fn(u16, &mut Reader<'a>) -> Result<T, DecodeError>> Iterator for Each<'a, F> {
    type Item = Result<T, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let unit = self.unit().transpose();
        if matches!(unit, Some(Err(_))) {
            self.units = None;
        }
        unit
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_of_one_group_share_a_da() {
        assert_eq!(points_das(&[1, 3, 2, 9, 8]).unwrap(), [[0b1000_0111, 1], [1, 2]]);
        assert_eq!(point_da(2040), Ok([0x80, 255]));
        assert_eq!(point_da(2041), Err(EncodeError::OutOfRange("measuring point")));
        assert_eq!(point_da(0), Ok([0, 0]));
    }

    #[test]
    fn functions_are_counted_by_eights() {
        assert_eq!(function_dt(129), Ok([0x01, 0x10]));
        assert_eq!(function_dt(161), Ok([0x01, 0x14]));
        assert_eq!(function_dt(248), Ok([0x80, 30]));
        assert_eq!(function_dt(0), Err(EncodeError::OutOfRange("function")));
        assert_eq!(function_dt(249), Err(EncodeError::OutOfRange("function")));
    }

    #[test]
    fn several_bits_are_several_units_point_by_point() {
        let units = first_unit(&[0x03, 0x01, 0x05, 0x00]).unwrap();
        assert_eq!(units, [(1, 1), (1, 3), (2, 1), (2, 3)]);
    }

    #[test]
    fn all_points_and_no_points_are_not_guessed_at() {
        assert_eq!(first_unit(&[0xFF, 0x00, 0x01, 0x00]), Err(MessageError::BadPoints([0xFF, 0x00])));
        assert_eq!(first_unit(&[0x00, 0x01, 0x01, 0x00]), Err(MessageError::BadPoints([0x00, 0x01])));
        assert_eq!(first_unit(&[0x00, 0x00, 0x00, 0x01]), Err(MessageError::BadFunctions([0x00, 0x01])));
    }

    proptest! {
        #[test]
        fn any_set_of_points_goes_round(set in prop::collection::btree_set(0_u16..=2040, 1..64)) {
            let das = points_das(&Vec::from_iter(set.iter().copied())).unwrap();
            let back: Vec<u16> = das.into_iter().flat_map(|da| Units::new(da, [1, 0]).unwrap()).map(|(point, _)| point).collect();
            prop_assert_eq!(back, Vec::from_iter(set));
        }

        #[test]
        fn every_function_goes_round(function in 1_u16..=248) {
            prop_assert_eq!(functions(function_dt(function).unwrap()).unwrap(), vec![function]);
        }
    }
}
