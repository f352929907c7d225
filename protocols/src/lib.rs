//! Bytes of the meter and concentrator protocols: sans-IO framers and codecs.
//!
//! Nothing here reads a clock, a socket or a setting: bytes come in and values go out, and the other way round.
//! Both sides of a dialogue use the same types, so whoever asks and whoever answers cannot disagree about a layout.
//!
//! | to change | go to |
//! |---|---|
//! | how frames are cut out of a byte stream | [`framer`] |
//! | a frame's own layout | `dlt645/frame.rs`, `qgdw376/frame.rs` |
//! | what a meter can be asked (data identifiers) | [`dlt645::Item`] and [`dlt645::Value`] |
//! | what a concentrator can be asked (AFN and Fn) | [`qgdw376::Downlink`] and [`qgdw376::Uplink`] |
//! | a data format (BCD, times, energies) | [`formats`] |
//! | what an item or function that is only explained looks like | the tables in `dlt645/catalog`, `qgdw376/catalog`; their words are in `layout.rs` |
//! | how bytes are recognised and refused for people | [`explain`] |

pub mod bcd;
pub mod dlt645;
pub mod error;
pub mod explain;
pub mod formats;
pub mod framer;
mod layout;
pub mod qgdw376;
pub mod secret;
mod wire;

pub use error::{DecodeError, EncodeError, FrameError};
pub use framer::{FrameFormat, Framer};
pub use secret::Secret;
