//! Q/GDW 376.1, the concentrator's uplink. Notes: docs/protocols/qgdw376.md.
//!
//! [`Frame`] is the envelope with its auxiliary fields peeled off; every AFN decodes as a frame. [`Downlink`] is what
//! the head end says inside it and [`Uplink`] what a concentrator says; an AFN or Fn that neither knows is an error
//! that names it. [`explain`] knows the layouts of all AFNs, by the tables in `catalog`.

mod address;
mod archive;
mod blank;
mod catalog;
mod confirm;
mod downlink;
mod energy;
mod error;
mod event;
mod explain;
mod forward;
mod frame;
mod function;
mod header;
mod parameter;
mod unit;
mod uplink;
mod view;

pub(crate) use catalog::explain_events;
pub(crate) use frame::MIN_BODY;

pub use address::{Address, BadTerminalAddress, TerminalAddress};
pub use archive::{ArchiveRecord, MeterProtocol};
pub use confirm::{Confirmation, UnitResult};
pub use downlink::{Downlink, Enquiry};
pub use energy::{DailyFreeze, FreezeRequest, Periods, PointEnergy, PointReading};
pub use error::MessageError;
pub use event::{EventClass, EventRange, EventRecord, Events};
pub use explain::{Explained, Unit, explain};
pub use forward::{Forward, Forwarded, LineSettings, Timeout};
pub use frame::{Afn, Control, Edition, EventCounters, Frame, MAX_FRAME, Sequence, TimeTag};
pub use header::{AnswerHeader, RequestHeader};
pub use parameter::{EventSelection, Master, Parameter, UplinkPort};
pub use unit::{first_unit, function_dt, point_da};
pub use uplink::{LinkReport, Uplink};
pub use view::FrameView;

#[cfg(test)]
mod tests;
