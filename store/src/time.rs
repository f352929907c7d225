//! Instants: `timestamptz` on PostgreSQL, whole microseconds since 1970 on SQLite. Both databases compare and sort them
//! alike, and both keep microseconds: what is finer is cut off when it is stored.

use diesel::{
    deserialize::{self, FromSql},
    pg::{Pg, PgValue, data_types::PgTimestamp},
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{BigInt, SqlOrd, SqlType, Timestamptz},
    sqlite::Sqlite,
};
use jiff::Timestamp;

use crate::column::readable;

/// The SQL type of a [`Timestamp`].
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
pub struct Instant;

impl SqlOrd for Instant {}

/// PostgreSQL counts microseconds from 2000-01-01T00:00:00Z.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

readable!(Timestamp, Instant);

impl ToSql<Instant, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let since = PgTimestamp(self.as_microsecond() - POSTGRES_EPOCH_US);
        ToSql::<Timestamptz, Pg>::to_sql(&since, &mut out.reborrow())
    }
}

impl ToSql<Instant, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_microsecond());
        Ok(IsNull::No)
    }
}

impl FromSql<Instant, Pg> for Timestamp {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let PgTimestamp(since) = FromSql::<Timestamptz, Pg>::from_sql(bytes)?;
        let us = since.checked_add(POSTGRES_EPOCH_US).ok_or("a time beyond every calendar")?;
        Ok(Self::from_microsecond(us)?)
    }
}

impl FromSql<Instant, Sqlite> for Timestamp {
    fn from_sql(bytes: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::from_microsecond(FromSql::<BigInt, Sqlite>::from_sql(bytes)?)?)
    }
}
