//! Accounts whose customer may disconnect and reconnect the own meters.

use diesel::prelude::*;
use domain::ids::AccountId;
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::customer_controls,
};

row! {
    /// That an account's customer may switch.
    pub struct CustomerControl in customer_controls {
        /// The account.
        pub account_id: AccountId,
        /// When an operator allowed it.
        pub allowed_at: Timestamp,
        /// Prefix of the operator's API key.
        pub allowed_by: String,
        /// Why, for people.
        pub reason: String,
    }
}

/// Whether, and by whom, an account's customer was allowed to switch.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Option<CustomerControl>> {
    on!(conn, |c| customer_controls::table
        .find((val(account.site()), val(account)))
        .select(CustomerControl::as_select())
        .first(c)
        .optional())
}

/// Allows it; left as it is where it was allowed before.
///
/// # Errors
/// Whatever the database answers.
pub fn allow(conn: &mut Conn, new: &CustomerControl) -> Result<()> {
    let values = (new, customer_controls::site_id.eq(val(new.account_id.site())));
    on!(conn, |c| diesel::insert_into(customer_controls::table).values(values).on_conflict_do_nothing().execute(c))
        .map(drop)
}

/// Ends it; whether it was allowed.
///
/// # Errors
/// Whatever the database answers.
pub fn forbid(conn: &mut Conn, account: AccountId) -> Result<bool> {
    let key = (val(account.site()), val(account));
    Ok(on!(conn, |c| diesel::delete(customer_controls::table.find(key)).execute(c))? > 0)
}
