//! What whole-program tests are built from: a database, a head end in this process, a simulated site that dials in over
//! TCP, and a client of the REST side.

mod court;
mod database;
mod head_end;
mod home;
mod rest;
mod scenario;

pub(crate) use self::scenario::on_both;
pub use self::{
    court::{Court, FEN_PER_KWH, Supply, time},
    database::Database,
    head_end::HeadEnd,
    home::{Home, SetByHand, Terms, by_blocks, flat},
    rest::{Answer, Rest, Written},
    scenario::{SOON, eventually, play},
};
