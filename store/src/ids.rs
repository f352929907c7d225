//! Identifiers: a counter per site, taken from the database in blocks.
//!
//! A block belongs to the transaction that took it until that commits; what is then left of it serves every transaction
//! of this process. So the counter's row is locked once in a thousand rows, a number is never given twice, and a
//! transaction that fails or a program that ends leaves only a gap. Numbers therefore do not tell which row is older.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use diesel::prelude::*;
use domain::ids::{BadId, SiteId};

use crate::{
    column::val,
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::id_counters,
};

/// Least that is taken from a site's counter at a time.
const BLOCK: i64 = 1000;

/// An identifier that is a site's number above a counter.
pub trait Id: Sized {
    /// The `counter`-th of its site.
    ///
    /// # Errors
    /// Refuses a counter outside 1 to 2^43 - 1.
    fn of(site: SiteId, counter: i64) -> Result<Self, BadId>;
}

/// Numbers taken and not yet used, per site.
#[derive(Debug, Default)]
pub(crate) struct Blocks(BTreeMap<i64, Vec<Range<i64>>>);

impl Blocks {
    /// The first of `how_many` numbers in a row. Ranges too short for that stay for smaller wishes.
    fn take(&mut self, site: i64, how_many: i64) -> Option<i64> {
        let ranges = self.0.get_mut(&site)?;
        let range = ranges.iter_mut().find(|range| range.end - range.start >= how_many)?;
        let first = range.start;
        range.start += how_many;
        ranges.retain(|range| !range.is_empty());
        Some(first)
    }

    fn put(&mut self, site: i64, range: Range<i64>) {
        if !range.is_empty() {
            self.0.entry(site).or_default().push(range);
        }
    }
}

/// The blocks of committed transactions, shared by all connections of the process.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Blocks>);

impl Shared {
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a commit: what the transaction took and did not use.
    pub(crate) fn give(&self, left: &mut Blocks) {
        let mut shared = self.blocks();
        for (site, ranges) in std::mem::take(&mut left.0) {
            for range in ranges {
                shared.put(site, range);
            }
        }
    }
}

/// After a rollback: the counter's update is undone, so the numbers are not ours.
pub(crate) fn forget(taken: &mut Blocks) {
    taken.0.clear();
}

/// A fresh identifier.
///
/// # Errors
/// [`Error::NotFound`] where there is no such site; whatever the database answers.
pub fn next<I: Id>(conn: &mut Conn, site: SiteId) -> Result<I> {
    let counter = first_of(conn, site, 1)?;
    I::of(site, counter).map_err(|_| used_up(site))
}

/// As many fresh identifiers as wanted, in rising order.
///
/// # Errors
/// [`Error::NotFound`] where there is no such site; whatever the database answers.
pub fn many<I: Id>(conn: &mut Conn, site: SiteId, how_many: usize) -> Result<Vec<I>> {
    let wanted = i64::try_from(how_many).map_err(|_| used_up(site))?;
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let first = first_of(conn, site, wanted)?;
    (first..first + wanted).map(|counter| I::of(site, counter).map_err(|_| used_up(site))).collect()
}

fn used_up(site: SiteId) -> Error {
    Error::Corrupt { what: format!("the identifiers of site {site} are used up") }
}

fn first_of(conn: &mut Conn, site: SiteId, how_many: i64) -> Result<i64> {
    let number = site.get();
    if let Some(first) = conn.taken.take(number, how_many) {
        return Ok(first);
    }
    let shared = conn.ids.blocks().take(number, how_many);
    if let Some(first) = shared {
        return Ok(first);
    }
    let block = how_many.max(BLOCK);
    let end = on!(conn, |c| diesel::update(id_counters::table.filter(id_counters::site_id.eq(val(site))))
        .set(id_counters::next_counter.eq(id_counters::next_counter + block))
        .returning(id_counters::next_counter)
        .get_result::<i64>(c)
        .optional())?;
    let end = found("site", end)?;
    let first = end - block;
    conn.taken.put(number, first + how_many..end);
    Ok(first)
}
