//! AFN0E: what a concentrator noted of itself and of its meters. What a record holds is a row of `catalog/events.rs`.
//!
//! Source: docs/protocols/qgdw376.md, AFN0E.

use super::{
    EventCounters,
    catalog::{self, POINT_NAME},
    function::event as function,
};
use crate::{
    DecodeError, EncodeError,
    explain::{Name, Value},
    formats::{self, WireTime},
    layout::{Format, Part},
    wire::Reader,
};

/// Which of a concentrator's two lists an event stands in, by its own setting (AFN04 F9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventClass {
    /// Counted by EC1, announced by ACD.
    Important,
    /// Counted by EC2.
    General,
}

impl EventClass {
    pub(super) const fn function(self) -> u16 {
        match self {
            Self::Important => function::IMPORTANT,
            Self::General => function::GENERAL,
        }
    }

    pub(super) const fn from_function(function: u16) -> Option<Self> {
        match function {
            function::IMPORTANT => Some(Self::Important),
            function::GENERAL => Some(Self::General),
            _ => None,
        }
    }
}

impl EventCounters {
    /// How many events of a list there were, modulo 256.
    #[must_use]
    pub const fn of(&self, class: EventClass) -> u8 {
        match class {
            EventClass::Important => self.important,
            EventClass::General => self.general,
        }
    }
}

/// Records that are asked for: `from`, `from + 1`, .. `to - 1`, modulo 256. `from` and `to` must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRange {
    /// Of which list.
    pub class: EventClass,
    /// The first record (Pm).
    pub from: u8,
    /// The one behind the last (Pn).
    pub to: u8,
}

impl EventRange {
    /// How many records these are.
    #[must_use]
    pub const fn records(&self) -> u8 {
        self.to.wrapping_sub(self.from)
    }
}

/// Records of one frame of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Which records these are: Pm and Pn of this frame alone.
    pub range: EventRange,
    /// EC1 and EC2 as they stand.
    pub counters: EventCounters,
    /// The records; fewer than the range says where the frame ended before.
    pub records: Vec<EventRecord>,
}

/// A record of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// ERC: what happened.
    pub code: u8,
    /// What is known of it, as it came.
    pub content: Vec<u8>,
}

impl EventRecord {
    /// What such an event is called.
    #[must_use]
    pub fn name(&self) -> Name {
        catalog::event_name(self.code)
    }

    /// What is known of it, field by field; what no layout claims stands as it came.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        catalog::event_values(self.code, &self.content, &Name { zh: String::new(), en: String::new() })
    }

    /// When it happened, by the concentrator's clock.
    pub fn at(&self) -> WireTime {
        self.facts().at
    }

    /// The measuring point that it is about; none: the concentrator itself.
    #[must_use]
    pub fn point(&self) -> Option<u16> {
        self.facts().point
    }

    /// Whether something is over that an earlier record told the beginning of.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.facts().is_end
    }

    fn facts(&self) -> Facts {
        let (mut facts, mut times) = (Facts { at: Ok(None), point: None, is_end: false }, 0_u8);
        let mut reader = Reader::new(&self.content);
        for part in catalog::event_layout(self.code) {
            let Part::One(name, _, format, _) = part else { break };
            let Ok(bytes) = reader.bytes(format.length()) else { break };
            match (format, bytes) {
                (Format::Time(_), [a, b, c, d, e]) => {
                    let time = formats::decode_time_15([*a, *b, *c, *d, *e]);
                    if time != Ok(None) {
                        facts.at = time;
                    }
                    times += 1;
                    facts.is_end = self.code == POWER_FAILURE && times == 2 && matches!(time, Ok(Some(_)));
                }
                (_, [low, high]) if name.starts_with(POINT_NAME) => {
                    facts.point = Some(u16::from_le_bytes([*low, *high]) & 0x0FFF);
                    let flagged = matches!(format, Format::Flags(..)) && self.code != STATUS_CHANGED;
                    facts.is_end = flagged && high & 0x80 == 0;
                    break;
                }
                _ => break,
            }
        }
        facts
    }
}

/// What the layouts of all events have in common.
struct Facts {
    at: WireTime,
    point: Option<u16>,
    is_end: bool,
}

/// ERC 33 tells a change, whose flag is neither beginning nor end.
const STATUS_CHANGED: u8 = 33;
/// ERC 14 has two times: of the beginning, and of the end where it is over.
const POWER_FAILURE: u8 = 14;

impl Events {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let EventCounters { important, general } = self.counters;
        let mut bytes = vec![important, general, self.range.from, self.range.to];
        for record in &self.records {
            let length = u8::try_from(record.content.len()).map_err(|_| EncodeError::OutOfRange("event record"))?;
            bytes.extend([record.code, length]);
            bytes.extend(&record.content);
        }
        Ok(bytes)
    }

    /// Not more records than were announced: what some devices append is none.
    pub(super) fn decode(class: EventClass, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [important, general, from, to] = reader.array()?;
        let range = EventRange { class, from, to };
        let mut records = Vec::new();
        while records.len() < usize::from(range.records()) && reader.left() > 0 {
            let [code, length] = reader.array()?;
            records.push(EventRecord { code, content: reader.bytes(length.into())?.to_vec() });
        }
        Ok(Self { range, counters: EventCounters { important, general }, records })
    }
}
