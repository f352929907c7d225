//! What whole-program tests are built from: a database, a head end in this process, a simulated site that dials in over
//! TCP, and a client of the REST side.

#[macro_use]
mod scenario;
mod court;
mod database;
mod head_end;
mod rest;

pub use self::{
    court::{Concentrator, Court, Supply},
    database::Database,
    head_end::HeadEnd,
    rest::{Answer, Rest},
    scenario::{SOON, eventually, play},
};
