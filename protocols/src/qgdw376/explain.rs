//! A frame explained unit by unit. What is not known stands as it came.

use super::{
    Frame, catalog,
    unit::{functions, next_units},
};
use crate::{
    layout::{Name, Reading, Value},
    wire::Reader,
};

/// A frame, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The frame itself.
    pub frame: Frame,
    /// What its AFN is called.
    pub afn: Name,
    /// Every measuring point with every function, in the order of their data.
    pub units: Vec<Unit>,
    /// Meters' frames that are forwarded inside.
    pub forwarded: Vec<Vec<u8>>,
    /// What no unit claims.
    pub rest: Vec<u8>,
}

/// What a frame says of one measuring point and one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Pn: the measuring point; 0 the concentrator itself, 65535 all.
    pub point: u16,
    /// Fn.
    pub function: u16,
    /// What the function is called.
    pub name: Name,
    /// Its fields.
    pub values: Vec<Value>,
}

/// Explains a frame.
#[must_use]
pub fn explain(frame: Frame) -> Explained {
    let afn = frame.afn.to_byte();
    let (mut units, mut forwarded) = (Vec::new(), Vec::new());
    let data = frame.data.clone();
    let mut left = data.as_slice();
    // Up to three bytes cannot be a unit: some concentrators append event counters without announcing them.
    while left.len() >= 4 {
        let mut reader = Reader::new(left);
        let Some(heads) = heads(&mut reader) else { break };
        left = reader.rest();
        let mut lost = false;
        for (point, function) in heads {
            let entry = catalog::entry(afn, function, frame.control.uplink);
            let mut reading = Reading::new(left);
            match entry.parts {
                Some((first, second)) if !lost => {
                    let none = Name::new("", "");
                    lost = reading.parts(first, &none).and_then(|()| reading.parts(second, &none)).is_err();
                }
                _ => lost = true,
            }
            // Where a unit ends is known no more: it has the rest.
            if lost {
                reading.rest();
            }
            left = reading.left();
            forwarded.append(&mut reading.frames);
            units.push(Unit { point, function, name: entry.name, values: reading.values });
        }
    }
    Explained { afn: catalog::afn(afn), units, forwarded, rest: left.to_vec(), frame }
}

/// All measuring points, in a request.
const ALL: u16 = 0xFFFF;

/// The next DA and DT; FF 00 asks for all measuring points.
fn heads(reader: &mut Reader<'_>) -> Option<Vec<(u16, u16)>> {
    match *reader.rest() {
        [0xFF, 0x00, bits, group, ..] => {
            reader.bytes(4).ok()?;
            Some(functions([bits, group]).ok()?.into_iter().map(|function| (ALL, function)).collect())
        }
        _ => Some(next_units(reader).ok()?.collect()),
    }
}
