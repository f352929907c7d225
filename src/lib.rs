//! Wattgate.
