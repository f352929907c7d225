//! Who did what: a line for each verb that changes an account's life, written in its transaction.

use domain::ids::SiteId;
use jiff::Timestamp;
use store::{Conn, audit_line::AuditLine};

use super::Error;

/// Writes that the key `by` did `verb` to `object`.
///
/// # Errors
/// The database fails.
pub fn write(
    conn: &mut Conn,
    site: SiteId,
    (by, now): (&str, Timestamp),
    verb: &str,
    object: String,
    detail: String,
) -> Result<(), Error> {
    let id = store::ids::next(conn, site)?;
    let line = AuditLine { id, at: now, operator_key: by.to_owned(), verb: verb.to_owned(), object, detail };
    Ok(store::audit_line::insert(conn, &line)?)
}
