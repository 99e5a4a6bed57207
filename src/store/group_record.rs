//! Changes of many keys at once, read back from the bytes of their entries.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::rows::from_stored;
use crate::domain::{
    group::{GroupAct, GroupChange},
    id::KeyId,
    key::RevokeReason,
    text::Comment,
    time::Timestamp,
};

/// What an entry says of its group.
#[derive(Deserialize)]
struct Said<'a> {
    time_ms: i64,
    #[serde(borrow)]
    action: &'a str,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    reason: Option<&'a str>,
    comment: Option<String>,
    expire_ms: Option<i64>,
    key_count: usize,
    #[serde(borrow)]
    keys: Vec<List<'a>>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    key_id: Option<&'a str>,
}

/// Keys that were alike before, their ids one after the other.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    ids: &'a str,
}

/// The change that a genuine entry with a group tells of; `None` if it cannot be read.
pub(super) fn read_group(revision: i64, bytes: &[u8]) -> Option<GroupChange> {
    let said: Said<'_> = serde_json::from_slice(bytes).ok()?;
    let by = match said.actor.key_id {
        Some(key) => Some(KeyId::parse(key).ok()?),
        None => None,
    };
    let mut keys = Vec::with_capacity(said.key_count);
    for list in &said.keys {
        let ids = list.ids.as_bytes().chunks(KeyId::DIGITS);
        for id in ids {
            keys.push(KeyId::from_digits(std::str::from_utf8(id).ok()?)?);
        }
    }
    keys.sort_unstable();
    let change = GroupChange {
        revision: from_stored(revision)?,
        time: Timestamp::from_ms(said.time_ms).ok()?,
        by,
        act: act(&said)?,
        comment: Comment::parse(said.comment.as_deref().unwrap_or_default()).ok()?,
        keys,
    };
    (change.keys.len() == said.key_count).then_some(change)
}

/// The bytes of an entry without the keys that were changed together, which nobody is shown; `None` if it has none.
pub(super) fn without_keys(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut entry: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    entry.remove("keys")?;
    Some(Value::Object(entry).to_string().into_bytes())
}

fn act(said: &Said<'_>) -> Option<GroupAct> {
    let reason = |text| RevokeReason::ALL.into_iter().find(|reason| reason.as_str() == text);
    match said.action {
        "key.disable" => Some(GroupAct::Disable),
        "key.enable" => Some(GroupAct::Enable),
        "key.revoke" => said.reason.map_or(Some(RevokeReason::Unspecified), reason).map(GroupAct::Revoke),
        "key.update" => Timestamp::from_ms(said.expire_ms?).ok().map(GroupAct::Retire),
        _ => None,
    }
}
