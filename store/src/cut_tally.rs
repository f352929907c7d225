//! How many automatic disconnects a site sent: one row for each site, held by whoever is about to send one more.

use diesel::prelude::*;
use domain::{ids::SiteId, relay::mass_cut::Tally};
use jiff::{Timestamp, civil::Date};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::cut_tallies,
};

row! {
    /// A site's [`Tally`].
    pub struct Row in cut_tallies {
        /// The site.
        pub site_id: SiteId,
        /// See [`Tally::day`].
        pub day: Date,
        /// See [`Tally::day_cuts`].
        pub day_cuts: u32,
        /// See [`Tally::hour`].
        pub hour: Timestamp,
        /// See [`Tally::hour_cuts`].
        pub hour_cuts: u32,
    }
}

impl Row {
    fn new(site_id: SiteId, tally: Tally) -> Self {
        let Tally { day, day_cuts, hour, hour_cuts } = tally;
        Self { site_id, day, day_cuts, hour, hour_cuts }
    }
}

/// Holds a site's tally until the transaction ends; `new` where it has none yet.
///
/// # Errors
/// [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, site: SiteId, new: Tally) -> Result<Tally> {
    let row = Row::new(site, new);
    on!(conn, |c| diesel::insert_into(cut_tallies::table).values(&row).on_conflict_do_nothing().execute(c))?;
    let row: Option<Row> = on!(conn, |c| diesel::update(cut_tallies::table.find(val(site)))
        .set(cut_tallies::day_cuts.eq(cut_tallies::day_cuts))
        .returning(Row::as_returning())
        .get_result(c)
        .optional())?;
    let Row { day, day_cuts, hour, hour_cuts, .. } = found("cut tally", row)?;
    Ok(Tally { day, day_cuts, hour, hour_cuts })
}

/// Stores a tally that was locked.
///
/// # Errors
/// Whatever the database answers.
pub fn save(conn: &mut Conn, site: SiteId, tally: Tally) -> Result<()> {
    let row = Row::new(site, tally);
    on!(conn, |c| diesel::update(cut_tallies::table.find(val(site))).set(row.changes()).execute(c)).map(drop)
}
