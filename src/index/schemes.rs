//! Which systems imported secrets came from: how many secrets each hashed, and what it takes to hash as it does.

use std::collections::HashMap;

use crate::{
    domain::{
        key::SecretViews,
        scheme::{Hashing, Way},
        text::Label,
    },
    ports::OpenScheme,
};

/// Every scheme there is. Only the writer of the index has it.
#[derive(Default)]
pub(super) struct Schemes {
    known: HashMap<Label, OpenScheme>,
    /// How many secrets in memory each way has hashed; none with zero.
    secrets: HashMap<Hashing, usize>,
    changed: bool,
}

impl Schemes {
    /// Takes a scheme in.
    pub(super) fn put(&mut self, scheme: OpenScheme) {
        self.known.insert(scheme.scheme.name.clone(), scheme);
        self.changed = true;
    }

    /// The schemes by name.
    pub(super) fn known(&self) -> &HashMap<Label, OpenScheme> {
        &self.known
    }

    /// Forgets a scheme that cannot be trusted any more: its keys are unknown from now on.
    pub(super) fn remove(&mut self, name: &str) {
        let before = self.known.len();
        self.known.retain(|known, _| known.as_str() != name);
        self.changed |= self.known.len() != before;
    }

    /// Counts the secrets of a key that is new in memory.
    pub(super) fn count(&mut self, secrets: SecretViews<'_>) {
        for hashing in hashings(secrets) {
            let count = self.secrets.entry(hashing.clone()).or_default();
            *count += 1;
            self.changed |= *count == 1;
        }
    }

    /// Forgets the secrets of a key that was in memory.
    pub(super) fn discount(&mut self, secrets: SecretViews<'_>) {
        for hashing in hashings(secrets) {
            let left = self.secrets.get(hashing).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.secrets.remove(hashing);
                self.changed = true;
            } else {
                self.secrets.insert(hashing.clone(), left);
            }
        }
    }

    /// How a secret is hashed that was hashed so; or the name that is not known.
    pub(super) fn way(&self, hashing: &Hashing) -> Result<Way, Label> {
        match hashing {
            Hashing::Sha256 => Ok(Way::Sha256),
            Hashing::Sha512 => Ok(Way::Sha512),
            Hashing::HmacSha256(name) => {
                let known = self.known.get(name).ok_or_else(|| name.clone())?;
                Ok(Way::HmacSha256(name.clone(), known.key.clone()))
            }
        }
    }

    /// Every way in which a foreign credential is to be hashed, by name, if that has changed since this was asked.
    pub(super) fn changed_ways(&mut self) -> Option<Vec<Way>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut hashings: Vec<_> = self.secrets.keys().collect();
        hashings.sort_by_key(ToString::to_string);
        Some(hashings.into_iter().filter_map(|hashing| self.way(hashing).ok()).collect())
    }
}

fn hashings(secrets: SecretViews<'_>) -> impl Iterator<Item = &Hashing> {
    secrets.iter().filter_map(|(secret, _)| secret.scheme.hashing())
}
