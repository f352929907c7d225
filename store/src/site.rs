//! Sites: what one operator runs under one calendar.

use diesel::prelude::*;
use domain::{
    ids::{OrderId, SiteId},
    money::{BadCurrency, Currency},
    site::AutomaticDisconnection,
};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::{id_counters, sites},
};

row! {
    /// A site.
    pub struct Site in sites {
        /// Its number.
        pub id: SiteId,
        /// Its name.
        pub name: String,
        /// IANA name of the time zone of its days, months and friendly hours.
        pub time_zone: String,
        /// ISO 4217 code.
        pub currency: String,
        /// Decimal places of the currency's minor unit.
        pub currency_exponent: u32,
        /// The site switch.
        pub automatic_disconnection: AutomaticDisconnection,
        /// Grows by one with every change by an operator.
        pub version: i64,
        /// Disconnects below this are neither sent nor sent again: the stop button was pressed. (Clocks may be set back, identifiers rise.)
        pub cuts_stopped_before: Option<OrderId>,
    }
}

impl Site {
    /// The currency of its money.
    ///
    /// # Errors
    /// Refuses a code or exponent that is none.
    pub fn currency(&self) -> Result<Currency, BadCurrency> {
        Currency::new(&self.currency, self.currency_exponent)
    }
}

/// Stores a new site and starts its identifiers.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, site: &Site) -> Result<()> {
    on!(conn, |c| diesel::insert_into(sites::table).values(site).execute(c))?;
    let counter = (id_counters::site_id.eq(val(site.id)), id_counters::next_counter.eq(1_i64));
    on!(conn, |c| diesel::insert_into(id_counters::table).values(counter).execute(c)).map(drop)
}

/// The number after the highest a site has.
///
/// # Errors
/// [`Error::Corrupt`] where that is more than a site's number can be.
pub fn next_id(conn: &mut Conn) -> Result<SiteId> {
    let last: Option<SiteId> =
        on!(conn, |c| sites::table.select(sites::id).order(sites::id.desc()).first(c).optional())?;
    let next = last.map_or(1, |site| site.get() + 1);
    SiteId::new(next).map_err(|_| Error::Corrupt { what: "all site numbers are used up".to_owned() })
}

/// The site with this number.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: SiteId) -> Result<Site> {
    let row = on!(conn, |c| sites::table.find(val(id)).select(Site::as_select()).first(c).optional())?;
    found("site", row)
}

/// At most `limit` sites after one, by number.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, after: Option<SiteId>, limit: i64) -> Result<Vec<Site>> {
    let after = after.map_or(0, SiteId::get);
    on!(conn, |c| sites::table
        .filter(sites::id.gt(val(after)))
        .order(sites::id)
        .limit(limit)
        .select(Site::as_select())
        .load(c))
}

/// Holds a site until the transaction ends, and gives it as it is now.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: SiteId) -> Result<Site> {
    let row = on!(conn, |c| diesel::update(sites::table.find(val(id)))
        .set(sites::name.eq(sites::name))
        .returning(Site::as_returning())
        .get_result(c)
        .optional())?;
    found("site", row)
}

/// Changes a site that nobody else changed since `site.version`; gives it with its new version.
///
/// # Errors
/// [`Error::Stale`] where somebody did, or there is no such site.
pub fn save(conn: &mut Conn, site: &Site) -> Result<Site> {
    let row = on!(conn, |c| diesel::update(sites::table.find(val(site.id)).filter(sites::version.eq(site.version)))
        .set((
            sites::name.eq(&site.name),
            sites::time_zone.eq(&site.time_zone),
            sites::currency.eq(&site.currency),
            sites::currency_exponent.eq(val(site.currency_exponent)),
            sites::automatic_disconnection.eq(val(site.automatic_disconnection)),
            sites::cuts_stopped_before.eq(val(site.cuts_stopped_before)),
            sites::version.eq(sites::version + 1),
        ))
        .returning(Site::as_returning())
        .get_result(c)
        .optional())?;
    row.ok_or(Error::Stale)
}
