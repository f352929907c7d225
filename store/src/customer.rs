//! Customers (用户).

use diesel::prelude::*;
use domain::{
    ids::{CustomerId, SiteId},
    notice::Language,
};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::customers,
    search::{lower, lower_or_null, pattern},
};

row! {
    /// A customer.
    pub struct Customer in customers {
        /// Its identifier.
        pub id: CustomerId,
        /// Its name.
        pub name: String,
        /// Where it is called or written to.
        pub phone: Option<String>,
        /// What it reads.
        pub language: Language,
        /// Grows by one with every change by an operator.
        pub version: i64,
    }
}

/// Stores a new customer.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &Customer) -> Result<()> {
    let values = (new, customers::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(customers::table).values(values).execute(c)).map(drop)
}

/// The customer with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: CustomerId) -> Result<Customer> {
    let row = on!(conn, |c| customers::table
        .find((val(id.site()), val(id)))
        .select(Customer::as_select())
        .first(c)
        .optional())?;
    found("customer", row)
}

/// At most `limit` of a site's customers after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<CustomerId>, limit: i64) -> Result<Vec<Customer>> {
    search(conn, site, "", after, limit)
}

/// The same of those with `part` in their name or phone number.
///
/// # Errors
/// Whatever the database answers.
pub fn search(
    conn: &mut Conn,
    site: SiteId,
    part: &str,
    after: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<Customer>> {
    let (after, wanted) = (after.map_or(0, CustomerId::get), pattern(part));
    on!(conn, |c| customers::table
        .filter(customers::site_id.eq(val(site)))
        .filter(customers::id.gt(val(after)))
        .filter(
            lower(customers::name)
                .like(&wanted)
                .escape('!')
                .or(lower_or_null(customers::phone).like(&wanted).escape('!'))
        )
        .order(customers::id)
        .limit(limit)
        .select(Customer::as_select())
        .load(c))
}

/// Changes a customer that nobody else changed since `new.version`; gives it as it is now.
///
/// # Errors
/// [`Error::Stale`] where somebody did.
pub fn save(conn: &mut Conn, new: &Customer) -> Result<Customer> {
    let row = on!(conn, |c| diesel::update(customers::table.find((val(new.id.site()), val(new.id))))
        .filter(customers::version.eq(new.version))
        .set((
            customers::name.eq(&new.name),
            customers::phone.eq(&new.phone),
            customers::language.eq(val(new.language)),
            customers::version.eq(customers::version + 1),
        ))
        .returning(Customer::as_returning())
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}
