//! API keys: `wg_<prefix>_<secret>`. The prefix finds the key and stands beside what was done with it; the whole key is
//! shown once and kept only as its SHA-256.

use std::{path::PathBuf, process::ExitCode};

use domain::ids::{SiteId, TerminalId};
use jiff::Timestamp;
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use store::{
    Db,
    api_key::{ApiKey, Role},
};

use crate::{
    app::{self, Problem},
    hex,
    operations::Error,
    settings,
};

/// Random bytes of the prefix and of the secret.
const PREFIX_BYTES: usize = 6;
const SECRET_BYTES: usize = 24;
/// Longest name of a key, in characters.
const NAME_MAX: usize = 120;

/// What `wattgate create-key` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Whose key it is, for people
    #[arg(long)]
    name: String,
    /// What it may do: admin, operator, cashier or viewer
    #[arg(long, value_parser = role)]
    role: Role,
    /// The only site it is for; without it, all
    #[arg(long)]
    site: Option<SiteId>,
    /// The only terminal it sells at, by its identifier; without it, any
    #[arg(long)]
    terminal: Option<TerminalId>,
    /// The site's settings over the defaults (see config/default.toml)
    #[arg(long)]
    config: Option<PathBuf>,
}

/// Makes a key in the database that the settings name, and prints it: the only time it is ever seen.
///
/// # Errors
/// The settings or the database do not hold, or there is no such site.
pub fn create(options: &Options) -> Result<ExitCode, Problem> {
    let settings = settings::read(None, options.config.as_deref())?;
    let key = actix::System::new().block_on(async {
        let db = app::open(&settings)?;
        db.check_schema().await?;
        let site = options.site.or(options.terminal.map(TerminalId::site));
        let (key, row) = draw(&options.name, options.role, site, options.terminal, Timestamp::now())?;
        keep(&db, row).await?;
        Ok::<_, Problem>(key)
    })?;
    println!("{key}");
    Ok(ExitCode::SUCCESS)
}

/// The role with this word.
fn role(word: &str) -> Result<Role, String> {
    serde_json::from_value(word.into()).map_err(|_| "must be admin, operator, cashier or viewer".to_owned())
}

/// Makes a key and stores its hash. Returns the key itself, which cannot be had again.
///
/// # Errors
/// A name that is empty or too long, a site that does not exist, no random numbers, or a failure of the database.
pub async fn make(db: &Db, name: &str, role: Role, site: Option<SiteId>, now: Timestamp) -> Result<String, Error> {
    let (key, row) = draw(name, role, site, None, now)?;
    keep(db, row).await?;
    Ok(key)
}

/// Stores a key's row, if what it is limited to exists and belongs together.
async fn keep(db: &Db, row: ApiKey) -> Result<(), Error> {
    db.write(move |conn| {
        if let Some(site) = row.site_id {
            store::site::by_id(conn, site)?;
        }
        if let Some(terminal) = row.terminal_id {
            if row.site_id != Some(terminal.site()) {
                return Err(Error::field("terminal", "terminal", "belongs to another site"));
            }
            store::terminal::by_id(conn, terminal)?;
        }
        Ok(store::api_key::insert(conn, &row)?)
    })
    .await
}

/// Draws a key and the row that keeps its hash.
///
/// # Errors
/// A name that is empty or too long; no random numbers.
pub fn draw(
    name: &str,
    role: Role,
    site_id: Option<SiteId>,
    terminal_id: Option<TerminalId>,
    now: Timestamp,
) -> Result<(String, ApiKey), Error> {
    if name.trim().is_empty() || name.chars().count() > NAME_MAX {
        return Err(Error::field("label", "name", format!("must be 1 to {NAME_MAX} characters")));
    }
    let (prefix, secret) = (random_hex::<PREFIX_BYTES>()?, random_hex::<SECRET_BYTES>()?);
    let key = format!("wg_{prefix}_{secret}");
    let row = ApiKey {
        prefix,
        name: name.to_owned(),
        role,
        hash: hash(&key),
        site_id,
        created_at: now,
        revoked_at: None,
        terminal_id,
    };
    Ok((key, row))
}

/// The prefix of what looks like a key.
#[must_use]
pub fn prefix_of(key: &str) -> Option<&str> {
    let (prefix, secret) = key.strip_prefix("wg_")?.split_once('_')?;
    (is_hex(prefix, PREFIX_BYTES) && is_hex(secret, SECRET_BYTES)).then_some(prefix)
}

/// Whether a key is the one with this stored hash. Takes the same time wherever they differ.
#[must_use]
pub fn fits(key: &str, stored: &str) -> bool {
    let hash = hash(key);
    hash.len() == stored.len() && hash.bytes().zip(stored.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn hash(key: &str) -> String {
    hex::text(&Sha256::digest(key.as_bytes()))
}

fn random_hex<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Error::conflict("random", format!("no random numbers: {error}")))?;
    Ok(hex::text(&bytes))
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == bytes * 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn stored(db: &Db, key: &str) -> ApiKey {
        let prefix = prefix_of(key).unwrap().to_owned();
        db.read(move |conn| store::api_key::by_prefix(conn, &prefix)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_prefix_and_only_its_hash_is_stored() {
        let db = Db::inline().unwrap();
        let key = make(&db, "counter 1", Role::Cashier, None, NOW).await.unwrap();
        let row = stored(&db, &key).await;
        assert_eq!((row.name.as_str(), row.role, row.site_id), ("counter 1", Role::Cashier, None));
        assert!(!row.hash.contains(&key) && !key.contains(&row.hash));
        assert!(fits(&key, &row.hash));
    }

    #[tokio::test]
    async fn another_secret_behind_the_same_prefix_does_not_fit() {
        let db = Db::inline().unwrap();
        let key = make(&db, "counter 1", Role::Cashier, None, NOW).await.unwrap();
        let row = stored(&db, &key).await;
        let last = if key.ends_with('0') { '1' } else { '0' };
        let forged = format!("{}{last}", &key.get(..key.len() - 1).unwrap());
        assert_eq!(prefix_of(&forged), Some(row.prefix.as_str()));
        assert!(!fits(&forged, &row.hash));
    }

    #[tokio::test]
    async fn two_keys_differ() {
        let db = Db::inline().unwrap();
        let one = make(&db, "one", Role::Viewer, None, NOW).await.unwrap();
        let two = make(&db, "two", Role::Viewer, None, NOW).await.unwrap();
        assert_ne!(prefix_of(&one), prefix_of(&two));
    }

    #[tokio::test]
    async fn a_key_for_a_site_that_does_not_exist_is_not_made() {
        let db = Db::inline().unwrap();
        let refused = make(&db, "counter 1", Role::Cashier, Some(SiteId::new(7).unwrap()), NOW).await;
        assert!(matches!(refused, Err(Error::NotFound("site"))));
    }

    #[test]
    fn what_does_not_look_like_a_key_has_no_prefix() {
        for text in ["", "wg_", "wg__", "wg_0123456789ab", "wg_0123456789ab_00", "xx_0123456789ab_00"] {
            assert_eq!(prefix_of(text), None, "{text}");
        }
    }
}
