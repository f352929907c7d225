//! The two doors to the database, [`Db::read`] and [`Db::write`]. Behind them stand pools of connections and threads
//! that may block; nothing else in the program blocks on the database.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel::{Connection, pg::PgConnection, prelude::*, r2d2, sql_types::Text, sqlite::SqliteConnection};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
    time::timeout,
};

use crate::{
    conn::{Conn, Raw},
    error::{Error, Result},
    fault, ids, migration,
};

/// Where the database is and how long one waits for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbSettings {
    /// `postgres://user@host/database` or `sqlite:PATH`.
    pub url: String,
    /// Most connections that work at once; on SQLite the readers, beside one writer.
    pub pool_size: u32,
    /// Longest wait for a connection, in milliseconds; then [`Error::Busy`].
    pub acquire_timeout_ms: u64,
    /// Longest wait for a lock that somebody else holds in the database, in milliseconds; then [`Error::Busy`].
    pub busy_timeout_ms: u64,
    /// How often a transaction is run again after a deadlock or a lock that did not come free.
    pub write_retries: u32,
}

/// How safe a commit is, read back from the connection that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// `PRAGMA synchronous`: 2 is FULL.
    SqliteSynchronous(i64),
    /// `SHOW synchronous_commit`.
    PostgresSynchronousCommit(String),
}

impl Durability {
    /// Whether a commit that was acknowledged outlives the loss of power.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::SqliteSynchronous(level) => *level >= 2,
            Self::PostgresSynchronousCommit(value) => value == fault::synchronous_commit() || value == "remote_apply",
        }
    }
}

/// A database, cheap to clone and shared by all threads.
#[derive(Debug, Clone)]
pub struct Db {
    doors: Arc<Doors>,
}

#[derive(Debug)]
enum Doors {
    Pooled { reader: Door, writer: Door, retries: u32 },
    Inline { conn: Mutex<Conn>, gate: Option<Arc<dyn Gate>> },
}

/// Stands at the doors of an inline database, as disks and networks stand at those of others: may make its work wait,
/// refuse it, or keep its outcome back.
pub trait Gate: std::fmt::Debug + Send + Sync {
    /// Work is about to begin, or was done and committed. An error is what the caller gets, in place of the outcome
    /// where it was done; a future that never ends leaves the caller waiting for good.
    fn pass(&self, passing: Passing) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;
}

/// Which way, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    /// Whether the work changes rows.
    pub writes: bool,
    /// Whether it is done already.
    pub done: bool,
}

impl Db {
    /// Opens a database. Nothing in it is changed or checked: see [`Self::migrate`] and [`Self::check_schema`].
    ///
    /// # Errors
    /// [`Error::Open`] where the address is none or nobody answers there.
    pub fn open(settings: &DbSettings) -> Result<Self> {
        let at = Address::parse(&settings.url)?;
        let ids = Arc::new(match &at {
            Address::Postgres(url) => ids::Shared::beside(url),
            Address::Sqlite(_) => ids::Shared::default(),
        });
        let opener =
            |writes| Opener { at: at.clone(), writes, wait_ms: settings.busy_timeout_ms, ids: Arc::clone(&ids) };
        let size = settings.pool_size.max(1);
        let (reader, writer) = match at {
            Address::Postgres(_) => {
                let door = Door::open(opener(true), size, settings)?;
                (door.clone(), door)
            }
            // The writer first: it makes the file and turns the write-ahead log on, which readers cannot.
            Address::Sqlite(_) => {
                let writer = Door::open(opener(true), 1, settings)?;
                (Door::open(opener(false), size, settings)?, writer)
            }
        };
        Ok(Self { doors: Arc::new(Doors::Pooled { reader, writer, retries: settings.write_retries }) })
    }

    /// A database in memory, with the current schema, that does its work on the calling thread: for a program run whole
    /// on one thread and a paused clock.
    ///
    /// # Errors
    /// Whatever SQLite answers.
    pub fn inline() -> Result<Self> {
        Self::inline_with(None)
    }

    /// The same with a gate at its doors, for which everybody waits.
    ///
    /// # Errors
    /// Whatever SQLite answers.
    pub fn inline_behind(gate: Arc<dyn Gate>) -> Result<Self> {
        Self::inline_with(Some(gate))
    }

    fn inline_with(gate: Option<Arc<dyn Gate>>) -> Result<Self> {
        let opener = Opener {
            at: Address::Sqlite(":memory:".to_owned()),
            writes: true,
            wait_ms: 0,
            ids: Arc::new(ids::Shared::default()),
        };
        let mut conn = opener.open()?;
        migration::migrate(&mut conn)?;
        Ok(Self { doors: Arc::new(Doors::Inline { conn: Mutex::new(conn), gate }) })
    }

    /// Runs queries. They see committed rows, each query those of its moment.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Busy`] where no connection came free within the limit.
    pub async fn read<T, E>(&self, work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.doors.as_ref() {
            Doors::Inline { conn, gate } => inline(conn, gate.as_deref(), false, work).await,
            Doors::Pooled { reader, .. } => reader.run(work).await,
        }
    }

    /// Runs queries that all see the rows of one moment: for what is put together of several rows.
    ///
    /// # Errors
    /// See [`Db::read`].
    pub async fn snapshot<T, E>(&self, work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.doors.as_ref() {
            // One connection and one thread: nobody else writes meanwhile.
            Doors::Inline { conn, gate } => inline(conn, gate.as_deref(), false, work).await,
            Doors::Pooled { reader, .. } => reader.run(|conn| conn.snapshot(work)).await,
        }
    }

    /// Runs queries and changes in one transaction, committed and durable before this returns `Ok`, and undone where
    /// `work` gives `Err`. After a deadlock `work` runs again from its beginning.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Busy`] where no connection or lock came free within the limit.
    pub async fn write<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.doors.as_ref() {
            Doors::Inline { conn, gate } => inline(conn, gate.as_deref(), true, |conn| conn.transaction(work)).await,
            Doors::Pooled { writer, retries, .. } => {
                let retries = *retries;
                writer.run(move |conn| conn.retried(retries, work)).await
            }
        }
    }

    /// Brings the schema up to the one this program was built with.
    ///
    /// # Errors
    /// [`Error::Schema`] where the database is newer than this program; whatever the database answers.
    pub async fn migrate(&self) -> Result<()> {
        self.unguarded(migration::migrate).await
    }

    /// Refuses a schema that is not exactly the one this program was built with.
    ///
    /// # Errors
    /// [`Error::Schema`] says what was found.
    pub async fn check_schema(&self) -> Result<()> {
        self.unguarded(migration::check).await
    }

    /// How safe a commit is, as the connection that writes tells.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn durability(&self) -> Result<Durability> {
        self.unguarded(durability).await
    }

    /// Runs on the connection that writes, outside of any transaction.
    async fn unguarded<T: Send + 'static>(&self, work: fn(&mut Conn) -> Result<T>) -> Result<T> {
        match self.doors.as_ref() {
            Doors::Inline { conn, .. } => inline(conn, None, true, work).await,
            Doors::Pooled { writer, .. } => writer.run(work).await,
        }
    }
}

async fn inline<T, E: From<Error>>(
    conn: &Mutex<Conn>,
    gate: Option<&dyn Gate>,
    writes: bool,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    if let Some(gate) = gate {
        gate.pass(Passing { writes, done: false }).await?;
    }
    let outcome = {
        let mut conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing can be standing here but what a panic inside an earlier `work` left.
        conn.abandon();
        work(&mut conn)
    };
    if let Some(gate) = gate.filter(|_| outcome.is_ok()) {
        gate.pass(Passing { writes, done: true }).await?;
    }
    outcome
}

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
}

fn durability(conn: &mut Conn) -> Result<Durability> {
    let outcome = match &mut conn.raw {
        Raw::Pg(c) => diesel::sql_query("SHOW synchronous_commit")
            .get_result::<Shown>(c)
            .map(|shown| Durability::PostgresSynchronousCommit(shown.synchronous_commit)),
        Raw::Sqlite(c) => diesel::dsl::sql::<diesel::sql_types::BigInt>("PRAGMA synchronous")
            .get_result::<i64>(c)
            .map(Durability::SqliteSynchronous),
    };
    conn.checked(outcome)
}

/// A pool of connections, and one turn for each of them.
#[derive(Debug, Clone)]
struct Door {
    pool: r2d2::Pool<Opener>,
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl Door {
    fn open(opener: Opener, size: u32, settings: &DbSettings) -> Result<Self> {
        // One connection now, so that what is wrong with the address is told in full and at once.
        drop(opener.open()?);
        let patience = Duration::from_millis(settings.acquire_timeout_ms.max(1));
        let turns = usize::try_from(size).map_err(|_| Error::Open { reason: "pool_size is too large".to_owned() })?;
        let pool = r2d2::Pool::builder().max_size(size).min_idle(Some(1)).connection_timeout(patience).build(opener);
        let pool = pool.map_err(|error| Error::Open { reason: error.to_string() })?;
        Ok(Self { pool, turns: Arc::new(Semaphore::new(turns)), patience })
    }

    async fn run<T, E>(&self, work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let turn = timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Error::Busy.into()) };
        let pool = self.pool.clone();
        let done = spawn_blocking(move || {
            let mut conn = pool.get().map_err(|_| Error::Busy)?;
            let done = work(&mut conn);
            drop(conn);
            drop(turn);
            done
        });
        done.await.unwrap_or_else(|ended| Err(panicked_or_stopped(ended).into()))
    }
}

/// A panic goes on where the work was asked for; otherwise the runtime is being shut down.
fn panicked_or_stopped(ended: JoinError) -> Error {
    match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::Busy,
    }
}

#[derive(Debug, Clone)]
enum Address {
    Postgres(String),
    Sqlite(String),
}

impl Address {
    fn parse(url: &str) -> Result<Self> {
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.to_owned())),
            _ => Err(Error::Open { reason: "the address begins with neither postgres:// nor sqlite:".to_owned() }),
        }
    }
}

/// Makes connections, with the settings that durability and typed rows rest on.
#[derive(Debug)]
struct Opener {
    at: Address,
    writes: bool,
    wait_ms: u64,
    ids: Arc<ids::Shared>,
}

impl Opener {
    fn open(&self) -> Result<Conn> {
        let cannot = |error: diesel::ConnectionError| Error::Open { reason: error.to_string() };
        let raw = match &self.at {
            Address::Postgres(url) => Raw::Pg(PgConnection::establish(url).map_err(cannot)?),
            Address::Sqlite(path) => Raw::Sqlite(SqliteConnection::establish(path).map_err(cannot)?),
        };
        let mut conn = Conn::new(raw, Arc::clone(&self.ids));
        let wait = self.wait_ms;
        let setup = match (&self.at, self.writes) {
            (Address::Postgres(_), _) => {
                let commit = fault::synchronous_commit();
                format!("SET synchronous_commit = {commit}; SET TIME ZONE 'UTC'; SET lock_timeout = {wait};")
            }
            (Address::Sqlite(_), true) => format!(
                "PRAGMA busy_timeout = {wait}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON;"
            ),
            (Address::Sqlite(_), false) => format!("PRAGMA busy_timeout = {wait}; PRAGMA query_only = ON;"),
        };
        conn.execute(&setup).map_err(|error| Error::Open { reason: error.to_string() })?;
        Ok(conn)
    }
}

impl r2d2::ManageConnection for Opener {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn> {
        self.open()
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<()> {
        conn.ping()
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}
