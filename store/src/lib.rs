//! Rows, and the only SQL of Wattgate: one source for SQLite and PostgreSQL.
//!
//! One file per noun holds its struct and its queries; each takes a [`Conn`], so that a verb composes several of them
//! in one transaction of [`Db::write`]. Rows speak the types of `domain`; how those are stored stands in `column.rs` and
//! `time.rs`. The tables are described in `migrations/`.

pub mod audit_line;
mod column;
mod conn;
mod db;
mod error;
mod migration;
mod prepared;
mod schema;
mod time;

pub mod account;
pub mod account_tariff;
pub mod alarm;
pub mod api_key;
pub mod batch_credit;
pub mod building;
pub mod concentrator;
pub mod concentrator_event;
pub mod customer;
pub mod customer_control;
pub mod cut_tally;
pub mod debt_line;
pub mod fault;
pub mod idempotency;
pub mod ids;
pub mod installation;
pub mod job;
pub mod meter;
pub mod meter_selection;
pub mod notice;
pub mod outage;
pub mod payment_in_flight;
pub mod price_change;
pub mod read_request;
pub mod reading;
pub mod refund;
pub mod relay_order;
pub mod relay_order_group;
pub mod relay_schedule;
pub mod reprint;
pub mod reversal;
mod search;
pub mod settled_day;
pub mod settled_energy;
pub mod shift;
pub mod site;
pub mod story;
pub mod supply_wait;
pub mod tariff;
pub mod tariff_limits;
pub mod terminal;
pub mod transaction;
pub mod unknown_concentrator;
pub mod vend;
pub mod vendor;

pub use conn::Conn;
pub use db::{Db, DbSettings, Durability, Gate, Passing};
pub use error::{Error, Result};
