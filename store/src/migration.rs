//! The schema: its migrations are part of the program, and a database with any other schema is refused.

use std::collections::BTreeSet;

use diesel::{
    migration::{Migration, MigrationSource},
    pg::Pg,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{
    conn::{Conn, Raw},
    error::{Error, Result},
};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

type Versions = BTreeSet<String>;

/// Applies what is missing. A database that knows a migration this program does not is left alone.
pub(crate) fn migrate(conn: &mut Conn) -> Result<()> {
    let (found, wanted) = (applied(conn)?, embedded(conn)?);
    if !found.is_subset(&wanted) {
        return Err(refused(&found, &wanted));
    }
    match &mut conn.raw {
        Raw::Pg(c) => c.run_pending_migrations(POSTGRES).map(drop),
        Raw::Sqlite(c) => c.run_pending_migrations(SQLITE).map(drop),
    }
    .map_err(|error| Error::Database(error.to_string()))
}

/// Refuses a database whose migrations are not exactly this program's.
pub(crate) fn check(conn: &mut Conn) -> Result<()> {
    let (found, wanted) = (applied(conn)?, embedded(conn)?);
    if found == wanted { Ok(()) } else { Err(refused(&found, &wanted)) }
}

fn applied(conn: &mut Conn) -> Result<Versions> {
    let versions = match &mut conn.raw {
        Raw::Pg(c) => c.applied_migrations(),
        Raw::Sqlite(c) => c.applied_migrations(),
    };
    let versions = versions.map_err(|error| Error::Database(error.to_string()))?;
    Ok(versions.iter().map(ToString::to_string).collect())
}

fn embedded(conn: &Conn) -> Result<Versions> {
    let versions = match conn.raw {
        Raw::Pg(_) => MigrationSource::<Pg>::migrations(&POSTGRES).map(|all| versions_of(&all)),
        Raw::Sqlite(_) => MigrationSource::<Sqlite>::migrations(&SQLITE).map(|all| versions_of(&all)),
    };
    versions.map_err(|error| Error::Database(error.to_string()))
}

fn versions_of<DB: diesel::backend::Backend>(all: &[Box<dyn Migration<DB>>]) -> Versions {
    all.iter().map(|migration| migration.name().version().to_string()).collect()
}

fn refused(found: &Versions, wanted: &Versions) -> Error {
    let list = |versions: &Versions| match versions.len() {
        0 => "none".to_owned(),
        _ => versions.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    Error::Schema { found: list(found), wanted: list(wanted) }
}
