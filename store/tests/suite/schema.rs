//! `schema.rs` against both databases: every table, and every column's name, place, nullability and type class; and that
//! unique constraints are named so that both databases report them alike.

use std::{collections::BTreeMap, fmt::Write as _};

use diesel::{
    Connection, QueryableByName, RunQueryDsl,
    pg::PgConnection,
    sql_query,
    sql_types::{Bool, Text},
    sqlite::SqliteConnection,
};

use crate::support::Base;

/// Per table its columns in order, as `name class` or `name class null`.
type Tables = BTreeMap<String, Vec<String>>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

fn line(name: &str, class: &str, nullable: bool) -> String {
    let mut line = format!("{name} {class}");
    if nullable {
        write!(line, " null").unwrap();
    }
    line
}

/// What `schema.rs` says, with each SQL type's class given by `class`.
fn declared(class: fn(&str) -> &'static str) -> Tables {
    let mut tables = Tables::new();
    let mut table = String::new();
    let source = include_str!("../../src/schema.rs");
    for text in source.lines().map(str::trim).filter(|text| !text.contains('$')) {
        if let Some((name, kind)) = text.trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").and_then(|rest| rest.strip_suffix('>'));
            let column = line(name, class(inner.unwrap_or(kind)), inner.is_some());
            tables.get_mut(&table).unwrap().push(column);
        } else if let Some((name, _)) = text.strip_suffix(") {").and_then(|head| head.split_once(" (")) {
            table = name.to_owned();
            tables.insert(table.clone(), Vec::new());
        }
    }
    assert!(tables.len() > 20 && tables.values().all(|columns| !columns.is_empty()), "schema.rs was not understood");
    tables
}

fn stored(columns: Vec<Column>) -> Tables {
    let mut tables = Tables::new();
    for column in columns {
        tables.entry(column.owner).or_default().push(line(&column.name, &column.kind, column.nullable));
    }
    tables
}

fn sqlite(base: &Base) -> SqliteConnection {
    SqliteConnection::establish(base.url.strip_prefix("sqlite:").unwrap()).unwrap()
}

#[tokio::test]
async fn the_schema_is_that_of_sqlite() {
    let class = |kind: &str| match kind {
        "Number" | "BigInt" | "Bool" | "Instant" => "INTEGER",
        "Text" | "Word" => "TEXT",
        _ => "unknown",
    };
    let base = Base::sqlite().await;
    let columns = sql_query(
        "SELECT t.name AS owner, c.name AS name, c.type AS kind, c.\"notnull\" = 0 AS nullable \
         FROM pragma_table_list t, pragma_table_info(t.name) c \
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\' \
         ORDER BY t.name, c.cid",
    );
    assert_eq!(stored(columns.load(&mut sqlite(&base)).unwrap()), declared(class));
}

#[tokio::test]
async fn the_schema_is_that_of_postgresql() {
    let class = |kind: &str| match kind {
        "Number" | "BigInt" => "bigint",
        "Bool" => "boolean",
        "Instant" => "timestamp with time zone",
        "Text" | "Word" => "text",
        _ => "unknown",
    };
    let base = Base::postgres().await;
    let columns = sql_query(
        "SELECT table_name::text AS owner, column_name::text AS name, data_type::text AS kind, \
         is_nullable = 'YES' AS nullable FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' ORDER BY table_name, ordinal_position",
    );
    let mut conn = PgConnection::establish(&base.url).unwrap();
    assert_eq!(stored(columns.load(&mut conn).unwrap()), declared(class));
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

#[tokio::test]
async fn sqlite_tables_are_strict_and_without_rowid() {
    let base = Base::sqlite().await;
    let loose = sql_query(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%' \
         AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND NOT (strict AND wr)",
    );
    let loose: Vec<Named> = loose.load(&mut sqlite(&base)).unwrap();
    assert!(loose.is_empty(), "{:?}", loose.iter().map(|table| &table.name).collect::<Vec<_>>());
}

/// SQLite reports a violation by its columns; the name is made of those, and must be PostgreSQL's name of the index.
#[tokio::test]
async fn unique_indexes_are_named_after_their_columns_but_the_site() {
    let base = Base::sqlite().await;
    let names = sql_query(
        "SELECT t.name || '_' || (SELECT group_concat(c.name, '_') FROM \
         (SELECT name FROM pragma_index_info(i.name) WHERE name <> 'site_id' ORDER BY seqno) c) AS name \
         FROM pragma_table_list t, pragma_index_list(t.name) i \
         WHERE t.schema = 'main' AND i.\"unique\" AND i.origin = 'c' ORDER BY name",
    );
    let by_columns: Vec<Named> = names.load(&mut sqlite(&base)).unwrap();
    let base = Base::postgres().await;
    let mut conn = PgConnection::establish(&base.url).unwrap();
    let names = sql_query(
        "SELECT i.relname::text AS name FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_namespace n ON n.oid = i.relnamespace \
         WHERE n.nspname = 'public' AND x.indisunique AND NOT x.indisprimary ORDER BY 1",
    );
    let in_postgres: Vec<Named> = names.load(&mut conn).unwrap();
    let text = |all: Vec<Named>| all.into_iter().map(|one| one.name).collect::<Vec<_>>();
    let (by_columns, in_postgres) = (text(by_columns), text(in_postgres));
    assert!(by_columns.len() > 10);
    assert_eq!(by_columns, in_postgres);
}

/// Without them SQLite takes the site's number alone for as telling as a whole key, and reads all of a site.
#[tokio::test]
async fn sqlite_knows_how_telling_each_index_is() {
    let base = Base::sqlite().await;
    let unknown = sql_query(
        "SELECT t.name || ' ' || i.name AS name FROM pragma_table_list t, pragma_index_list(t.name) i \
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND NOT EXISTS \
         (SELECT 1 FROM sqlite_stat1 s WHERE s.tbl = t.name AND s.idx = iif(i.origin = 'pk', t.name, i.name))",
    );
    let unknown: Vec<Named> = unknown.load(&mut sqlite(&base)).unwrap();
    assert!(unknown.is_empty(), "{:?}", unknown.iter().map(|index| &index.name).collect::<Vec<_>>());
    let plan = sql_query(
        "EXPLAIN QUERY PLAN SELECT * FROM readings WHERE site_id = 1 AND meter_id = 2 AND as_of = 3 AND kind = 'instant' \
         AND quality <> 'conflict' AND quality <> 'superseded'",
    );
    let plan: Vec<Step> = plan.load(&mut sqlite(&base)).unwrap();
    let detail = &plan.first().unwrap().detail;
    assert!(detail.ends_with("(site_id=? AND meter_id=? AND as_of=?)"), "{detail}");
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}
