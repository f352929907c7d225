//! Money in minor units, prices in millionths, and the exact amounts between them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::energy::Energy;

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
pub fn format_decimal(value: impl Into<i128>, places: u32) -> String {
    let value = value.into();
    let width = usize::try_from(places).unwrap_or(0);
    let digits = format!("{:0>fill$}", value.unsigned_abs(), fill = width + 1);
    let (whole, fraction) = digits.split_at(digits.len() - width);
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Money in minor units of its currency (fen for CNY). JSON: an integer of at most 15 digits with the currency beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Money(i64);

/// Most that is read as an amount, either way: thousands of them can be summed, and every JSON reader knows them exactly.
const READ_MAX: u64 = 999_999_999_999_999;

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let minor = i64::deserialize(deserializer)?;
        if minor.unsigned_abs() > READ_MAX {
            return Err(serde::de::Error::custom("an amount has at most 15 digits"));
        }
        Ok(Self(minor))
    }
}

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

/// An exact amount in 1e-10 currency units: energy times price, never rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(i128);

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From 1e-10 currency units.
    #[must_use]
    pub const fn new(units: i128) -> Self {
        Self(units)
    }

    /// In 1e-10 currency units.
    #[must_use]
    pub const fn get(self) -> i128 {
        self.0
    }

    /// What `energy` costs at `price`.
    #[must_use]
    pub fn cost(energy: Energy, price: Price) -> Self {
        Self(i128::from(energy.get()) * i128::from(price.get()))
    }

    /// A whole number of minor units of `currency`, exactly.
    #[must_use]
    pub fn of(money: Money, currency: &Currency) -> Self {
        Self(i128::from(money.get()) * i128::from(currency.minor_unit()))
    }

    /// The whole minor units of `currency` in it, rounded down, and what is left over; none where they are too many
    /// for [`Money`].
    #[must_use]
    pub fn split(self, currency: &Currency) -> Option<(Money, Carry)> {
        let unit = i128::from(currency.minor_unit());
        let whole = i64::try_from(self.0.div_euclid(unit)).ok()?;
        let rest = i64::try_from(self.0.rem_euclid(unit)).ok()?;
        Some((Money::new(whole), Carry(rest)))
    }
}

impl std::ops::Add for Exact {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Exact {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::iter::Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, |sum, one| sum + one)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_decimal(self.0, EXACT_PLACES))
    }
}

impl Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an account used beyond its posted whole minor units: at least 0 and below one minor unit, in 1e-10 currency
/// units. It is added to the account's next charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carry(i64);

impl Carry {
    /// Nothing left over.
    pub const ZERO: Self = Self(0);

    /// From 1e-10 currency units, as stored.
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    /// In 1e-10 currency units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Most decimal places a minor unit may have.
pub const CURRENCY_EXPONENT_MAX: u32 = 4;

/// A currency: its code and the decimal places of its minor unit (CNY: 2, so that the minor unit is the fen).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "CurrencyFields")]
pub struct Currency {
    code: String,
    exponent: u32,
}

/// What makes a code and an exponent no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCurrency {
    /// Not three capital letters.
    #[error("currency code: three capital letters are needed")]
    Code,
    /// Above [`CURRENCY_EXPONENT_MAX`].
    #[error("currency exponent: must be 0 to 4")]
    Exponent,
}

impl Currency {
    /// The currency with this ISO 4217 code and this many decimal places.
    ///
    /// # Errors
    /// See [`BadCurrency`].
    pub fn new(code: &str, exponent: u32) -> Result<Self, BadCurrency> {
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(BadCurrency::Code);
        }
        if exponent > CURRENCY_EXPONENT_MAX {
            return Err(BadCurrency::Exponent);
        }
        Ok(Self { code: code.to_owned(), exponent })
    }

    /// Three capital letters.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Decimal places of the minor unit, 0 to 4.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// One minor unit in 1e-10 currency units.
    #[must_use]
    pub fn minor_unit(&self) -> i64 {
        10_i64.pow(EXACT_PLACES - self.exponent)
    }

    /// An amount for people: `-12.34 CNY`.
    #[must_use]
    pub fn show(&self, money: Money) -> String {
        format!("{} {}", self.decimal(money), self.code)
    }

    /// The same where the currency stands elsewhere: `-12.34`.
    #[must_use]
    pub fn decimal(&self, money: Money) -> String {
        format_decimal(money.get(), self.exponent)
    }
}

/// A currency as it is written, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CurrencyFields {
    code: String,
    exponent: u32,
}

impl TryFrom<CurrencyFields> for Currency {
    type Error = BadCurrency;
    fn try_from(fields: CurrencyFields) -> Result<Self, BadCurrency> {
        Self::new(&fields.code, fields.exponent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decimal_keeps_its_places() {
        assert_eq!("0.505".parse(), Ok(Price::new(505_000)));
        assert_eq!(Price::new(-1).to_string(), "-0.000001");
        assert_eq!("12.3456".parse(), Ok(Energy::new(123_456)));
        assert_eq!(Exact::new(-12_345_678_901).to_string(), "-1.2345678901");
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "+1", "1,5", " 1", "１"] {
            assert_eq!(text.parse::<Price>(), Err(BadDecimal::Syntax), "{text}");
        }
        assert_eq!("0.0000001".parse::<Price>(), Err(BadDecimal::TooFine(6)));
        assert_eq!("99999999999999".parse::<Price>(), Err(BadDecimal::TooLarge));
    }

    #[test]
    fn a_currency_is_three_letters_and_at_most_four_places() {
        let yen = Currency::new("JPY", 0).map(|yen| (yen.minor_unit(), yen.show(Money::new(1_200))));
        assert_eq!(yen, Ok((10_000_000_000, "1200 JPY".to_owned())));
        let yuan = Currency::new("CNY", 2).map(|yuan| (yuan.minor_unit(), yuan.show(Money::new(-5))));
        assert_eq!(yuan, Ok((100_000_000, "-0.05 CNY".to_owned())));
        assert_eq!(Currency::new("cny", 2), Err(BadCurrency::Code));
        assert_eq!(Currency::new("CNY", 5), Err(BadCurrency::Exponent));
    }

    #[test]
    fn energy_times_price_is_exact() {
        let cost = Exact::cost(Energy::new(1), Price::new(1));
        assert_eq!(cost.to_string(), "0.0000000001");
        assert_eq!(Exact::cost(Energy::new(i64::MAX), Price::new(i64::MAX)).get(), i128::from(i64::MAX).pow(2));
    }

    proptest! {
        #[test]
        fn an_amount_of_15_digits_is_read_and_no_longer_one(minor in prop_oneof![
            any::<i64>(), -2_000_000_000_000_000..=2_000_000_000_000_000_i64, Just(999_999_999_999_999),
            Just(-999_999_999_999_999), Just(1_000_000_000_000_000), Just(-1_000_000_000_000_000),
        ]) {
            use serde::de::{IntoDeserializer, value::{Error, I64Deserializer}};
            let given: I64Deserializer<Error> = minor.into_deserializer();
            let digits = minor.unsigned_abs().to_string().len();
            prop_assert_eq!(Money::deserialize(given).ok(), (digits <= 15).then_some(Money::new(minor)));
        }

        #[test]
        fn text_and_value_name_each_other(value in (i64::MIN + 1)..=i64::MAX, places in 0_u32..=10) {
            prop_assert_eq!(parse_decimal(&format_decimal(value, places), places), Ok(value));
        }

        #[test]
        fn whole_units_and_carry_are_the_amount(units in -1_000_000_000_000_000_i64..1_000_000_000_000_000, exponent in 0_u32..=4) {
            let currency = Currency::new("CNY", exponent).unwrap_or_else(|_| unreachable!());
            let exact = Exact::new(i128::from(units));
            let (money, carry) = exact.split(&currency).unwrap_or_else(|| unreachable!());
            prop_assert!((0..currency.minor_unit()).contains(&carry.get()));
            prop_assert_eq!(Exact::of(money, &currency) + Exact::new(i128::from(carry.get())), exact);
        }
    }
}
