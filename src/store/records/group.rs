//! Changes of many keys at once, read back from their entries and the lists of their keys.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    caller::CallerBody,
    packed::{Unpackable, pack, unpack},
};
use crate::domain::{
    caller_id::CallerId,
    group::{GroupAct, GroupChange},
    id::KeyId,
    key::RevokeReason,
    revision::Revision,
    text::Comment,
    time::Timestamp,
};
use crate::store::rows::from_stored;

/// What an entry says of its group.
#[derive(Deserialize)]
struct GroupFields<'a> {
    time_ms: i64,
    #[serde(borrow)]
    action: &'a str,
    #[serde(borrow)]
    actor: ActorBody<'a>,
    #[serde(borrow)]
    reason: Option<&'a str>,
    comment: Option<String>,
    expire_ms: Option<i64>,
    key_count: usize,
    #[serde(borrow)]
    keys_digest: Option<&'a str>,
    /// Up to schema 6 an entry had the list in itself.
    #[serde(borrow, default)]
    keys: Vec<Alike<'a>>,
}

/// The keys that are stored as those of an entry; by default none, with a digest that no list has.
#[derive(Default)]
pub(in crate::store) struct KeyList {
    /// In the order in which they are stored.
    pub(in crate::store) keys: Vec<KeyId>,
    /// The digest of them and of their states before, see [`KeysDigest`](crate::domain::group::KeysDigest).
    pub(in crate::store) digest: [u8; 32],
}

#[derive(Deserialize)]
struct ActorBody<'a> {
    #[serde(borrow)]
    key_id: Option<&'a str>,
}

/// Keys that were alike before, their ids one after the other.
#[derive(Deserialize)]
struct Alike<'a> {
    #[serde(borrow)]
    ids: &'a str,
}

/// The change that a genuine entry with a group tells of, with the keys that `list` finds for it; `None` if it cannot be
/// read, or was made with other keys.
pub(in crate::store) fn read_group<E>(
    revision: i64,
    bytes: &[u8],
    list: impl FnOnce() -> Result<KeyList, E>,
) -> Result<Option<GroupChange>, E> {
    let Ok(said) = serde_json::from_slice::<GroupFields<'_>>(bytes) else { return Ok(None) };
    let keys = match said.keys_digest {
        Some(digest) => Some(list()?)
            .filter(|list| BASE64_STANDARD_NO_PAD.encode(list.digest) == digest)
            .map(|list| list.keys),
        None => keys_within(&said.keys),
    };
    Ok(keys.filter(|keys| keys.len() == said.key_count).and_then(|keys| change(revision, &said, keys)))
}

/// What a row says of a change of many keys.
#[derive(Serialize, Deserialize)]
struct ChangeBody {
    time_ms: i64,
    by: CallerBody,
    act: ActBody,
    comment: String,
}

#[derive(Serialize, Deserialize)]
enum ActBody {
    Disable,
    Enable,
    Revoke(String),
    Retire(i64),
}

/// The body of the row of a change of many keys; they stand elsewhere.
pub(in crate::store) fn change_body(change: &GroupChange) -> Result<Vec<u8>, Unpackable> {
    pack(&ChangeBody {
        time_ms: change.time.as_ms(),
        by: CallerBody::of(change.by),
        act: match change.act {
            GroupAct::Disable => ActBody::Disable,
            GroupAct::Enable => ActBody::Enable,
            GroupAct::Revoke(reason) => ActBody::Revoke(reason.as_str().to_owned()),
            GroupAct::Retire(end) => ActBody::Retire(end.as_ms()),
        },
        comment: change.comment.as_str().to_owned(),
    })
}

/// The change of many keys that a row tells of, without them. `None` if it cannot be read.
pub(in crate::store) fn read_change(revision: Revision, body: &[u8]) -> Option<GroupChange> {
    let body: ChangeBody = unpack(body)?;
    let reason = |text: &str| RevokeReason::ALL.into_iter().find(|reason| reason.as_str() == text);
    Some(GroupChange {
        revision,
        time: Timestamp::from_ms(body.time_ms).ok()?,
        by: body.by.into_caller().ok()?,
        act: match body.act {
            ActBody::Disable => GroupAct::Disable,
            ActBody::Enable => GroupAct::Enable,
            ActBody::Revoke(text) => GroupAct::Revoke(reason(&text)?),
            ActBody::Retire(end) => GroupAct::Retire(Timestamp::from_ms(end).ok()?),
        },
        comment: Comment::parse(&body.comment).ok()?,
        keys: Vec::new(),
    })
}

/// What an entry says of the keys that gained by it.
#[derive(Deserialize)]
struct SaidOfGains<'a> {
    gain_count: Option<usize>,
    #[serde(borrow)]
    gains_digest: Option<&'a str>,
}

/// Whether a genuine entry by which keys gained has the keys that `list` finds for it; one by which none gained has nothing to
/// keep.
pub(in crate::store) fn are_gains_kept<E>(
    bytes: &[u8],
    list: impl FnOnce() -> Result<KeyList, E>,
) -> Result<bool, E> {
    let Ok(said) = serde_json::from_slice::<SaidOfGains<'_>>(bytes) else { return Ok(false) };
    let (Some(count), Some(digest)) = (said.gain_count, said.gains_digest) else {
        return Ok(said.gain_count.is_none() && said.gains_digest.is_none());
    };
    let list = list()?;
    Ok(list.keys.len() == count && BASE64_STANDARD_NO_PAD.encode(list.digest) == digest)
}

fn change(revision: i64, said: &GroupFields<'_>, keys: Vec<KeyId>) -> Option<GroupChange> {
    Some(GroupChange {
        revision: from_stored(revision)?,
        time: Timestamp::from_ms(said.time_ms).ok()?,
        by: said.actor.key_id.map(CallerId::parse).transpose().ok()?,
        act: act(said)?,
        comment: Comment::parse(said.comment.as_deref().unwrap_or_default()).ok()?,
        keys,
    })
}

fn keys_within(lists: &[Alike<'_>]) -> Option<Vec<KeyId>> {
    let ids = lists.iter().flat_map(|list| list.ids.as_bytes().chunks(KeyId::DIGITS));
    let keys = ids.map(|id| KeyId::from_digits(std::str::from_utf8(id).ok()?));
    let mut keys: Vec<_> = keys.collect::<Option<_>>()?;
    keys.sort_unstable();
    Some(keys)
}

/// The bytes of an entry of an older schema without the keys that were changed together, for showing a long one; `None` if
/// it has none.
pub(in crate::store) fn without_keys(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut entry: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    entry.remove("keys")?;
    Some(Value::Object(entry).to_string().into_bytes())
}

fn act(said: &GroupFields<'_>) -> Option<GroupAct> {
    let reason = |text| RevokeReason::ALL.into_iter().find(|reason| reason.as_str() == text);
    match said.action {
        "key.disable" => Some(GroupAct::Disable),
        "key.enable" => Some(GroupAct::Enable),
        "key.revoke" => said.reason.map_or(Some(RevokeReason::Unspecified), reason).map(GroupAct::Revoke),
        "key.update" => Timestamp::from_ms(said.expire_ms?).ok().map(GroupAct::Retire),
        _ => None,
    }
}
