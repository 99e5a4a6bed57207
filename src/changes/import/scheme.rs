//! Import schemes: the secrets by which other systems hash their keys, taken in once and kept under seal.
//!
//! A scheme by itself admits no holder: only imported keys do, each judged by its importer's ceiling. So a caller who may
//! import keys into every workspace may add one. A scheme is never removed or changed: its keys would be unknown from
//! then on.

use crate::{
    changes::{Changes, support::entry::change},
    domain::{
        admin::{AdminPermit, ImportKeys, ReadKeys},
        audit::{Action, LogEntry},
        key::Standing,
        revision::Revision,
        scheme::{Hashing, ImportScheme, Way},
        seal::ForeignSecret,
        text::Label,
        time::Timestamp,
    },
    error::{Conflict, Exists, OperationError},
    ports::{Mutation, Rows, StoreError},
};

/// How another system hashes, and how much depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeUse {
    /// How.
    pub hashing: Hashing,
    /// When it was added; `None` for what needs no secret.
    pub created: Option<Timestamp>,
    /// Secrets that can still prove a key.
    pub live_secrets: u64,
}

impl Changes {
    /// Takes in the secret by which another system hashes its keys. The same again changes nothing.
    ///
    /// # Errors
    /// The caller is bound to one workspace; there is a scheme of this name with another secret, or one that cannot be
    /// trusted. The store.
    pub async fn add_import_scheme(
        &self,
        permit: AdminPermit<ImportKeys>,
        name: Label,
        secret: ForeignSecret,
    ) -> Result<(ImportScheme, Revision), OperationError> {
        permit.require_global()?;
        if let Some(known) = self.index.scheme(&name) {
            return self.same_scheme(known, &secret);
        }
        let _roots = self.locks.under_roots().await;
        let (now, keys) = (self.clock.now(), self.keys.shared());
        let sealed = keys.schemes.seal(&ImportScheme::purpose(&name), &secret, &*self.entropy)?;
        let scheme = ImportScheme { name, sealed, created: now, revision: Revision::ZERO };
        let mut entry = LogEntry::new(now, permit.actor(), Action::SchemeAdd);
        entry.scheme = Some(scheme.name.clone());
        entry.changes = vec![change("scheme.name", (), scheme.name.as_str())];
        let rows = Rows { scheme: Some(scheme.clone()), ..Rows::default() };
        let mutation = Mutation { seen: self.index.revision(), ..Mutation::new(entry, rows) };
        match self.commit_by(permit.stands_on(), mutation).await {
            Ok(revision) => Ok((ImportScheme { revision, ..scheme }, revision)),
            Err(OperationError::Store(StoreError::Conflict)) => {
                self.catch_up().await?;
                let is_over =
                    permit.stands_on().is_some_and(|(caller, since)| self.has_changed(caller, since));
                match self.index.scheme(&scheme.name) {
                    Some(known) => self.same_scheme(known, &secret),
                    None if is_over => Err(Conflict::Contended.into()),
                    None => {
                        let why = format!("the import scheme {} cannot be trusted", scheme.name);
                        Err(StoreError::Corrupt(why).into())
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    fn same_scheme(
        &self,
        known: ImportScheme,
        secret: &ForeignSecret,
    ) -> Result<(ImportScheme, Revision), OperationError> {
        let is_same = match self.index.way(&Hashing::HmacSha256(known.name.clone())) {
            Ok(Way::HmacSha256(_, theirs)) => theirs.is_of(secret),
            Ok(Way::Sha256 | Way::Sha512) | Err(_) => false,
        };
        let revision = known.revision;
        if is_same { Ok((known, revision)) } else { Err(Exists::Scheme(known.name).into()) }
    }

    /// Every scheme that was added, and those without a secret that live secrets have, by name.
    ///
    /// # Errors
    /// The caller is bound to one workspace.
    pub fn import_schemes(&self, permit: &AdminPermit<ReadKeys>) -> Result<Vec<SchemeUse>, OperationError> {
        permit.require_global()?;
        let of_scheme = |scheme: ImportScheme| SchemeUse {
            hashing: Hashing::HmacSha256(scheme.name),
            created: Some(scheme.created),
            live_secrets: 0,
        };
        let mut uses: Vec<_> = self.index.schemes().into_iter().map(of_scheme).collect();
        for hashing in [Hashing::Sha256, Hashing::Sha512] {
            uses.push(SchemeUse { hashing, created: None, live_secrets: 0 });
        }
        let now = self.clock.now();
        self.index.each(|key, _| {
            if !matches!(key.standing(now), Standing::Active | Standing::Disabled) {
                return;
            }
            let live = key.secrets.iter().filter(|(_, end)| end.is_none_or(|end| now < end));
            for hashing in live.filter_map(|(secret, _)| secret.scheme.hashing()) {
                if let Some(found) = uses.iter_mut().find(|known| known.hashing == *hashing) {
                    found.live_secrets += 1;
                }
            }
        });
        uses.retain(|found| found.created.is_some() || found.live_secrets > 0);
        uses.sort_by_key(|found| found.hashing.to_string());
        Ok(uses)
    }
}
