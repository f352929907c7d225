//! The rules of Wattgate: pure functions over integers.
//!
//! Nothing here waits, stores or speaks: the present moment is an argument, money and energy are integers,
//! and every rule has a property test beside it.

#![deny(clippy::float_arithmetic)]

#[macro_use]
mod text;

pub mod account;
pub mod bug;
pub mod calendar;
pub mod charge;
pub mod debt;
pub mod energy;
pub mod explain;
#[cfg(test)]
mod fixtures;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod notice;
pub mod outage;
pub mod polling;
pub mod reading;
pub mod relay;
pub mod settlement;
pub mod site;
pub mod tariff;
pub mod vending;

pub use text::UnknownWord;
