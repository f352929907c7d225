//! Terminals: the counters and machines of vendors.

use diesel::prelude::*;
use domain::ids::{SiteId, TerminalId, VendorId};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::terminals,
    vendor::Standing,
};

row! {
    /// A terminal.
    pub struct Terminal in terminals {
        /// Its identifier.
        pub id: TerminalId,
        /// Whose it is.
        pub vendor_id: VendorId,
        /// As receipts carry it; unique in its site.
        pub name: String,
        /// Whether it may sell.
        pub state: Standing,
        /// Grows by one with every change by an operator.
        pub version: i64,
    }
}

/// Stores a new terminal.
///
/// # Errors
/// [`Error::Unique`] `terminals_name`.
pub fn insert(conn: &mut Conn, new: &Terminal) -> Result<()> {
    let values = (new, terminals::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(terminals::table).values(values).execute(c)).map(drop)
}

/// The terminal with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: TerminalId) -> Result<Terminal> {
    let row = on!(conn, |c| terminals::table
        .find((val(id.site()), val(id)))
        .select(Terminal::as_select())
        .first(c)
        .optional())?;
    found("terminal", row)
}

/// A site's terminal of this name.
///
/// # Errors
/// Whatever the database answers.
pub fn by_name(conn: &mut Conn, site: SiteId, name: &str) -> Result<Option<Terminal>> {
    on!(conn, |c| terminals::table
        .filter(terminals::site_id.eq(val(site)))
        .filter(terminals::name.eq(name))
        .select(Terminal::as_select())
        .first(c)
        .optional())
}

/// At most `limit` of a site's terminals after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<TerminalId>, limit: i64) -> Result<Vec<Terminal>> {
    let after = after.map_or(0, TerminalId::get);
    on!(conn, |c| terminals::table
        .filter(terminals::site_id.eq(val(site)))
        .filter(terminals::id.gt(val(after)))
        .order(terminals::id)
        .limit(limit)
        .select(Terminal::as_select())
        .load(c))
}

/// Changes whether a terminal may sell, where nobody else changed it since `new.version`; gives it as it is now.
///
/// # Errors
/// [`Error::Stale`] where somebody did.
pub fn save(conn: &mut Conn, new: &Terminal) -> Result<Terminal> {
    let row = on!(conn, |c| diesel::update(terminals::table.find((val(new.id.site()), val(new.id))))
        .filter(terminals::version.eq(new.version))
        .set((terminals::state.eq(val(new.state)), terminals::version.eq(terminals::version + 1)))
        .returning(Terminal::as_returning())
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}
