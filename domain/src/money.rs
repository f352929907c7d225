//! Money in minor units, prices in millionths, and the exact amounts between them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Decimal places of a [`Price`].
pub const PRICE_PLACES: u32 = 6;
/// Decimal places of an [`Exact`] amount: those of a price and of a kWh together.
pub const EXACT_PLACES: u32 = PRICE_PLACES + crate::energy::KWH_PLACES;

/// Why a decimal text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDecimal {
    /// Something other than an optional minus, digits and one point.
    #[error("not a decimal number")]
    Syntax,
    /// More places behind the point than are kept.
    #[error("more than {0} decimal places")]
    TooFine(u32),
    /// Too large to be kept.
    #[error("too large")]
    TooLarge,
}

/// Reads a decimal text as an integer of units of 10^-`places`.
///
/// # Errors
/// See [`BadDecimal`]; nothing is rounded.
pub fn parse_decimal(text: &str, places: u32) -> Result<i64, BadDecimal> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || (fraction.is_empty() && digits.contains('.')) {
        return Err(BadDecimal::Syntax);
    }
    let missing = u32::try_from(fraction.len())
        .ok()
        .and_then(|length| places.checked_sub(length))
        .ok_or(BadDecimal::TooFine(places))?;
    let value: i64 = format!("{whole}{fraction}").parse().map_err(|_| BadDecimal::TooLarge)?;
    let value = 10_i64.checked_pow(missing).and_then(|scale| value.checked_mul(scale)).ok_or(BadDecimal::TooLarge)?;
    Ok(if negative { -value } else { value })
}

/// Writes an integer of units of 10^-`places` as a decimal text with all its places.
#[must_use]
pub fn format_decimal(value: i64, places: u32) -> String {
    let width = usize::try_from(places).unwrap_or(0);
    let digits = format!("{:0>fill$}", value.unsigned_abs(), fill = width + 1);
    let (whole, fraction) = digits.split_at(digits.len() - width);
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Money in minor units of its currency (fen for CNY). JSON: an integer with the currency beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From minor units.
    #[must_use]
    pub const fn new(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum; `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl std::ops::Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, |sum, one| sum + one)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A price per kWh in millionths of the currency unit. JSON: a decimal string, at most 6 places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// From millionths of the currency unit per kWh.
    #[must_use]
    pub const fn new(millionths: i64) -> Self {
        Self(millionths)
    }

    /// In millionths of the currency unit per kWh.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_decimal(self.0, PRICE_PLACES))
    }
}

impl FromStr for Price {
    type Err = BadDecimal;
    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        parse_decimal(text, PRICE_PLACES).map(Self)
    }
}

impl Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
