//! Rows and the only SQL of Wattgate, one source for SQLite and PostgreSQL.
