//! Names of enum values: the bare word, without the prefix that protobuf wants.
//!
//! Scripts get it as the wire has it (`KEY_ROTATE`), eyes as the flags take it (`key-rotate`). Denial reasons are
//! upper case for both, as in gateway answers, metrics and logs.

pub(in crate::cli) use crate::wire::json::{bare, denial_reason};
use crate::wire::v1::{
    ActorKind, AuditAction, ChangesTaken, FindingKind, FindingSeverity, KeyState, LimitOrigin,
    PolicyBrowserRule, PolicyCalendar, PolicyLimitSubject, RevokeReason, SecretState, WorkspaceState,
};

/// `ACTIVE`, `REVOKED`, …
pub(in crate::cli) fn key_state(value: i32) -> String {
    bare(KeyState::try_from(value).ok().map(|v| v.as_str_name()), "KEY_STATE_", value)
}

/// `ACTIVE`, `SUSPENDED`, `CLOSED`.
pub(in crate::cli) fn workspace_state(value: i32) -> String {
    bare(WorkspaceState::try_from(value).ok().map(|v| v.as_str_name()), "WORKSPACE_STATE_", value)
}

/// `CURRENT`, `RETIRING`, …
pub(in crate::cli) fn secret_state(value: i32) -> String {
    bare(SecretState::try_from(value).ok().map(|v| v.as_str_name()), "SECRET_STATE_", value)
}

/// `COMPROMISED`, `OWNER_LEFT`, …
pub(in crate::cli) fn revoke_reason(value: i32) -> String {
    bare(RevokeReason::try_from(value).ok().map(|v| v.as_str_name()), "REVOKE_REASON_", value)
}

/// `ADMIN`, `HOLDER`, `SYSTEM`.
pub(in crate::cli) fn actor_kind(value: i32) -> String {
    bare(ActorKind::try_from(value).ok().map(|v| v.as_str_name()), "ACTOR_KIND_", value)
}

/// `ALL`, `ENDS`, `NONE`.
pub(in crate::cli) fn changes_taken(value: i32) -> String {
    bare(ChangesTaken::try_from(value).ok().map(|v| v.as_str_name()), "CHANGES_TAKEN_", value)
}

/// `KEY_ISSUE`, `KEY_ROTATE`, …
pub(in crate::cli) fn audit_action(value: i32) -> String {
    bare(AuditAction::try_from(value).ok().map(|v| v.as_str_name()), "AUDIT_ACTION_", value)
}

/// `HOUR`, `DAY`, …
pub(in crate::cli) fn policy_calendar(value: i32) -> String {
    bare(PolicyCalendar::try_from(value).ok().map(|v| v.as_str_name()), "POLICY_CALENDAR_", value)
}

/// `KEY`, `OWNER`, `WORKSPACE`.
pub(in crate::cli) fn policy_limit_subject(value: i32) -> String {
    bare(PolicyLimitSubject::try_from(value).ok().map(|v| v.as_str_name()), "POLICY_LIMIT_SUBJECT_", value)
}

/// `ALLOW`, `LOG`, `DENY`.
pub(in crate::cli) fn policy_browser_rule(value: i32) -> String {
    bare(PolicyBrowserRule::try_from(value).ok().map(|v| v.as_str_name()), "POLICY_BROWSER_RULE_", value)
}

/// `TIER`, `PLAN`, `WORKSPACE`, `KEY`.
pub(in crate::cli) fn limit_origin(value: i32) -> String {
    bare(LimitOrigin::try_from(value).ok().map(|v| v.as_str_name()), "LIMIT_ORIGIN_", value)
}

/// `UNUSED`, `NO_EXPIRY`, …
pub(in crate::cli) fn finding_kind(value: i32) -> String {
    bare(FindingKind::try_from(value).ok().map(|v| v.as_str_name()), "FINDING_KIND_", value)
}

/// `LOW`, `MEDIUM`, `HIGH`.
pub(in crate::cli) fn finding_severity(value: i32) -> String {
    bare(FindingSeverity::try_from(value).ok().map(|v| v.as_str_name()), "FINDING_SEVERITY_", value)
}

/// The same word for eyes: `key-rotate`.
pub(in crate::cli) fn for_eyes(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare() {
        assert_eq!(key_state(1), "ACTIVE");
        assert_eq!(denial_reason(5), "KEY_REVOKED");
        assert_eq!(audit_action(5), "KEY_ROTATE");
        assert_eq!(revoke_reason(0), "UNSPECIFIED");
        assert_eq!(secret_state(99), "UNKNOWN_99");
        assert_eq!(for_eyes("KEY_ROTATE"), "key-rotate");
    }
}
