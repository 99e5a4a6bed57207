//! How keys are written down: JSON, version 1.
//!
//! Everything but secrets, which are rows of their own: a key's body lists their generations only. Every field stands
//! there, `null` where it has no value, so that absence is never read as anything.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    admin::AdminBody,
    body::{VERSION, read_limits, stated},
    grant::GrantBody,
    known::KnownValues,
};
use crate::domain::{
    credentials::Credentials,
    grant::Grants,
    id::{KeyId, WorkspaceId},
    key::{Creator, Key, KeyState, Revocation, RevokeReason},
    network::{AllowedNetworks, parse_network},
    policy::LimitOverridesEntry,
    revision::Revision,
    text::{Comment, Description, EnvironmentName, Metadata, Name, Owner},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody<'a> {
    v: u8,
    #[serde(borrow)]
    workspace_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(deserialize_with = "stated")]
    owner: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    follows_owner_role: bool,
    #[serde(borrow)]
    creator: &'a RawValue,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    grants: &'a RawValue,
    #[serde(borrow)]
    networks: &'a RawValue,
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    state: StateBody<'a>,
    created_ms: i64,
    #[serde(deserialize_with = "stated")]
    expires_ms: Option<i64>,
    updated_ms: i64,
    generations: Vec<u32>,
    #[serde(deserialize_with = "stated")]
    admin: Option<AdminBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<LimitOverridesEntry>,
    /// Of a key with an imported secret; absent in bodies from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_in: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CreatorBody {
    System,
    Admin {
        key_id: String,
        #[serde(deserialize_with = "stated")]
        owner: Option<String>,
        workspace_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf_of: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StateBody<'a> {
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The body of a key's row, as `revision` writes it.
pub(in crate::store) fn key_body(key: &Key, revision: Revision) -> Result<String, serde_json::Error> {
    let taken_in = if key.revision == Revision::ZERO { revision } else { key.taken_in };
    let has_import = key.credentials.iter().any(|(secret, _)| secret.is_imported());
    let networks: Vec<_> = key.networks.as_slice().iter().map(ToString::to_string).collect();
    serde_json::to_string(&KeyBody {
        v: VERSION,
        workspace_id: key.workspace.to_string().into(),
        name: key.name.as_str().into(),
        description: key.description.as_str().into(),
        owner: key.owner.as_ref().map(|owner| owner.as_str().into()),
        follows_owner_role: key.follows_owner_role,
        creator: &to_raw_value(&CreatorBody::of(&key.creator))?,
        environment: key.environment.as_str().into(),
        grants: &to_raw_value(&GrantBody::all(&key.grants))?,
        networks: &to_raw_value(&networks)?,
        metadata: &to_raw_value(key.metadata.pairs())?,
        limits: key.limits.as_ref().map(|own| own.entry().clone()),
        state: StateBody::of(&key.state),
        created_ms: key.created.as_ms(),
        expires_ms: key.expires.map(Timestamp::as_ms),
        updated_ms: key.updated.as_ms(),
        generations: key.credentials.iter().map(|(secret, _)| secret.generation).collect(),
        admin: key.admin.as_deref().map(AdminBody::of),
        taken_in: Some(taken_in.0).filter(|taken_in| has_import && *taken_in > 0),
    })
}

/// A key from its row's body; `credentials` gives its secrets by their generations. `None` if it cannot be read.
pub(in crate::store) fn read_key(
    id: KeyId,
    revision: Revision,
    body: &str,
    known: &mut KnownValues,
    credentials: impl FnOnce(&[u32]) -> Option<Credentials>,
) -> Option<Key> {
    let body: KeyBody<'_> = serde_json::from_str(body).ok().filter(|body: &KeyBody<'_>| body.v == VERSION)?;
    let owner = |text: &str| known.owners.value(text, |text| Owner::parse(text).ok());
    Some(Key {
        id,
        owner: body.owner.as_deref().map(owner).map_or(Some(None), |owner| owner.map(Some))?,
        follows_owner_role: body.follows_owner_role,
        workspace: known.workspaces.value(&body.workspace_id, |text| WorkspaceId::parse(text).ok())?,
        name: Name::parse(&body.name).ok()?,
        description: Description::parse(&body.description).ok()?,
        creator: known.creators.value(body.creator.get(), read_creator)?,
        environment: known.environments.value(&body.environment, |text| EnvironmentName::parse(text).ok())?,
        grants: known.grants.value(body.grants.get(), read_grants)?,
        networks: known.networks.value(body.networks.get(), read_networks)?,
        metadata: known.metadata.value(body.metadata.get(), read_metadata)?,
        limits: read_limits(body.limits).ok()?,
        state: body.state.into_state()?,
        created: Timestamp::from_ms(body.created_ms).ok()?,
        expires: body.expires_ms.map(Timestamp::from_ms).transpose().ok()?,
        updated: Timestamp::from_ms(body.updated_ms).ok()?,
        credentials: credentials(&body.generations)?,
        admin: body
            .admin
            .map(AdminBody::into_rights)
            .map_or(Some(None), |admin| Some(Some(Arc::new(admin?))))?,
        revision,
        taken_in: Revision(body.taken_in.unwrap_or_default()),
    })
}

impl CreatorBody {
    fn of(creator: &Creator) -> Self {
        match creator {
            Creator::System => Self::System,
            Creator::Admin { key, owner, workspace, on_behalf_of } => Self::Admin {
                key_id: key.to_string(),
                owner: owner.as_ref().map(ToString::to_string),
                workspace_id: workspace.to_string(),
                on_behalf_of: on_behalf_of.as_ref().map(ToString::to_string),
            },
        }
    }
}

fn read_creator(text: &str) -> Option<Arc<Creator>> {
    let creator = match serde_json::from_str(text).ok()? {
        CreatorBody::System => Creator::System,
        CreatorBody::Admin { key_id, owner, workspace_id, on_behalf_of } => Creator::Admin {
            key: KeyId::parse(&key_id).ok()?,
            owner: owner.as_deref().map(Owner::parse).transpose().ok()?,
            workspace: WorkspaceId::parse(&workspace_id).ok()?,
            on_behalf_of: on_behalf_of.as_deref().map(Owner::parse).transpose().ok()?,
        },
    };
    Some(Arc::new(creator))
}

fn read_grants(text: &str) -> Option<Arc<Grants>> {
    GrantBody::into_grants(serde_json::from_str(text).ok()?).map(Arc::new)
}

fn read_networks(text: &str) -> Option<Arc<AllowedNetworks>> {
    let networks: Vec<String> = serde_json::from_str(text).ok()?;
    let networks = networks.iter().map(|text| parse_network(text).ok()).collect::<Option<_>>()?;
    AllowedNetworks::new(networks).ok().map(Arc::new)
}

fn read_metadata(text: &str) -> Option<Arc<Metadata>> {
    let pairs: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    Metadata::parse(pairs).ok().map(Arc::new)
}

impl<'a> StateBody<'a> {
    fn of(state: &'a KeyState) -> Self {
        match state {
            KeyState::Active => Self::Active,
            KeyState::Disabled => Self::Disabled,
            KeyState::Revoked(revocation) => Self::Revoked {
                at_ms: revocation.at.as_ms(),
                by: revocation.by.map(|key| key.to_string()),
                reason: revocation.reason.as_str().into(),
                comment: revocation.comment.as_str().into(),
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
            by: by.as_deref().map(KeyId::parse).transpose().ok()?,
            reason: RevokeReason::ALL.into_iter().find(|known| known.as_str() == reason)?,
            comment: Comment::parse(&comment).ok()?,
        })))
    }
}
