//! Secrets that must be had again, sealed for the database: AES-256-GCM under a key derived from the roots.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use zeroize::Zeroizing;

use super::time::{Entropy, EntropyUnavailable};

/// Seals, and opens what it sealed.
struct SealKey(LessSafeKey);

/// Seals with the newest root, and opens what that or an older one sealed.
pub struct SealKeys(Vec<SealKey>);

/// A secret of another system, in clear: to be sealed, hashed with, or sent once. Wiped on drop; neither `Clone` nor `Debug`.
pub struct ForeignSecret(Zeroizing<Vec<u8>>);

impl ForeignSecret {
    /// Takes a secret of any bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, for the request that carries them.
    #[must_use]
    pub fn reveal(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Whether both are the same; takes the same time wherever they differ.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.expose(), other.expose()).into()
    }
}

/// A secret under seal: shows nothing of it but its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Drawn for this seal alone.
    pub nonce: [u8; NONCE_LEN],
    /// The secret, encrypted, and its tag.
    pub bytes: Vec<u8>,
}

impl SealKeys {
    /// Of these keys, the newest root's first.
    pub(super) fn new(keys: impl Iterator<Item = Zeroizing<[u8; 32]>>) -> Self {
        Self(keys.map(|key| SealKey::new(&key)).collect())
    }

    /// Seals a secret for `purpose`: it opens for no other.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn seal(
        &self,
        purpose: &str,
        secret: &ForeignSecret,
        entropy: &dyn Entropy,
    ) -> Result<Sealed, EntropyUnavailable> {
        self.0.first().ok_or(EntropyUnavailable)?.seal(purpose, secret, entropy)
    }

    /// The same secret, sealed with the newest root. The nonce stays: it was drawn, and no other secret has it under that key.
    #[must_use]
    pub fn reseal(&self, purpose: &str, sealed: &Sealed) -> Option<Sealed> {
        let secret = self.open(purpose, sealed)?;
        self.0.first()?.seal_with(sealed.nonce, purpose, &secret)
    }

    /// The secret, if it was sealed with one of these keys for `purpose` and not touched since.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Option<ForeignSecret> {
        self.0.iter().find_map(|key| key.open(purpose, sealed))
    }
}

impl SealKey {
    fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "32 bytes are a key of AES-256, whatever their value")]
        let key = UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    fn seal(
        &self,
        purpose: &str,
        secret: &ForeignSecret,
        entropy: &dyn Entropy,
    ) -> Result<Sealed, EntropyUnavailable> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        // Only a secret of many gigabytes is too long.
        self.seal_with(nonce, purpose, secret).ok_or(EntropyUnavailable)
    }

    fn seal_with(&self, nonce: [u8; NONCE_LEN], purpose: &str, secret: &ForeignSecret) -> Option<Sealed> {
        // Room for the tag, so that the secret is not left behind when it grows.
        let secret = secret.expose();
        let mut bytes = Vec::with_capacity(secret.len().saturating_add(AES_256_GCM.tag_len()));
        bytes.extend_from_slice(secret);
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(purpose), &mut bytes).ok()?;
        Some(Sealed { nonce, bytes })
    }

    fn open(&self, purpose: &str, sealed: &Sealed) -> Option<ForeignSecret> {
        let mut bytes = Zeroizing::new(sealed.bytes.clone());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let length = self.0.open_in_place(nonce, Aad::from(purpose), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(ForeignSecret(bytes))
    }
}

/// Seals what is written again and again, without randomness: each purpose has a key of its own, and the nonce follows from
/// what is sealed. So no nonce comes twice under a key but with the same bytes, however often a store is put back and goes
/// another way.
///
/// Sealed with the newest root; what an older one sealed is opened too.
pub struct PurposeSeals(Vec<hmac::Key>);

impl PurposeSeals {
    /// Of these keys, the newest root's first.
    pub(super) const fn new(keys: Vec<hmac::Key>) -> Self {
        Self(keys)
    }

    /// Seals these bytes for `purpose`; `None` only of many gigabytes.
    #[must_use]
    pub fn seal(&self, purpose: &[u8], mut bytes: Vec<u8>) -> Option<Sealed> {
        let newest = self.0.first()?;
        let mut context = context(newest, b"nonce", purpose);
        context.update(&bytes);
        let nonce = *context.sign().as_ref().first_chunk::<NONCE_LEN>()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let SealKey(key) = key_for(newest, purpose)?;
        key.seal_in_place_append_tag(unique, Aad::from(purpose), &mut bytes).ok()?;
        Some(Sealed { nonce, bytes })
    }

    /// The bytes, if they were sealed with these keys for `purpose` and not touched since.
    #[must_use]
    pub fn open(&self, purpose: &[u8], sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        self.0.iter().find_map(|key| open(key, purpose, sealed))
    }
}

fn open(key: &hmac::Key, purpose: &[u8], sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(sealed.bytes.clone());
    let nonce = Nonce::assume_unique_for_key(sealed.nonce);
    let SealKey(key) = key_for(key, purpose)?;
    let length = key.open_in_place(nonce, Aad::from(purpose), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

fn key_for(key: &hmac::Key, purpose: &[u8]) -> Option<SealKey> {
    let derived = context(key, b"key", purpose).sign();
    derived.as_ref().try_into().ok().map(SealKey::new)
}

/// Begins a message that has `what` and `purpose` before all else; `what` is never a part of another.
fn context(key: &hmac::Key, what: &[u8], purpose: &[u8]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    context.update(what);
    context.update(&u64::try_from(purpose.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(purpose);
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_for_a_purpose_opens_for_no_other_and_looks_like_nothing() {
        let seals = |byte: u8| PurposeSeals::new(vec![hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])]);
        let secret = vec![7; 256];
        let sealed = seals(1).seal(b"revision 9", secret.clone()).unwrap();
        assert_eq!(*seals(1).open(b"revision 9", &sealed).unwrap(), secret);
        assert!(!sealed.bytes.windows(3).any(|window| window == [7; 3]));
        assert!(seals(2).open(b"revision 9", &sealed).is_none());
        assert!(seals(1).open(b"revision 8", &sealed).is_none());
        for place in [0, 255, 256, 271] {
            let mut touched = sealed.clone();
            touched.bytes[place] ^= 1;
            assert!(seals(1).open(b"revision 9", &touched).is_none(), "{place}");
        }
        let another = seals(1).seal(b"revision 9", vec![8; 256]).unwrap();
        assert_ne!(another.nonce, sealed.nonce, "the same purpose, other bytes");
    }

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    #[test]
    fn a_seal_opens_with_its_key_for_its_purpose_untouched_and_not_otherwise() {
        // K2
        let entropy = Counting(7.into());
        let key = SealKey::new(&[1; 32]);
        let secret = ForeignSecret::new(b"their secret".to_vec());
        let sealed = key.seal("scheme a", &secret, &entropy).unwrap();
        assert!(key.open("scheme a", &sealed).is_some_and(|opened| opened.equals(&secret)));
        assert!(!sealed.bytes.windows(6).any(|window| window == b"secret"));
        assert_ne!(key.seal("scheme a", &secret, &entropy).unwrap(), sealed);

        assert!(SealKey::new(&[2; 32]).open("scheme a", &sealed).is_none());
        assert!(key.open("scheme b", &sealed).is_none());
        for place in 0..sealed.bytes.len() {
            let mut touched = sealed.clone();
            touched.bytes[place] ^= 1;
            assert!(key.open("scheme a", &touched).is_none(), "{place}");
        }
        assert!(key.open("scheme a", &Sealed { nonce: [0; 12], ..sealed.clone() }).is_none());
        assert!(key.open("scheme a", &Sealed { bytes: Vec::new(), ..sealed }).is_none());
    }
}
