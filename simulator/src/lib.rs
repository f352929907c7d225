//! Virtual concentrators and meters that speak the real bytes from their own side, with seeded faults.
//!
//! | to change | go to |
//! |---|---|
//! | what customers draw and how registers grow | [`load`] |
//! | what a meter does and answers, how it fails, and the truth about it | [`meter`] |
//! | what a concentrator remembers of its meters | [`bus`] |
//! | how a concentrator logs in and answers | [`concentrator`] |
//! | which events it notes | [`notes`] |
//! | what goes wrong with answers and frames for meters, and how often it did | [`faults`] |
//! | how it dials, and that a run may be dropped at any moment | [`run`] |
//! | a whole site, its clock, and the hands and eyes of tests | [`site`] |
//!
//! Everything is a function of the seed, the true time and the bytes that come: no clock of the machine, no random
//! numbers but the seeded ones, no order but a sorted one. Nothing has to run for time to pass in a meter: it catches up
//! when it is looked at.

pub mod bus;
pub mod concentrator;
pub mod faults;
pub mod load;
pub mod meter;
pub mod notes;
pub mod run;
pub mod site;
