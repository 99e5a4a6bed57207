//! How members are written down: JSON, version 1, with every field there, as for keys.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::body::{VERSION, stated};
use crate::domain::{
    member::{Member, MemberId},
    revision::Revision,
    text::Label,
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody<'a> {
    v: u8,
    /// `null` once the member was removed.
    #[serde(borrow, deserialize_with = "stated")]
    role: Option<Cow<'a, str>>,
    created_ms: i64,
    updated_ms: i64,
}

/// The body of a member's row.
pub(in crate::store) fn member_body(member: &Member) -> Result<String, serde_json::Error> {
    serde_json::to_string(&MemberBody {
        v: VERSION,
        role: member.role.as_ref().map(|role| role.as_str().into()),
        created_ms: member.created.as_ms(),
        updated_ms: member.updated.as_ms(),
    })
}

/// A member from its row's body. `None` if it cannot be read.
pub(in crate::store) fn read_member(id: MemberId, revision: Revision, body: &str) -> Option<Member> {
    let body: MemberBody<'_> = serde_json::from_str(body).ok()?;
    (body.v == VERSION).then_some(())?;
    Some(Member {
        id,
        role: body.role.as_deref().map(Label::parse).transpose().ok()?,
        created: Timestamp::from_ms(body.created_ms).ok()?,
        updated: Timestamp::from_ms(body.updated_ms).ok()?,
        revision,
    })
}
