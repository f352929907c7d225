//! How domain types are kept in columns: the only place that knows their stored form.
//!
//! Two SQL types of our own, [`Number`] and [`Word`], carry every domain type (a foreign type cannot be given diesel's
//! traits for diesel's own SQL types); [`crate::time::Instant`] is the third.

use diesel::{query_builder::QueryId, sql_types::SqlType};

use crate::ids::Id;

/// A 64-bit whole number that is an identifier, an amount of money or of energy.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 20, array_oid = 1016), sqlite_type(name = "Long"))]
pub struct Number;

/// Text that is one word of an enum, a local date (`2026-03-31`), an exact amount, or a JSON document of the domain.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 25, array_oid = 1009), sqlite_type(name = "Text"))]
pub struct Word;

impl diesel::sql_types::SqlOrd for Word {}
impl diesel::sql_types::SqlOrd for Number {}

type Parsed<T> = diesel::deserialize::Result<T>;
/// A stored form, or that there is none.
pub(crate) type Kept<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A domain type that one column holds.
pub(crate) trait Column: Sized {
    /// What the database keeps: `i64` or `String`.
    type Raw;
    fn to_raw(&self) -> Kept<Self::Raw>;
    fn from_raw(raw: Self::Raw) -> Parsed<Self>;
}

/// A value on its way into a query, as the column beside it keeps it. A type of another crate cannot be given diesel's
/// `AsExpression`, so that queries say `accounts::id.eq(val(id))`.
pub(crate) type Val<S, T> = diesel::internal::derives::as_expression::Bound<S, T>;

/// See [`Val`].
pub(crate) fn val<S, T>(value: T) -> Val<S, T> {
    Val::new(value)
}

/// A column and what it is to become.
pub(crate) type Assigned<C, T> = diesel::dsl::Eq<C, Val<diesel::dsl::SqlTypeOf<C>, T>>;

/// Declares a row: the struct, how it is read, and how it is written. The first field is its key within the site.
macro_rules! row {
    ($(#[$doc:meta])* pub struct $name:ident in $table:ident {
        $(#[$key_doc:meta])* pub $key:ident: $key_type:ty,
        $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable, diesel::Selectable)]
        #[diesel(table_name = $table)]
        pub struct $name {
            $(#[$key_doc])* pub $key: $key_type,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// Every column but the site's number.
            pub(crate) fn columns(
                &self,
            ) -> (
                $crate::column::Assigned<$table::$key, &$key_type>,
                $($crate::column::Assigned<$table::$field, &$type>,)*
            ) {
                (
                    diesel::ExpressionMethods::eq($table::$key, $crate::column::val(&self.$key)),
                    $(diesel::ExpressionMethods::eq($table::$field, $crate::column::val(&self.$field)),)*
                )
            }

            /// Every column but those that find the row: setting these, SQLite looks through all that refer to it.
            #[allow(dead_code, reason = "only rows that are saved whole need it")]
            pub(crate) fn changes(&self) -> ($($crate::column::Assigned<$table::$field, &$type>,)*) {
                ($(diesel::ExpressionMethods::eq($table::$field, $crate::column::val(&self.$field)),)*)
            }
        }

        impl diesel::internal::derives::insertable::UndecoratedInsertRecord<$table::table> for $name {}

        impl<'a> diesel::Insertable<$table::table> for &'a $name {
            type Values = <(
                $crate::column::Assigned<$table::$key, &'a $key_type>,
                $($crate::column::Assigned<$table::$field, &'a $type>,)*
            ) as diesel::Insertable<$table::table>>::Values;

            fn values(self) -> Self::Values {
                diesel::Insertable::values(self.columns())
            }
        }
    };
}
pub(crate) use row;

/// Lets a type be read from a column of one SQL type of ours.
macro_rules! readable {
    ($type:ty, $sql:ty) => {
        impl<DB: diesel::backend::Backend> diesel::deserialize::Queryable<$sql, DB> for $type
        where
            $type: diesel::deserialize::FromSql<$sql, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> diesel::deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}
pub(crate) use readable;

/// Stores types that are a [`Column`] by way of diesel's own type for their raw form.
macro_rules! columns {
    ($sql:ty, $inner:ty: $($type:ty),+ $(,)?) => {$(
        readable!($type, $sql);
        columns!(@stored $sql, $inner, $type);
    )+};
    (@stored $sql:ty, $inner:ty, $type:ty) => {
        impl diesel::serialize::ToSql<$sql, diesel::pg::Pg> for $type {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                let raw = self.to_raw()?;
                diesel::serialize::ToSql::<$inner, diesel::pg::Pg>::to_sql(&raw, &mut out.reborrow())
            }
        }
        impl diesel::serialize::ToSql<$sql, diesel::sqlite::Sqlite> for $type {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::sqlite::Sqlite>,
            ) -> diesel::serialize::Result {
                out.set_value(self.to_raw()?);
                Ok(diesel::serialize::IsNull::No)
            }
        }
        impl<DB: diesel::backend::Backend> diesel::deserialize::FromSql<$sql, DB> for $type
        where
            <$type as Column>::Raw: diesel::deserialize::FromSql<$inner, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                Self::from_raw(diesel::deserialize::FromSql::<$inner, DB>::from_sql(bytes)?)
            }
        }
    };
}

/// Enums declared by `domain`'s `words!`: stored as their word.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = String;
            fn to_raw(&self) -> Kept<String> {
                Ok(self.as_str().to_owned())
            }
            fn from_raw(raw: String) -> Parsed<Self> {
                Ok(raw.parse()?)
            }
        })+
        columns!(Word, diesel::sql_types::Text: $($type),+);
    };
}

/// Enums of this crate: stored as the word that serde gives them.
macro_rules! own_words {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = String;
            fn to_raw(&self) -> Kept<String> {
                match serde_json::to_value(self)? {
                    serde_json::Value::String(word) => Ok(word),
                    other => Err(format!("{other} is no word").into()),
                }
            }
            fn from_raw(raw: String) -> Parsed<Self> {
                Ok(serde_json::from_value(serde_json::Value::String(raw))?)
            }
        })+
        columns!(Word, diesel::sql_types::Text: $($type),+);
    };
}

/// Types with `Display` and `FromStr` that are no plain enum.
macro_rules! texts {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = String;
            fn to_raw(&self) -> Kept<String> {
                Ok(self.to_string())
            }
            fn from_raw(raw: String) -> Parsed<Self> {
                Ok(raw.parse()?)
            }
        })+
        columns!(Word, diesel::sql_types::Text: $($type),+);
    };
}

/// Types that `domain` reads and writes as JSON documents.
macro_rules! documents {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = String;
            fn to_raw(&self) -> Kept<String> {
                Ok(serde_json::to_string(self)?)
            }
            fn from_raw(raw: String) -> Parsed<Self> {
                Ok(serde_json::from_str(&raw)?)
            }
        })+
        columns!(Word, diesel::sql_types::Text: $($type),+);
    };
}

/// Amounts: newtypes over `i64` with `new` and `get`.
macro_rules! amounts {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = i64;
            fn to_raw(&self) -> Kept<i64> {
                Ok(self.get())
            }
            fn from_raw(raw: i64) -> Parsed<Self> {
                Ok(Self::new(raw))
            }
        })+
        columns!(Number, diesel::sql_types::BigInt: $($type),+);
    };
}

/// Identifiers: a site's number above a counter.
macro_rules! ids {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Raw = i64;
            fn to_raw(&self) -> Kept<i64> {
                Ok(self.get())
            }
            fn from_raw(raw: i64) -> Parsed<Self> {
                Ok(Self::from_i64(raw)?)
            }
        }
        impl Id for $type {
            fn of(site: domain::ids::SiteId, counter: i64) -> Result<Self, domain::ids::BadId> {
                Self::new(site, counter)
            }
        })+
        columns!(Number, diesel::sql_types::BigInt: $($type),+);
    };
}

/// Whole numbers; diesel reads rows of them by itself once it knows the column's type.
macro_rules! wholes {
    ($($type:ty),+ $(,)?) => {$(
        impl Column for $type {
            type Raw = i64;
            fn to_raw(&self) -> Kept<i64> {
                Ok(i64::from(*self))
            }
            fn from_raw(raw: i64) -> Parsed<Self> {
                Ok(Self::try_from(raw)?)
            }
        }
        columns!(@stored Number, diesel::sql_types::BigInt, $type);
    )+};
}

ids! {
    domain::ids::ConcentratorId, domain::ids::MeterId, domain::ids::InstallationId, domain::ids::CustomerId,
    domain::ids::AccountId, domain::ids::TariffId, domain::ids::ReadingId, domain::ids::TransactionId,
    domain::ids::VendId, domain::ids::ReversalId, domain::ids::RefundId, domain::ids::VendorId, domain::ids::TerminalId, domain::ids::ShiftId,
    domain::ids::DepositId, domain::ids::DebtLineId, domain::ids::PaymentId, domain::ids::BatchCreditId,
    domain::ids::OrderId, domain::ids::NoticeId, domain::ids::AlarmId, domain::ids::EventId,
    domain::ids::ReadRequestId, domain::ids::AuditLineId, domain::ids::JobId,
    domain::ids::OutageId, domain::ids::OrderGroupId, domain::ids::BuildingId, domain::ids::SelectionId, domain::ids::ScheduleId,
}

wholes! { u8, u16, u32, i64 }

amounts! { domain::energy::Energy, domain::money::Money, domain::money::Carry }

words! {
    domain::site::AutomaticDisconnection,
    domain::reading::Kind, domain::reading::Quality, domain::reading::TimeSource,
    domain::relay::RelayState, domain::relay::Action, domain::relay::Cause,
    domain::relay::order::State,
    domain::account::State, domain::account::Emergency, domain::debt::Change, domain::ledger::Tender, domain::ledger::TransactionKind,
    domain::notice::Kind, domain::notice::State, domain::notice::Language,
    domain::tariff::Period,
}

own_words! {
    crate::batch_credit::LineState, crate::vendor::Standing,
    crate::meter::Identity, crate::read_request::ReadState, crate::api_key::Role, crate::job::JobKind,
    crate::job::JobState, crate::relay_order_group::GroupState, crate::relay_order_group::Outcome,
    crate::relay_schedule::ScheduleState, crate::concentrator_event::List,
}

texts! { domain::ledger::LedgerAccount, jiff::civil::Date }

documents! {
    domain::relay::schedule::Schedule,
    domain::tariff::TariffVersion, domain::reading::registers::ByPeriod,
    std::collections::BTreeMap<domain::tariff::Period, domain::settlement::Rise>,
}

/// Lists that are kept as JSON; diesel reads rows of a list by itself.
macro_rules! lists {
    ($($type:ty),+ $(,)?) => {$(
        impl Column for Vec<$type> {
            type Raw = String;
            fn to_raw(&self) -> Kept<String> {
                Ok(serde_json::to_string(self)?)
            }
            fn from_raw(raw: String) -> Parsed<Self> {
                Ok(serde_json::from_str(&raw)?)
            }
        }
        columns!(@stored Word, diesel::sql_types::Text, Vec<$type>);
    )+};
}

lists! { domain::relay::decide::Guard, domain::settlement::Cut, domain::vending::Totals }

impl Column for domain::ids::SiteId {
    type Raw = i64;
    fn to_raw(&self) -> Kept<i64> {
        Ok(self.get())
    }
    fn from_raw(raw: i64) -> Parsed<Self> {
        Ok(Self::new(raw)?)
    }
}
columns!(Number, diesel::sql_types::BigInt: domain::ids::SiteId);

/// Exact amounts outgrow 64 bits: kept as decimal text.
impl Column for domain::money::Exact {
    type Raw = String;
    fn to_raw(&self) -> Kept<String> {
        Ok(self.get().to_string())
    }
    fn from_raw(raw: String) -> Parsed<Self> {
        Ok(Self::new(raw.parse()?))
    }
}
columns!(Word, diesel::sql_types::Text: domain::money::Exact);
