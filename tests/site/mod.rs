//! The main job over real sockets: simulated concentrators that dial in, a head end, and a database.

mod account_life;
mod debts;
mod durability;
mod emergency_credit;
mod fixed_charges;
mod guards;
mod hot;
mod identity;
mod interleavings;
mod links;
mod outage;
mod permit;
mod replacement;
mod settlement;
mod shuffled;
mod story;
mod subsidies;
mod supervision;
mod vending;
mod worked_year;
