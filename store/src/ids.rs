//! Identifiers: a counter per site, taken from the database in blocks that serve every transaction of this process. A number is
//! never given twice, and a transaction that fails or a program that ends leaves only a gap.
//!
//! A number is higher than all that this process gave before it, whichever transaction asks: what is written after another
//! commit, or behind a lock that both need, has the higher one. What is left of a lower block is given up.
//!
//! On PostgreSQL a block is taken by a connection of its own, so that nobody waits for the end of a long transaction that
//! happened to need one. On SQLite, where only one transaction writes at a time, and of a site that is only being entered, the
//! transaction itself takes it; the block is its own until it commits.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use diesel::{pg::PgConnection, prelude::*};
use domain::ids::{BadId, SiteId};

use crate::{
    column::val,
    conn::{Conn, on},
    error::{Error, Result, found},
    schema::id_counters,
};

/// Least that is taken from a site's counter at a time.
const BLOCK: i64 = 1000;

/// Moves a site's counter on by a block; gives its end.
macro_rules! take_block {
    ($c:expr, $site:expr, $block:expr) => {
        diesel::update(id_counters::table.filter(id_counters::site_id.eq(val($site))))
            .set(id_counters::next_counter.eq(id_counters::next_counter + $block))
            .returning(id_counters::next_counter)
            .get_result::<i64>($c)
            .optional()
    };
}

/// An identifier that is a site's number above a counter.
pub trait Id: Sized {
    /// The `counter`-th of its site.
    ///
    /// # Errors
    /// Refuses a counter outside 1 to 2^43 - 1.
    fn of(site: SiteId, counter: i64) -> Result<Self, BadId>;
}

/// Numbers taken and not yet used, per site: the highest block.
#[derive(Debug, Default)]
pub(crate) struct Blocks(BTreeMap<i64, Range<i64>>);

impl Blocks {
    /// The first of `how_many` numbers in a row, above `last`.
    fn take(&mut self, site: i64, how_many: i64, last: i64) -> Option<i64> {
        let range = self.0.get_mut(&site)?;
        let first = range.start.max(last + 1);
        if range.end - first < how_many {
            return None;
        }
        range.start = first + how_many;
        Some(first)
    }

    fn put(&mut self, site: i64, range: Range<i64>) {
        let left = self.0.entry(site).or_insert(0..0);
        if range.end > left.end {
            *left = range;
        }
    }
}

/// What all connections of the process know of identifiers.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    known: Mutex<Known>,
    /// How blocks are taken outside of transactions.
    counter: Option<Mutex<Counter>>,
}

/// A connection that takes blocks, made when it is needed.
struct Counter {
    url: String,
    conn: Option<PgConnection>,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counter")
    }
}

#[derive(Debug, Default)]
struct Known {
    /// What is left of the highest blocks.
    left: Blocks,
    /// The highest number that was given, per site.
    last: BTreeMap<i64, i64>,
}

impl Known {
    /// Whether there is room for as many.
    fn has(&self, site: i64, how_many: i64) -> bool {
        let last = self.last.get(&site).copied().unwrap_or(0);
        self.left.0.get(&site).is_some_and(|range| range.end - range.start.max(last + 1) >= how_many)
    }
}

impl Shared {
    /// For a PostgreSQL database, whose blocks are taken by a connection of their own.
    pub(crate) fn beside(url: &str) -> Self {
        let counter = Counter { url: url.to_owned(), conn: None };
        Self { counter: Some(Mutex::new(counter)), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block outside of any transaction; `false` where that cannot be, or the site is not there yet.
    fn reserve(&self, site: SiteId, how_many: i64) -> Result<bool> {
        let Some(counter) = &self.counter else { return Ok(false) };
        let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        if self.known().has(site.get(), how_many) {
            return Ok(true);
        }
        let block = how_many.max(BLOCK);
        // One that was kept may have been ended by the server meanwhile; then another takes its place.
        let kept = counter.conn.take().and_then(|mut conn| Some((take_block!(&mut conn, site, block).ok()?, conn)));
        let (end, conn) = match kept {
            Some(taken) => taken,
            None => {
                // As where no connection comes free: whoever asks again may be luckier.
                let mut conn = PgConnection::establish(&counter.url).map_err(|_| Error::Busy)?;
                (take_block!(&mut conn, site, block).map_err(Error::of)?, conn)
            }
        };
        counter.conn = Some(conn);
        if let Some(end) = end {
            self.known().left.put(site.get(), end - block..end);
        }
        Ok(end.is_some())
    }

    /// The first of `how_many` numbers in a row, from a transaction's own block or what others left.
    fn take(&self, own: &mut Blocks, site: i64, how_many: i64) -> Option<i64> {
        let Known { left, last } = &mut *self.known();
        let last = last.entry(site).or_insert(0);
        let first = own.take(site, how_many, *last).or_else(|| left.take(site, how_many, *last))?;
        *last = first + how_many - 1;
        Some(first)
    }

    fn last(&self, site: i64) -> i64 {
        self.known().last.get(&site).copied().unwrap_or(0)
    }

    /// After a commit: what the transaction took and did not use.
    pub(crate) fn give(&self, left: &mut Blocks) {
        let mut known = self.known();
        for (site, range) in std::mem::take(&mut left.0) {
            known.left.put(site, range);
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
    loop {
        if let Some(first) = conn.ids.take(&mut conn.taken, number, how_many) {
            return Ok(first);
        }
        reserve(conn, site, how_many)?;
    }
}

/// Takes a block that has room for `how_many` numbers above all that were given.
fn reserve(conn: &mut Conn, site: SiteId, how_many: i64) -> Result<()> {
    if conn.ids.reserve(site, how_many)? {
        return Ok(());
    }
    let mut block = how_many.max(BLOCK);
    let mut taken: Option<Range<i64>> = None;
    loop {
        let end = on!(conn, |c| take_block!(c, site, block))?;
        let end = found("site", end)?;
        let range = taken.map_or(end - block, |taken| taken.start)..end;
        // A transaction that rolled back may have been given numbers that the counter does not know of any more.
        let missing = conn.ids.last(site.get()) + 1 + how_many - range.end;
        conn.taken.put(site.get(), range.clone());
        if missing <= 0 {
            return Ok(());
        }
        (block, taken) = (missing.max(BLOCK), Some(range));
    }
}
