//! How the hash of a secret came about: in Keyward's own way, or in that of the system that it was imported from.
//!
//! In every scheme, what is stored is a keyed hash under Keyward's roots; another system's hash alone finds nothing.

use std::{fmt, time::Duration};

use ring::{digest, hmac};
use smallvec::SmallVec;

use super::{
    revision::Revision,
    root::LookupKey,
    seal::{ForeignSecret, Sealed},
    secret::KeyHash,
    text::Label,
    time::Timestamp,
};

const NATIVE: &str = "keyward-1";
const WEAK: &str = ",weak";
const HMAC: &str = "hmac-sha256:";

/// Secrets of fewer bits than this can be found by trying (NIST SP 800-131A).
pub const ENOUGH_BITS: u32 = 112;
/// How long a weaker one may be good.
pub const WEAK_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How the hash of a secret came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Keyward made the secret.
    Native,
    /// Another system did, and gave its hash.
    Imported(Hashing, Strength),
}

/// Another system's way to hash a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hashing {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// HMAC-SHA-256 with a secret of that system, which is kept under this name.
    HmacSha256(Label),
}

/// Whether a secret can be found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// It cannot.
    Enough,
    /// It was declared to have fewer than [`ENOUGH_BITS`].
    Weak,
}

impl Scheme {
    /// The scheme as it is stored and shown: `keyward-1`, `sha256`, `sha512`, `hmac-sha256:NAME`, with `,weak` behind it
    /// where the secret is.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Native => NATIVE.to_owned(),
            Self::Imported(hashing, Strength::Enough) => hashing.to_string(),
            Self::Imported(hashing, Strength::Weak) => format!("{hashing}{WEAK}"),
        }
    }

    /// A scheme as it was stored; `None` for any other text.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        if text == NATIVE {
            return Some(Self::Native);
        }
        let (hashing, strength) =
            text.strip_suffix(WEAK).map_or((text, Strength::Enough), |hashing| (hashing, Strength::Weak));
        let hashing = match (hashing, hashing.strip_prefix(HMAC)) {
            ("sha256", _) => Hashing::Sha256,
            ("sha512", _) => Hashing::Sha512,
            (_, Some(name)) => Hashing::HmacSha256(Label::parse(name).ok()?),
            (_, None) => return None,
        };
        Some(Self::Imported(hashing, strength))
    }

    /// Another system's way, where it is one.
    #[must_use]
    pub const fn hashing(&self) -> Option<&Hashing> {
        match self {
            Self::Native => None,
            Self::Imported(hashing, _) => Some(hashing),
        }
    }

    /// The latest that a secret of this scheme may end, if it was made, or taken in, at `created`: a weak one is good for 90
    /// days, and no grace makes it longer.
    #[must_use]
    pub fn latest_end(&self, created: Timestamp) -> Option<Timestamp> {
        self.is_weak().then(|| created.saturating_add(WEAK_LIFETIME))
    }

    /// Whether the secret was declared weak.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Imported(_, Strength::Weak))
    }
}

impl fmt::Display for Hashing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256 => formatter.write_str("sha256"),
            Self::Sha512 => formatter.write_str("sha512"),
            Self::HmacSha256(name) => write!(formatter, "{HMAC}{name}"),
        }
    }
}

/// Hashes of one secret, one for each root that secrets start at.
#[derive(Clone)]
pub struct StartHashes {
    /// From the newest root, with its number.
    pub newest: (u32, KeyHash),
    /// From the others.
    earlier: SmallVec<[(u32, KeyHash); 2]>,
}

impl StartHashes {
    fn of(parts: &[&[u8]], key: &LookupKey) -> Self {
        let stored = |(start, hash)| (start, KeyHash::stored(hash));
        let (newest, earlier) = key.hashes_of(parts);
        Self { newest: stored(newest), earlier: earlier.map(stored).collect() }
    }

    /// All of them, each with the number of the root, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &(u32, KeyHash)> {
        std::iter::once(&self.newest).chain(&self.earlier)
    }
}

/// Another system's hash of a secret. Without `Debug`: a reader of it knows which secret to look for.
#[derive(Clone)]
pub enum ForeignHash {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
    /// HMAC-SHA-256 with the secret of this name.
    HmacSha256(Label, [u8; 32]),
}

impl ForeignHash {
    /// Whether it is the hash of an empty text.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        let is_of_nothing = |algorithm, bytes: &[u8]| digest::digest(algorithm, b"").as_ref() == bytes;
        match self {
            Self::Sha256(bytes) => is_of_nothing(&digest::SHA256, bytes),
            Self::Sha512(bytes) => is_of_nothing(&digest::SHA512, bytes),
            Self::HmacSha256(..) => false,
        }
    }

    /// What can be stored in its place: one hash for each root that secrets start at, the newest first. For SHA-256 the same as
    /// for a secret of Keyward's own; the others are set apart by what stands before them, and by their length.
    #[must_use]
    pub fn keyed(&self, key: &LookupKey) -> StartHashes {
        match self {
            Self::Sha256(hash) => of_sha256(hash, key),
            Self::Sha512(hash) => of_sha512(hash, key),
            Self::HmacSha256(name, hash) => of_hmac(name, hash, key),
        }
    }

    /// How it came about.
    #[must_use]
    pub fn hashing(&self) -> Hashing {
        match self {
            Self::Sha256(_) => Hashing::Sha256,
            Self::Sha512(_) => Hashing::Sha512,
            Self::HmacSha256(name, _) => Hashing::HmacSha256(name.clone()),
        }
    }
}

/// What it takes to hash a presented token as another system did.
#[derive(Debug, Clone)]
pub enum Way {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// HMAC-SHA-256 with that system's secret.
    HmacSha256(Label, ForeignKey),
}

impl Way {
    /// Whether a secret that was hashed so was hashed in this way.
    #[must_use]
    pub fn is_of(&self, hashing: &Hashing) -> bool {
        match (self, hashing) {
            (Self::Sha256, Hashing::Sha256) | (Self::Sha512, Hashing::Sha512) => true,
            (Self::HmacSha256(name, _), Hashing::HmacSha256(other)) => name == other,
            (Self::Sha256 | Self::Sha512 | Self::HmacSha256(..), _) => false,
        }
    }

    /// What can be stored in a token's place, if that system made it. Only `domain::secret` has a token to give.
    pub(super) fn keyed(&self, token: &[u8], key: &LookupKey) -> StartHashes {
        match self {
            Self::Sha256 => of_sha256(digest::digest(&digest::SHA256, token).as_ref(), key),
            Self::Sha512 => of_sha512(digest::digest(&digest::SHA512, token).as_ref(), key),
            Self::HmacSha256(name, theirs) => of_hmac(name, hmac::sign(&theirs.0, token).as_ref(), key),
        }
    }
}

fn of_sha256(hash: &[u8], key: &LookupKey) -> StartHashes {
    StartHashes::of(&[hash], key)
}

fn of_sha512(hash: &[u8], key: &LookupKey) -> StartHashes {
    StartHashes::of(&[b"sha512\0", hash], key)
}

fn of_hmac(name: &Label, hash: &[u8], key: &LookupKey) -> StartHashes {
    StartHashes::of(&[b"hmac-sha256\0", name.as_str().as_bytes(), hash], key)
}

/// Another system's secret, ready to hash with; shows nothing of it.
#[derive(Debug, Clone)]
pub struct ForeignKey(hmac::Key);

impl ForeignKey {
    /// Takes the secret as that system has it.
    #[must_use]
    pub fn new(secret: &ForeignSecret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// Whether this secret hashes as that one does.
    #[must_use]
    pub fn is_of(&self, secret: &ForeignSecret) -> bool {
        hmac::verify(&self.0, b"", hmac::sign(&Self::new(secret).0, b"").as_ref()).is_ok()
    }
}

/// Another system's secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportScheme {
    /// Its name, for good.
    pub name: Label,
    /// The secret.
    pub sealed: Sealed,
    /// When it was given.
    pub created: Timestamp,
    /// The log revision that wrote it; zero before it is stored.
    pub revision: Revision,
}

impl ImportScheme {
    /// What its secret is sealed for.
    #[must_use]
    pub fn purpose(name: &Label) -> String {
        format!("{HMAC}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::root::{DerivedKeys, Root};

    #[test]
    fn a_scheme_reads_back_as_it_was_written() {
        let acme = || Hashing::HmacSha256(Label::parse("acme").unwrap());
        for (scheme, text) in [
            (Scheme::Native, "keyward-1"),
            (Scheme::Imported(Hashing::Sha256, Strength::Enough), "sha256"),
            (Scheme::Imported(Hashing::Sha512, Strength::Weak), "sha512,weak"),
            (Scheme::Imported(acme(), Strength::Enough), "hmac-sha256:acme"),
            (Scheme::Imported(acme(), Strength::Weak), "hmac-sha256:acme,weak"),
        ] {
            assert_eq!(scheme.to_text(), text);
            assert_eq!(Scheme::stored(text), Some(scheme));
        }
        for bad in
            ["", "weak", ",weak", "keyward-1,weak", "md5", "hmac-sha256", "hmac-sha256:", "sha256,weak,weak"]
        {
            assert_eq!(Scheme::stored(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_token_has_another_hash_in_each_way_and_under_each_root() {
        let root = |number, byte| Root::kept(number, [byte; 32].into());
        let (name, other) = (Label::parse("acme").unwrap(), Label::parse("other").unwrap());
        let key = ForeignKey::new(&ForeignSecret::new(b"their secret".to_vec()));
        let ways =
            [Way::Sha256, Way::Sha512, Way::HmacSha256(name, key.clone()), Way::HmacSha256(other, key)];
        let mut all = Vec::new();
        for roots in [DerivedKeys::new(&root(1, 1), &[]), DerivedKeys::new(&root(1, 1), &[root(2, 2)])] {
            all.extend(
                ways.iter()
                    .flat_map(|way| way.keyed(b"token", &roots.lookup).iter().copied().collect::<Vec<_>>()),
            );
        }
        let different: std::collections::BTreeSet<_> = all.iter().map(|(_, hash)| *hash.as_bytes()).collect();
        assert_eq!((different.len(), all.len()), (12, 12), "from one start, and from two");
    }

    #[test]
    fn nothing_of_their_secret_is_shown() {
        // K2
        let shown = format!(
            "{:?}",
            Way::HmacSha256(
                Label::parse("acme").unwrap(),
                ForeignKey::new(&ForeignSecret::new(b"hunter2".to_vec()))
            )
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
