//! The rules of Wattgate: pure functions over integers.
//!
//! Nothing here waits, stores or speaks: the present moment is an argument, money and energy are integers,
//! and every rule has a property test beside it.

pub mod energy;
pub mod ids;
pub mod money;
pub mod reading;
pub mod relay;
