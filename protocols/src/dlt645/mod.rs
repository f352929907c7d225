//! DL/T 645, the meter's protocol. Notes: docs/protocols/dlt645.md.
//!
//! [`Frame`] is the envelope of both editions (2007 and 1997); [`Request`] and [`Answer`] are what the 2007 edition
//! says inside it: reading an [`Item`] and controlling the relay. Follow-up frames, writes and the 1997 items are not
//! spoken here; such frames decode as frames.

mod address;
mod frame;
mod item;
mod message;
mod relay;

pub use address::{BadMeterAddress, MeterAddress};
pub use frame::{Control, Frame, MAX_FRAME};
pub use item::{DataId, Item, Value};
pub use message::{Answer, MessageError, MeterError, Request, function};
pub use relay::{Password, RelayCommand, RelayControl};

#[cfg(test)]
mod tests;
