//! Profiles of concentrators and meters: what the settings say, and what the fleet is told.

use std::collections::BTreeMap;

use actors::ports;
use domain::{energy::Energy, polling::Round, reading::MeterLimits, relay::RelayControl, tariff::Period};
use jiff::{SignedDuration, fmt::temporal::DateTimeParser, tz::Offset};
use protocols::{Secret, dlt645::Password, qgdw376::LineSettings};
use serde::Deserialize;

use crate::hex;

/// Profiles by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// Concentrators.
    pub concentrator: BTreeMap<String, ConcentratorProfile>,
    /// Meters.
    pub meter: BTreeMap<String, MeterProfile>,
}

/// A kind of concentrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ConcentratorKeys")]
pub struct ConcentratorProfile {
    /// How it is talked to.
    pub wire: ports::ConcentratorProfile,
    /// What one request and its answer take, whatever it asks for.
    pub per_request: SignedDuration,
    /// What each measuring point of a request adds.
    pub per_point: SignedDuration,
}

impl ConcentratorProfile {
    /// A round over so many meters behind it.
    #[must_use]
    pub fn round(&self, meters: usize) -> Round {
        Round {
            meters: u32::try_from(meters).unwrap_or(u32::MAX),
            points_per_request: self.wire.points_per_request,
            per_request: self.per_request,
            per_point: self.per_point,
        }
    }
}

/// A kind of meter: how it is driven, and what it can plausibly show.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "MeterKeys")]
pub struct MeterProfile {
    /// How it is read and switched.
    pub wire: ports::MeterProfile,
    /// Whether supply comes back only when the customer presses the meter's button.
    pub permit: bool,
    /// F10 code of its bus's rate.
    pub rate: u8,
    /// How the concentrator sets its port for a forwarded frame.
    pub line: LineSettings,
    /// What its registers can plausibly do.
    pub limits: MeterLimits,
    /// The periods whose registers are billed, from the next installation on; empty: the total is.
    pub billed: Vec<Period>,
    /// Age above which its last good reading is no evidence for a cut; none: as the policy says.
    pub reading_freshness: Option<SignedDuration>,
}

/// The keys of a concentrator profile; see `config/profiles.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConcentratorKeys {
    points_per_request: u32,
    password: String,
    master: u8,
    order_forward_timeout_s: u8,
    poll_forward_timeout_s: u8,
    byte_timeout_ms: u16,
    answer_ms: u32,
    point_ms: u32,
}

/// The keys of a meter profile; see `config/profiles.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterKeys {
    relay_control: RelayControl,
    reconnect: Reconnect,
    relay_password: String,
    relay_password_level: u8,
    relay_operator: u32,
    archive_password: String,
    periods: u8,
    #[serde(default)]
    billed: Billed,
    rate: u8,
    line: String,
    maximum_power_w: u32,
    register_modulus: Energy,
    #[serde(default)]
    reading_freshness: Option<SignedDuration>,
    #[serde(default)]
    utc_offset: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Reconnect {
    Direct,
    Permit,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Billed {
    #[default]
    Total,
    Periods,
}

impl Billed {
    /// A meter's period registers are numbered in the order of [`Period::ALL`].
    fn registers(self, kept: u8) -> Result<Vec<Period>, String> {
        match self {
            Self::Total => Ok(Vec::new()),
            Self::Periods => {
                within("periods", kept, 2, 5).map_err(|bad| format!("{bad} where they are billed"))?;
                Ok(Period::ALL.iter().take(kept.into()).copied().collect())
            }
        }
    }
}

impl TryFrom<ConcentratorKeys> for ConcentratorProfile {
    type Error = String;
    fn try_from(keys: ConcentratorKeys) -> Result<Self, String> {
        within("points_per_request", keys.points_per_request, 1, 64)?;
        within("master", keys.master, 0, 127)?;
        within("order_forward_timeout_s", keys.order_forward_timeout_s, 1, 127)?;
        within("poll_forward_timeout_s", keys.poll_forward_timeout_s, 1, 127)?;
        let wire = ports::ConcentratorProfile {
            points_per_request: keys.points_per_request,
            password: Secret::new(hex_key("password", &keys.password)?),
            msa: keys.master,
            order_forward_timeout_s: keys.order_forward_timeout_s,
            poll_forward_timeout_s: keys.poll_forward_timeout_s,
            byte_timeout_10ms: u8::try_from(keys.byte_timeout_ms / 10)
                .map_err(|_| "byte_timeout_ms: must be at most 2550".to_owned())?,
        };
        let (per_request, per_point) = (keys.answer_ms.into(), keys.point_ms.into());
        Ok(Self {
            wire,
            per_request: SignedDuration::from_millis(per_request),
            per_point: SignedDuration::from_millis(per_point),
        })
    }
}

impl TryFrom<MeterKeys> for MeterProfile {
    type Error = String;
    fn try_from(keys: MeterKeys) -> Result<Self, String> {
        within("periods", keys.periods, 1, 48)?;
        within("rate", keys.rate, 0, 7)?;
        within("maximum_power_w", keys.maximum_power_w, 1, 1_000_000)?;
        within("register_modulus", keys.register_modulus, Energy::new(1), Energy::new(i64::MAX / 1_000_000))?;
        if keys.reading_freshness.is_some_and(|longest| longest <= SignedDuration::ZERO) {
            return Err("reading_freshness: must be above 0".to_owned());
        }
        let utc_offset = keys.utc_offset.as_deref().map(utc_offset).transpose()?;
        let relay_password = relay_password(&keys.relay_password, keys.relay_password_level);
        let [line] = hex_key("line", &keys.line)?;
        Ok(Self {
            wire: ports::MeterProfile {
                tariffs: keys.periods,
                relay_control: keys.relay_control,
                relay_password: relay_password.ok_or("relay_password: must be 6 digits")?,
                relay_operator: keys.relay_operator,
                archive_password: Secret::new(hex_key("archive_password", &keys.archive_password)?),
                utc_offset,
            },
            permit: keys.reconnect == Reconnect::Permit,
            rate: keys.rate,
            line: LineSettings(line),
            limits: MeterLimits { maximum_power_w: keys.maximum_power_w, register_modulus: keys.register_modulus },
            billed: keys.billed.registers(keys.periods)?,
            reading_freshness: keys.reading_freshness,
        })
    }
}

/// The password of relay control (DL/T 645) with its level, usually 2.
pub(crate) fn relay_password(digits: &str, level: u8) -> Option<Password> {
    let digits = Some(digits).filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Password::new(level, digits.parse().ok()?).ok()
}

fn within<T: PartialOrd + std::fmt::Display>(key: &str, value: T, least: T, most: T) -> Result<(), String> {
    if least <= value && value <= most { Ok(()) } else { Err(format!("{key}: must be {least} to {most}")) }
}

/// An offset from UTC such as `+01:00`.
fn utc_offset(text: &str) -> Result<Offset, String> {
    let zone = DateTimeParser::new().parse_time_zone(text).ok().and_then(|zone| zone.to_fixed_offset().ok());
    zone.ok_or_else(|| format!("utc_offset: {text} is none, such as +01:00"))
}

/// Exactly `N` bytes in hex.
fn hex_key<const N: usize>(key: &str, text: &str) -> Result<[u8; N], String> {
    hex::array(text).ok_or_else(|| format!("{key}: must be {N} bytes in hex"))
}
