//! How versions of the policy are written down: JSON, version 1, with every field there, as for keys.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::body::{VERSION, stated};
use crate::{
    domain::{
        caller_id::CallerId,
        policy::{Document, Policy},
        revision::Revision,
        text::{Comment, Owner},
        time::Timestamp,
    },
    ports::PolicyVersion,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyBody<'a> {
    v: u8,
    applied_ms: i64,
    #[serde(deserialize_with = "stated")]
    applied_by: Option<String>,
    #[serde(deserialize_with = "stated")]
    applied_by_owner: Option<String>,
    comment: String,
    document: Cow<'a, Document>,
}

/// The body of a version's row.
pub(in crate::store) fn policy_body(version: &PolicyVersion) -> Result<String, serde_json::Error> {
    serde_json::to_string(&PolicyBody {
        v: VERSION,
        applied_ms: version.applied.as_ms(),
        applied_by: version.applied_by.map(CallerId::to_text),
        applied_by_owner: version.applied_by_owner.as_ref().map(ToString::to_string),
        comment: version.comment.as_str().to_owned(),
        document: Cow::Borrowed(version.policy.document()),
    })
}

/// A version from its row's body. `None` if it cannot be read, or is no policy that can be in force.
pub(in crate::store) fn read_policy(version: u64, revision: Revision, body: &str) -> Option<PolicyVersion> {
    let body: PolicyBody<'_> = serde_json::from_str(body).ok()?;
    (body.v == VERSION).then_some(())?;
    Some(PolicyVersion {
        version,
        policy: Policy::kept(body.document.into_owned()).ok()?,
        applied: Timestamp::from_ms(body.applied_ms).ok()?,
        applied_by: body.applied_by.as_deref().map(CallerId::parse).transpose().ok()?,
        applied_by_owner: body.applied_by_owner.as_deref().map(Owner::parse).transpose().ok()?,
        comment: Comment::parse(&body.comment).ok()?,
        revision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_policy_may_name_what_no_new_one_may() {
        // An earlier Keyward took Etc/Unknown for a zone: such a store must start.
        let mut document = Policy::default_document().unwrap().document().clone();
        let limit = document.tiers.iter_mut().find_map(|tier| tier.limits.first_mut()).unwrap();
        (limit.calendar, limit.rolling, limit.bucket) = (Some("day".to_owned()), None, None);
        limit.time_zone = "Etc/Unknown".to_owned();
        assert!(Policy::new(document.clone()).is_err(), "none that is new");
        let version = PolicyVersion {
            version: 1,
            policy: Policy::kept(document).unwrap(),
            applied: Timestamp::EPOCH,
            applied_by: None,
            applied_by_owner: None,
            comment: Comment::parse("").unwrap(),
            revision: Revision(1),
        };
        let body = policy_body(&version).unwrap();
        assert!(read_policy(1, Revision(1), &body).is_some(), "{body}");
    }
}
