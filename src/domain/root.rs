//! Roots: the secrets outside the database from which every key of Keyward's own is derived (HKDF, RFC 5869).
//!
//! Without the roots, an attacker who reads the database can confirm no API key, and one who writes it can mint none.

use ring::{hkdf, hmac, signature};
use zeroize::Zeroizing;

use super::{
    seal::{PurposeSeals, SealKey},
    time::{Entropy, EntropyUnavailable},
};

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
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self { number: 1, bytes })
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

/// The keys derived from the roots, one for each purpose.
pub struct DerivedKeys {
    /// Hashes what holders present.
    pub lookup: LookupKey,
    /// Codes stored rows, so that an edited one shows.
    pub rows: MacKey,
    /// Codes the anchor: where the log ended, outside the database.
    pub anchor: MacKey,
    /// Codes page tokens, so that none can be forged.
    pub cursors: MacKey,
    /// Seals other systems' secrets, which are kept to know the keys that come from there.
    pub schemes: SealKey,
    /// Makes the terms of the sum over all stored rows.
    pub sum_terms: MacKey,
    /// Seals that sum.
    pub sum_seals: PurposeSeals,
    /// Signs heads of the log.
    pub heads: HeadKey,
    /// What the store keeps to tell a wrong root: says nothing about the others.
    pub check: [u8; 32],
}

impl DerivedKeys {
    /// Derives every key. `first` is root 1; later ones lie over it (see [`LookupKey`]).
    ///
    /// # Panics
    /// Never: the lengths are constants.
    #[must_use]
    pub fn new(first: &Root, later: &[Root]) -> Self {
        let newest = later.last().unwrap_or(first);
        let layers = std::iter::once(first).chain(later).map(|root| root.mac_key(b"lookup")).collect();
        Self {
            lookup: LookupKey { layers, root: newest.number },
            rows: MacKey(newest.mac_key(b"rows")),
            anchor: MacKey(newest.mac_key(b"anchor")),
            cursors: MacKey(newest.mac_key(b"cursors")),
            schemes: SealKey::new(&newest.derive(b"schemes")),
            sum_terms: MacKey(newest.mac_key(b"sum terms")),
            sum_seals: PurposeSeals::new(newest.mac_key(b"sum seals")),
            heads: HeadKey::new(&newest.derive(b"heads")),
            check: *newest.derive(b"check"),
        }
    }
}

/// Hashes secrets: `HMAC(root n, … HMAC(root 1, SHA-256(api key)))`, so that a new root is laid over all stored
/// hashes at once, without waiting for use.
pub struct LookupKey {
    layers: Vec<hmac::Key>,
    root: u32,
}

impl LookupKey {
    /// The keyed hash of a text whose SHA-256 is `digest`.
    #[must_use]
    pub fn hash(&self, digest: &[u8]) -> [u8; 32] {
        let mut value = [0; 32];
        value.copy_from_slice(digest.get(..32).unwrap_or(&[0; 32]));
        Self::lay(&self.layers, value)
    }

    /// The keyed hash of a message in parts that is not 32 bytes long, so that it is never one of [`Self::hash`]: the first
    /// part tells what follows.
    #[must_use]
    pub fn hash_tagged(&self, parts: [&[u8]; 3]) -> [u8; 32] {
        let mut value = [0; 32];
        let Some((first, later)) = self.layers.split_first() else { return value };
        let mut context = hmac::Context::with_key(first);
        for part in parts {
            context.update(part);
        }
        value.copy_from_slice(context.sign().as_ref());
        Self::lay(later, value)
    }

    fn lay(layers: &[hmac::Key], mut value: [u8; 32]) -> [u8; 32] {
        for layer in layers {
            let tag = hmac::sign(layer, &value);
            value.copy_from_slice(tag.as_ref());
        }
        value
    }

    /// The number of the newest root, the outermost layer.
    #[must_use]
    pub const fn root(&self) -> u32 {
        self.root
    }
}

/// Makes and checks message authentication codes (HMAC-SHA-256).
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The code of a message in parts; each part's length goes in, so that parts cannot be shifted.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut code = [0; 32];
        code.copy_from_slice(context.sign().as_ref());
        code
    }

    /// Whether `code` is the code of these parts; takes the same time wherever it differs.
    #[must_use]
    pub fn agrees(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.code(parts).as_slice(), code).into()
    }
}

/// Signs heads of the log (Ed25519, RFC 8032).
pub struct HeadKey(signature::Ed25519KeyPair);

impl HeadKey {
    fn new(seed: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "32 bytes are an Ed25519 seed, whatever their value")]
        let pair = signature::Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes");
        Self(pair)
    }

    /// The signature of a head.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = signature::KeyPair::public_key(&self.0);
        signature::UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Bytes that are all alike.
    pub(crate) struct Same(pub(crate) u8);

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    /// The keys of a root whose bytes are all this one.
    pub(crate) fn keys(byte: u8) -> DerivedKeys {
        DerivedKeys::new(&Root::generate(&Same(byte)).unwrap(), &[])
    }
}
