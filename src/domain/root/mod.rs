//! Roots: the secrets outside the database from which every key of Keyward's own is derived (HKDF, RFC 5869).
//!
//! Without the roots, an attacker who reads the database can confirm no API key, and one who writes it can mint none.
//!
//! A store has one root at first. Later ones are laid over it: the newest makes every code, seal and signature from then on, and
//! what the older ones made stays readable until it is rewritten.

mod codes;
mod facts;
mod heads;
mod in_force;
mod keys;
mod lookup;
mod rows;

use ring::{
    hkdf, hmac,
    signature::{self, KeyPair as _},
};
use zeroize::Zeroizing;

#[cfg(test)]
pub(crate) use self::lookup::counting::HASHES;
pub use self::{
    codes::MacKey,
    facts::{RootFacts, RootHistory},
    heads::HeadKeys,
    in_force::KeysInForce,
    keys::DerivedKeys,
    lookup::{LookupKey, MOST_STARTS},
    rows::RowKeys,
};
use super::time::{Entropy, EntropyUnavailable};

const SALT: &[u8] = b"keyward/1";

/// One root: 32 random bytes and their number. Neither `Clone` nor `Debug`.
pub struct Root {
    number: u32,
    bytes: Zeroizing<[u8; 32]>,
}

impl Root {
    /// Draws root number 1.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        Self::draw(1, entropy)
    }

    /// Draws the root of this number.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn draw(number: u32, entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self { number, bytes })
    }

    /// A root as it was kept.
    #[must_use]
    pub const fn kept(number: u32, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { number, bytes }
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its bytes, for keeping them.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What a store keeps of it to tell it from others: says nothing about its other keys.
    #[must_use]
    pub fn check(&self) -> [u8; 32] {
        *self.derive(b"check")
    }

    /// The public key of the heads that it signs.
    fn public(&self) -> [u8; 32] {
        self.pair().public_key().as_ref().try_into().unwrap_or_default()
    }

    fn pair(&self) -> signature::Ed25519KeyPair {
        #[expect(clippy::expect_used, reason = "32 bytes are an Ed25519 seed, whatever their value")]
        signature::Ed25519KeyPair::from_seed_unchecked(&*self.derive(b"heads")).expect("a seed of 32 bytes")
    }

    fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT);
        let info = [purpose];
        let filled = salt
            .extract(self.bytes.as_ref())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(derived.as_mut()));
        // 32 bytes are what HKDF_SHA256 yields; an all-zero key must never be used.
        assert!(filled.is_ok(), "HKDF yields 32 bytes");
        derived
    }

    fn mac_key(&self, purpose: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(purpose).as_ref())
    }
}

#[cfg(test)]
pub(crate) mod tests;
