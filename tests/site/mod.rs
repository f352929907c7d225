//! The main job over real sockets: simulated concentrators that dial in, a head end, and a database.

mod account_life;
mod change_of_tariff;
mod debts;
mod durability;
mod emergency_credit;
mod explaining;
mod fixed_charges;
mod guards;
mod hot;
mod identity;
mod interleavings;
mod jobs;
mod links;
mod outage;
mod outages;
mod permit;
mod registers;
mod replacement;
mod settlement;
mod several_meters;
mod shuffled;
mod story;
mod subsidies;
mod supervision;
mod vending;
mod worked_year;
