//! Virtual concentrators and meters that speak the real bytes from their own side, with seeded faults.
//!
//! | to change | go to |
//! |---|---|
//! | what customers draw and how registers grow | [`load`] |
//! | what a meter does and answers | [`meter`] |
//! | what a concentrator remembers of its meters | [`bus`] |
//! | how a concentrator logs in and answers | [`concentrator`] |
//! | what goes wrong | [`faults`] |
//! | how it dials | [`run`] |
//! | a whole site, and the hands and eyes of tests | [`site`] |

pub mod bus;
pub mod concentrator;
pub mod faults;
pub mod load;
pub mod meter;
pub mod run;
pub mod site;
