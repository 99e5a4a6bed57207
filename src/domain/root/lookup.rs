//! The keyed hashes by which secrets are found.
//!
//! A secret starts at the root that is the newest when it is made, and each later root is laid over its hash:
//! `HMAC(layer n, … HMAC(layer s + 1, HMAC(start s, SHA-256(api key))))`. So an older root need not be known for a hash to be looked
//! up, but its two derived keys; and a stored hash gets a new layer without waiting for use. Where secrets start is not to be seen
//! from outside: what is presented is hashed from every start there is, each time.
//!
//! A layer has a key of its own: whoever has read a hash from an old copy of a database could otherwise import it as another
//! system's hash, and find it laid over as if it were the old secret's.
//!
//! While a running server takes a new root, some hashes in memory have its layer and others do not yet: what is presented is looked
//! up as it was before, and then as it is to be.

use ring::hmac;

use super::{Root, facts::RootHistory};

/// At how many roots secrets may start at once: each costs every Check a hash and a look-up.
pub const MOST_STARTS: usize = 3;

/// Hashes secrets under the roots, from every start.
pub struct LookupKey {
    /// Of new secrets.
    newest: Lineage,
    /// As hashes were before the newest root, for as long as some in memory are still so. They are looked up before those that take
    /// their place: who gets its layer meanwhile is found by the one or the other.
    before: Vec<Lineage>,
    /// The newest first.
    earlier: Vec<Lineage>,
    /// What lays each root over older ones, oldest first.
    layers: Vec<(u32, hmac::Key)>,
}

/// The roots that lie over each other in the hashes that start at one of them.
#[derive(Clone)]
struct Lineage {
    start: u32,
    first: hmac::Key,
    /// Of the roots after the start, in their order.
    later: Vec<hmac::Key>,
}

impl LookupKey {
    pub(super) fn of(newest: &Root, history: &RootHistory) -> Self {
        let mac = |key: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, key);
        let layers: Vec<_> = history.iter().map(|root| (root.number, mac(&root.layer))).collect();
        let later = |start| layers.iter().filter(move |(root, _)| *root > start).map(|(_, key)| key.clone());
        let earlier = history.iter().rev().filter(|root| root.number != newest.number).filter_map(|root| {
            let first = mac(root.start.as_deref()?);
            Some(Lineage { start: root.number, first, later: later(root.number).collect() })
        });
        let earlier = earlier.collect();
        let newest = Lineage { start: newest.number, first: newest.mac_key(b"lookup"), later: Vec::new() };
        Self { newest, before: Vec::new(), earlier, layers }
    }

    /// The same while some hashes in memory are still as `before` makes them.
    pub(super) fn beside(self, before: &Self) -> Self {
        let before = std::iter::once(&before.newest).chain(&before.earlier).cloned().collect();
        Self { before, ..self }
    }

    /// The keyed hash of a new secret, or of a text, whose SHA-256 is `digest`: from the newest start.
    #[must_use]
    pub fn hash(&self, digest: &[u8]) -> [u8; 32] {
        self.newest.hash(&[&value_of(digest)])
    }

    /// The same of what is presented, from every start, with the root that it is.
    pub fn hashes(&self, digest: &[u8]) -> impl Iterator<Item = (u32, [u8; 32])> + use<'_> {
        let value = value_of(digest);
        self.lineages().map(move |lineage| (lineage.start, lineage.hash(&[&value])))
    }

    /// The keyed hashes of a message in parts: from the newest start, and from the earlier ones. One that is not 32 bytes long is
    /// never one of [`Self::hashes`]: its first part tells what follows.
    pub fn hashes_of<'p>(
        &'p self,
        parts: &'p [&'p [u8]],
    ) -> ((u32, [u8; 32]), impl Iterator<Item = (u32, [u8; 32])> + use<'p>) {
        let hash = |lineage: &Lineage| (lineage.start, lineage.hash(parts));
        (hash(&self.newest), self.before.iter().chain(&self.earlier).map(hash))
    }

    /// Lays the roots after `under` over a hash in which that one lies outermost; `None` where there is no such root.
    #[must_use]
    pub fn laid_over(&self, hash: [u8; 32], under: u32) -> Option<[u8; 32]> {
        if under == self.root() {
            return Some(hash);
        }
        let is_known = self.layers.iter().any(|(root, _)| *root == under);
        let later = self.layers.iter().filter(|(root, _)| *root > under);
        is_known.then(|| later.fold(hash, |hash, (_, layer)| sign(layer, &[&hash])))
    }

    /// The number of the newest root: new secrets start there, and it lies outermost.
    #[must_use]
    pub const fn root(&self) -> u32 {
        self.newest.start
    }

    fn lineages(&self) -> impl Iterator<Item = &Lineage> {
        std::iter::once(&self.newest).chain(&self.before).chain(&self.earlier)
    }
}

impl Lineage {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.later.iter().fold(sign(&self.first, parts), |hash, layer| sign(layer, &[&hash]))
    }
}

fn value_of(digest: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    value.copy_from_slice(digest.get(..32).unwrap_or(&[0; 32]));
    value
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    #[cfg(test)]
    counting::HASHES.set(counting::HASHES.get() + 1);
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.sign().as_ref());
    hash
}

/// What a thread has hashed, so that a test can tell that it is the same for every secret.
#[cfg(test)]
pub(crate) mod counting {
    use std::cell::Cell;

    thread_local! {
        pub(crate) static HASHES: Cell<u64> = const { Cell::new(0) };
    }
}
