//! Rows as they are stored, with their codes; only a row whose code and revision fit becomes again what it tells of. Keys have
//! rows of their own kind, see [`key_row`](super::key_row).
//!
//! A code covers the table's name, the id, the body and the revision that wrote them, under a key derived from the root that the
//! row says it stands under. The revision must be the newest one that the log has for the row. So an edited row shows, and so
//! does yesterday's row put back.

use serde_json::Value;

use super::records::{
    member::{member_body, read_member},
    policy::{policy_body, read_policy},
    scheme::{read_scheme, scheme_body},
    workspace::{read_workspace, workspace_body},
};
use super::sum::Summand;
use crate::{
    domain::{
        id::WorkspaceId,
        member::{Member, MemberId},
        revision::Revision,
        root::DerivedKeys,
        scheme::{ForeignKey, ImportScheme},
        text::Label,
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

/// A row of one workspace, member, import scheme or version of the policy, or of another table whose rows have a body.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) id: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) revision: i64,
    /// The number of the root under which the code is made.
    pub(super) root: i64,
    pub(super) code: Vec<u8>,
}

/// The row of `workspace` as `revision` writes it.
pub(super) fn write_workspace(
    workspace: &Workspace,
    revision: Revision,
    keys: &DerivedKeys,
) -> Result<Row, serde_json::Error> {
    let body = workspace_body(workspace)?;
    Ok(Row::new("workspaces", workspace.id.to_string(), body, revision, keys))
}

/// The row of `member` as `revision` writes it.
pub(super) fn write_member(
    member: &Member,
    revision: Revision,
    keys: &DerivedKeys,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("members", member.id.to_string(), member_body(member)?, revision, keys))
}

/// The row of a version of the policy as `revision` writes it.
pub(super) fn write_policy(
    policy: &PolicyVersion,
    revision: Revision,
    keys: &DerivedKeys,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("policies", policy.version.to_string(), policy_body(policy)?, revision, keys))
}

/// The row of an import scheme as `revision` writes it.
pub(super) fn write_scheme(
    scheme: &ImportScheme,
    revision: Revision,
    keys: &DerivedKeys,
) -> Result<Row, serde_json::Error> {
    Ok(Row::new("schemes", scheme.name.to_string(), scheme_body(scheme)?, revision, keys))
}

impl Row {
    pub(super) fn new(
        table: &str,
        id: impl Into<Vec<u8>>,
        body: impl Into<Vec<u8>>,
        revision: Revision,
        keys: &DerivedKeys,
    ) -> Self {
        let (id, body, revision) = (id.into(), body.into(), to_stored(revision));
        let mut row = Self { id, body, revision, root: keys.newest_rows().root(), code: Vec::new() };
        row.code = row.with_parts(table, |parts| keys.newest_rows().code(parts)).to_vec();
        row
    }

    /// The workspace, if its row is what the log's newest revision for it wrote.
    pub(super) fn to_workspace(&self, newest: i64, keys: &DerivedKeys) -> Result<Workspace, Damaged> {
        let body = self.genuine_body("workspaces", newest, keys)?;
        let id = self.parse_id(WorkspaceId::parse);
        let revision = from_stored(self.revision);
        id.zip(revision)
            .and_then(|(id, revision)| read_workspace(id, revision, body))
            .ok_or_else(|| self.unread(body, "its body cannot be read"))
    }

    /// The member, if its row is what the log's newest revision for it wrote.
    pub(super) fn to_member(&self, newest: i64, keys: &DerivedKeys) -> Result<Member, Damaged> {
        let body = self.genuine_body("members", newest, keys)?;
        let id = self.parse_id(|text| MemberId::parse(text).ok_or(()));
        let revision = from_stored(self.revision);
        id.zip(revision)
            .and_then(|(id, revision)| read_member(id, revision, body))
            .ok_or_else(|| self.damaged("its body cannot be read"))
    }

    /// The version of the policy, if its row is what the log's revision for it wrote.
    pub(super) fn to_policy(&self, newest: i64, keys: &DerivedKeys) -> Result<PolicyVersion, Damaged> {
        let body = self.genuine_body("policies", newest, keys)?;
        let version = self.parse_id(str::parse);
        let revision = from_stored(self.revision);
        version
            .zip(revision)
            .and_then(|(version, revision)| read_policy(version, revision, body))
            .ok_or_else(|| self.unread(body, "its body cannot be read"))
    }

    /// The import scheme, if its row is what the log's revision for it wrote, and its seal holds.
    pub(super) fn to_scheme(&self, newest: i64, keys: &DerivedKeys) -> Result<OpenScheme, Damaged> {
        let body = self.genuine_body("schemes", newest, keys)?;
        let read = || {
            let name = self.parse_id(Label::parse)?;
            let scheme = read_scheme(name, from_stored(self.revision)?, body)?;
            let secret = keys.schemes.open(&ImportScheme::purpose(&scheme.name), &scheme.sealed)?;
            Some(OpenScheme { key: ForeignKey::new(&secret), scheme })
        };
        read().ok_or_else(|| self.damaged("its body cannot be read, or its seal is broken"))
    }

    /// The same row with another body, under the newest root.
    pub(super) fn with_body(&self, table: &str, body: Vec<u8>, keys: &DerivedKeys) -> Self {
        let under = keys.newest_rows();
        let mut row = Self { body, root: under.root(), ..self.clone() };
        row.code = row.with_parts(table, |parts| under.code(parts)).to_vec();
        row
    }

    /// The body of an import scheme, sealed with the newest root.
    pub(super) fn resealed(&self, keys: &DerivedKeys) -> Option<Vec<u8>> {
        let name = self.parse_id(Label::parse)?;
        let body = std::str::from_utf8(&self.body).ok()?;
        let mut scheme = read_scheme(name, from_stored(self.revision)?, body)?;
        scheme.sealed = keys.schemes.reseal(&ImportScheme::purpose(&scheme.name), &scheme.sealed)?;
        scheme_body(&scheme).ok().map(Into::into)
    }

    /// Whether the row is as it was written, by whichever revision.
    pub(super) fn is_genuine(&self, table: &str, keys: &DerivedKeys) -> bool {
        let under = keys.of_rows(self.root);
        under.is_some_and(|keys| self.with_parts(table, |parts| keys.agrees(parts, &self.code)))
    }

    /// What the row is to the sum, once it is known to be genuine.
    pub(super) fn summand(&self) -> Summand<'_> {
        Summand { root: self.root, code: &self.code }
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

    fn genuine_body(&self, table: &str, newest: i64, keys: &DerivedKeys) -> Result<&str, Damaged> {
        if self.revision < 0 {
            return Err(self.damaged(ROW_MISSING));
        }
        if !self.is_genuine(table, keys) {
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

/// The first time zone of a body, or of limits, that is not known here.
pub(super) fn zone_missing(body: &str) -> Option<String> {
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
