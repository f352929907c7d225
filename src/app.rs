//! The running program: everything the operations need, and how it starts and stops.

use std::{
    collections::HashMap,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::web;
use actors::{Clock, Fleet, Seams, SystemClock};
use domain::{
    ids::{ConcentratorId, MeterId, TariffId},
    reading::Observation,
    tariff::Tariff,
};
use prometheus::Registry;
use store::Db;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::broadcast,
};

use crate::{
    batch::Batcher,
    changes::{Changed, Changes},
    hot::{self, HotBalances, HotError},
    http, jobs,
    metrics::Metrics,
    operations::{
        Error, balance, books, ingest, outage, passwords, read_now,
        record_order::{self, Entry, Written},
    },
    port,
    settings::{Settings, SettingsError},
    vault::Vault,
};

/// Changes that a slow listener may be behind; one that is further behind misses some.
const CHANGES_KEPT: usize = 4096;

/// The program's parts. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// See [`App`].
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The hot balances.
    pub hot: Arc<dyn HotBalances>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// Every metric.
    pub registry: Registry,
    /// What seals passwords.
    pub vault: Vault,
    metrics: Metrics,
    hot_down: AtomicBool,
    changes: broadcast::Sender<Changed>,
    tariffs: RwLock<HashMap<TariffId, Arc<Tariff>>>,
    fleet: OnceLock<Fleet>,
    readings: OnceLock<Batcher<Vec<Observation>, ingest::Stored>>,
    journal: OnceLock<Batcher<Entry, Written>>,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Why the program did not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The settings do not hold.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A verb.
    #[error(transparent)]
    Operation(#[from] Error),
    /// The hot balances.
    #[error(transparent)]
    Hot(#[from] HotError),
    /// The fleet.
    #[error(transparent)]
    Fleet(#[from] actors::StartError),
    /// A metric's name is taken.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// An address or a file.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Problem {
    /// An error of the system about `what`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

impl App {
    /// Puts the parts together. The database must be open and have the right schema; nothing runs yet.
    ///
    /// # Errors
    /// The hot balances' address is malformed.
    pub fn new(settings: Settings, db: Db, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        Ok(Self(Arc::new(Parts {
            db,
            hot: hot::open(&settings.hot)?,
            clock,
            vault: Vault::new(settings.secrets.key.as_ref()),
            settings: Arc::new(settings),
            registry,
            metrics,
            hot_down: AtomicBool::new(false),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            tariffs: RwLock::default(),
            fleet: OnceLock::new(),
            readings: OnceLock::new(),
            journal: OnceLock::new(),
        })))
    }

    /// Starts the writers, fills the hot balances, and starts the fleet and the jobs. Must be called inside an actix
    /// system.
    ///
    /// # Errors
    /// The database fails, or a metric's name is taken.
    pub async fn start(&self, seed: u64) -> Result<(), Problem> {
        self.start_writers();
        read_now::end_interrupted(self, self.settings.jobs.rows).await?;
        outage::begin(self).await?;
        let filled = balance::rebuild(self, self.settings.jobs.rows).await?;
        tracing::info!(accounts = filled, "hot balances filled");
        let seams = Seams { clock: self.clock.clone(), seed, port: Arc::new(port::Door::new(self)) };
        let fleet = Fleet::start(self.settings.fleet.clone(), seams, &self.registry)?;
        drop(self.0.fleet.set(fleet));
        jobs::start(self);
        Ok(())
    }

    /// Starts the writers of readings and of order transitions alone, for whoever lets time pass by hand. Must be called
    /// inside a runtime.
    pub fn start_writers(&self) {
        let (db, settings) = (self.db.clone(), self.settings.clone());
        let readings = Batcher::start(self.settings.ingest, move |items: Vec<Vec<Observation>>| {
            let (db, settings) = (db.clone(), settings.clone());
            Box::pin(async move { db.write(move |conn| ingest::write(conn, &settings, &items)).await })
        });
        drop(self.0.readings.set(readings));
        let (db, settings, clock) = (self.db.clone(), self.settings.clone(), self.clock.clone());
        let journal = Batcher::start(self.settings.journal, move |entries: Vec<Entry>| {
            let (db, settings, now) = (db.clone(), settings.clone(), clock.now());
            Box::pin(async move { db.write(move |conn| record_order::write(conn, &settings, &entries, now)).await })
        });
        drop(self.0.journal.set(journal));
    }

    /// The parts, for somebody who must not keep them.
    #[must_use]
    pub fn downgrade(&self) -> Weak<Parts> {
        Arc::downgrade(&self.0)
    }

    /// The program, while somebody else keeps its parts.
    #[must_use]
    pub fn upgrade(parts: &Weak<Parts>) -> Option<Self> {
        parts.upgrade().map(Self)
    }

    /// The writer of readings.
    ///
    /// # Errors
    /// [`Error::Busy`] before the start.
    pub fn readings(&self) -> Result<&Batcher<Vec<Observation>, ingest::Stored>, Error> {
        self.readings.get().ok_or(Error::Busy)
    }

    /// The writer of order transitions.
    ///
    /// # Errors
    /// [`Error::Busy`] before the start.
    pub fn journal(&self) -> Result<&Batcher<Entry, Written>, Error> {
        self.journal.get().ok_or(Error::Busy)
    }

    /// The fleet, once it runs.
    #[must_use]
    pub fn fleet(&self) -> Option<&Fleet> {
        self.fleet.get()
    }

    /// Hints that a concentrator has orders due.
    pub fn wake(&self, concentrator: ConcentratorId) {
        if let Some(fleet) = self.fleet() {
            fleet.wake(concentrator);
        }
    }

    /// Hints that a concentrator's archive changed.
    pub fn reload(&self, concentrator: ConcentratorId) {
        if let Some(fleet) = self.fleet() {
            fleet.reload(concentrator);
        }
    }

    /// Has a meter read at the next chance; nobody waits for it.
    pub fn read_now_soon(&self, concentrator: ConcentratorId, meter: MeterId) {
        if let Some(fleet) = self.fleet().cloned() {
            tokio::spawn(async move {
                if let Err(error) = fleet.read_now(concentrator, meter).await {
                    tracing::debug!(%meter, %error, "a meter with a stale reading was not read");
                }
            });
        }
    }

    /// Tells whoever listens that something changed.
    pub fn announce(&self, change: Changed) {
        self.0.metrics.count(&change);
        // Nobody listening is fine.
        drop(self.0.changes.send(change));
    }

    /// What changes from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.0.changes.subscribe())
    }

    /// Counts that the hot balances did not answer, and logs it where they did before.
    pub fn hot_failed(&self, error: &HotError) {
        self.0.metrics.hot_failures.inc();
        if !self.0.hot_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the database answers in place of the hot balances");
        }
    }

    /// The hot balances answered; logged where they did not before.
    pub fn hot_answered(&self) {
        if self.0.hot_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the hot balances answer again");
        }
    }

    /// A tariff; versions are never changed, so that what was read once stands.
    ///
    /// # Errors
    /// It does not exist, or the database fails.
    pub async fn tariff(&self, id: TariffId) -> Result<Arc<Tariff>, Error> {
        let known = self.tariffs.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(tariff) = known {
            return Ok(tariff);
        }
        let read = move |conn: &mut store::Conn| {
            let site = store::site::by_id(conn, id.site())?;
            books::tariff(conn, id, &site)
        };
        let tariff = Arc::new(self.db.read(read).await?);
        self.tariffs.write().unwrap_or_else(PoisonError::into_inner).insert(id, tariff.clone());
        Ok(tariff)
    }

    /// A tariff has a further version: it is read anew.
    pub fn forget_tariff(&self, id: TariffId) {
        self.tariffs.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Stops the fleet: exchanges under way may end, nothing new begins.
    pub async fn stop(&self) {
        if let Some(fleet) = self.fleet() {
            fleet.stop(Duration::from_secs(self.settings.http.stop_s)).await;
        }
        if let Err(error) = outage::mark(self).await {
            tracing::warn!(%error, "the next start takes the last heartbeat for the end");
        }
    }
}

/// A program that listens.
pub struct Running {
    /// The program.
    pub app: App,
    /// Where REST is served.
    pub http: SocketAddr,
    /// Where concentrators dial in.
    pub concentrators: SocketAddr,
    server: actix_web::dev::ServerHandle,
}

/// Opens the database, starts everything and listens.
///
/// # Errors
/// The schema is not the one this program needs, an address is taken, or a part does not start.
pub async fn listen(settings: Settings, seed: u64) -> Result<Running, Problem> {
    let db = open(&settings)?;
    db.check_schema().await?;
    let durability = db.durability().await?;
    if !durability.is_full() {
        return Err(Problem::Other(format!("the database would lose acknowledged vends: {durability:?}")));
    }
    check_kept(&db, &settings).await?;
    let (http_bind, dial_in) = (settings.http.bind, settings.listen.qgdw376);
    // Both ports first: where one is taken, nothing has begun yet that would have to be undone.
    let concentrators =
        tokio::net::TcpListener::bind(dial_in).await.map_err(Problem::io(format!("listen.qgdw376 = {dial_in}")))?;
    let dial_in = concentrators.local_addr().map_err(Problem::io("listen.qgdw376"))?;
    let rest = std::net::TcpListener::bind(http_bind).map_err(Problem::io(format!("http.bind = {http_bind}")))?;
    let rest_at = rest.local_addr().map_err(Problem::io("http.bind"))?;
    let app = App::new(settings, db, Arc::new(SystemClock))?;
    app.start(seed).await?;
    if let Some(fleet) = app.fleet().cloned() {
        actix::spawn(async move { fleet.serve(concentrators).await });
    }
    let server = http::server(web::Data::new(app.clone()), rest).map_err(Problem::io("http"))?;
    let handle = server.handle();
    actix::spawn(server);
    tracing::info!(rest = %rest_at, concentrators = %dial_in, "listening");
    Ok(Running { app, http: rest_at, concentrators: dial_in, server: handle })
}

/// What the database keeps must go with the settings: each profile is there, and each password opens.
async fn check_kept(db: &Db, settings: &Settings) -> Result<(), Problem> {
    check_profiles(db, settings).await?;
    Ok(passwords::check(db, &Vault::new(settings.secrets.key.as_ref())).await?)
}

/// Every profile that a row names must be among the settings: else meters could neither be read nor judged.
async fn check_profiles(db: &Db, settings: &Settings) -> Result<(), Problem> {
    let (meters, concentrators) =
        db.read(|conn| Ok::<_, Error>((store::meter::profiles(conn)?, store::concentrator::profiles(conn)?))).await?;
    let missing = |kind: &str, name: &String| {
        Problem::Other(format!("settings: profiles.{kind}.{name} is missing, and the database names it"))
    };
    let meter = meters.iter().find(|name| !settings.profiles.meter.contains_key(*name));
    let concentrator = concentrators.iter().find(|name| !settings.profiles.concentrator.contains_key(*name));
    match (meter, concentrator) {
        (Some(name), _) => Err(missing("meter", name)),
        (None, Some(name)) => Err(missing("concentrator", name)),
        (None, None) => Ok(()),
    }
}

impl Running {
    /// Stops in order: no new requests, then no new exchanges.
    pub async fn stop(self) {
        self.server.stop(true).await;
        self.app.stop().await;
    }
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
/// See [`listen`].
pub fn serve(settings: Settings) -> Result<ExitCode, Problem> {
    actix::System::new().block_on(async {
        // Before anything runs, so that whoever asks early is heard, too.
        let asked = asked_to_stop()?;
        let running = listen(settings, rand::random()).await?;
        asked.await;
        tracing::info!("stopping");
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// From now on SIGTERM and Ctrl-C end nothing by themselves; the future waits for either.
///
/// # Errors
/// The system does not let us wait for signals.
pub fn asked_to_stop() -> Result<impl Future<Output = ()>, Problem> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Problem::io("signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Problem::io("signals"))?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Brings the database's schema up to date.
///
/// # Errors
/// The database fails, or holds a schema that this program does not know.
pub fn migrate(settings: Settings) -> Result<ExitCode, Problem> {
    actix::System::new().block_on(async {
        Db::open(&settings.database)?.migrate().await?;
        println!("the schema is up to date");
        Ok(ExitCode::SUCCESS)
    })
}

/// Opens the database that the settings name; one that is not there is not made by a slip of the pen.
///
/// # Errors
/// It is not there, or cannot be reached.
pub fn open(settings: &Settings) -> Result<Db, Problem> {
    if let Some(file) = settings.database.url.strip_prefix("sqlite:")
        && !std::path::Path::new(file).exists()
    {
        return Err(Problem::Other(format!("there is no database {file} yet: `wattgate migrate` makes it")));
    }
    Ok(Db::open(&settings.database)?)
}

/// Says whether the settings hold, by themselves (they were read already) and with what the database keeps, where there is one.
///
/// # Errors
/// The database names a profile that is not there, or keeps passwords that the key does not open.
pub fn check_config(settings: Settings) -> Result<ExitCode, Problem> {
    actix::System::new().block_on(async {
        let opened = async {
            let db = open(&settings)?;
            db.check_schema().await?;
            Ok::<_, Problem>(db)
        };
        match opened.await {
            Ok(db) => check_kept(&db, &settings).await?,
            Err(problem) => println!("not compared with a database: {problem}"),
        }
        println!("the settings hold: REST at {}, concentrators at {}", settings.http.bind, settings.listen.qgdw376);
        Ok(ExitCode::SUCCESS)
    })
}
