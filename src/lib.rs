//! Wattgate: the head end for centralized meter reading and prepaid electricity.
//!
//! This crate is the world around the four inner ones: people, databases and other systems. See ARCHITECTURE.md.

pub mod app;
pub mod audit;
pub mod batch;
pub mod changes;
pub mod decode;
pub mod demo;
pub mod enquiry;
pub mod explain;
pub mod hex;
pub mod hot;
pub mod http;
pub mod jobs;
pub mod keys;
pub mod metrics;
pub mod operations;
pub mod parameters;
pub mod port;
pub mod settings;
pub mod telemetry;
pub mod vault;
