//! Rows of keys: one for each, its secrets with it.
//!
//! What lists are sorted and found by are columns; everything else is packed in the body. The code covers all of it.

use super::{
    records::{
        key::{KeyColumns, laid_body, pack_key, read_kept, read_key, zone_of},
        known::KnownValues,
        packed::Unpackable,
    },
    rows::{EDITED, NOT_NEWEST, ROW_MISSING, from_stored, to_stored},
    sum::Summand,
};
use crate::{
    domain::{
        credentials::RetiringSecret,
        id::{KeyId, WorkspaceId},
        key::{KeptKey, Key},
        revision::Revision,
        root::DerivedKeys,
        secret::KeyHash,
        time::Timestamp,
    },
    ports::Damaged,
};

/// The table of keys.
pub(super) const TABLE: &str = "keys";

/// A row of a key, as it lies in the database's page: nothing of it is copied until it is known to be genuine.
#[derive(Clone, Copy)]
pub(super) struct KeyRow<'r> {
    pub(super) id: &'r [u8],
    pub(super) workspace: &'r [u8],
    pub(super) created_ms: i64,
    pub(super) owner: Option<&'r [u8]>,
    pub(super) body: &'r [u8],
    pub(super) revision: i64,
    /// The root under which its code is made, and the outermost layer of its hashes.
    pub(super) root: i64,
    pub(super) code: &'r [u8],
}

/// A row of a key that is to be written.
pub(super) struct NewKeyRow {
    pub(super) id: Vec<u8>,
    pub(super) workspace: Vec<u8>,
    pub(super) created_ms: i64,
    pub(super) owner: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) revision: i64,
    pub(super) root: i64,
    pub(super) code: [u8; 16],
}

impl NewKeyRow {
    /// The row of `key` as `revision` writes it.
    pub(super) fn of(key: &Key, revision: Revision, keys: &DerivedKeys) -> Result<Self, Unpackable> {
        let row = Self {
            id: key.id.to_bytes().to_vec(),
            workspace: key.workspace.to_bytes().to_vec(),
            created_ms: key.created.as_ms(),
            owner: key.owner.as_ref().map(ToString::to_string),
            body: pack_key(key, revision)?,
            revision: to_stored(revision),
            root: 0,
            code: [0; 16],
        };
        Ok(row.coded(keys))
    }

    /// The same with its code, under the root under which rows are written now.
    pub(super) fn coded(mut self, keys: &DerivedKeys) -> Self {
        self.root = keys.newest_rows().root();
        self.code = self.as_row().with_parts(|parts| keys.newest_rows().code(parts)).unwrap_or_default();
        self
    }

    /// The row as it will lie there.
    pub(super) fn as_row(&self) -> KeyRow<'_> {
        KeyRow {
            id: &self.id,
            workspace: &self.workspace,
            created_ms: self.created_ms,
            owner: self.owner.as_deref().map(str::as_bytes),
            body: &self.body,
            revision: self.revision,
            root: self.root,
            code: &self.code,
        }
    }
}

impl KeyRow<'_> {
    /// Whether the row is as it was written, by whichever revision.
    pub(super) fn is_genuine(&self, keys: &DerivedKeys) -> bool {
        let Some(keys) = keys.of_rows(self.root) else { return false };
        self.with_parts(|parts| keys.agrees(parts, self.code)).unwrap_or(false)
    }

    /// What the row is to the sum, once it is known to be genuine.
    pub(super) fn summand(&self) -> Summand<'_> {
        Summand { root: self.root, code: self.code }
    }

    /// The key, if its row is what the log's newest revision for it wrote.
    pub(super) fn to_key(
        self,
        newest: i64,
        keys: &DerivedKeys,
        known: &mut KnownValues,
    ) -> Result<Key, Damaged> {
        self.verify(newest, keys)?;
        self.genuine_key(keys, known)
    }

    /// As much of the key as memory keeps, if its row is as it was written.
    pub(super) fn to_kept(self, keys: &DerivedKeys, known: &mut KnownValues) -> Result<KeptKey, Damaged> {
        self.verify(self.revision, keys)?;
        self.kept(known).and_then(|key| self.kept_laid(key, keys)).ok_or_else(|| self.unreadable())
    }

    /// The key of a row that is known to be genuine.
    pub(super) fn genuine_key(&self, keys: &DerivedKeys, known: &mut KnownValues) -> Result<Key, Damaged> {
        self.read(known).and_then(|key| self.laid(key, keys)).ok_or_else(|| self.unreadable())
    }

    fn verify(&self, newest: i64, keys: &DerivedKeys) -> Result<(), Damaged> {
        if self.revision < 0 {
            return Err(self.damaged(ROW_MISSING));
        }
        if !self.is_genuine(keys) {
            return Err(self.damaged(EDITED));
        }
        if self.revision != newest {
            return Err(self.damaged(NOT_NEWEST));
        }
        Ok(())
    }

    fn unreadable(&self) -> Damaged {
        Damaged { zone: zone_of(self.body), ..self.damaged("its body cannot be read") }
    }

    /// What a genuine row tells of.
    fn read(&self, known: &mut KnownValues) -> Option<Key> {
        read_key(&self.columns()?, self.body, known)
    }

    fn kept(&self, known: &mut KnownValues) -> Option<KeptKey> {
        read_kept(&self.columns()?, self.body, known)
    }

    fn columns(&self) -> Option<KeyColumns<'_>> {
        Some(KeyColumns {
            id: self.key_id()?,
            workspace: WorkspaceId::from_bytes(self.workspace.try_into().ok()?),
            created: Timestamp::from_ms(self.created_ms).ok()?,
            owner: self.owner.map(std::str::from_utf8).transpose().ok()?,
            revision: from_stored(self.revision)?,
        })
    }

    /// The same row under the newest root, with its layer over the hashes; `None` of one that is not as it was written.
    pub(super) fn rewritten(&self, keys: &DerivedKeys) -> Option<NewKeyRow> {
        let root = u32::try_from(self.root).ok().filter(|_| self.is_genuine(keys))?;
        let row = NewKeyRow {
            id: self.id.to_vec(),
            workspace: self.workspace.to_vec(),
            created_ms: self.created_ms,
            owner: self.owner.map(|owner| String::from_utf8_lossy(owner).into_owned()),
            body: laid_body(self.body, |hash| keys.lookup.laid_over(hash, root))?,
            revision: self.revision,
            root: 0,
            code: [0; 16],
        };
        Some(row.coded(keys))
    }

    /// A key as it was read, with the layers of later roots over its hashes.
    fn laid(&self, mut key: Key, keys: &DerivedKeys) -> Option<Key> {
        let credentials = &mut key.credentials;
        self.lay(&mut credentials.current.hash, &mut credentials.retiring, keys)?;
        Some(key)
    }

    /// The same for as much of it as memory keeps.
    fn kept_laid(&self, mut key: KeptKey, keys: &DerivedKeys) -> Option<KeptKey> {
        self.lay(&mut key.own.current.hash, &mut key.own.retiring, keys)?;
        Some(key)
    }

    /// Lays the roots after the row's own over the hashes of a key's secrets; `None` where there is no such root.
    fn lay(&self, current: &mut KeyHash, retiring: &mut [RetiringSecret], keys: &DerivedKeys) -> Option<()> {
        let under = u32::try_from(self.root).ok()?;
        if under != keys.newest {
            let retiring = retiring.iter_mut().map(|retiring| &mut retiring.secret.hash);
            for hash in std::iter::once(current).chain(retiring) {
                *hash = hash.laid_over(&keys.lookup, under)?;
            }
        }
        Some(())
    }

    /// The key's id, if it is one.
    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.id.try_into().ok().map(KeyId::from_bytes)
    }

    /// The id as it is shown.
    pub(super) fn shown_id(&self) -> String {
        shown_id(self.id)
    }

    /// This row, named as damaged.
    pub(super) fn damaged(&self, why: &'static str) -> Damaged {
        Damaged { id: self.shown_id(), why, zone: None }
    }

    /// `None` where an id is no id: no such row was ever written.
    fn with_parts<T>(&self, code: impl FnOnce(&[&[u8]]) -> T) -> Option<T> {
        let mut fixed = [0; KeyId::BYTES + WorkspaceId::BYTES + 8 + 8];
        let (id, rest) = fixed.split_first_chunk_mut()?;
        let (workspace, rest) = rest.split_first_chunk_mut()?;
        let (created, revision) = rest.split_first_chunk_mut()?;
        *id = <[u8; KeyId::BYTES]>::try_from(self.id).ok()?;
        *workspace = <[u8; WorkspaceId::BYTES]>::try_from(self.workspace).ok()?;
        *created = self.created_ms.to_be_bytes();
        revision.copy_from_slice(&self.revision.to_be_bytes());
        // No owner is no bytes; an owner has at least one.
        Some(code(&[TABLE.as_bytes(), &fixed, self.owner.unwrap_or_default(), self.body]))
    }
}

/// The id of a key as it is shown; of one that is none, what stands there.
pub(super) fn shown_id(id: &[u8]) -> String {
    let read = id.try_into().ok().map(KeyId::from_bytes);
    read.map_or_else(|| String::from_utf8_lossy(id).into_owned(), |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::domain::{
        admin::AdminRights,
        key::{
            Creator, KeyState, Revocation, RevokeReason,
            tests::{at, key, secret},
        },
        root::tests::{keys, root},
        scheme::{Hashing, Scheme, Strength},
        text::{Comment, Metadata, Owner},
    };

    /// A key with something of everything.
    fn full() -> Key {
        let plain = key().unwrap();
        let pairs = [("team".to_owned(), "blue".to_owned())].into();
        let creator = Creator::Admin {
            by: plain.id.into(),
            owner: Some(Owner::parse("ann").unwrap()),
            workspace: Some(plain.workspace),
            on_behalf_of: Some(Owner::parse("bob").unwrap()),
        };
        let mut key = Key {
            owner: Some(Owner::parse("user-1").unwrap()),
            follows_owner_role: true,
            creator: Arc::new(creator),
            metadata: Arc::new(Metadata::parse(pairs).unwrap()),
            expires: Some(at(9_000)),
            admin: Some(Arc::new(AdminRights::everything())),
            revision: Revision(7),
            taken_in: Revision(3),
            ..plain
        };
        key.credentials.current.scheme = Scheme::Imported(Hashing::Sha256, Strength::Weak);
        key.credentials.current.hash = key.credentials.current.hash.later();
        key.rotate(secret(2), Duration::from_secs(5), at(2)).unwrap().revoke(Revocation {
            at: at(3),
            by: Some(KeyId::from_bytes([4; 16]).into()),
            reason: RevokeReason::Superseded,
            comment: Comment::parse("ticket 4711").unwrap(),
        })
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        // D1
        let (keys, mut known) = (keys(1), KnownValues::default());
        let disabled = Key { state: KeyState::Disabled, ..key().unwrap() };
        for written in [key().unwrap(), full(), disabled, full()] {
            let row = NewKeyRow::of(&written, Revision(7), &keys).unwrap();
            let read = row.as_row().to_key(7, &keys, &mut known).unwrap();
            assert_eq!(row.as_row().to_kept(&keys, &mut known).unwrap(), KeptKey::of(&read));
            assert_eq!(read, Key { revision: Revision(7), ..written });
        }
    }

    #[test]
    fn no_bit_of_a_row_can_be_another() {
        // D5: columns, texts, secrets, and the code itself
        let keys = keys(1);
        let row = NewKeyRow::of(&full(), Revision(7), &keys).unwrap();
        let row = row.as_row();
        assert!(row.is_genuine(&keys));
        let edited = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let bit = |bit: usize| {
                let mut edited = bytes.to_vec();
                edited[bit / 8] ^= 1 << (bit % 8);
                edited
            };
            let shorter = bytes[..bytes.len() - 1].to_vec();
            (0..bytes.len() * 8).map(bit).chain([shorter, [bytes, &[0]].concat(), Vec::new()]).collect()
        };
        for id in edited(row.id) {
            assert!(!KeyRow { id: &id, ..row }.is_genuine(&keys));
        }
        for workspace in edited(row.workspace) {
            assert!(!KeyRow { workspace: &workspace, ..row }.is_genuine(&keys));
        }
        for owner in edited(row.owner.unwrap()) {
            assert!(!KeyRow { owner: Some(&owner), ..row }.is_genuine(&keys));
        }
        for body in edited(row.body) {
            assert!(!KeyRow { body: &body, ..row }.is_genuine(&keys));
        }
        for code in edited(row.code) {
            assert!(!KeyRow { code: &code, ..row }.is_genuine(&keys));
        }
        for number in [0, 1, 6, 8, -7, i64::MAX] {
            assert!(!KeyRow { revision: number, ..row }.is_genuine(&keys));
            assert!(number == row.created_ms || !KeyRow { created_ms: number, ..row }.is_genuine(&keys));
            assert!(number == row.root || !KeyRow { root: number, ..row }.is_genuine(&keys));
        }
        assert!(!KeyRow { owner: None, ..row }.is_genuine(&keys));
        assert!(!row.is_genuine(&crate::domain::root::tests::keys(2)));
    }

    #[test]
    fn what_is_written_by_a_key_under_another_root_is_read_as_long_as_that_is_known() {
        let (first, second) = (root(1), root(2));
        let both = DerivedKeys::new(&first, std::slice::from_ref(&second));
        let row = NewKeyRow::of(&full(), Revision(7), &DerivedKeys::new(&first, &[])).unwrap();
        assert!(row.as_row().is_genuine(&both));
        let mut known = KnownValues::default();
        let whole = row.as_row().to_key(7, &both, &mut known).unwrap();
        assert_eq!(row.as_row().to_kept(&both, &mut known).unwrap(), KeptKey::of(&whole), "laid over alike");
        let anew = row.coded(&both);
        assert_eq!(anew.root, 2);
        assert!(anew.as_row().is_genuine(&both) && !anew.as_row().is_genuine(&DerivedKeys::new(&first, &[])));
    }
}
