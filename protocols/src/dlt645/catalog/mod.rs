//! The data identifiers of both editions as tables: name, length, format, unit and sign.
//! Source: docs/protocols/dlt645.md sections 3, 4 and 8.

mod edition_1997;
mod events;
mod items;
mod registers;

pub(crate) use items::{BAUD_WORD, STATUS_WORDS};

use crate::layout::{Name, Part, Reading, Short, tariff};

/// What stands behind an identifier.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    parts: &'static [Part],
    /// What of a block the items are called; empty: there is one item.
    block: Block,
}

/// The dimension of an identifier whose byte is FF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Tariffs,
    SettlementDays,
    /// A, B, C, of which this is the first: 0 the total, 1 phase A.
    Phases(u64),
    /// A block whose items have layouts of their own, or a block of blocks: it stands as it came.
    Mixed,
}

/// The entry of an identifier of the 2007 edition.
pub(crate) fn entry(id: u32) -> Option<Entry> {
    let [group, kind, tariffs, day] = id.to_be_bytes();
    match group {
        0x00 | 0x01 => registers::energy_or_demand(group, kind, tariffs, day).or_else(|| items::entry(id)),
        0x02 => registers::variable(kind, tariffs, day).or_else(|| items::entry(id)),
        0x05 => registers::freeze(kind, tariffs, day),
        0x03 | 0x1D | 0x1E => events::entry(id),
        _ => items::entry(id),
    }
}

/// The entry of an identifier of the 1997 edition.
pub(crate) fn entry_1997(id: u16) -> Option<Entry> {
    edition_1997::entry(id)
}

impl Entry {
    const fn single(name: Name, parts: &'static [Part]) -> Self {
        Self { name, parts, block: Block::None }
    }

    /// Reads the data behind the identifier. A byte too many is a device's habit and stays as it is.
    pub(crate) fn read(&self, reading: &mut Reading<'_>) -> Result<(), Short> {
        match self.block {
            Block::None => reading.parts(self.parts, &self.name),
            Block::Mixed => {
                reading.rest();
                Ok(())
            }
            block => self.read_block(block, reading),
        }
    }

    /// Items without separators, as many as there are; how many a meter has is not said.
    fn read_block(&self, block: Block, reading: &mut Reading<'_>) -> Result<(), Short> {
        let length =
            self.parts.iter().map(|part| if let Part::One(_, _, format, _) = part { format.length() } else { 0 }).sum();
        let mut nth = 0;
        while reading.left().len() >= length && length > 0 {
            let name = match block {
                Block::SettlementDays => settlement_day(nth),
                Block::Phases(first) => phase(first + nth),
                _ => tariff(nth),
            };
            reading.parts(self.parts, &name.of(&self.name))?;
            nth += 1;
        }
        Ok(())
    }
}

fn settlement_day(nth: u64) -> Name {
    match nth {
        0 => Name::new("当前", "now"),
        nth => Name::new(format!("上{nth}结算日"), format!("{nth} settlement days ago")),
    }
}

fn phase(nth: u64) -> Name {
    match nth {
        0 => Name::new("总", "total"),
        1 => Name::new("A相", "phase A"),
        2 => Name::new("B相", "phase B"),
        3 => Name::new("C相", "phase C"),
        nth => Name::new(format!("第{nth}项"), format!("item {nth}")),
    }
}
