//! The simulated years: the whole head end on paused time, with faults by seed and an independent auditor. How it works,
//! how to add a fault and how to read a failure: docs/simulation.md.
//!
//! | to change | go to |
//! |---|---|
//! | what a seed fixes: site, rules, prices, rates | [`plan`] |
//! | what people and fate do, and how often | [`fate`] |
//! | how an event takes place, and how people react to what they hear | [`trouble`] |
//! | what a counter sells, takes back and prints again | [`counter`] |
//! | how people ask, wait, click twice and ask again | [`errand`] |
//! | debts, subsidies, emergency credit | [`aid`] |
//! | changes of tariffs, suspensions | [`contract`] |
//! | how meters are replaced | [`replacement`] |
//! | how money is refunded and accounts are closed | [`leaving`] |
//! | what the database does to the program | [`gate`] |
//! | how the process lives and dies | [`life`] |
//! | what must hold | [`auditor`], which shares no rule with the program |
//! | what is counted, and expected to be seen | [`coverage`] |
//! | the deliberate bugs and how they are hunted | [`mutation`] |

pub mod aid;
pub mod auditor;
pub mod clock;
pub mod contract;
pub mod control;
pub mod counter;
pub mod coverage;
pub mod entry;
pub mod errand;
pub mod eyes;
pub mod fate;
pub mod gate;
pub mod leaving;
pub mod life;
pub mod log;
pub mod mutation;
pub mod plan;
mod price_lists;
pub mod replacement;
pub mod run;
pub mod sight;
pub mod till;
pub mod trouble;
pub mod world;
