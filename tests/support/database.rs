//! A migrated database for one test: a file of SQLite, or a database of the PostgreSQL server that `scripts/test` starts,
//! with a database of its Redis server for the hot balances.

use std::{
    env,
    process::Command,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use store::{Db, DbSettings};
use tempfile::TempDir;

/// A fresh database. It ends with the test, and whatever is still connected to it is cut off.
pub struct Database {
    url: String,
    redis: Option<RedisDatabase>,
    _end: End,
}

enum End {
    Folder(#[expect(dead_code, reason = "removed when dropped")] TempDir),
    Postgres(String),
}

impl Drop for End {
    fn drop(&mut self) {
        if let Self::Postgres(name) = self {
            psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

impl Database {
    /// A file in a folder of its own.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("wattgate.db").display());
        migrate(&url);
        Self { url, redis: None, _end: End::Folder(folder) }
    }

    /// A database on PostgreSQL, and one on Redis.
    pub fn postgres() -> Self {
        let name = fresh_name();
        psql(&format!("CREATE DATABASE {name} TEMPLATE {}", template()));
        Self { url: postgres_url(&name), redis: Some(RedisDatabase::take()), _end: End::Postgres(name) }
    }

    /// `sqlite:PATH` or `postgres://..`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The lines of settings that name this database.
    pub fn toml(&self) -> String {
        let hot = match &self.redis {
            Some(redis) => format!("kind = \"redis\"\nurl = \"{}\"\ntimeout_ms = 2000", redis.url()),
            None => "kind = \"in_process\"".to_owned(),
        };
        format!("[database]\nurl = \"{}\"\nacquire_timeout_ms = 10000\n\n[hot]\n{hot}\n", self.url)
    }

    /// Empties the hot balances in Redis, as a restart without a dump does; `false` where they are not in Redis.
    pub fn flush_redis(&self) -> bool {
        self.redis.as_ref().map(RedisDatabase::flush).is_some()
    }
}

/// Brings the schema up on a thread of its own, since the caller may be inside a runtime already.
fn migrate(url: &str) {
    let settings = DbSettings {
        url: url.to_owned(),
        pool_size: 1,
        acquire_timeout_ms: 10_000,
        busy_timeout_ms: 10_000,
        write_retries: 0,
    };
    let migrating = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Db::open(&settings).unwrap().migrate().await.unwrap() });
    };
    thread::scope(|scope| scope.spawn(migrating).join().unwrap());
}

/// A migrated database without connections that others are copied from, made once.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = fresh_name();
        psql(&format!("CREATE DATABASE {name}"));
        migrate(&postgres_url(&name));
        psql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
        name
    })
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("site_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs one statement on the server's own database.
fn psql(statement: &str) {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, &server("POSTGRES")]);
    let ran = psql.output().expect("psql does not run: scripts/test installs it");
    // Dropping happens while a failed test unwinds, too; a second panic would hide the first.
    if !thread::panicking() {
        assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

fn postgres_url(name: &str) -> String {
    let server = server("POSTGRES");
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

fn server(which: &str) -> String {
    let variable = format!("WATTGATE_TEST_{which}");
    env::var(&variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run this by `scripts/test`, which starts the servers, or by `scripts/with-servers`"
        )
    })
}

/// One of the numbered databases of the Redis server. Accounts of different tests have the same identifiers, so no two
/// tests at a time may use one number.
struct RedisDatabase(usize);

/// A Redis server has this many numbered databases unless it is told otherwise.
const REDIS_DATABASES: usize = 16;
static TAKEN: Mutex<[bool; REDIS_DATABASES]> = Mutex::new([false; REDIS_DATABASES]);
static FREED: Condvar = Condvar::new();

fn taken() -> MutexGuard<'static, [bool; REDIS_DATABASES]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RedisDatabase {
    /// Waits for a number that no other test uses.
    fn take() -> Self {
        let all_taken = |taken: &mut [bool; REDIS_DATABASES]| taken.iter().all(|taken| *taken);
        let mut taken = FREED.wait_while(taken(), all_taken).unwrap_or_else(PoisonError::into_inner);
        let number = taken.iter().position(|taken| !taken).unwrap();
        taken[number] = true;
        drop(taken);
        let database = Self(number);
        database.flush();
        database
    }

    fn url(&self) -> String {
        format!("{}/{}", server("REDIS").trim_end_matches('/'), self.0)
    }

    fn flush(&self) {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        redis::cmd("FLUSHDB").exec(&mut connection).unwrap();
    }
}

impl Drop for RedisDatabase {
    fn drop(&mut self) {
        taken()[self.0] = false;
        FREED.notify_one();
    }
}
