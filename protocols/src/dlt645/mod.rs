//! DL/T 645, the meter's protocol. Notes: docs/protocols/dlt645.md.
//!
//! [`Frame`] is the envelope of both editions (2007 and 1997); [`Request`] and [`Answer`] are what the 2007 edition
//! says inside it where we speak ourselves: reading an [`Item`] and controlling the relay. Everything else is explained
//! ([`explain`]) by the tables in `catalog`.

mod address;
mod catalog;
mod explain;
mod frame;
mod item;
mod message;
mod pieces;
mod relay;

pub(crate) use catalog::STATUS_WORDS;

pub use address::{BadMeterAddress, MeterAddress};
pub use explain::{Edition, Explained, explain};
pub use frame::{Control, Frame, MAX_FRAME};
pub use item::{DataId, Item, Value};
pub use message::{Answer, MessageError, MeterError, Request, broadcast_time, function};
pub use pieces::Pieces;
pub use relay::{Password, RelayCommand, RelayControl};

#[cfg(test)]
mod tests;
