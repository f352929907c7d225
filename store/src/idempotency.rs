//! Answers to requests that carried an idempotency key. Vends keep their own.

use diesel::prelude::*;
use domain::ids::SiteId;
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::idempotency_keys,
};

row! {
    /// A request that was answered.
    pub struct IdempotencyKey in idempotency_keys {
        /// The site it was about.
        pub site_id: SiteId,
        /// As made by the client.
        pub key: String,
        /// SHA-256 of what was asked, hexadecimal.
        pub content_hash: String,
        /// HTTP status answered.
        pub status: u16,
        /// JSON answered.
        pub body: String,
        /// When.
        pub created_at: Timestamp,
    }
}

/// Stores an answer; in the transaction that does what was asked.
///
/// # Errors
/// [`crate::Error::Unique`] where the key was used already.
pub fn insert(conn: &mut Conn, new: &IdempotencyKey) -> Result<()> {
    on!(conn, |c| diesel::insert_into(idempotency_keys::table).values(new).execute(c)).map(drop)
}

/// The answer under a key.
///
/// # Errors
/// Whatever the database answers.
pub fn find(conn: &mut Conn, site: SiteId, key: &str) -> Result<Option<IdempotencyKey>> {
    on!(conn, |c| idempotency_keys::table
        .find((val(site), key))
        .select(IdempotencyKey::as_select())
        .first(c)
        .optional())
}
