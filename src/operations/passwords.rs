//! Passwords of single meters and concentrators, where they are not those of the profile: sealed before they are stored,
//! opened when a concentrator's plan is put together, and never shown.

use domain::ids::{ConcentratorId, MeterId};
use serde::{Deserialize, Serialize};
use store::Db;
use utoipa::ToSchema;

use super::{Error, audit_line};
use crate::{
    app::App,
    hex,
    settings::profiles,
    vault::{Vault, VaultError},
};

/// A meter's passwords.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterPasswords {
    /// For relay control (DL/T 645): 6 digits.
    pub relay_password: String,
    /// Its level; 2 if absent.
    #[serde(default = "usual_level")]
    pub relay_password_level: u8,
    /// For the concentrator's archive (F10): 6 bytes in hex; that of the profile if absent. A concentrator that has the
    /// meter already receives it by `POST /concentrators/{id}/archive/sync`.
    pub archive_password: Option<String>,
}

/// A concentrator's password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcentratorPassword {
    /// PW of setting and forwarding frames (Q/GDW 376.1): 16 bytes in hex.
    pub password: String,
}

/// Control of relays is of level 2 (docs/protocols/dlt645.md).
const fn usual_level() -> u8 {
    2
}

impl MeterPasswords {
    fn check(&self) -> Result<(), Error> {
        if profiles::relay_password(&self.relay_password, self.relay_password_level).is_none() {
            return Err(Error::field("password", "relay_password", "must be 6 digits"));
        }
        self.archive_password.as_deref().map_or(Ok(()), |text| check_hex::<6>("archive_password", text))
    }

    /// Those kept of a meter.
    ///
    /// # Errors
    /// They do not open.
    pub fn open(vault: &Vault, id: MeterId, sealed: &str) -> Result<Self, VaultError> {
        vault.open(&of(id), sealed)
    }
}

impl ConcentratorPassword {
    /// That kept of a concentrator.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(vault: &Vault, id: ConcentratorId, sealed: &str) -> Result<Self, VaultError> {
        vault.open(&behind(id), sealed)
    }
}

fn of(id: MeterId) -> String {
    format!("meter:{id}")
}

fn behind(id: ConcentratorId) -> String {
    format!("concentrator:{id}")
}

fn check_hex<const N: usize>(field: &'static str, text: &str) -> Result<(), Error> {
    let bytes: Option<[u8; N]> = hex::array(text);
    bytes.map(drop).ok_or_else(|| Error::field("password", field, format!("must be {N} bytes in hex")))
}

/// Gives a meter passwords of its own, or with `None` those of its profile again.
///
/// # Errors
/// There is no such meter, a password is none, or there is no key to seal it with.
pub async fn of_meter(app: &App, id: MeterId, new: Option<MeterPasswords>, by: &str) -> Result<(), Error> {
    let object = of(id);
    let sealed = match new {
        None => None,
        Some(new) => {
            new.check()?;
            Some(app.vault.seal(&object, &new)?)
        }
    };
    let (now, by) = (app.clock.now(), by.to_owned());
    let concentrator = app.db.write(move |conn| {
        let meter = store::meter::by_id(conn, id)?;
        store::meter::keep_passwords(conn, id, sealed.as_deref())?;
        audit_line::write(conn, id.site(), (&by, now), verb(sealed.is_some()), object.clone(), String::new())?;
        Ok::<_, Error>(meter.concentrator_id)
    });
    app.reload(concentrator.await?);
    Ok(())
}

/// Gives a concentrator a password of its own, or with `None` that of its profile again.
///
/// # Errors
/// There is no such concentrator, the password is none, or there is no key to seal it with.
pub async fn of_concentrator(
    app: &App,
    id: ConcentratorId,
    new: Option<ConcentratorPassword>,
    by: &str,
) -> Result<(), Error> {
    let object = behind(id);
    let sealed = match new {
        None => None,
        Some(new) => {
            check_hex::<16>("password", &new.password)?;
            Some(app.vault.seal(&object, &new)?)
        }
    };
    let (now, by) = (app.clock.now(), by.to_owned());
    let kept = app.db.write(move |conn| {
        store::concentrator::keep_password(conn, id, sealed.as_deref())?;
        audit_line::write(conn, id.site(), (&by, now), verb(sealed.is_some()), object.clone(), String::new())
    });
    kept.await?;
    app.reload(id);
    Ok(())
}

const fn verb(own: bool) -> &'static str {
    if own { "set_passwords" } else { "drop_passwords" }
}

/// Sees that what is kept opens with the settings' key: with another one nobody could be cut or come back.
///
/// # Errors
/// Names the first meter or concentrator whose passwords do not open.
pub async fn check(db: &Db, vault: &Vault) -> Result<(), Error> {
    let (meters, concentrators) = db
        .read(|conn| Ok::<_, Error>((store::meter::all_passwords(conn)?, store::concentrator::all_passwords(conn)?)))
        .await?;
    for (id, sealed) in meters {
        MeterPasswords::open(vault, id, &sealed)?;
    }
    for (id, sealed) in concentrators {
        ConcentratorPassword::open(vault, id, &sealed)?;
    }
    Ok(())
}
