//! One connection to either database, and the one way to run a diesel body on it.

use std::sync::Arc;

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    pg::PgConnection,
    prelude::*,
    r2d2::R2D2Connection,
    sqlite::SqliteConnection,
};

use crate::{
    error::{Error, Result},
    fault, ids,
};

/// Runs one diesel body, compiled for both databases, and gives its outcome as ours. The connection `c` never leaves it.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {{
        let conn: &mut $crate::conn::Conn = $conn;
        let outcome = match &mut conn.raw {
            $crate::conn::Raw::Pg($c) => $body,
            $crate::conn::Raw::Sqlite($c) => $body,
        };
        conn.checked(outcome)
    }};
}
pub(crate) use on;

/// A connection to PostgreSQL or SQLite. Every query of this crate takes one.
pub struct Conn {
    pub(crate) raw: Raw,
    /// Blocks of identifiers shared by the process, and those this transaction took.
    pub(crate) ids: Arc<ids::Shared>,
    pub(crate) taken: ids::Blocks,
    /// Transactions standing inside each other; 0: none.
    depth: u32,
    /// Whether the transaction failed for no reason but others at work beside it.
    contended: bool,
}

/// What stands behind a [`Conn`].
pub(crate) enum Raw {
    Pg(PgConnection),
    Sqlite(SqliteConnection),
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.raw {
            Raw::Pg(_) => "Conn::Pg",
            Raw::Sqlite(_) => "Conn::Sqlite",
        })
    }
}

impl Conn {
    pub(crate) fn new(raw: Raw, ids: Arc<ids::Shared>) -> Self {
        Self { raw, ids, taken: ids::Blocks::default(), depth: 0, contended: false }
    }

    /// Turns diesel's errors into ours, and remembers those that are worth another try.
    pub(crate) fn checked<T>(&mut self, outcome: QueryResult<T>) -> Result<T> {
        outcome.map_err(|error| {
            let error = Error::of(error);
            self.contended |= error == Error::Busy;
            error
        })
    }

    /// Runs SQL without parameters.
    pub(crate) fn execute(&mut self, sql: &str) -> Result<()> {
        on!(self, |c| c.batch_execute(sql))
    }

    /// Runs `work` in one transaction: committed when it gives `Ok`, rolled back when it gives `Err`. Inside another
    /// transaction it is a savepoint of that. On SQLite it locks out other writers from its beginning.
    ///
    /// # Errors
    /// Those of `work`, and of the database at begin and commit.
    pub fn transaction<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.begin()?;
        self.finish(work)
    }

    /// Runs queries that all see the rows of one moment.
    ///
    /// # Errors
    /// Those of `work`, or whatever the database answers.
    pub(crate) fn snapshot<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let outcome = match &mut self.raw {
            Raw::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN DEFERRED"),
            Raw::Pg(c) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        };
        self.checked(outcome)?;
        self.depth += 1;
        self.finish(work)
    }

    /// Runs `work` inside the transaction that was begun, and ends it.
    fn finish<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        match work(self) {
            Ok(value) => {
                self.depth -= 1;
                if self.depth == 0 {
                    fault::point("transaction.committing");
                }
                on!(self, |c| AnsiTransactionManager::commit_transaction(c))?;
                if self.depth == 0 {
                    self.ids.give(&mut self.taken);
                }
                Ok(value)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// As [`Self::transaction`], run again at most `retries` times where it failed for others at work beside it.
    pub(crate) fn retried<T, E: From<Error>>(
        &mut self,
        retries: u32,
        work: impl Fn(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..retries {
            self.contended = false;
            match self.transaction(&work) {
                Err(_) if self.contended => {}
                done => return done,
            }
        }
        self.transaction(&work)
    }

    fn begin(&mut self) -> Result<()> {
        let outcome = match &mut self.raw {
            Raw::Sqlite(c) if self.depth == 0 => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
            Raw::Sqlite(c) => AnsiTransactionManager::begin_transaction(c),
            Raw::Pg(c) => AnsiTransactionManager::begin_transaction(c),
        };
        self.checked(outcome)?;
        self.depth += 1;
        Ok(())
    }

    fn roll_back(&mut self) {
        self.depth -= 1;
        ids::forget(&mut self.taken);
        // One that fails leaves a connection that its pool throws away; what led to it tells more than its error.
        let _ = on!(self, |c| AnsiTransactionManager::rollback_transaction(c));
    }

    /// Ends what a panic left standing, so that the connection can be used again.
    pub(crate) fn abandon(&mut self) {
        while self.depth > 0 {
            self.roll_back();
        }
    }

    pub(crate) fn ping(&mut self) -> Result<()> {
        on!(self, |c| c.ping())
    }

    pub(crate) fn is_broken(&mut self) -> bool {
        match &mut self.raw {
            Raw::Pg(c) => c.is_broken(),
            Raw::Sqlite(c) => c.is_broken(),
        }
    }
}
