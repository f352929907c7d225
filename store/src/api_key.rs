//! Keys of programs and people that use the API. Only a hash of a key is kept.

use diesel::prelude::*;
use domain::ids::{SiteId, TerminalId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::api_keys,
};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// The archive, accounts and relay orders.
    Operator,
    /// Vends.
    Cashier,
    /// Nothing but look.
    Viewer,
}

row! {
    /// A key.
    pub struct ApiKey in api_keys {
        /// Its public part, by which it is found and named.
        pub prefix: String,
        /// Whose it is.
        pub name: String,
        /// What it may do.
        pub role: Role,
        /// SHA-256 of the whole key, hexadecimal.
        pub hash: String,
        /// The only site it is good for; none: all.
        pub site_id: Option<SiteId>,
        /// When it was made.
        pub created_at: Timestamp,
        /// From then on it is refused.
        pub revoked_at: Option<Timestamp>,
        /// The only terminal it sells at; none: any.
        pub terminal_id: Option<TerminalId>,
    }
}

/// Stores a new key.
///
/// # Errors
/// [`crate::Error::Unique`] where the prefix is taken.
pub fn insert(conn: &mut Conn, new: &ApiKey) -> Result<()> {
    on!(conn, |c| diesel::insert_into(api_keys::table).values(new).execute(c)).map(drop)
}

/// The key with this public part, revoked or not.
///
/// # Errors
/// Whatever the database answers.
pub fn by_prefix(conn: &mut Conn, prefix: &str) -> Result<Option<ApiKey>> {
    on!(conn, |c| api_keys::table.find(prefix).select(ApiKey::as_select()).first(c).optional())
}

/// Holds a key until the transaction ends: of two sales by it the second sees what the first came to.
///
/// # Errors
/// [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, prefix: &str) -> Result<()> {
    let same = api_keys::name.eq(api_keys::name);
    on!(conn, |c| diesel::update(api_keys::table.find(prefix)).set(same).execute(c)).map(drop)
}

/// At most `limit` keys after one, by their public parts.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, after: Option<&str>, limit: i64) -> Result<Vec<ApiKey>> {
    on!(conn, |c| api_keys::table
        .filter(api_keys::prefix.gt(after.unwrap_or("")))
        .order(api_keys::prefix)
        .limit(limit)
        .select(ApiKey::as_select())
        .load(c))
}

/// At most `limit` keys of a terminal after one, by their public parts.
///
/// # Errors
/// Whatever the database answers.
pub fn of_terminal(conn: &mut Conn, terminal: TerminalId, after: Option<&str>, limit: i64) -> Result<Vec<ApiKey>> {
    on!(conn, |c| api_keys::table
        .filter(api_keys::terminal_id.eq(val(Some(terminal))))
        .filter(api_keys::prefix.gt(after.unwrap_or("")))
        .order(api_keys::prefix)
        .limit(limit)
        .select(ApiKey::as_select())
        .load(c))
}

/// Revokes a key; one that is revoked stays so since it was.
///
/// # Errors
/// [`crate::Error::NotFound`] where there is no such key, or it is revoked already.
pub fn revoke(conn: &mut Conn, prefix: &str, at: Timestamp) -> Result<()> {
    let rows = on!(conn, |c| diesel::update(api_keys::table.find(prefix))
        .filter(api_keys::revoked_at.is_null())
        .set(api_keys::revoked_at.eq(val(Some(at))))
        .execute(c))?;
    found("API key", (rows > 0).then_some(()))
}
