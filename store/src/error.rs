//! What can go wrong between a row and its database.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The outcome of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a row was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No row has that key.
    #[error("no such {noun}")]
    NotFound {
        /// What was looked for: `account`, `meter`, ..
        noun: &'static str,
    },
    /// Another row already holds that key.
    #[error("{constraint} is taken")]
    Unique {
        /// `<table>_<columns without site_id>`, the same on both databases: `accounts_number`.
        constraint: String,
    },
    /// Somebody else changed the row since it was read (its version moved on).
    #[error("changed by somebody else in the meantime")]
    Stale,
    /// No connection, or no lock, came free within the limit. Nothing was changed; later it may work.
    #[error("the database is busy")]
    Busy,
    /// The database's schema is not the one this program was built with.
    #[error(
        "the database has schema {found}, this program needs {wanted}: run `wattgate migrate`, or the program that fits"
    )]
    Schema {
        /// The migrations found in the database.
        found: String,
        /// The migrations this program knows.
        wanted: String,
    },
    /// A stored value is none that the rules know.
    #[error("a stored value makes no sense: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// The database could not be opened.
    #[error("cannot open the database: {reason}")]
    Open {
        /// What it, or its address, is wrong with.
        reason: String,
    },
    /// The database refused for any other reason, an append-only guard among them.
    #[error("database: {0}")]
    Database(String),
}

impl Error {
    /// An outcome of diesel as ours.
    pub(crate) fn of(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, about) => {
                let constraint = match about.constraint_name() {
                    Some(name) => name.to_owned(),
                    None => sqlite_constraint(about.message()),
                };
                Self::Unique { constraint }
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Busy,
            DieselError::DatabaseError(_, about) if is_contention(about.message()) => Self::Busy,
            DieselError::DeserializationError(what) => Self::Corrupt { what: with_sources(what.as_ref()) },
            other => Self::Database(other.to_string()),
        }
    }
}

/// The row, or that there is no such noun.
pub(crate) fn found<T>(noun: &'static str, row: Option<T>) -> Result<T> {
    row.ok_or(Error::NotFound { noun })
}

/// Diesel names the column; what is wrong with its value stands behind that.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Diesel passes on no SQLSTATE, so that PostgreSQL's 40P01 and 55P03 and SQLite's SQLITE_BUSY are known by their text.
fn is_contention(message: &str) -> bool {
    ["deadlock detected", "due to lock timeout", "database is locked", "database table is locked"]
        .iter()
        .any(|text| message.contains(text))
}

/// SQLite names columns (`UNIQUE constraint failed: accounts.site_id, accounts.number`) where PostgreSQL names the
/// constraint; ours are named so that one follows from the other.
fn sqlite_constraint(message: &str) -> String {
    let columns = message.rsplit_once(": ").map_or(message, |(_, columns)| columns);
    let mut name = String::new();
    for column in columns.split(", ") {
        let (table, column) = column.split_once('.').unwrap_or(("", column));
        if name.is_empty() {
            name.push_str(table);
        }
        if column != "site_id" {
            name.push('_');
            name.push_str(column);
        }
    }
    name
}
