//! Identifiers: one `i64` whose high 20 bits name the site and whose low 43 bits count within it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bits of an identifier that count within a site.
pub const COUNTER_BITS: u32 = 43;
const COUNTER_MASK: i64 = (1 << COUNTER_BITS) - 1;
const SITE_MAX: i64 = (1 << 20) - 1;

/// What makes text or a number no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct BadId;

/// A site, 1 to 1,048,575.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(i64);

impl SiteId {
    /// The site with this number.
    ///
    /// # Errors
    /// Refuses a number outside 1 to 1,048,575.
    pub fn new(number: i64) -> Result<Self, BadId> {
        (1..=SITE_MAX).contains(&number).then_some(Self(number)).ok_or(BadId)
    }

    /// The number itself, as stored.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// The identifier of the `counter`-th thing of this site, as stored.
    fn compose(self, counter: i64) -> Result<i64, BadId> {
        (1..=COUNTER_MASK).contains(&counter).then_some((self.0 << COUNTER_BITS) | counter).ok_or(BadId)
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for SiteId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::new(text.parse().map_err(|_| BadId)?)
    }
}

impl Serialize for SiteId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SiteId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The `counter`-th of its kind in `site`.
            ///
            /// # Errors
            /// Refuses a counter outside 1 to 2^43 - 1.
            pub fn new(site: SiteId, counter: i64) -> Result<Self, BadId> {
                site.compose(counter).map(Self)
            }

            /// The identifier with this stored form.
            ///
            /// # Errors
            /// Refuses a number that names no site or no counter.
            pub fn from_i64(raw: i64) -> Result<Self, BadId> {
                let site = SiteId::new(raw >> COUNTER_BITS)?;
                Self::new(site, raw & COUNTER_MASK)
            }

            /// The stored form.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }

            /// The site it belongs to.
            #[must_use]
            pub fn site(self) -> SiteId {
                SiteId(self.0 >> COUNTER_BITS)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::from_i64(text.parse().map_err(|_| BadId)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A concentrator (集中器).
    ConcentratorId
    /// A meter (电表).
    MeterId
    /// A meter installed at a supply, with its start reading and multiplier.
    InstallationId
    /// A customer (用户).
    CustomerId
    /// An account (户).
    AccountId
    /// A tariff (电价).
    TariffId
    /// A reading (示值).
    ReadingId
    /// A ledger transaction (交易).
    TransactionId
    /// A vend (售电).
    VendId
    /// The reversal of a vend (冲正).
    ReversalId
    /// Money given back from a balance (退款).
    RefundId
    /// Who sells for us at terminals of its own (售电商).
    VendorId
    /// A selection of meters that was given a name.
    SelectionId
    /// A building of a site (楼栋).
    BuildingId
    /// A counter or machine that sells.
    TerminalId
    /// A shift of a terminal (班次).
    ShiftId
    /// Money that a vendor handed over.
    DepositId
    /// A change of what an account owes
    DebtLineId
    /// A payment that was announced and has not arrived.
    PaymentId
    /// Subsidies to many accounts at once
    BatchCreditId
    /// A relay order (遥控令).
    OrderId
    /// Relay orders to several meters, given at once.
    OrderGroupId
    /// Relay orders by a calendar (定时遥控).
    ScheduleId
    /// A notice (通知).
    NoticeId
    /// An alarm or event.
    AlarmId
    /// Something that a concentrator noted.
    EventId
    /// A line of what operators did.
    AuditLineId
    /// A read-now request (召测).
    ReadRequestId
    /// Work that comes once for each local day.
    JobId
    /// A time in which the program was down.
    OutageId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_no_site_or_counter_is_refused() {
        assert_eq!(SiteId::new(0), Err(BadId));
        assert_eq!(SiteId::new(SITE_MAX + 1), Err(BadId));
        for raw in [0, -1, 5, 1 << COUNTER_BITS, i64::MIN] {
            assert_eq!(MeterId::from_i64(raw), Err(BadId), "{raw}");
        }
        assert_eq!("x".parse::<MeterId>(), Err(BadId));
    }

    proptest! {
        #[test]
        fn an_identifier_keeps_its_site_and_its_text(site in 1..=SITE_MAX, counter in 1..=COUNTER_MASK) {
            let site = SiteId::new(site)?;
            let meter = MeterId::new(site, counter)?;
            prop_assert!(meter.get() > 0);
            prop_assert_eq!(meter.site(), site);
            prop_assert_eq!(MeterId::from_i64(meter.get()), Ok(meter));
            prop_assert_eq!(meter.to_string().parse(), Ok(meter));
        }
    }
}
