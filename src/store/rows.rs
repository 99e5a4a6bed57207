//! Rows as they are stored, with their codes; only a row whose code and revision fit becomes a key again.
//!
//! A code covers the table's name, the id, every column and the revision that wrote them, under a key derived from
//! the roots. The revision must be the newest one that the log has for the row. So an edited row shows, and so does
//! yesterday's row put back.

use serde_json::Value;

use super::records::{
    key::{key_body, read_key},
    known::KnownValues,
    member::{member_body, read_member},
    policy::{policy_body, read_policy},
    scheme::{read_scheme, scheme_body},
    workspace::{read_workspace, workspace_body},
};
use super::sum::Summand;
use crate::{
    domain::{
        credentials::{Credentials, RetiringSecret, Secret},
        id::{KeyId, WorkspaceId},
        key::Key,
        member::{Member, MemberId},
        revision::Revision,
        root::{DerivedKeys, MacKey},
        scheme::{ForeignKey, ImportScheme, Scheme},
        secret::{Hint, KeyHash},
        text::Label,
        time::Timestamp,
        workspace::Workspace,
        zones,
    },
    ports::{Damaged, OpenScheme, PolicyVersion},
};

/// What can be wrong with a row.
pub(super) const EDITED: &str = "it was edited";
pub(super) const NOT_NEWEST: &str = "it is not the one that its newest log entry wrote";
/// What is wrong with a row that the log names and that is not there.
pub(super) const ROW_MISSING: &str = "its row is missing";

/// What is wrong with a row that no entry of the log names.
pub(super) const ROW_UNKNOWN: &str = "the log does not know it";

/// A row of one key, workspace, member, import scheme or version of the policy.
pub(super) struct Row {
    pub(super) id: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) revision: i64,
    pub(super) code: Vec<u8>,
}

/// A row of one secret.
pub(super) struct SecretRow {
    pub(super) generation: i64,
    pub(super) scheme: Vec<u8>,
    pub(super) root: i64,
    pub(super) hash: Vec<u8>,
    pub(super) hint: Vec<u8>,
    pub(super) created_ms: i64,
    /// `None` for the current one.
    pub(super) end_ms: Option<i64>,
    pub(super) revision: i64,
    pub(super) code: Vec<u8>,
}

/// The rows of `key` as `revision` writes them.
pub(super) fn write_key(
    key: &Key,
    revision: Revision,
    codes: &MacKey,
) -> Result<(Row, Vec<SecretRow>), serde_json::Error> {
    let id = key.id.to_string();
    let row = Row::new("keys", id.clone(), key_body(key, revision)?, revision, codes);
    let secrets = key.credentials.iter().map(|(secret, end)| {
        let mut row = SecretRow {
            generation: secret.generation.into(),
            scheme: secret.scheme.to_text().into(),
            root: secret.root.into(),
            hash: stored_hash(&secret.hash, id.as_bytes()),
            hint: secret.hint.as_str().into(),
            created_ms: secret.created.as_ms(),
            end_ms: end.map(Timestamp::as_ms),
            revision: to_stored(revision),
            code: Vec::new(),
        };
        row.code = row.with_parts(id.as_bytes(), |parts| codes.code(parts)).to_vec();
        row
    });
    let secrets = secrets.collect();
    Ok((row, secrets))
}

/// The row of `workspace` as `revision` writes it.
pub(super) fn write_workspace(
    workspace: &Workspace,
    revision: Revision,
    codes: &MacKey,
) -> Result<Row, serde_json::Error> {
    let body = workspace_body(workspace)?;
    Ok(Row::new("workspaces", workspace.id.to_string(), body, revision, codes))
}

/// The row of `member` as `revision` writes it.
pub(super) fn write_member(
    member: &Member,
    revision: Revision,
    codes: &MacKey,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("members", member.id.to_string(), member_body(member)?, revision, codes))
}

/// The row of a version of the policy as `revision` writes it.
pub(super) fn write_policy(
    policy: &PolicyVersion,
    revision: Revision,
    codes: &MacKey,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("policies", policy.version.to_string(), policy_body(policy)?, revision, codes))
}

/// The row of an import scheme as `revision` writes it.
pub(super) fn write_scheme(
    scheme: &ImportScheme,
    revision: Revision,
    codes: &MacKey,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("schemes", scheme.name.to_string(), scheme_body(scheme)?, revision, codes))
}

impl Row {
    pub(super) fn new(
        table: &str,
        id: impl Into<Vec<u8>>,
        body: impl Into<Vec<u8>>,
        revision: Revision,
        codes: &MacKey,
    ) -> Self {
        let mut row =
            Self { id: id.into(), body: body.into(), revision: to_stored(revision), code: Vec::new() };
        row.code = row.with_parts(table, |parts| codes.code(parts)).to_vec();
        row
    }

    /// The key, if its rows are what the log's newest revision for it wrote.
    pub(super) fn to_key(
        &self,
        secrets: &[SecretRow],
        newest: i64,
        codes: &MacKey,
        known: &mut KnownValues,
    ) -> Result<Key, Damaged> {
        let body = self.genuine_body("keys", newest, codes)?;
        for secret in secrets {
            if secret.revision != newest {
                return Err(self.damaged("a secret of it is not the one that its newest log entry wrote"));
            }
            if !secret.is_genuine(&self.id, codes) {
                return Err(self.damaged("a secret of it was edited"));
            }
        }
        let id = self.parse_id(KeyId::parse);
        let revision = from_stored(self.revision);
        id.zip(revision)
            .and_then(|(id, revision)| {
                read_key(id, revision, body, known, |generations| credentials(&self.id, generations, secrets))
            })
            .ok_or_else(|| self.unread(body, "its body cannot be read, or secrets of it are missing"))
    }

    /// The workspace, if its row is what the log's newest revision for it wrote.
    pub(super) fn to_workspace(&self, newest: i64, codes: &MacKey) -> Result<Workspace, Damaged> {
        let body = self.genuine_body("workspaces", newest, codes)?;
        let id = self.parse_id(WorkspaceId::parse);
        let revision = from_stored(self.revision);
        id.zip(revision)
            .and_then(|(id, revision)| read_workspace(id, revision, body))
            .ok_or_else(|| self.unread(body, "its body cannot be read"))
    }

    /// The member, if its row is what the log's newest revision for it wrote.
    pub(super) fn to_member(&self, newest: i64, codes: &MacKey) -> Result<Member, Damaged> {
        let body = self.genuine_body("members", newest, codes)?;
        let id = self.parse_id(|text| MemberId::parse(text).ok_or(()));
        let revision = from_stored(self.revision);
        id.zip(revision)
            .and_then(|(id, revision)| read_member(id, revision, body))
            .ok_or_else(|| self.damaged("its body cannot be read"))
    }

    /// The version of the policy, if its row is what the log's revision for it wrote.
    pub(super) fn to_policy(&self, newest: i64, codes: &MacKey) -> Result<PolicyVersion, Damaged> {
        let body = self.genuine_body("policies", newest, codes)?;
        let version = self.parse_id(str::parse);
        let revision = from_stored(self.revision);
        version
            .zip(revision)
            .and_then(|(version, revision)| read_policy(version, revision, body))
            .ok_or_else(|| self.unread(body, "its body cannot be read"))
    }

    /// The import scheme, if its row is what the log's revision for it wrote, and its seal holds.
    pub(super) fn to_scheme(&self, newest: i64, keys: &DerivedKeys) -> Result<OpenScheme, Damaged> {
        let body = self.genuine_body("schemes", newest, &keys.rows)?;
        let read = || {
            let name = self.parse_id(Label::parse)?;
            let scheme = read_scheme(name, from_stored(self.revision)?, body)?;
            let secret = keys.schemes.open(&ImportScheme::purpose(&scheme.name), &scheme.sealed)?;
            Some(OpenScheme { key: ForeignKey::new(&secret), scheme })
        };
        read().ok_or_else(|| self.damaged("its body cannot be read, or its seal is broken"))
    }

    /// Whether the row is as it was written, by whichever revision.
    pub(super) fn is_genuine(&self, table: &str, codes: &MacKey) -> bool {
        self.with_parts(table, |parts| codes.agrees(parts, &self.code))
    }

    /// What the row is to the sum, once it is known to be genuine.
    pub(super) fn summand(&self, table: &'static str) -> Summand<'_> {
        Summand { table, id: &self.id, revision: self.revision, code: &self.code }
    }

    /// The id, if it can be read.
    pub(super) fn parse_id<T, E>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        std::str::from_utf8(&self.id).ok().and_then(|text| parse(text).ok())
    }

    /// This row, named as damaged.
    pub(super) fn damaged(&self, why: &'static str) -> Damaged {
        Damaged { id: String::from_utf8_lossy(&self.id).into_owned(), why, zone: None }
    }

    /// The same of a row whose body is the one that was written, and cannot be read; perhaps for want of a time zone.
    fn unread(&self, body: &str, why: &'static str) -> Damaged {
        Damaged { zone: zone_missing(body), ..self.damaged(why) }
    }

    fn genuine_body(&self, table: &str, newest: i64, codes: &MacKey) -> Result<&str, Damaged> {
        if self.revision < 0 {
            return Err(self.damaged(ROW_MISSING));
        }
        if !self.is_genuine(table, codes) {
            return Err(self.damaged(EDITED));
        }
        if self.revision != newest {
            return Err(self.damaged(NOT_NEWEST));
        }
        std::str::from_utf8(&self.body).ok().ok_or_else(|| self.damaged("its body cannot be read"))
    }

    fn with_parts<T>(&self, table: &str, code: impl FnOnce(&[&[u8]]) -> T) -> T {
        code(&[table.as_bytes(), &self.id, &self.body, &self.revision.to_be_bytes()])
    }
}

impl SecretRow {
    /// Whether the row of a secret of this key is as it was written.
    pub(super) fn is_genuine(&self, key_id: &[u8], codes: &MacKey) -> bool {
        self.with_parts(key_id, |parts| codes.agrees(parts, &self.code))
    }

    /// What the row is to the sum, under this id of its own.
    pub(super) fn summand<'r>(&'r self, id: &'r [u8]) -> Summand<'r> {
        Summand { table: "secrets", id, revision: self.revision, code: &self.code }
    }

    /// What names the row among those of all secrets.
    pub(super) fn id(&self, key_id: &[u8]) -> Vec<u8> {
        [key_id, &self.generation.to_be_bytes()].concat()
    }

    fn with_parts<T>(&self, key_id: &[u8], code: impl FnOnce(&[&[u8]]) -> T) -> T {
        let end = self.end_ms.map(i64::to_be_bytes);
        code(&[
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
        ])
    }

    fn to_secret(&self, key_id: &[u8]) -> Option<Secret> {
        Some(Secret {
            scheme: Scheme::stored(std::str::from_utf8(&self.scheme).ok()?)?,
            generation: self.generation.try_into().ok()?,
            hash: read_hash(&self.hash, key_id)?,
            root: self.root.try_into().ok()?,
            hint: Hint::stored(std::str::from_utf8(&self.hint).ok()?),
            created: Timestamp::from_ms(self.created_ms).ok()?,
        })
    }
}

/// A hash as its column holds it. That of a later import has its key's id behind it, since no two rows may hold the same.
fn stored_hash(hash: &KeyHash, key_id: &[u8]) -> Vec<u8> {
    let behind: &[u8] = if hash.is_later() { key_id } else { &[] };
    [hash.as_bytes(), behind].concat()
}

fn read_hash(stored: &[u8], key_id: &[u8]) -> Option<KeyHash> {
    let (bytes, behind) = stored.split_first_chunk()?;
    let hash = KeyHash::stored(*bytes);
    if behind.is_empty() { Some(hash) } else { (behind == key_id).then(|| hash.later()) }
}

/// The secrets that a key's body lists, in its order: exactly these, the first without an end, the others with one.
fn credentials(key_id: &[u8], generations: &[u32], rows: &[SecretRow]) -> Option<Credentials> {
    let row = |generation: &u32| rows.iter().find(|row| row.generation == i64::from(*generation));
    let (current, retiring) = generations.split_first()?;
    let current = row(current).filter(|row| row.end_ms.is_none())?.to_secret(key_id)?;
    let retiring = retiring.iter().map(|generation| {
        let row = row(generation)?;
        let end = Timestamp::from_ms(row.end_ms?).ok()?;
        Some(RetiringSecret { secret: row.to_secret(key_id)?, end })
    });
    let retiring = retiring.collect::<Option<_>>()?;
    (generations.len() == rows.len()).then_some(Credentials { current, retiring })
}

/// The first time zone of a body that is not known here.
fn zone_missing(body: &str) -> Option<String> {
    first_zone(&serde_json::from_str(body).ok()?)
}

fn first_zone(value: &Value) -> Option<String> {
    let is_missing = |zone: &&String| !zone.is_empty() && zones::kept(zone).is_none();
    match value {
        Value::Object(limit) if limit.contains_key("calendar") => {
            let Some(Value::String(zone)) = limit.get("time_zone") else { return None };
            Some(zone).filter(is_missing).cloned()
        }
        Value::Object(fields) => fields.values().find_map(first_zone),
        Value::Array(items) => items.iter().find_map(first_zone),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A revision as a column holds it. The log would have to grow for ever to pass the bound.
pub(super) fn to_stored(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// A revision from its column; `None` if it is negative.
pub(super) fn from_stored(revision: i64) -> Option<Revision> {
    u64::try_from(revision).ok().map(Revision)
}
