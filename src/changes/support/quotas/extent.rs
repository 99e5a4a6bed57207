//! How far a quota goes, and how much of it is kept.

use crate::{
    domain::{
        policy::{Policy, Quota},
        text::Plan,
    },
    index::Kept,
};

/// The extent of a quota. While no policy can be trusted, the default holds: revocations pass here too.
pub(super) fn limit_of(policy: Option<&Policy>, plan: Option<&Plan>, quota: Quota) -> u64 {
    policy.map_or(quota.by_default(), |policy| policy.quota(plan, quota))
}

/// How much of a quota is kept; 0 for a quota that is counted otherwise.
pub(super) const fn kept_of(kept: &Kept, quota: Quota) -> u64 {
    match quota {
        Quota::Keys => kept.keys,
        Quota::KeptKeys => kept.kept_keys,
        Quota::KeyBytes => kept.key_bytes,
        Quota::Members => kept.members,
        Quota::Workspaces => kept.workspaces,
        Quota::ImportSchemes => kept.import_schemes,
        Quota::LogBytesPerDay => 0,
    }
}
