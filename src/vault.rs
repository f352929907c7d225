//! Passwords of meters and concentrators at rest: sealed (XChaCha20-Poly1305) with a key that comes by the environment, so
//! that neither the database nor its backup opens a meter.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use protocols::Secret;
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    hex,
    operations::{Error, books},
};

/// Bytes of a nonce; it stands before what is sealed.
const NONCE_BYTES: usize = 24;

/// The key that seals: 32 bytes, written as 64 hex digits. Its `Debug` form is masked.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct SealingKey(Secret<32>);

impl TryFrom<String> for SealingKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        hex::array(&text).map(|bytes| Self(Secret::new(bytes))).ok_or_else(|| "must be 32 bytes in hex".to_owned())
    }
}

/// What sealing and opening may come to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The settings have no key.
    #[error("there is no key to seal passwords with: set WATTGATE__SECRETS__KEY to 64 hex digits")]
    NoKey,
    /// Sealed with another key, for another device, or altered.
    #[error("WATTGATE__SECRETS__KEY does not open what is kept of {0}: it was sealed with another key")]
    NotOpened(String),
    /// The system gave no random numbers.
    #[error("no random numbers")]
    NoRandom,
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NoKey => Self::conflict("no_sealing_key", error.to_string()),
            VaultError::NotOpened(_) => Self::conflict("other_sealing_key", error.to_string()),
            VaultError::NoRandom => books::corrupt(error.to_string()),
        }
    }
}

/// Seals and opens.
pub struct Vault(Option<XChaCha20Poly1305>);

impl Vault {
    /// With this key; without one it seals and opens nothing.
    #[must_use]
    pub fn new(key: Option<&SealingKey>) -> Self {
        Self(key.map(|SealingKey(key)| XChaCha20Poly1305::new(key.bytes().into())))
    }

    /// Seals a secret of a device, so that it opens for that device alone.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn seal(&self, device: &str, secret: &impl Serialize) -> Result<String, VaultError> {
        let cipher = self.0.as_ref().ok_or(VaultError::NoKey)?;
        let mut nonce = [0; NONCE_BYTES];
        SysRng.try_fill_bytes(&mut nonce).map_err(|_| VaultError::NoRandom)?;
        let msg = serde_json::to_vec(secret).map_err(|_| VaultError::NotOpened(device.to_owned()))?;
        let payload = Payload { msg: &msg, aad: device.as_bytes() };
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::NotOpened(device.to_owned()))?;
        Ok(hex::text(&[nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for a device.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open<T: DeserializeOwned>(&self, device: &str, sealed: &str) -> Result<T, VaultError> {
        let cipher = self.0.as_ref().ok_or(VaultError::NoKey)?;
        let not_opened = || VaultError::NotOpened(device.to_owned());
        let bytes = hex::bytes(sealed).ok_or_else(not_opened)?;
        let (nonce, msg) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(not_opened)?;
        let payload = Payload { msg, aad: device.as_bytes() };
        let opened = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| not_opened())?;
        serde_json::from_slice(&opened).map_err(|_| not_opened())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(digit: &str) -> SealingKey {
        SealingKey::try_from(digit.repeat(64)).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_key_for_its_device_alone(secret: String, at: usize, bit in 0_u8..8) {
            let vault = Vault::new(Some(&key("a")));
            let sealed = vault.seal("meter:1", &secret).unwrap();
            prop_assert!(secret.len() < 4 || !sealed.contains(&hex::text(secret.as_bytes())));
            prop_assert_eq!(vault.open::<String>("meter:1", &sealed), Ok(secret.clone()));
            prop_assert_ne!(&vault.seal("meter:1", &secret).unwrap(), &sealed, "each time another nonce");
            let refused = VaultError::NotOpened("meter:2".to_owned());
            prop_assert_eq!(vault.open::<String>("meter:2", &sealed), Err(refused));
            prop_assert!(Vault::new(Some(&key("b"))).open::<String>("meter:1", &sealed).is_err());
            let mut altered = hex::bytes(&sealed).unwrap();
            let at = at % altered.len();
            *altered.get_mut(at).unwrap() ^= 1 << bit;
            prop_assert!(vault.open::<String>("meter:1", &hex::text(&altered)).is_err());
            prop_assert!(vault.open::<String>("meter:1", sealed.get(at..).unwrap_or_default()).is_err() || at == 0);
        }
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_nothing_opens() {
        let vault = Vault::new(None);
        assert_eq!(vault.seal("meter:1", &"secret"), Err(VaultError::NoKey));
        assert_eq!(vault.open::<String>("meter:1", "00"), Err(VaultError::NoKey));
    }

    #[test]
    fn a_key_is_64_hex_digits_and_is_never_printed() {
        for bad in ["", "ab", &"g".repeat(64), &"a".repeat(66)] {
            assert!(SealingKey::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", key("a")).contains("aa"));
    }
}
