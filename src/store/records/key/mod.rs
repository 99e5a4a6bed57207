//! How keys are written down: packed, with their secrets.
//!
//! What many keys have alike lies together as one run of bytes, so that who reads many keys reads each such run once. The key's
//! id, workspace, owner and time of issue are columns of its row.

mod alike;
mod older;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

use self::alike::AlikeBody;
pub(in crate::store) use self::{
    alike::AlikeParts,
    older::{OlderKeyRow, OlderSecretRow},
};
use super::{
    caller::CallerBody,
    known::KnownValues,
    packed::{Unpackable, pack, unpack},
};
use crate::domain::{
    credentials::{Credentials, RetiringSecret, Secret},
    footprint::own_bytes,
    id::{KeyId, WorkspaceId},
    key::{KeptKey, KeptSecret, Key, KeyState, OwnParts, Revocation, RevokeReason, StateKind},
    revision::Revision,
    scheme::Scheme,
    secret::{Hint, KeyHash},
    text::{Comment, Description, Metadata, Name, Owner},
    time::Timestamp,
};

/// A key's body.
#[derive(Serialize, Deserialize)]
struct KeyBody<'a> {
    /// An [`AlikeBody`].
    alike: &'a [u8],
    name: &'a str,
    description: &'a str,
    /// Labels, packed; nothing where there are none.
    metadata: &'a [u8],
    #[serde(borrow)]
    state: StateBody<'a>,
    expires_ms: Option<i64>,
    /// Since it was issued.
    updated_after: i64,
    /// Zero of a key without an imported secret, and of one from before it was noted.
    taken_in: u64,
    #[serde(borrow)]
    current: SecretBody<'a>,
    #[serde(borrow)]
    retiring: Vec<RetiringBody<'a>>,
}

#[derive(Serialize, Deserialize)]
enum StateBody<'a> {
    Active,
    Disabled,
    Revoked { at_ms: i64, by: CallerBody, reason: &'a str, comment: &'a str },
}

#[derive(Serialize, Deserialize)]
struct SecretBody<'a> {
    generation: u32,
    /// The root that it started at.
    root: u32,
    /// Nothing for one of ours.
    scheme: &'a str,
    hash: &'a [u8],
    /// Whether it is that of a later import.
    is_later: bool,
    hint: &'a str,
    /// Since the key was issued.
    created_after: i64,
}

#[derive(Serialize, Deserialize)]
struct RetiringBody<'a> {
    #[serde(borrow)]
    secret: SecretBody<'a>,
    end_ms: i64,
}

/// The body of a key's row, as `revision` writes it.
pub(in crate::store) fn pack_key(key: &Key, revision: Revision) -> Result<Vec<u8>, Unpackable> {
    let taken_in = if key.revision == Revision::ZERO { revision } else { key.taken_in };
    let has_import = key.credentials.iter().any(|(secret, _)| secret.is_imported());
    let alike = pack(&AlikeBody::of(key)?)?;
    let metadata = if key.metadata.pairs().is_empty() { Vec::new() } else { pack(key.metadata.pairs())? };
    let schemes: Vec<_> = key.credentials.iter().map(|(secret, _)| scheme_text(&secret.scheme)).collect();
    let mut schemes = schemes.iter().map(String::as_str);
    let mut of = |secret| SecretBody::of(secret, schemes.next().unwrap_or_default(), key.created);
    pack(&KeyBody {
        alike: &alike,
        name: key.name.as_str(),
        description: key.description.as_str(),
        metadata: &metadata,
        state: StateBody::of(&key.state),
        expires_ms: key.expires.map(Timestamp::as_ms),
        updated_after: since(key.created, key.updated),
        taken_in: if has_import { taken_in.0 } else { 0 },
        current: of(&key.credentials.current),
        retiring: key
            .credentials
            .retiring
            .iter()
            .map(|retiring| RetiringBody { secret: of(&retiring.secret), end_ms: retiring.end.as_ms() })
            .collect(),
    })
}

/// What stands in columns of a key's row.
pub(in crate::store) struct KeyColumns<'r> {
    pub(in crate::store) id: KeyId,
    pub(in crate::store) workspace: WorkspaceId,
    pub(in crate::store) created: Timestamp,
    pub(in crate::store) owner: Option<&'r str>,
    pub(in crate::store) revision: Revision,
}

/// A key from its row's columns and body, which are known to be as they were written. `None` if it cannot be read.
pub(in crate::store) fn read_key(
    columns: &KeyColumns<'_>,
    body: &[u8],
    known: &mut KnownValues,
) -> Option<Key> {
    let KeyColumns { id, workspace, created, owner, revision } = *columns;
    let body: KeyBody<'_> = unpack(body)?;
    let alike = alike_of(body.alike, known)?;
    let shared = &alike.parts;
    Some(Key {
        id,
        workspace,
        name: Name::stored(body.name),
        description: Description::stored(body.description),
        owner: owner.map(Owner::stored),
        follows_owner_role: shared.follows_owner_role,
        creator: Arc::clone(&shared.creator),
        environment: shared.environment.clone(),
        grants: Arc::clone(&shared.grants),
        networks: Arc::clone(&shared.networks),
        metadata: metadata_of(body.metadata, known)?.unwrap_or_default(),
        limits: shared.limits.clone(),
        state: body.state.into_state()?,
        created,
        expires: body.expires_ms.map(Timestamp::from_ms).transpose().ok()?,
        updated: after(created, body.updated_after)?,
        credentials: Credentials {
            current: body.current.into_secret(created)?,
            retiring: body.retiring.into_iter().map(|it| it.into_retiring(created)).collect::<Option<_>>()?,
        },
        admin: shared.admin.clone(),
        revision,
        taken_in: Revision(body.taken_in),
    })
}

/// The same, as much of it as memory keeps.
pub(in crate::store) fn read_kept(
    columns: &KeyColumns<'_>,
    body: &[u8],
    known: &mut KnownValues,
) -> Option<KeptKey> {
    let KeyColumns { id, workspace, created, owner, revision } = *columns;
    let body: KeyBody<'_> = unpack(body)?;
    let alike = alike_of(body.alike, known)?;
    let metadata = metadata_of(body.metadata, known)?;
    let texts = [body.name, body.description, owner.unwrap_or_default()];
    let retiring = body.retiring.into_iter().map(|it| it.into_retiring(created));
    let own = OwnParts {
        id,
        owner: owner.map(Owner::stored),
        state: body.state.kind()?,
        created,
        expires: body.expires_ms.map(Timestamp::from_ms).transpose().ok()?,
        updated: after(created, body.updated_after)?,
        current: body.current.into_kept(created)?,
        retiring: retiring.map(|retiring| Some(retiring?.without_hint())).collect::<Option<_>>()?,
        revision,
        taken_in: Revision(body.taken_in),
        bytes: own_bytes(texts, metadata.as_deref().unwrap_or(&NO_METADATA)).saturating_add(alike.bytes),
        metadata,
    };
    Some(KeptKey { own, workspace, shared: Arc::clone(&alike.parts) })
}

/// Of a body that is the one that was written and cannot be read: the time zone for want of which it cannot.
pub(in crate::store) fn zone_of(body: &[u8]) -> Option<String> {
    unpack::<AlikeBody>(unpack::<KeyBody<'_>>(body)?.alike)?.zone_missing()
}

/// The environment that a body names, without a look at the rest.
pub(in crate::store) fn environment_of(body: &[u8]) -> Option<String> {
    Some(unpack::<AlikeBody>(unpack::<KeyBody<'_>>(body)?.alike)?.environment)
}

/// A secret as the store knows it apart from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct StoredSecret {
    pub(in crate::store) generation: u32,
    /// `None` of a later import, whose hash is another key's.
    pub(in crate::store) hash: Option<[u8; 32]>,
}

/// The secrets of a body; none if it cannot be read.
pub(in crate::store) fn secrets_of(body: &[u8]) -> Vec<StoredSecret> {
    let Some(body) = unpack::<KeyBody<'_>>(body) else { return Vec::new() };
    let all = std::iter::once(&body.current).chain(body.retiring.iter().map(|retiring| &retiring.secret));
    let stored = |secret: &SecretBody<'_>| StoredSecret {
        generation: secret.generation,
        hash: secret.hash.try_into().ok().filter(|_| !secret.is_later),
    };
    all.map(stored).collect()
}

/// Where a secret starts, and whether anything depends on its being found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct SecretStart {
    /// The root that it starts at.
    pub(in crate::store) root: u32,
    /// Whether it ended for good by the time that was asked for, and is one of ours. An imported one is never let go: while it is
    /// found, no later import of its token is good.
    pub(in crate::store) is_over: bool,
}

/// Where the secrets of a body start; those are over that ended at the millisecond `by` or earlier.
pub(in crate::store) fn starts_of(body: &[u8], by: i64) -> Vec<SecretStart> {
    let Some(body) = unpack::<KeyBody<'_>>(body) else { return Vec::new() };
    let revoked = match &body.state {
        StateBody::Revoked { at_ms, .. } => Some(*at_ms),
        StateBody::Active | StateBody::Disabled => None,
    };
    let of_key = body.expires_ms.into_iter().chain(revoked).min();
    let start = |secret: &SecretBody<'_>, own: Option<i64>| {
        let end = own.into_iter().chain(of_key).min();
        let is_over = secret.scheme.is_empty() && end.is_some_and(|end| end <= by);
        SecretStart { root: secret.root, is_over }
    };
    let retiring = body.retiring.iter().map(|retiring| start(&retiring.secret, Some(retiring.end_ms)));
    std::iter::once(start(&body.current, None)).chain(retiring).collect()
}

/// A body with other hashes, which `lay` makes of those that are in it.
pub(in crate::store) fn laid_body(
    body: &[u8],
    lay: impl Fn([u8; 32]) -> Option<[u8; 32]>,
) -> Option<Vec<u8>> {
    let mut body: KeyBody<'_> = unpack(body)?;
    let laid = |hash: &[u8]| lay(hash.try_into().ok()?);
    let current = laid(body.current.hash)?;
    let retiring: Vec<_> =
        body.retiring.iter().map(|retiring| laid(retiring.secret.hash)).collect::<Option<_>>()?;
    body.current.hash = &current;
    for (retiring, hash) in body.retiring.iter_mut().zip(&retiring) {
        retiring.secret.hash = hash;
    }
    pack(&body).ok()
}

static NO_METADATA: LazyLock<Metadata> = LazyLock::new(Metadata::default);

fn alike_of(bytes: &[u8], known: &mut KnownValues) -> Option<Arc<AlikeParts>> {
    known.alike.value(bytes, |bytes| unpack::<AlikeBody>(bytes)?.into_alike().map(Arc::new))
}

/// Labels; the inner `None` stands for no labels, which most keys have.
#[expect(clippy::option_option, reason = "the outer one says whether they can be read")]
fn metadata_of(bytes: &[u8], known: &mut KnownValues) -> Option<Option<Arc<Metadata>>> {
    if bytes.is_empty() {
        return Some(None);
    }
    known.metadata.value(bytes, |bytes| read_metadata(bytes).map(Into::into)).map(Some)
}

fn read_metadata(bytes: &[u8]) -> Option<Metadata> {
    Metadata::parse(unpack::<BTreeMap<String, String>>(bytes)?).ok()
}

/// How long after `begin` something was, in milliseconds; times far apart come back all the same.
fn since(begin: Timestamp, time: Timestamp) -> i64 {
    time.as_ms().wrapping_sub(begin.as_ms())
}

fn after(begin: Timestamp, milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_ms(begin.as_ms().wrapping_add(milliseconds)).ok()
}

fn reason_of(text: &str) -> Option<RevokeReason> {
    RevokeReason::ALL.into_iter().find(|known| known.as_str() == text)
}

fn scheme_text(scheme: &Scheme) -> String {
    if *scheme == Scheme::Native { String::new() } else { scheme.to_text() }
}

impl<'a> SecretBody<'a> {
    fn of(secret: &'a Secret, scheme: &'a str, key_created: Timestamp) -> Self {
        Self {
            generation: secret.generation,
            root: secret.root,
            scheme,
            hash: secret.hash.as_bytes(),
            is_later: secret.hash.is_later(),
            hint: secret.hint.as_str(),
            created_after: since(key_created, secret.created),
        }
    }

    fn into_secret(self, key_created: Timestamp) -> Option<Secret> {
        let (root, hint) = (self.root, Hint::stored(self.hint));
        let KeptSecret { generation, scheme, hash, created } = self.into_kept(key_created)?;
        Some(Secret { generation, scheme, hash, root, hint, created })
    }

    /// As much of it as memory keeps.
    fn into_kept(self, key_created: Timestamp) -> Option<KeptSecret> {
        let hash = KeyHash::stored(self.hash.try_into().ok()?);
        Some(KeptSecret {
            generation: self.generation,
            scheme: if self.scheme.is_empty() { Scheme::Native } else { Scheme::stored(self.scheme)? },
            hash: if self.is_later { hash.later() } else { hash },
            created: after(key_created, self.created_after)?,
        })
    }
}

impl RetiringBody<'_> {
    fn into_retiring(self, key_created: Timestamp) -> Option<RetiringSecret> {
        let end = Timestamp::from_ms(self.end_ms).ok()?;
        Some(RetiringSecret { secret: self.secret.into_secret(key_created)?, end })
    }
}

impl<'a> StateBody<'a> {
    /// As much of it as memory keeps.
    fn kind(&self) -> Option<StateKind> {
        Some(match self {
            Self::Active => StateKind::Active,
            Self::Disabled => StateKind::Disabled,
            Self::Revoked { reason, .. } => reason_of(reason).map(|_| StateKind::Revoked)?,
        })
    }

    fn of(state: &'a KeyState) -> Self {
        match state {
            KeyState::Active => Self::Active,
            KeyState::Disabled => Self::Disabled,
            KeyState::Revoked(revocation) => Self::Revoked {
                at_ms: revocation.at.as_ms(),
                by: CallerBody::of(revocation.by),
                reason: revocation.reason.as_str(),
                comment: revocation.comment.as_str(),
            },
        }
    }

    fn into_state(self) -> Option<KeyState> {
        let (at_ms, by, reason, comment) = match self {
            Self::Active => return Some(KeyState::Active),
            Self::Disabled => return Some(KeyState::Disabled),
            Self::Revoked { at_ms, by, reason, comment } => (at_ms, by, reason, comment),
        };
        Some(KeyState::Revoked(Box::new(Revocation {
            at: Timestamp::from_ms(at_ms).ok()?,
            by: by.into_caller().ok()?,
            reason: reason_of(reason)?,
            comment: Comment::stored(comment),
        })))
    }
}
