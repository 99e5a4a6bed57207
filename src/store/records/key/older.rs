//! Keys as schemas up to 12 had them: JSON, and a row for each secret. What is read of them is packed anew.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::{
    KeyBody, RetiringBody, SecretBody, StateBody,
    alike::{AlikeBody, CreatorBody},
};
use crate::{
    domain::{
        caller_id::CallerId,
        id::{KeyId, WorkspaceId},
        policy::LimitOverridesEntry,
        root::DerivedKeys,
    },
    store::{
        key_row::NewKeyRow,
        records::{
            admin::AdminBody,
            body::{VERSION, stated},
            caller::CallerBody,
            grant::GrantBody,
            packed::pack,
        },
    },
};

/// How the scheme of a secret of ours was written.
const NATIVE: &str = "keyward-1";

/// A key's row.
pub(in crate::store) struct OlderKeyRow {
    pub(in crate::store) id: Vec<u8>,
    pub(in crate::store) body: Vec<u8>,
    pub(in crate::store) revision: i64,
    pub(in crate::store) code: Vec<u8>,
}

/// A row of one secret.
pub(in crate::store) struct OlderSecretRow {
    pub(in crate::store) generation: i64,
    pub(in crate::store) scheme: Vec<u8>,
    pub(in crate::store) root: i64,
    /// That of a later import has its key's id behind it.
    pub(in crate::store) hash: Vec<u8>,
    pub(in crate::store) hint: Vec<u8>,
    pub(in crate::store) created_ms: i64,
    /// `None` for the current one.
    pub(in crate::store) end_ms: Option<i64>,
    pub(in crate::store) revision: i64,
    pub(in crate::store) code: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OlderBody<'a> {
    v: u8,
    #[serde(borrow)]
    workspace_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "stated")]
    owner: Option<Cow<'a, str>>,
    #[serde(default)]
    follows_owner_role: bool,
    creator: OlderCreator,
    environment: String,
    grants: Vec<GrantBody>,
    networks: Vec<String>,
    metadata: BTreeMap<String, String>,
    #[serde(borrow)]
    state: OlderState<'a>,
    created_ms: i64,
    #[serde(deserialize_with = "stated")]
    expires_ms: Option<i64>,
    updated_ms: i64,
    generations: Vec<u32>,
    #[serde(deserialize_with = "stated")]
    admin: Option<AdminBody>,
    #[serde(default)]
    limits: Option<LimitOverridesEntry>,
    #[serde(default)]
    taken_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OlderCreator {
    System,
    Admin {
        key_id: String,
        #[serde(deserialize_with = "stated")]
        owner: Option<String>,
        workspace_id: String,
        #[serde(default)]
        on_behalf_of: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OlderState<'a> {
    Active,
    Disabled,
    Revoked {
        at_ms: i64,
        #[serde(deserialize_with = "stated")]
        by: Option<String>,
        #[serde(borrow)]
        reason: Cow<'a, str>,
        #[serde(borrow)]
        comment: Cow<'a, str>,
    },
}

impl OlderKeyRow {
    /// The row as it is written now. One that is not as it was written then, or cannot be read, stays one that nobody can trust.
    pub(in crate::store) fn packed_anew(&self, secrets: &[OlderSecretRow], keys: &DerivedKeys) -> NewKeyRow {
        let is_genuine = self.with_parts(|parts| keys.rows.agrees(parts, &self.code))
            && secrets
                .iter()
                .all(|secret| secret.revision == self.revision && secret.is_genuine(&self.id, keys));
        let anew = is_genuine.then(|| self.read(secrets)).flatten();
        anew.map_or_else(|| self.untrusted(), |row| row.coded(keys))
    }

    fn read(&self, secrets: &[OlderSecretRow]) -> Option<NewKeyRow> {
        let body: OlderBody<'_> =
            serde_json::from_slice(&self.body).ok().filter(|body: &OlderBody<'_>| body.v == VERSION)?;
        let id = KeyId::parse(std::str::from_utf8(&self.id).ok()?).ok()?;
        let workspace = WorkspaceId::parse(&body.workspace_id).ok()?;
        let (current, retiring) = self.secrets(&body.generations, secrets, body.created_ms)?;
        let limits = body.limits.as_ref().map(serde_json::to_string).transpose().ok()?;
        let alike = pack(&AlikeBody {
            follows_owner_role: body.follows_owner_role,
            creator: body.creator.packed()?,
            environment: body.environment,
            grants: body.grants,
            networks: body.networks,
            limits,
            admin: body.admin,
        });
        let alike = alike.ok()?;
        let metadata = if body.metadata.is_empty() { Vec::new() } else { pack(&body.metadata).ok()? };
        let packed = pack(&KeyBody {
            alike: &alike,
            name: &body.name,
            description: &body.description,
            metadata: &metadata,
            state: body.state.packed()?,
            expires_ms: body.expires_ms,
            updated_after: body.updated_ms.wrapping_sub(body.created_ms),
            taken_in: body.taken_in.unwrap_or_default(),
            current,
            retiring,
        });
        Some(NewKeyRow {
            id: id.to_bytes().to_vec(),
            workspace: workspace.to_bytes().to_vec(),
            created_ms: body.created_ms,
            owner: body.owner.map(Cow::into_owned),
            body: packed.ok()?,
            revision: self.revision,
            root: 0,
            code: [0; 16],
        })
    }

    /// The secrets that a body lists, in its order: exactly these, the first without an end, the others with one.
    fn secrets<'s>(
        &self,
        generations: &[u32],
        rows: &'s [OlderSecretRow],
        created_ms: i64,
    ) -> Option<(SecretBody<'s>, Vec<RetiringBody<'s>>)> {
        let row = |generation: &u32| rows.iter().find(|row| row.generation == i64::from(*generation));
        let (current, retiring) = generations.split_first()?;
        let current = row(current).filter(|row| row.end_ms.is_none())?.packed(&self.id, created_ms)?;
        let retiring = retiring.iter().map(|generation| {
            let row = row(generation)?;
            Some(RetiringBody { secret: row.packed(&self.id, created_ms)?, end_ms: row.end_ms? })
        });
        let retiring = retiring.collect::<Option<_>>()?;
        (generations.len() == rows.len()).then_some((current, retiring))
    }

    fn untrusted(&self) -> NewKeyRow {
        let id = std::str::from_utf8(&self.id).ok().and_then(|text| KeyId::parse(text).ok());
        NewKeyRow {
            // Behind a text no number can stand that is as long as an id's.
            id: id.map_or_else(|| [b"no key: ".as_slice(), &self.id].concat(), |id| id.to_bytes().to_vec()),
            workspace: Vec::new(),
            created_ms: 0,
            owner: None,
            body: Vec::new(),
            revision: self.revision,
            root: 0,
            code: [0; 16],
        }
    }

    fn with_parts<T>(&self, code: impl FnOnce(&[&[u8]]) -> T) -> T {
        code(&[b"keys", &self.id, &self.body, &self.revision.to_be_bytes()])
    }
}

impl OlderSecretRow {
    fn is_genuine(&self, key_id: &[u8], keys: &DerivedKeys) -> bool {
        let end = self.end_ms.map(i64::to_be_bytes);
        let parts: [&[u8]; 10] = [
            b"secrets",
            key_id,
            &self.generation.to_be_bytes(),
            &self.scheme,
            &self.root.to_be_bytes(),
            &self.hash,
            &self.hint,
            &self.created_ms.to_be_bytes(),
            // No end is no bytes; an end is eight.
            end.as_ref().map_or(&[], <[u8; 8]>::as_slice),
            &self.revision.to_be_bytes(),
        ];
        keys.rows.agrees(&parts, &self.code)
    }

    fn packed(&self, key_id: &[u8], key_created_ms: i64) -> Option<SecretBody<'_>> {
        let (hash, behind) = self.hash.split_at_checked(32)?;
        let scheme = std::str::from_utf8(&self.scheme).ok()?;
        (behind.is_empty() || behind == key_id).then_some(())?;
        Some(SecretBody {
            generation: self.generation.try_into().ok()?,
            root: self.root.try_into().ok()?,
            scheme: if scheme == NATIVE { "" } else { scheme },
            hash,
            is_later: !behind.is_empty(),
            hint: std::str::from_utf8(&self.hint).ok()?,
            created_after: self.created_ms.wrapping_sub(key_created_ms),
        })
    }
}

impl OlderCreator {
    fn packed(self) -> Option<CreatorBody> {
        Some(match self {
            Self::System => CreatorBody::System,
            Self::Admin { key_id, owner, workspace_id, on_behalf_of } => CreatorBody::Admin {
                key: KeyId::parse(&key_id).ok()?.to_bytes(),
                owner,
                workspace: WorkspaceId::parse(&workspace_id).ok()?.to_bytes(),
                on_behalf_of,
            },
        })
    }
}

impl<'a> OlderState<'a> {
    fn packed(&'a self) -> Option<StateBody<'a>> {
        Some(match self {
            Self::Active => StateBody::Active,
            Self::Disabled => StateBody::Disabled,
            Self::Revoked { at_ms, by, reason, comment } => StateBody::Revoked {
                at_ms: *at_ms,
                by: CallerBody::of(by.as_deref().map(CallerId::parse).transpose().ok()?),
                reason,
                comment,
            },
        })
    }
}
