//! Databases for tests, and a site with one of everything to begin with.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use diesel::{Connection, connection::SimpleConnection, pg::PgConnection, sqlite::SqliteConnection};
use domain::{
    account::{Credit, Limits, State},
    energy::Energy,
    ids::{AccountId, ConcentratorId, CustomerId, InstallationId, MeterId, ReadingId, SiteId, TariffId},
    money::{Carry, Money},
    notice::Language,
    reading::{Kind, Quality, TimeSource},
    site::AutomaticDisconnection,
    tariff::{Block, TariffVersion},
};
use jiff::Timestamp;
use store::{
    Conn, Db, DbSettings, Error, account, concentrator, customer, ids, installation, meter, reading, site, tariff,
};

/// Runs each test on both databases.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($base:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn dialogue($base: crate::support::Base) $body

            $(#[$meta])*
            #[tokio::test]
            async fn sqlite() {
                dialogue(crate::support::Base::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test]
            async fn postgres() {
                dialogue(crate::support::Base::postgres().await).await;
            }
        }
    )+};
}

/// A migrated database that ends with the test.
pub struct Base {
    pub db: Db,
    pub url: String,
    _end: End,
}

enum End {
    Folder(#[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir),
    Database(String),
}

impl Drop for End {
    fn drop(&mut self) {
        if let Self::Database(name) = self {
            server(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

pub fn settings(url: &str) -> DbSettings {
    DbSettings {
        url: url.to_owned(),
        pool_size: 8,
        acquire_timeout_ms: 10_000,
        busy_timeout_ms: 5_000,
        write_retries: 5,
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

fn fresh_name() -> String {
    format!("store_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Base {
    pub async fn sqlite() -> Self {
        let base = Self::empty_sqlite();
        base.db.migrate().await.unwrap();
        base
    }

    pub fn empty_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self { db: Db::open(&settings(&url)).unwrap(), url, _end: End::Folder(folder) }
    }

    pub async fn postgres() -> Self {
        Self::create(&format!("TEMPLATE {}", template()))
    }

    pub fn empty_postgres() -> Self {
        Self::create("")
    }

    fn create(options: &str) -> Self {
        let name = fresh_name();
        server(&format!("CREATE DATABASE {name} {options}"));
        let url = database(&name);
        Self { db: Db::open(&settings(&url)).unwrap(), url, _end: End::Database(name) }
    }

    /// Runs SQL past the store, as somebody with a console would.
    pub fn console(&self, sql: &str) -> diesel::QueryResult<()> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(sql),
            None => PgConnection::establish(&self.url).unwrap().batch_execute(sql),
        }
    }
}

fn server_url() -> String {
    std::env::var("WATTGATE_TEST_POSTGRES").expect(
        "WATTGATE_TEST_POSTGRES is not set: run these tests by scripts/test, which starts a PostgreSQL for them",
    )
}

fn server(sql: &str) {
    PgConnection::establish(&server_url()).unwrap().batch_execute(sql).unwrap();
}

/// The server's URL with another database.
fn database(name: &str) -> String {
    let url = server_url();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A migrated database without connections, made once.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = fresh_name();
        server(&format!("CREATE DATABASE {name}"));
        let url = database(&name);
        // Its own thread: the caller is inside a runtime already.
        let migrated = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let one = DbSettings { pool_size: 1, ..settings(&url) };
            runtime.block_on(async { Db::open(&one).unwrap().migrate().await.unwrap() });
        });
        migrated.join().unwrap();
        server(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
        name
    })
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A site with one of everything.
#[derive(Debug, Clone, Copy)]
pub struct Town {
    pub site: SiteId,
    pub concentrator: ConcentratorId,
    pub meter: MeterId,
    pub customer: CustomerId,
    pub tariff: TariffId,
    pub account: AccountId,
    pub installation: InstallationId,
    pub first_reading: ReadingId,
}

pub fn new_site(id: SiteId) -> site::Site {
    site::Site {
        id,
        name: "Lakeside".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        currency: "CNY".to_owned(),
        currency_exponent: 2,
        automatic_disconnection: AutomaticDisconnection::ReportOnly,
        version: 1,
        cuts_stopped_before: None,
    }
}

pub fn new_meter(id: MeterId, concentrator_id: ConcentratorId, number: u16) -> meter::Meter {
    meter::Meter {
        id,
        concentrator_id,
        address: format!("{number:012}"),
        serial: number,
        point: number,
        port: 31,
        profile: "residential".to_owned(),
        name: format!("Flat {number}"),
        guarded: false,
        guard_reason: None,
        relay: None,
        relay_command: None,
        relay_local_prepay: None,
        relay_read_at: None,
        relay_blocked: false,
        identity: meter::Identity::Unverified,
        identity_at: None,
        last_seen_at: None,
        seen_again_at: None,
        seen_gaps: 0,
        last_good_as_of: None,
        version: 1,
    }
}

pub fn new_account(id: AccountId, customer_id: CustomerId, tariff_id: TariffId, number: &str) -> account::Account {
    let mut account = account::Account {
        id,
        number: number.to_owned(),
        customer_id,
        tariff_id,
        state: State::Active,
        currency: "CNY".to_owned(),
        guarded: false,
        guard_reason: None,
        alarm_1: Money::ZERO,
        alarm_2: Money::ZERO,
        rearm_margin: Money::ZERO,
        overdraft: Money::ZERO,
        restore_margin: Money::ZERO,
        posted: Money::ZERO,
        carry: Carry::ZERO,
        alarm_1_armed: false,
        alarm_2_armed: false,
        episode_began_at: None,
        episode_forecast: false,
        episode_warned: false,
        warning_served_at: None,
        last_warning_at: None,
        decide_at: None,
        opened_at: Some(at(0)),
        fixed_to: None,
        closed_at: None,
        debt: Money::ZERO,
        emergency_credit: Money::ZERO,
        episode_emergency: None,
        hold_until: None,
        version: 1,
    };
    account.set_credit(&Credit::default());
    account.set_limits(Limits {
        alarm_1: Money::new(2000),
        alarm_2: Money::new(500),
        rearm_margin: Money::new(100),
        overdraft: Money::ZERO,
        restore_margin: Money::new(1),
        emergency_credit: Money::ZERO,
    });
    account
}

pub fn new_reading(id: ReadingId, meter_id: MeterId, as_of: Timestamp, kind: Kind, total: i64) -> reading::Reading {
    reading::Reading {
        id,
        meter_id,
        as_of,
        kind,
        total: Energy::new(total),
        unwrapped: Energy::new(total),
        sharp: None,
        peak: Some(Energy::new(1)),
        flat: None,
        valley: None,
        deep_valley: None,
        reverse: None,
        quality: Quality::Good,
        time_source: TimeSource::Concentrator,
        received_at: as_of,
        copied_at: None,
        resolution: Energy::new(1),
        reason: None,
        unwrapped_registers: Default::default(),
    }
}

pub fn version(number: i32, valid_from: &str) -> TariffVersion {
    TariffVersion {
        version: number,
        valid_from: valid_from.parse().unwrap(),
        blocks: vec![Block { upto: None, price: "0.52".parse().unwrap() }],
        time_of_use: None,
        window_start_day: 1,
        window_start_month: None,
        prorate_opening: false,
        fixed_charges: Vec::new(),
        tax_rate_ppm: 130_000,
        minimum_vend: Money::new(1),
    }
}

/// Stores a [`Town`].
pub fn found_town(conn: &mut Conn, number: i64) -> Result<Town, Error> {
    let site = SiteId::new(number).unwrap();
    site::insert(conn, &new_site(site))?;
    let town = Town {
        site,
        concentrator: ids::next(conn, site)?,
        meter: ids::next(conn, site)?,
        customer: ids::next(conn, site)?,
        tariff: ids::next(conn, site)?,
        account: ids::next(conn, site)?,
        installation: ids::next(conn, site)?,
        first_reading: ids::next(conn, site)?,
    };
    concentrator::insert(conn, &new_concentrator(town.concentrator, u16::try_from(number).unwrap()))?;
    meter::insert(conn, &new_meter(town.meter, town.concentrator, 1))?;
    let customer = customer::Customer {
        id: town.customer,
        name: "李华".to_owned(),
        phone: None,
        language: Language::Zh,
        version: 1,
    };
    customer::insert(conn, &customer)?;
    tariff::insert(conn, &tariff::Tariff { id: town.tariff, name: "Residential".to_owned() })?;
    tariff::insert_version(conn, town.tariff, &version(1, "2026-01-01"), at(0))?;
    account::insert(conn, &new_account(town.account, town.customer, town.tariff, "0001"))?;
    reading::insert_batch(conn, &[new_reading(town.first_reading, town.meter, at(0), Kind::Initial, 0)])?;
    let installation = installation::Installation {
        id: town.installation,
        account_id: town.account,
        meter_id: town.meter,
        multiplier: 1,
        start_at: at(0),
        start_value: Energy::ZERO,
        start_reading_id: town.first_reading,
        end_at: None,
        end_value: None,
        end_reading_id: None,
        resettle_since: None,
        start_registers: Default::default(),
        end_registers: Default::default(),
    };
    installation::insert(conn, &installation)?;
    Ok(town)
}

pub fn new_concentrator(id: ConcentratorId, terminal: u16) -> concentrator::Concentrator {
    concentrator::Concentrator {
        id,
        name: "Block A".to_owned(),
        region: "1101".to_owned(),
        terminal,
        profile: "default".to_owned(),
        password: None,
        clock_drift_s: None,
        clock_read_at: None,
        last_login_at: None,
        last_seen_at: None,
        identity_checked_at: None,
        version: 1,
    }
}

impl Base {
    pub async fn town(&self) -> Town {
        self.db.write(|conn| found_town(conn, 1)).await.unwrap()
    }

    /// One call of the store in a transaction of its own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> store::Result<T> + Send + 'static,
    ) -> store::Result<T> {
        self.db.write(work).await
    }
}
