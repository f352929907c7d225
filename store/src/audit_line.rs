//! What operators did, in the order in which they did it. Append-only.

use diesel::prelude::*;
use domain::ids::{AuditLineId, SiteId};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::audit_lines,
};

row! {
    /// Something that was done.
    pub struct AuditLine in audit_lines {
        /// Its identifier; it grows.
        pub id: AuditLineId,
        /// When.
        pub at: Timestamp,
        /// Prefix of the API key that asked.
        pub operator_key: String,
        /// What was done: the verb's name.
        pub verb: String,
        /// To what: `account:8796093022208`.
        pub object: String,
        /// In words.
        pub detail: String,
    }
}

/// Stores a line.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &AuditLine) -> Result<()> {
    let values = (new, audit_lines::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(audit_lines::table).values(values).execute(c)).map(drop)
}

/// At most `limit` of a site's lines before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, before: Option<AuditLineId>, limit: i64) -> Result<Vec<AuditLine>> {
    let before = before.map_or(i64::MAX, AuditLineId::get);
    on!(conn, |c| audit_lines::table
        .filter(audit_lines::site_id.eq(val(site)))
        .filter(audit_lines::id.lt(val(before)))
        .order(audit_lines::id.desc())
        .limit(limit)
        .select(AuditLine::as_select())
        .load(c))
}
