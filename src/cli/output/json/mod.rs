//! Answers as JSON for scripts: the wire's field names in `snake_case`, every field always there.
//!
//! An absent message is `null`, an empty text `""`. Times are RFC 3339, durations decimal seconds with an `s`
//! (`"86400s"`), enum values bare names (`"ACTIVE"`), numbers numbers, chain values lower-case hexadecimal.

pub(in crate::cli) mod denials;
pub(in crate::cli) mod policy;

use serde_json::{Value, json};

use super::{names, time};
use crate::wire::{
    json::{creator, grant},
    v1,
};

#[cfg(test)]
pub(in crate::cli) use crate::wire::json::assert_shows_every_field;
pub(in crate::cli) use crate::wire::json::{check, list, route, route_explanation};

pub(in crate::cli) fn key(key: &v1::Key) -> Value {
    json!({
        "id": key.id,
        "workspace_id": key.workspace_id,
        "name": key.name,
        "description": key.description,
        "owner": key.owner,
        "follows_owner_role": key.follows_owner_role,
        "owner_role": key.owner_role,
        "creator": key.creator.as_ref().map(creator),
        "environment": key.environment,
        "hint": key.hint,
        "scopes": key.scopes,
        "grants": list(&key.grants, grant),
        "allowed_cidrs": key.allowed_cidrs,
        "metadata": key.metadata,
        "state": names::key_state(key.state),
        "create_time": key.create_time.as_ref().map(time::rfc3339),
        "expire_time": key.expire_time.as_ref().map(time::rfc3339),
        "update_time": key.update_time.as_ref().map(time::rfc3339),
        "last_use_time": key.last_use_time.as_ref().map(time::rfc3339),
        "revocation": key.revocation.as_ref().map(revocation),
        "secrets": list(&key.secrets, secret),
        "admin": key.admin.as_ref().map(admin),
        "revision": key.revision,
        "effective_scopes": key.effective_scopes,
        "inert_scopes": key.inert_scopes,
        "limits": key.limits.as_ref().map(overrides),
        "effective_limits": list(&key.effective_limits, effective_limit),
        "earlier_import_key_id": key.earlier_import_key_id,
    })
}

/// The answers that hold a key and a revision.
pub(in crate::cli) fn changed(changed: Option<&v1::Key>, revision: u64) -> Value {
    json!({ "key": changed.map(key), "revision": revision })
}

pub(in crate::cli) fn bulk(answer: &v1::ChangeKeysResponse) -> Value {
    json!({
        "group_id": answer.group_id,
        "count": answer.count,
        "key_ids": answer.key_ids,
        "unchanged_count": answer.unchanged_count,
        "revision": answer.revision,
        "workspace_id": answer.workspace_id,
        "workspace_count": answer.workspace_count,
    })
}

pub(in crate::cli) fn keys(page: &v1::ListKeysResponse) -> Value {
    json!({
        "keys": list(&page.keys, key),
        "next_page_token": page.next_page_token,
        "workspace_id": page.workspace_id,
    })
}

pub(in crate::cli) fn registered(
    workspace: Option<&v1::Workspace>,
    member: Option<&v1::Member>,
    first: Option<&v1::Key>,
    revision: u64,
) -> Value {
    json!({
        "workspace": workspace.map(self::workspace),
        "member": member.map(self::member),
        "key": first.map(key),
        "revision": revision,
    })
}

pub(in crate::cli) fn workspaces(page: &v1::ListWorkspacesResponse) -> Value {
    json!({ "workspaces": list(&page.workspaces, workspace), "next_page_token": page.next_page_token })
}

pub(in crate::cli) fn member(member: &v1::Member) -> Value {
    json!({
        "workspace_id": member.workspace_id,
        "subject": member.subject,
        "role": member.role,
        "create_time": member.create_time.as_ref().map(time::rfc3339),
        "update_time": member.update_time.as_ref().map(time::rfc3339),
        "revision": member.revision,
    })
}

pub(in crate::cli) fn members(page: &v1::ListMembersResponse) -> Value {
    json!({
        "members": list(&page.members, member),
        "next_page_token": page.next_page_token,
        "workspace_id": page.workspace_id,
    })
}

pub(in crate::cli) fn removed(removed: &v1::RemoveMemberResponse) -> Value {
    json!({
        "revision": removed.revision,
        "following_keys": removed.following_keys,
        "other_keys": removed.other_keys,
        "workspace_id": removed.workspace_id,
        "workspace_count": removed.workspace_count,
        "closed_workspace_count": removed.closed_workspace_count,
    })
}

pub(in crate::cli) fn workspace(workspace: &v1::Workspace) -> Value {
    json!({
        "id": workspace.id,
        "name": workspace.name,
        "owner": workspace.owner,
        "plan": workspace.plan,
        "create_time": workspace.create_time.as_ref().map(time::rfc3339),
        "revision": workspace.revision,
        "limits": workspace.limits.as_ref().map(overrides),
        "state": names::workspace_state(workspace.state),
        "key_rules": workspace.key_rules.as_ref().map(key_rules),
    })
}

pub(in crate::cli) fn quotas(quotas: &[v1::QuotaUse]) -> Value {
    list(quotas, |taken| {
        json!({
            "quota": taken.quota,
            "limit": taken.limit,
            "used": taken.used,
            "reset_time": taken.reset_time.as_ref().map(time::rfc3339),
        })
    })
}

fn key_rules(own: &v1::WorkspaceKeyRules) -> Value {
    json!({
        "require_expiry": own.require_expiry,
        "max_lifetime": own.max_lifetime.as_ref().map(time::duration_seconds),
        "name_pattern": own.name_pattern,
    })
}

fn overrides(own: &v1::LimitOverrides) -> Value {
    json!({
        "limits": list(&own.limits, policy::limit),
        "tiers": list(&own.tiers, policy::plan_tier),
    })
}

pub(in crate::cli) fn effective_limit(effective: &v1::EffectiveLimit) -> Value {
    json!({
        "name": effective.name,
        "limit": effective.limit.as_ref().map(policy::limit),
        "origin": names::limit_origin(effective.origin),
    })
}

fn revocation(revocation: &v1::Revocation) -> Value {
    json!({
        "revoke_time": revocation.revoke_time.as_ref().map(time::rfc3339),
        "reason": names::revoke_reason(revocation.reason),
        "comment": revocation.comment,
        "revoked_by": revocation.revoked_by,
        "by_operator": revocation.by_operator,
    })
}

fn secret(secret: &v1::Secret) -> Value {
    json!({
        "generation": secret.generation,
        "hint": secret.hint,
        "state": names::secret_state(secret.state),
        "create_time": secret.create_time.as_ref().map(time::rfc3339),
        "end_time": secret.end_time.as_ref().map(time::rfc3339),
        "scheme": secret.scheme,
        "last_use_time": secret.last_use_time.as_ref().map(time::rfc3339),
    })
}

fn admin(admin: &v1::AdminRights) -> Value {
    json!({ "scopes": admin.scopes, "global": admin.global, "ceiling": admin.ceiling.as_ref().map(ceiling) })
}

fn ceiling(ceiling: &v1::Ceiling) -> Value {
    json!({
        "any_grant": ceiling.any_grant,
        "scopes": ceiling.scopes,
        "grants": list(&ceiling.grants, grant),
        "any_environment": ceiling.any_environment,
        "environments": ceiling.environments,
        "any_lifetime": ceiling.any_lifetime,
        "max_lifetime": ceiling.max_lifetime.as_ref().map(time::duration_seconds),
        "raise_limits": ceiling.raise_limits,
    })
}

pub(in crate::cli) fn log(page: &v1::QueryLogResponse) -> Value {
    json!({ "records": list(&page.records, record), "next_page_token": page.next_page_token })
}

pub(in crate::cli) fn record(record: &v1::AuditRecord) -> Value {
    json!({
        "revision": record.revision,
        "time": record.time.as_ref().map(time::rfc3339),
        "actor": record.actor.as_ref().map(actor),
        "action": names::audit_action(record.action),
        "workspace_id": record.workspace_id,
        "key_id": record.key_id,
        "changes": list(&record.changes, change),
        "reason": record.reason,
        "comment": record.comment,
        "request_id": record.request_id,
        "chain": hex(&record.chain),
        "policy_version": record.policy_version,
        "group_id": record.group_id,
        "key_count": record.key_count,
        "gaining_key_count": record.gaining_key_count,
        "gains": list(&record.gains, gained_scopes),
        "gained_by_key": record.gained_by_key,
        "member": record.member,
    })
}

/// How the store is, and what is denied in memory only.
pub(in crate::cli) fn status(status: &v1::GetStatusResponse) -> Value {
    json!({
        "changes_taken": names::changes_taken(status.changes_taken),
        "why": status.why,
        "revision": status.revision,
        "denied": list(&status.denied, denied_in_memory),
        "denied_key_count": status.denied_key_count,
        "wrong_callers": status.wrong_callers.as_ref().map(wrong_callers),
    })
}

fn wrong_callers(wrong: &v1::WrongCallers) -> Value {
    let source = |source: &v1::WrongCallerSource| json!({ "source": source.source, "count": source.count });
    json!({
        "count": wrong.count,
        "limited_count": wrong.limited_count,
        "last_time": wrong.last_time.as_ref().map(time::rfc3339),
        "sources": list(&wrong.sources, source),
    })
}

fn denied_in_memory(denied: &v1::DeniedInMemory) -> Value {
    json!({
        "key_ids": denied.key_ids,
        "key_count": denied.key_count,
        "workspace_id": denied.workspace_id,
        "becomes": denied.becomes,
        "actor": denied.actor.as_ref().map(actor),
        "asked_time": denied.asked_time.as_ref().map(time::rfc3339),
    })
}

fn actor(actor: &v1::Actor) -> Value {
    json!({
        "kind": names::actor_kind(actor.kind),
        "key_id": actor.key_id,
        "owner": actor.owner,
        "address": actor.address,
    })
}

fn gained_scopes(gained: &v1::GainedScopes) -> Value {
    json!({ "scopes": gained.scopes, "key_count": gained.key_count })
}

fn change(change: &v1::FieldChange) -> Value {
    json!({ "field": change.field, "from": change.from, "to": change.to })
}

/// Lower-case hexadecimal.
pub(in crate::cli) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_wire_is_shown() {
        for (message, value) in [
            ("Key", key(&v1::Key::default())),
            ("UpdateKeyResponse", changed(None, 0)),
            ("DisableKeyResponse", changed(None, 0)),
            ("EnableKeyResponse", changed(None, 0)),
            ("RevokeResponse", changed(None, 0)),
            ("ChangeKeysResponse", bulk(&v1::ChangeKeysResponse::default())),
            ("ListKeysResponse", keys(&v1::ListKeysResponse::default())),
            ("Workspace", workspace(&v1::Workspace::default())),
            ("ListWorkspacesResponse", workspaces(&v1::ListWorkspacesResponse::default())),
            ("Member", member(&v1::Member::default())),
            ("ListMembersResponse", members(&v1::ListMembersResponse::default())),
            ("RemoveMemberResponse", removed(&v1::RemoveMemberResponse::default())),
            ("WorkspaceKeyRules", key_rules(&v1::WorkspaceKeyRules::default())),
            ("LimitOverrides", overrides(&v1::LimitOverrides::default())),
            ("EffectiveLimit", effective_limit(&v1::EffectiveLimit::default())),
            ("Revocation", revocation(&v1::Revocation::default())),
            ("Secret", secret(&v1::Secret::default())),
            ("AdminRights", admin(&v1::AdminRights::default())),
            ("Ceiling", ceiling(&v1::Ceiling::default())),
            ("QueryLogResponse", log(&v1::QueryLogResponse::default())),
            ("AuditRecord", record(&v1::AuditRecord::default())),
            ("Actor", actor(&v1::Actor::default())),
            ("GetStatusResponse", status(&v1::GetStatusResponse::default())),
            ("DeniedInMemory", denied_in_memory(&v1::DeniedInMemory::default())),
            ("WrongCallers", wrong_callers(&v1::WrongCallers::default())),
            ("FieldChange", change(&v1::FieldChange::default())),
        ] {
            assert_shows_every_field(message, &value);
        }
    }

    #[test]
    fn a_key_is_shown_as_the_header_says() {
        let shown = key(&v1::Key {
            state: 1,
            create_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            ..Default::default()
        });
        assert_eq!(shown["state"], "ACTIVE");
        assert_eq!(shown["create_time"], "1970-01-01T00:00:01Z");
        assert_eq!(shown["expire_time"], Value::Null);
        assert_eq!(shown["scopes"], json!([]));
    }
}
