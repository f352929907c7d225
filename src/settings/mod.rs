//! Settings: `config/default.toml`, then a file of the site's own, then the environment; each key with its unit there.

pub(crate) mod profiles;
mod tariff_presets;

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use actors::FleetSettings;
use config::{Config, Environment, File, FileFormat};
use domain::site::Policy;
use jiff::civil::Date;
use serde::Deserialize;
use store::DbSettings;

pub use self::{
    profiles::{ConcentratorProfile, MeterProfile, Profiles},
    tariff_presets::TariffPreset,
};
use crate::{
    batch::BatchSettings,
    hot::HotSettings,
    operations::{Error, books},
    vault::SealingKey,
};

/// Every key with its default, unit and reason.
const DEFAULT: &str = include_str!("../../config/default.toml");
/// Meter and concentrator profiles that come with the program.
const PROFILES: &str = include_str!("../../config/profiles.toml");
/// Tariffs to begin with that come with the program.
const TARIFF_PRESETS: &str = include_str!("../../config/tariff_presets.toml");
/// What the demo changes.
pub const DEMO: &str = include_str!("../../config/demo.toml");

/// The settings do not hold; the text says which key of which file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is missing, a key is unknown, or a value is of the wrong kind.
    #[error("settings: {0}")]
    Syntax(#[from] config::ConfigError),
    /// A value is of the right kind and still makes no sense.
    #[error("settings: {key}: {reason}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The REST side.
    pub http: HttpSettings,
    /// Where concentrators dial in.
    pub listen: ListenSettings,
    /// The database.
    pub database: DbSettings,
    /// Hot balances.
    pub hot: HotSettings,
    /// Sessions, exchanges, retries and supervision.
    pub fleet: FleetSettings,
    /// The writer of readings.
    pub ingest: BatchSettings,
    /// The writer of order transitions.
    pub journal: BatchSettings,
    /// Recurring work.
    pub jobs: JobSettings,
    /// Explanations of balances.
    pub explain: ExplainSettings,
    /// Receipts.
    pub receipts: ReceiptSettings,
    /// Reports of times in which the program was down.
    pub outages: OutageSettings,
    /// Subsidies to many accounts at once.
    pub batch_credit: BatchCreditSettings,
    /// Relay orders to several meters at once.
    pub order_groups: OrderGroupSettings,
    /// The business rules' numbers.
    pub policy: Policy,
    /// Kinds of concentrators and meters.
    pub profiles: Profiles,
    /// Keys, which come by the environment.
    pub secrets: SecretSettings,
    /// Tariffs to begin with, by name.
    pub tariff_presets: BTreeMap<String, TariffPreset>,
}

/// Keys, which come by the environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSettings {
    /// What seals the passwords of meters and concentrators; none: they are those of the profiles.
    pub key: Option<SealingKey>,
}

/// Subsidies to many accounts at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchCreditSettings {
    /// Most lines of a batch.
    pub lines: usize,
    /// Accounts that one transaction of a batch credits at the most.
    pub accounts_per_transaction: i64,
}

/// Relay orders to several meters at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderGroupSettings {
    /// Most meters of a group.
    pub meters: usize,
    /// Most meters that one operator may cut without a second one's approval.
    pub meters_alone: usize,
    /// Meters whose orders one transaction gives at the most.
    pub meters_per_transaction: i64,
    /// How long a group waits for approval, in seconds.
    pub approval_s: u32,
    /// Most meters whose accounts are reckoned for a selection by headroom.
    pub headroom_meters: usize,
    /// Meters of such a selection that one look at the database reckons at the most.
    pub headroom_meters_at_once: i64,
}

/// The REST side.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port.
    pub bind: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Rows of a list page when none are asked for.
    pub page_rows: i64,
    /// Most rows of a list page.
    pub page_rows_max: i64,
    /// Longest `?wait=`, in seconds.
    pub wait_max_s: u64,
    /// Most bytes of what a concentrator is asked by an enquiry: points, functions and contents.
    pub enquiry_bytes: usize,
    /// Longest wait of `/readyz` for each of its checks, in milliseconds.
    pub ready_ms: u64,
    /// Connections served at once.
    pub connections: usize,
    /// Longest time a request's head, and then its body, may take to arrive, in seconds.
    pub request_s: u64,
    /// Longest wait for requests under way at a stop, in seconds.
    pub stop_s: u64,
}

/// Where concentrators dial in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenSettings {
    /// Address and port for Q/GDW 376.1 over TCP.
    pub qgdw376: SocketAddr,
}

/// Recurring work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// Time between two looks for accounts whose supply is to be decided again, in milliseconds.
    pub decide_ms: u64,
    /// Time between two looks for notices to send, and for versions of tariffs of which some more customers are told, in
    /// milliseconds.
    pub notices_ms: u64,
    /// Time between two looks at warnings that are to be served by hand, in seconds.
    pub by_hand_s: u64,
    /// Time between two looks for days to settle, in seconds.
    pub settle_s: u64,
    /// Looks for relay schedules that switch and relay order groups to go on with, in s.
    pub order_groups_s: u64,
    /// Time between two looks for fixed charges to post, in seconds.
    pub fixed_charges_s: u64,
    /// Days whose fixed charges a look posts for an account at the most; the next look goes on.
    pub fixed_charge_days: u32,
    /// A job that nobody went on with for so many seconds may be claimed by another process.
    pub claim_s: u64,
    /// Accounts that one transaction of a job changes at the most.
    pub accounts_per_transaction: i64,
    /// Rows a look takes at the most.
    pub rows: i64,
}

/// Explanations of balances.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainSettings {
    /// Longest span, in days.
    pub days: u32,
    /// Most transactions of a span.
    pub transactions: usize,
    /// Rows read at once.
    pub rows: i64,
}

/// Receipts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSettings {
    /// Most reprints of a vend's receipt.
    pub reprints: i64,
}

/// Reports of times in which the program was down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutageSettings {
    /// Time between two heartbeats, in seconds.
    pub heartbeat_s: u64,
    /// A report is made so many hours after the start at the latest.
    pub report_after_h: u32,
    /// Days of an outage that are looked at, the last ones.
    pub days: u32,
}

impl Settings {
    /// The meter profile with this name.
    ///
    /// # Errors
    /// A row names a profile that the settings do not have any more.
    pub fn meter_profile(&self, name: &str) -> Result<&MeterProfile, Error> {
        self.profiles
            .meter
            .get(name)
            .ok_or_else(|| books::corrupt(format!("the settings have no meter profile {name}")))
    }

    /// The concentrator profile with this name.
    ///
    /// # Errors
    /// A row names a profile that the settings do not have any more.
    pub fn concentrator_profile(&self, name: &str) -> Result<&ConcentratorProfile, Error> {
        let missing = || books::corrupt(format!("the settings have no concentrator profile {name}"));
        self.profiles.concentrator.get(name).ok_or_else(missing)
    }
}

/// Reads the settings: the defaults, `extra` (the demo's or a test's own TOML), the site's file, the environment
/// (`WATTGATE__SECTION__KEY`), each over the one before.
///
/// # Errors
/// See [`SettingsError`].
pub fn read(extra: Option<&str>, file: Option<&Path>) -> Result<Settings, SettingsError> {
    let mut sources = Config::builder()
        .add_source(File::from_str(DEFAULT, FileFormat::Toml))
        .add_source(File::from_str(PROFILES, FileFormat::Toml))
        .add_source(File::from_str(TARIFF_PRESETS, FileFormat::Toml));
    if let Some(text) = extra {
        sources = sources.add_source(File::from_str(text, FileFormat::Toml));
    }
    if let Some(path) = file {
        sources = sources.add_source(File::from(path).format(FileFormat::Toml));
    }
    let environment = Environment::with_prefix("WATTGATE").prefix_separator("__").separator("__").try_parsing(true);
    let settings: Settings = sources.add_source(environment).build()?.try_deserialize()?;
    check(&settings)?;
    Ok(settings)
}

fn check(settings: &Settings) -> Result<(), SettingsError> {
    let value = |key: &str, reason: String| SettingsError::Value { key: key.to_owned(), reason };
    settings.policy.validate().map_err(|bad| value(&format!("policy.{}", bad.field), bad.problem.to_owned()))?;
    let none = [
        ("http.workers", settings.http.workers == 0),
        ("http.page_rows", settings.http.page_rows < 1),
        ("jobs.rows", settings.jobs.rows < 1),
        ("jobs.claim_s", settings.jobs.claim_s < 1),
        ("jobs.accounts_per_transaction", settings.jobs.accounts_per_transaction < 1),
        ("explain.rows", settings.explain.rows < 1),
        ("outages.heartbeat_s", settings.outages.heartbeat_s < 1),
        ("batch_credit.lines", settings.batch_credit.lines == 0),
        ("batch_credit.accounts_per_transaction", settings.batch_credit.accounts_per_transaction < 1),
        ("order_groups.meters", settings.order_groups.meters == 0),
        ("order_groups.meters_per_transaction", settings.order_groups.meters_per_transaction < 1),
        ("order_groups.headroom_meters_at_once", settings.order_groups.headroom_meters_at_once < 1),
        ("order_groups.approval_s", settings.order_groups.approval_s == 0),
    ];
    if let Some((key, _)) = none.into_iter().find(|(_, none)| *none) {
        return Err(value(key, "must be at least 1".to_owned()));
    }
    if settings.http.page_rows > settings.http.page_rows_max {
        return Err(value("http.page_rows", "is above http.page_rows_max".to_owned()));
    }
    for (name, preset) in &settings.tariff_presets {
        if let Err(Error::Refused { field, detail, .. }) = preset.terms.version(Date::MIN).numbered(1, None) {
            return Err(value(&format!("tariff_presets.{name}.terms.{}", field.unwrap_or_default()), detail));
        }
    }
    Ok(())
}
