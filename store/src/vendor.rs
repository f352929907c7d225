//! Vendors (售电商): whose terminals sell for us, and what they handed over.

use diesel::prelude::*;
use domain::{
    ids::{DepositId, SiteId, VendorId},
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::{deposits, vendors},
};

/// Whether a vendor or a terminal may sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may.
    Active,
    /// It may not.
    Blocked,
}

row! {
    /// A vendor.
    pub struct Vendor in vendors {
        /// Its identifier.
        pub id: VendorId,
        /// Its name.
        pub name: String,
        /// Whether it may sell.
        pub state: Standing,
        /// Most of what was sold that it may hold back; none: no limit.
        pub credit_limit: Option<Money>,
        /// Grows by one with every change.
        pub version: i64,
    }
}

row! {
    /// Money that a vendor handed over.
    pub struct Deposit in deposits {
        /// Its identifier.
        pub id: DepositId,
        /// The vendor.
        pub vendor_id: VendorId,
        /// How much; above 0.
        pub amount: Money,
        /// How it was handed over.
        pub reason: String,
        /// Prefix of the API key that entered it.
        pub operator_key: String,
        /// When.
        pub created_at: Timestamp,
    }
}

/// Stores a new vendor.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &Vendor) -> Result<()> {
    let values = (new, vendors::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(vendors::table).values(values).execute(c)).map(drop)
}

/// The vendor with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: VendorId) -> Result<Vendor> {
    let row =
        on!(conn, |c| vendors::table.find((val(id.site()), val(id))).select(Vendor::as_select()).first(c).optional())?;
    found("vendor", row)
}

/// Holds a vendor until the transaction ends, so that no two sales, deposits or closings of shifts count past each other.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: VendorId) -> Result<Vendor> {
    let row = on!(conn, |c| diesel::update(vendors::table.find((val(id.site()), val(id))))
        .set(vendors::version.eq(vendors::version))
        .returning(Vendor::as_returning())
        .get_result(c)
        .optional())?;
    found("vendor", row)
}

/// At most `limit` of a site's vendors after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<VendorId>, limit: i64) -> Result<Vec<Vendor>> {
    let after = after.map_or(0, VendorId::get);
    on!(conn, |c| vendors::table
        .filter(vendors::site_id.eq(val(site)))
        .filter(vendors::id.gt(val(after)))
        .order(vendors::id)
        .limit(limit)
        .select(Vendor::as_select())
        .load(c))
}

/// Changes a vendor that nobody else changed since `new.version`; gives it as it is now.
///
/// # Errors
/// [`Error::Stale`] where somebody did.
pub fn save(conn: &mut Conn, new: &Vendor) -> Result<Vendor> {
    let row = on!(conn, |c| diesel::update(vendors::table.find((val(new.id.site()), val(new.id))))
        .filter(vendors::version.eq(new.version))
        .set((
            vendors::name.eq(&new.name),
            vendors::state.eq(val(new.state)),
            vendors::credit_limit.eq(val(new.credit_limit)),
            vendors::version.eq(vendors::version + 1),
        ))
        .returning(Vendor::as_returning())
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}

/// Stores what was handed over.
///
/// # Errors
/// Whatever the database answers.
pub fn deposit(conn: &mut Conn, new: &Deposit) -> Result<()> {
    let values = (new, deposits::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(deposits::table).values(values).execute(c)).map(drop)
}

/// The deposit with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn deposit_by_id(conn: &mut Conn, id: DepositId) -> Result<Deposit> {
    let row = on!(conn, |c| deposits::table
        .find((val(id.site()), val(id)))
        .select(Deposit::as_select())
        .first(c)
        .optional())?;
    found("deposit", row)
}

/// At most `limit` of a vendor's deposits before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn deposits(conn: &mut Conn, vendor: VendorId, before: Option<DepositId>, limit: i64) -> Result<Vec<Deposit>> {
    let before = before.map_or(i64::MAX, DepositId::get);
    on!(conn, |c| deposits::table
        .filter(deposits::site_id.eq(val(vendor.site())))
        .filter(deposits::vendor_id.eq(val(vendor)))
        .filter(deposits::id.lt(val(before)))
        .order(deposits::id.desc())
        .limit(limit)
        .select(Deposit::as_select())
        .load(c))
}

/// All that a vendor handed over.
///
/// # Errors
/// Whatever the database answers.
pub fn deposited(conn: &mut Conn, vendor: VendorId) -> Result<Money> {
    let amounts: Vec<Money> = on!(conn, |c| deposits::table
        .filter(deposits::site_id.eq(val(vendor.site())))
        .filter(deposits::vendor_id.eq(val(vendor)))
        .select(deposits::amount)
        .load(c))?;
    Ok(amounts.into_iter().sum())
}
