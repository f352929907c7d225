//! Bytes explained for people: which protocol they are of, frame by frame and field by field, or the first thing that is
//! wrong with them and where.

use crate::{
    FrameError, dlt645,
    framer::{END, checksum},
    qgdw376::{self, Edition},
};

pub use crate::layout::{Name, Value};

/// Which protocol bytes are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Whichever they look like.
    Auto,
    /// DL/T 645, of either edition.
    Dlt645,
    /// Q/GDW 376.1.
    Qgdw376,
}

/// A sound frame, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explained {
    /// A meter's.
    Dlt645(Box<dlt645::Explained>),
    /// A concentrator's.
    Qgdw376(Box<qgdw376::Explained>),
    /// A frame of the same shape and of another edition: recognised, and not read any further.
    OtherEdition {
        /// Which.
        edition: Edition,
        /// Everything between the second 68H and the checksum.
        body: Vec<u8>,
    },
}

/// What is wrong with a frame. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A start byte is missing.
    Start,
    /// Bytes are missing at the end.
    Truncated,
    /// The length makes no sense.
    Length,
    /// The header's checksum is wrong (DL/T 698.45).
    HeaderChecksum,
    /// The checksum is wrong.
    Checksum,
    /// The end byte is wrong.
    End,
}

impl Fault {
    /// A stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Truncated => "truncated",
            Self::Length => "length",
            Self::HeaderChecksum => "header_checksum",
            Self::Checksum => "checksum",
            Self::End => "end",
        }
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub fault: Fault,
    /// Offset of the byte at fault, from the first byte given.
    pub at: usize,
    /// In words.
    pub detail: String,
}

/// Explains bytes that hold one frame or several behind each other, with any number of FEH between them. After a frame
/// that is none, it goes on where the next one would begin, if one does.
#[must_use]
pub fn explain(bytes: &[u8], protocol: Protocol) -> Vec<Result<Explained, Refused>> {
    let mut explained = Vec::new();
    let mut at = 0;
    loop {
        at += bytes.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == PREAMBLE).count();
        let left = bytes.get(at..).unwrap_or_default();
        if left.is_empty() && !explained.is_empty() {
            return explained;
        }
        match one(left, protocol) {
            Ok((one, length)) => {
                explained.push(Ok(one));
                at += length;
            }
            Err((mut refused, length)) => {
                refused.at += at;
                explained.push(Err(refused));
                let next = left.get(length..).unwrap_or_default();
                let next = next.iter().find(|byte| **byte != PREAMBLE);
                if length == 0 || next != Some(&START) {
                    return explained;
                }
                at += length;
            }
        }
    }
}

const PREAMBLE: u8 = 0xFE;
const START: u8 = 0x68;

/// What is at the front, and how long it is; of what is refused 0 where that is not known.
type One = Result<(Explained, usize), (Refused, usize)>;

fn one(bytes: &[u8], protocol: Protocol) -> One {
    match bytes.first() {
        Some(&START) => {}
        Some(other) => return Err((refused(Fault::Start, 0, format!("starts with {other:02X}H instead of 68H")), 0)),
        None => return Err((refused(Fault::Truncated, 0, "no bytes".to_owned()), 0)),
    }
    match protocol {
        Protocol::Dlt645 => meter(bytes),
        Protocol::Qgdw376 => concentrator(bytes),
        Protocol::Auto => guess(bytes),
    }
}

/// What a frame looks like from outside.
struct Shape {
    /// Where the second 68H stands.
    second_start: usize,
    /// Bytes that are enough to know the length.
    header: usize,
    /// The first byte of the sum.
    summed: usize,
    /// The whole frame's length by its header.
    length: fn(&[u8]) -> usize,
}

const DLT645: Shape = Shape {
    second_start: 7,
    header: 10,
    summed: 0,
    length: |header| 12 + header.get(9).map_or(0, |length| usize::from(*length)),
};
const QGDW376: Shape =
    Shape { second_start: 5, header: 6, summed: 6, length: |header| 8 + usize::from(declared(header, 1) >> 2) };

/// The length that stands at an offset, with the two bits of the edition.
fn declared(header: &[u8], at: usize) -> u16 {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk()).copied();
    bytes.map_or(0, u16::from_le_bytes)
}

fn refused(fault: Fault, at: usize, detail: String) -> Refused {
    Refused { fault, at, detail }
}

/// Checks a frame from outside, in the order of [`Fault`]; its length where it is sound.
fn check(
    bytes: &[u8],
    shape: &Shape,
    sensible: impl Fn(&[u8]) -> Option<(usize, String)>,
) -> Result<usize, (Refused, usize)> {
    if let Some(other) = bytes.get(shape.second_start).filter(|byte| **byte != START) {
        let detail = format!("second start byte is {other:02X}H instead of 68H");
        return Err((refused(Fault::Start, shape.second_start, detail), 0));
    }
    let truncated = |wanted: usize| {
        let detail = format!("{wanted} bytes wanted, {} there", bytes.len());
        Err((refused(Fault::Truncated, bytes.len(), detail), 0))
    };
    if bytes.len() < shape.header {
        return truncated(shape.header);
    }
    let length = (shape.length)(bytes);
    let Some((body, [found, end])) = bytes.get(..length).and_then(<[u8]>::split_last_chunk) else {
        return truncated(length);
    };
    if let Some((at, detail)) = sensible(bytes) {
        return Err((refused(Fault::Length, at, detail), 0));
    }
    let computed = checksum(body.get(shape.summed..).unwrap_or_default());
    if computed != *found {
        let detail = format!("checksum is {computed:02X}H, {found:02X}H was sent");
        return Err((refused(Fault::Checksum, length - 2, detail), length));
    }
    if *end != END {
        let detail = format!("ends with {end:02X}H instead of 16H");
        return Err((refused(Fault::End, length - 1, detail), length));
    }
    Ok(length)
}

fn meter(bytes: &[u8]) -> One {
    let length = check(bytes, &DLT645, |_| None)?;
    let frame = dlt645::Frame::decode(bytes.get(..length).unwrap_or_default());
    let frame = frame.map_err(|error| (refused(Fault::Length, 0, error.to_string()), length))?;
    Ok((Explained::Dlt645(Box::new(dlt645::explain(frame))), length))
}

fn concentrator(bytes: &[u8]) -> One {
    let length = check(bytes, &QGDW376, |header| {
        let (first, again) = (declared(header, 1), declared(header, 3));
        if first != again {
            return Some((3, format!("the two lengths differ: {first} and {again}")));
        }
        let body = usize::from(first >> 2);
        (body < qgdw376::MIN_BODY).then(|| (1, format!("{body} bytes are too few for a frame")))
    })?;
    let bytes = bytes.get(..length).unwrap_or_default();
    match qgdw376::Frame::decode(bytes) {
        Ok(frame) => Ok((Explained::Qgdw376(Box::new(qgdw376::explain(frame))), length)),
        Err(FrameError::Edition(edition)) => {
            let body = bytes.get(6..length - 2).unwrap_or_default().to_vec();
            Ok((Explained::OtherEdition { edition, body }, length))
        }
        Err(error) => Err((refused(Fault::Length, 1, error.to_string()), length)),
    }
}

/// Where the second 68H stands tells the protocols apart; where it stands at both places, whichever is sound does.
fn guess(bytes: &[u8]) -> One {
    let starts = |shape: &Shape| bytes.get(shape.second_start).is_none_or(|byte| *byte == START);
    let lengths_agree = bytes.len() >= QGDW376.header && declared(bytes, 1) == declared(bytes, 3);
    match (starts(&DLT645), starts(&QGDW376)) {
        (true, false) => meter(bytes),
        (false, true) => concentrator(bytes),
        (true, true) => match (meter(bytes), concentrator(bytes)) {
            (Ok(one), Err(_)) => Ok(one),
            (_, Ok(one)) => Ok(one),
            (Err(_), refused) if lengths_agree => refused,
            (refused, _) => refused,
        },
        (false, false) => {
            let at = if lengths_agree { QGDW376.second_start } else { DLT645.second_start };
            let detail = "no second 68H: neither DL/T 645 nor Q/GDW 376.1; DL/T 698.45 is not supported".to_owned();
            Err((refused(Fault::Start, at, detail), 0))
        }
    }
}
