//! Import: takes over keys of another system by the hashes of their secrets. Good rows in, bad rows told.
//!
//! Each row is judged as an Issue is, and is a change of its own. There is no request id: a row that is sent again finds
//! its hash taken. A hash that a key out of the caller's reach has is taken in like any other, so that no caller learns
//! of that key; the import that came first counts ([`KeyHash::later`](crate::domain::secret::KeyHash::later)).

pub mod scheme;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;

use crate::{
    changes::{
        Changes,
        keys::issue::{IssuePermit, NewKey, all_fields, as_said},
        support::{
            attempt::Attempt,
            entry::{change, entry, write_key},
        },
        workspaces::roles::require_in_use,
    },
    domain::{
        audit::Action,
        credentials::Secret,
        ending::Ending,
        grant::Grant,
        id::{KeyId, WorkspaceId},
        key::Key,
        parse::ParseError,
        revision::Revision,
        scheme::{ENOUGH_BITS, ForeignHash, Scheme, StartHashes, Strength, WEAK_LIFETIME, Way},
        secret::{Hint, KeyHash, PresentedKey},
        time::Timestamp,
        workspace::Workspace,
    },
    error::{Blocked, Exists, NotFound, OperationError},
    ports::{Mutation, PolicyVersion},
};

/// Rows that are committed at once: others' changes come in between.
const AT_ONCE: usize = 256;

/// Words that are looked at in the rows of one call: each could be the row's own secret, and is hashed. As many as 1,000 rows of
/// usual texts have, and not many more fit into a request.
const MAX_WORDS: usize = 100_000;

/// After how many rows others who share the thread come in between.
const ROWS_AT_ONCE: usize = 8;

const HOLDS_IT: ParseError = ParseError::new("free of the secret itself: it is stored and shown in clear");

/// A key of another system.
#[derive(Clone)]
pub struct NewImport {
    /// What it is to be.
    pub key: NewKey,
    /// What the other system keeps of its secret.
    pub hash: ForeignHash,
    /// What people may recognize the secret by.
    pub hint: Hint,
    /// How many random bits the secret has, if that is known.
    pub bits: u32,
}

/// A row as it was read, or what is wrong with it.
pub struct ImportRow {
    /// The caller's own number of it.
    pub line: u64,
    /// The key.
    pub new: Result<NewImport, OperationError>,
}

/// How to import.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Judge only.
    pub dry_run: bool,
    /// Take in weak secrets, for as long as they may be good.
    pub allow_weak: bool,
}

/// What became of the rows.
#[derive(Debug)]
pub struct Imported {
    /// Of each, in order: the new key; `None` in a dry run.
    pub rows: Vec<Result<Option<KeyId>, OperationError>>,
    /// The last revision that this made.
    pub revision: Option<Revision>,
}

/// What rows are judged by.
struct Judging<'a> {
    permit: &'a IssuePermit,
    workspace: Arc<Workspace>,
    policy: Arc<PolicyVersion>,
    allow_weak: bool,
    now: Timestamp,
    /// How many words may still be looked at.
    words: AtomicUsize,
}

/// A good row: what it says, and what it came to when it was first judged.
struct GoodRow {
    new: NewImport,
    first: Attempt<KeyId>,
}

impl Changes {
    /// Takes over keys into a workspace that the caller reaches.
    ///
    /// # Errors
    /// The workspace does not exist; the policy cannot be trusted. What is wrong with a row is told of the row.
    pub async fn import(
        &self,
        permit: IssuePermit,
        workspace: WorkspaceId,
        rows: Vec<ImportRow>,
        options: ImportOptions,
    ) -> Result<Imported, OperationError> {
        let _import = self.locks.of_import().await;
        let _turn = self.locks.under_policy().await;
        let _making = self.locks.to_make(workspace).await;
        let _roots = self.locks.under_roots().await;
        let ImportOptions { dry_run, allow_weak } = options;
        let judging = || self.judging(&permit, workspace, allow_weak);
        let at_first = judging()?;
        let mut seen = HashMap::new();
        let mut judged = Vec::with_capacity(rows.len());
        for (place, row) in rows.into_iter().enumerate() {
            if place.is_multiple_of(ROWS_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            judged.push(self.judge_row(row, &mut seen, &at_first));
        }
        let mut judged = judged.into_iter();
        let mut imported = Imported { rows: Vec::with_capacity(judged.len()), revision: None };
        if dry_run {
            imported.rows.extend(judged.map(|row| row.map(|_would_be| None)));
            return Ok(imported);
        }
        while judged.len() > 0 {
            let group = judged.by_ref().take(AT_ONCE).map(async |row| {
                let GoodRow { new, first } = row?;
                let mut first = Some(first);
                let judge = || match first.take() {
                    Some(first) => Ok(first),
                    None => self.judge_import(new.clone(), &judging()?),
                };
                self.until_committed(permit.stands_on(), judge).await
            });
            for row in join_all(group).await {
                imported.revision =
                    imported.revision.max(row.as_ref().ok().and_then(|(_, revision)| *revision));
                imported.rows.push(row.map(|(key, _)| {
                    self.tell_of_later(key);
                    Some(key)
                }));
            }
        }
        Ok(imported)
    }

    /// What rows are judged by now.
    fn judging<'a>(
        &self,
        permit: &'a IssuePermit,
        workspace: WorkspaceId,
        allow_weak: bool,
    ) -> Result<Judging<'a>, OperationError> {
        let (policy, now) = (self.policy()?, self.clock.now());
        let workspace = self.index.workspace(workspace).ok_or(NotFound::Workspace)?;
        require_in_use(&workspace)?;
        Ok(Judging { permit, workspace, policy, allow_weak, now, words: AtomicUsize::new(MAX_WORDS) })
    }

    /// A row that is good; `seen` has the hashes of those before it.
    fn judge_row(
        &self,
        row: ImportRow,
        seen: &mut HashMap<[u8; 32], u64>,
        judging: &Judging<'_>,
    ) -> Result<GoodRow, OperationError> {
        let new = row.new?;
        let first = self.judge_import(new.clone(), judging)?;
        let (_, newest) = new.hash.keyed(&self.keys.now().lookup).newest;
        match seen.entry(*newest.as_bytes()) {
            Entry::Occupied(line) => Err(Exists::HashRepeated(*line.get()).into()),
            Entry::Vacant(place) => {
                place.insert(row.line);
                Ok(GoodRow { new, first })
            }
        }
    }

    fn judge_import(&self, new: NewImport, judging: &Judging<'_>) -> Result<Attempt<KeyId>, OperationError> {
        let NewImport { key: mut new, hash, hint, bits } = new;
        let hashing = hash.hashing();
        let way = self.index.way(&hashing).map_err(Blocked::SchemeNotFound)?;
        let hashes = hash.keyed(&self.keys.now().lookup);
        let strength = if bits < ENOUGH_BITS { Strength::Weak } else { Strength::Enough };
        if strength == Strength::Weak {
            if !judging.allow_weak {
                return Err(Blocked::WeakSecret(bits).into());
            }
            if new.ending == Ending::Never {
                new.ending = Ending::At(judging.now.saturating_add(WEAK_LIFETIME));
            }
        }
        let (root, hash) = hashes.newest;
        let scheme = Scheme::Imported(hashing, strength);
        let secret = Secret { generation: 1, scheme, hash, root, hint, created: judging.now };
        let (policy, creator) = (&judging.policy.policy, judging.permit.creator());
        let ending = new.ending;
        let mut key = self.shape("", new, &judging.workspace, policy, creator, secret)?;
        require_end_of_weak(ending.field(), &key)?;
        let issuable = self.require_issuable(judging.permit, policy, &judging.workspace, &key);
        let expects_members = issuable.map_err(|refusal| as_said("", ending, refusal))?;
        self.require_without_secret(&key, &way, &judging.words)?;
        let current = &mut key.credentials.current;
        (current.root, current.hash) = self.require_new_hash(&hashes, judging.permit)?;
        let mut entry = entry(judging.permit.actor(), Action::KeyImport, &key, judging.now);
        entry.changes = all_fields(&key);
        let secret = &key.credentials.current;
        entry.changes.extend([
            change("secret.scheme", (), secret.scheme.to_text()),
            change("secret.hint", (), secret.hint.as_str()),
            change("secret.bits", (), bits),
        ]);
        let id = key.id;
        let mutation = Mutation {
            expects_members,
            expects_workspace: Some((judging.workspace.id, judging.workspace.revision)),
            judged_by: Some(judging.policy.version),
            ..write_key(entry, key)
        };
        Ok(Attempt::Commit(Box::new(mutation), id))
    }

    /// The hash of a new import, and the root that it starts at. Where a key out of the caller's reach has it, it is a later one's,
    /// and starts where that key's does.
    fn require_new_hash(
        &self,
        hashes: &StartHashes,
        permit: &IssuePermit,
    ) -> Result<(u32, KeyHash), OperationError> {
        let mut new = hashes.newest;
        for (start, hash) in hashes.iter() {
            let first = self.index.by_hash(hash);
            let known: Vec<_> = first.into_iter().chain(self.index.later_imports(hash)).collect();
            if let Some(known) = known.iter().find(|found| permit.reaches(&found.key())) {
                return Err(Exists::Hash(known.key().id).into());
            }
            if !known.is_empty() {
                new = (*start, hash.later());
            }
        }
        Ok(new)
    }

    /// Tells the operator of an import that came after another one.
    fn tell_of_later(&self, imported: KeyId) {
        let found = self.index.by_id(imported);
        let earlier = found.as_ref().and_then(|found| self.index.earlier_import(&found.key()));
        if let Some(earlier) = earlier {
            self.judge.alarm_of_imports(earlier, imported);
        }
    }

    /// Passes a key whose texts do not hold its own secret: exports can have it in any column (K2).
    fn require_without_secret(&self, key: &Key, way: &Way, left: &AtomicUsize) -> Result<(), OperationError> {
        let (hash, keys) = (&key.credentials.current.hash, self.keys.now());
        let mut known = HashSet::new();
        let is_it = |text: &str| match PresentedKey::either(text) {
            Some(PresentedKey::Native(plaintext) | PresentedKey::Foreign(plaintext)) => {
                let hashes = plaintext.hashes_in(way, &keys.lookup);
                hashes.iter().any(|(_, presented)| presented.equals(hash))
            }
            None => false,
        };
        if joined(key.credentials.current.hint.as_str()).any(|text| is_it(&text)) {
            return Err(OperationError::invalid("prefix", HOLDS_IT));
        }
        let labels = key.metadata.pairs().iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let texts = [("name", key.name.as_str()), ("description", key.description.as_str())];
        let texts = texts.into_iter().chain(key.owner.iter().map(|owner| ("owner", owner.as_str())));
        let texts = texts.chain(labels.map(|text| ("metadata", text)));
        let resources = key.grants.iter().filter_map(Grant::resources).flatten();
        let texts = texts.chain(resources.map(|pattern| ("grants", pattern.as_str())));
        for (field, text) in texts {
            for word in tokens(text) {
                if !known.insert(word) {
                    continue;
                }
                take_one(left)?;
                if is_it(word) {
                    return Err(OperationError::invalid(field, HOLDS_IT));
                }
            }
        }
        Ok(())
    }
}

/// Takes one of the words that may be looked at.
fn take_one(left: &AtomicUsize) -> Result<(), OperationError> {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    let why = "of fewer words: the rows of one call have at most 100,000 in all their texts; send fewer rows at once";
    taken.map(drop).map_err(|_none_left| OperationError::invalid("rows", ParseError::new(why)))
}

/// What a secret can be of which a hint shows this: its first and its last characters may be the same ones.
fn joined(hint: &str) -> impl Iterator<Item = String> {
    let (first, last) = hint.split_once('…').unwrap_or((hint, ""));
    let rest = (0..=last.len()).filter_map(move |shared| {
        let (both, more) = last.split_at_checked(shared)?;
        first.ends_with(both).then_some(more)
    });
    rest.map(move |more| format!("{first}{more}"))
}

/// Every part of a text that could be a token: its words, without the punctuation that can stand beside a token or in it.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/=".contains(c));
    words.flat_map(|word| {
        let named = word.split_once('=').map(|(_, value)| value);
        let ended = Some(word.trim_end_matches(['.', '-', '/'])).filter(|ended| *ended != word);
        let parts = word.split(['=', '/', '.']).filter(move |part| *part != word);
        std::iter::once(word).chain(named).chain(ended).chain(parts)
    })
}

/// Passes a key whose weak secret, if it has one, is good for 90 days at most; once it was rotated that is over.
pub(in crate::changes) fn require_end_of_weak(field: &str, key: &Key) -> Result<(), OperationError> {
    let secret = &key.credentials.current;
    let Some(latest) = secret.scheme.latest_end(secret.created) else { return Ok(()) };
    if key.expires.is_some_and(|end| end <= latest) {
        return Ok(());
    }
    let why =
        format!("at most {latest}, 90 days after the import of a weak secret, until the key is rotated");
    Err(OperationError::invalid(field, ParseError::owned(why)))
}
