//! The log: one entry for each acknowledged change, chained by hash, change log and audit log at once.

mod action;
mod chain;
mod people;

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use serde_json::{Map, Value, json};

pub(super) use self::chain::array;
pub use self::{
    action::Action,
    chain::{Chain, digest},
    people::{PERSON, PersonName, PersonRef, Salt, read_entry},
};

use super::{
    caller_id::CallerId,
    gains::Gains,
    group::Group,
    id::{KeyId, WorkspaceId},
    revision::Revision,
    text::{Comment, Label, Owner, RequestId},
    time::Timestamp,
};

/// Who asked for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The bearer of an administration key, or an actor of the configuration.
    Admin {
        /// That key, or that actor.
        by: CallerId,
        /// The owner of the key.
        owner: Option<Owner>,
        /// Where the request came from.
        address: Option<IpAddr>,
    },
    /// The holder, who presented the key itself.
    Holder {
        /// That key.
        key: KeyId,
        /// Its owner.
        owner: Option<Owner>,
        /// Where the request came from.
        address: Option<IpAddr>,
    },
    /// Keyward itself, or a person at its command line on the machine.
    System,
}

/// One field, before and after. Never a secret, a hash or a root (A5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field's name, as on the wire.
    pub field: Cow<'static, str>,
    /// Before; `Null` if it had no value.
    pub from: Value,
    /// After; `Null` if it has no value.
    pub to: Value,
}

/// One change, as it is told to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was accepted.
    pub time: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// The workspace that it was done in; `None` for what concerns all.
    pub workspace: Option<WorkspaceId>,
    /// The key that it was done to.
    pub key: Option<KeyId>,
    /// The keys that it was done to, where it was done to many together.
    pub group: Option<Arc<Group>>,
    /// The keys that gained by it, though it was not done to them.
    pub gains: Option<Arc<Gains>>,
    /// The member of that workspace that it was done to.
    pub member: Option<Owner>,
    /// The version of the policy that it made.
    pub policy_version: Option<u64>,
    /// The import scheme that it made.
    pub scheme: Option<Label>,
    /// What changed.
    pub changes: Vec<FieldChange>,
    /// Why, for example `compromised`.
    pub reason: Option<&'static str>,
    /// The operator's own words.
    pub comment: Option<Comment>,
    /// The request id given.
    pub request_id: Option<RequestId>,
}

impl LogEntry {
    /// An entry that says who did what, and when; the rest is added to it.
    #[must_use]
    pub const fn new(time: Timestamp, actor: Actor, action: Action) -> Self {
        Self {
            time,
            actor,
            action,
            workspace: None,
            key: None,
            group: None,
            gains: None,
            member: None,
            policy_version: None,
            scheme: None,
            changes: Vec::new(),
            reason: None,
            comment: None,
            request_id: None,
        }
    }

    /// The bytes that are stored, hashed and chained: JSON, version 2, fields in alphabetical order. Rows that the
    /// entry changed are its `key_id`, its `member`, its `policy_version`, its `scheme`, and its `workspace_id` where
    /// `workspace_changed` is true. The keys that `keys_digest` sums up were changed too, though their rows were not
    /// written: what they are now follows from the entry ([`super::group`]).
    /// Those that `gains_digest` sums up were not: what they gained follows from the policy and their members' roles.
    ///
    /// The actor's `key_id` is the caller as [`CallerId`] is written: a key, or an actor of the configuration.
    ///
    /// Where the entry names a person stands what `reference` answers for the name. In entries of version 1 stand names, and they
    /// have no salt.
    ///
    /// # Errors
    /// One of `reference`.
    pub fn canonical_bytes<E>(
        &self,
        revision: Revision,
        workspace_changed: bool,
        salt: Salt,
        reference: impl FnMut(&str) -> Result<PersonRef, E>,
    ) -> Result<Vec<u8>, E> {
        let mut entry = self.with_names(revision, workspace_changed);
        entry.insert("salt".to_owned(), json!(salt.to_string()));
        people::refer(&mut entry, reference)?;
        Ok(Value::Object(entry).to_string().into_bytes())
    }

    /// The entry without its salt, and with names.
    fn with_names(&self, revision: Revision, workspace_changed: bool) -> Map<String, Value> {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                entry.insert(name.to_owned(), value);
            }
        };
        put("v", json!(2));
        put("revision", json!(revision.0));
        put("time_ms", json!(self.time.as_ms()));
        put("actor", self.actor.to_json());
        put("action", json!(self.action.as_str()));
        put("workspace_id", json!(self.workspace.map(|workspace| workspace.to_string())));
        put("workspace_changed", if workspace_changed { json!(true) } else { Value::Null });
        put("policy_version", json!(self.policy_version));
        put("scheme", json!(self.scheme.as_ref().map(Label::as_str)));
        put("member", json!(self.member.as_ref().map(Owner::as_str)));
        put("key_id", json!(self.key.map(|key| key.to_string())));
        put("changes", if self.changes.is_empty() { Value::Null } else { self.changes_to_json() });
        put("reason", json!(self.reason));
        put("comment", json!(self.comment.as_ref().map(Comment::as_str).filter(|text| !text.is_empty())));
        put("request_id", json!(self.request_id.as_ref().map(RequestId::as_str)));
        if let Some(group) = &self.group {
            group.write(&mut entry);
        }
        if let Some(gains) = &self.gains {
            gains.write(&mut entry);
        }
        entry
    }

    fn changes_to_json(&self) -> Value {
        self.changes
            .iter()
            .map(|change| json!({ "field": change.field, "from": change.from, "to": change.to }))
            .collect()
    }
}

impl Actor {
    /// Where the request came from, if it came from anywhere that is known.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Admin { address, .. } | Self::Holder { address, .. } => *address,
            Self::System => None,
        }
    }

    fn to_json(&self) -> Value {
        let (kind, key, owner, address) = match self {
            Self::Admin { by, owner, address } => ("admin", Some(by.to_text()), owner.as_ref(), *address),
            Self::Holder { key, owner, address } => ("holder", Some(key.to_text()), owner.as_ref(), *address),
            Self::System => ("system", None, None, None),
        };
        let mut actor = Map::from_iter([("kind".to_owned(), json!(kind))]);
        let known = [
            ("key_id", key),
            ("owner", owner.map(ToString::to_string)),
            ("address", address.map(|address| address.to_canonical().to_string())),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                actor.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(actor)
    }
}
