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
    .map_err(|error| Error::Database(error.to_string()))?;
    if matches!(conn.raw, Raw::Sqlite(_)) { conn.execute(STATISTICS) } else { Ok(()) }
}

/// What SQLite's planner is to believe of our tables, the same on every machine and at every age: all rows of a table may
/// be one site's, and each further column of an index tells few from many. Without it, the site's number alone looks as
/// telling as a whole key, and all of a site is read. PostgreSQL gathers its own.
const STATISTICS: &str = "
    ANALYZE sqlite_schema;
    DELETE FROM sqlite_stat1;
    INSERT INTO sqlite_stat1 (tbl, idx, stat)
    SELECT t.name, iif(i.origin = 'pk', t.name, i.name), (
        SELECT iif(i.partial, 10000, 1000000) || ' ' || group_concat(CASE
            WHEN c.seqno = 0 AND c.name = 'site_id' THEN iif(i.partial, 10000, 1000000)
            WHEN i.\"unique\" AND c.seqno = (SELECT max(seqno) FROM pragma_index_info(i.name)) THEN 1
            ELSE max(2, 1000 >> (3 * c.seqno))
        END, ' ')
        FROM pragma_index_info(i.name) c)
    FROM pragma_table_list t, pragma_index_list(t.name) i
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\';
    ANALYZE sqlite_schema;";

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
