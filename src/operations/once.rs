//! Verbs that take an idempotency key: the same key with the same content gives the same answer, and has one effect.

use domain::ids::SiteId;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use store::{Conn, idempotency::IdempotencyKey};

use super::{Error, books};
use crate::hex;

/// Longest idempotency key, in characters.
pub const KEY_MAX: usize = 255;

/// Whether a client may use this as its key: 1 to 255 visible ASCII characters.
#[must_use]
pub fn is_key(text: &str) -> bool {
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A key and what was asked under it.
#[derive(Debug, Clone)]
pub struct Asked {
    site: SiteId,
    key: String,
    content_hash: String,
}

impl Asked {
    /// What `content` asks under `key`.
    ///
    /// # Errors
    /// The content has no JSON form.
    pub fn new(site: SiteId, key: &str, content: &impl Serialize) -> Result<Self, Error> {
        Ok(Self { site, key: key.to_owned(), content_hash: content_hash(content)? })
    }
}

/// A hash of what is asked, the same for the same content.
///
/// # Errors
/// The content has no JSON form.
pub fn content_hash(content: &impl Serialize) -> Result<String, Error> {
    Ok(hex::text(&Sha256::digest(books::json(content)?.as_bytes())))
}

/// The answer given earlier under this key.
///
/// # Errors
/// A conflict where the key was used with other content.
pub fn find<T: DeserializeOwned>(conn: &mut Conn, asked: &Asked) -> Result<Option<T>, Error> {
    let Some(earlier) = store::idempotency::find(conn, asked.site, &asked.key)? else {
        // Vends have keys of their own, and one key asks for one thing.
        let sold = store::vend::by_key(conn, asked.site, &asked.key)?.is_some();
        return if sold { Err(reused()) } else { Ok(None) };
    };
    if earlier.content_hash != asked.content_hash {
        return Err(reused());
    }
    serde_json::from_str(&earlier.body).map(Some).map_err(|bad| books::corrupt(bad.to_string()))
}

/// What stands under the key of a vend that was withdrawn before it was made.
const BARRED: &str = "barred";

/// Bars a key that nothing was asked under yet: a vend that comes with it later is refused.
///
/// # Errors
/// A conflict where the key was used.
pub(super) fn bar(conn: &mut Conn, (site, key): (SiteId, &str), now: Timestamp) -> Result<(), Error> {
    match store::idempotency::find(conn, site, key)? {
        Some(earlier) if earlier.content_hash == BARRED => Ok(()),
        Some(_) => Err(reused()),
        None => store(conn, &Asked { site, key: key.to_owned(), content_hash: BARRED.to_owned() }, &(), now),
    }
}

/// Whether a vend may be made under a key that no vend has.
///
/// # Errors
/// A conflict where the key was used, or barred.
pub(super) fn free_for_a_vend(conn: &mut Conn, site: SiteId, key: &str) -> Result<(), Error> {
    match store::idempotency::find(conn, site, key)? {
        None => Ok(()),
        Some(earlier) if earlier.content_hash == BARRED => Err(Error::conflict(
            "vend_withdrawn",
            "it was withdrawn before it was made: nothing is sold under this key",
        )),
        Some(_) => Err(reused()),
    }
}

/// A key that was used for something else.
pub(super) fn reused() -> Error {
    Error::conflict("idempotency_key_reused", "the key was used with other content")
}

/// Stores the answer, in the transaction of its effect.
///
/// # Errors
/// A conflict where another call under the same key was faster.
pub fn store(conn: &mut Conn, asked: &Asked, answer: &impl Serialize, now: Timestamp) -> Result<(), Error> {
    let row = IdempotencyKey {
        site_id: asked.site,
        key: asked.key.clone(),
        content_hash: asked.content_hash.clone(),
        status: 200,
        body: books::json(answer)?,
        created_at: now,
    };
    Ok(store::idempotency::insert(conn, &row)?)
}
