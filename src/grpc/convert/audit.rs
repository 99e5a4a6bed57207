//! The log for the wire: what its canonical bytes say.

use std::net::IpAddr;

use serde_json::Value;

use super::{optional_caller_id, optional_key_id, time};
use crate::{
    changes::keys::show::Moment,
    domain::{
        audit::{Action, Actor},
        caller_id::CallerId,
        id::WorkspaceId,
        parse::ParseError,
        time::Timestamp,
    },
    error::OperationError,
    ports::{LogFilter, LogRecord, StoreError, Verification},
    wire::v1::{self, ActorKind, AuditAction},
};

/// Which records to show, once the workspace is known.
pub(in crate::grpc) fn filter(
    workspace: Option<WorkspaceId>,
    asked: &v1::QueryLogRequest,
) -> Result<LogFilter, OperationError> {
    Ok(LogFilter {
        workspace,
        key: optional_key_id("key_id", &asked.key_id)?,
        actor_key: optional_caller_id("actor_key_id", &asked.actor_key_id)?,
        action: action(asked.action)?,
        start: asked.start_time.map(|asked| time::timestamp("start_time", asked)).transpose()?,
        end: asked.end_time.map(|asked| time::timestamp("end_time", asked)).transpose()?,
    })
}

fn action(asked: i32) -> Result<Option<&'static str>, OperationError> {
    if asked == i32::from(AuditAction::Unspecified) {
        return Ok(None);
    }
    let known = Action::ALL.iter().find(|action| i32::from(action_to_wire(**action)) == asked);
    let unknown = ParseError::new("one of the values of AuditAction");
    known.map(|action| Some(action.as_str())).ok_or(OperationError::invalid("action", unknown))
}

const fn action_to_wire(action: Action) -> AuditAction {
    match action {
        Action::StoreInitialize => AuditAction::StoreInitialize,
        Action::AdminRecover => AuditAction::AdminRecover,
        Action::WorkspaceRegister => AuditAction::WorkspaceRegister,
        Action::WorkspaceUpdate => AuditAction::WorkspaceUpdate,
        Action::WorkspaceSuspend => AuditAction::WorkspaceSuspend,
        Action::WorkspaceResume => AuditAction::WorkspaceResume,
        Action::WorkspaceClose => AuditAction::WorkspaceClose,
        Action::MemberAdd => AuditAction::MemberAdd,
        Action::MemberUpdate => AuditAction::MemberUpdate,
        Action::MemberRemove => AuditAction::MemberRemove,
        Action::SecretGrace => AuditAction::SecretGrace,
        Action::KeyIssue => AuditAction::KeyIssue,
        Action::KeyRotate => AuditAction::KeyRotate,
        Action::KeyRevoke => AuditAction::KeyRevoke,
        Action::SecretEnd => AuditAction::SecretEnd,
        Action::KeyUpdate => AuditAction::KeyUpdate,
        Action::KeyDisable => AuditAction::KeyDisable,
        Action::KeyEnable => AuditAction::KeyEnable,
        Action::PolicyApply => AuditAction::PolicyApply,
        Action::ClockReset => AuditAction::ClockReset,
        Action::RollbackAccept => AuditAction::RollbackAccept,
        Action::DamageFind => AuditAction::DamageFind,
        Action::RootAdd => AuditAction::RootAdd,
        Action::RootDestroy => AuditAction::RootDestroy,
        Action::KeyImport => AuditAction::KeyImport,
        Action::SchemeAdd => AuditAction::SchemeAdd,
    }
}

/// A record for the wire, to be shown at this moment.
///
/// # Errors
/// Its bytes are not an entry: they were edited.
pub(in crate::grpc) fn record(
    record: &LogRecord,
    moment: &Moment,
) -> Result<v1::AuditRecord, OperationError> {
    read(record, moment).ok_or_else(|| {
        let text = format!("log record {} is not an entry; run `keyward audit verify`", record.revision);
        StoreError::Corrupt(text).into()
    })
}

fn read(record: &LogRecord, moment: &Moment) -> Option<v1::AuditRecord> {
    let entry = record.entry()?;
    let spelled = entry.get("action")?.as_str()?;
    let action = Action::ALL.iter().find(|action| action.as_str() == spelled)?;
    let time = Timestamp::from_ms(entry.get("time_ms")?.as_i64()?).ok()?;
    let no_changes = Vec::new();
    let changes = entry.get("changes").and_then(Value::as_array).unwrap_or(&no_changes);
    let sets = entry.get("gains").and_then(Value::as_array).unwrap_or(&no_changes);
    let gains: Vec<_> = sets.iter().map(gained_set).collect();
    let of_key = record.gained.and_then(|place| gains.get(usize::try_from(place).ok()?)).cloned();
    Some(v1::AuditRecord {
        revision: record.revision.0,
        time: Some(time::to_wire(time)),
        actor: Some(actor(entry.get("actor")?, moment)?),
        action: action_to_wire(*action).into(),
        workspace_id: text(&entry, "workspace_id"),
        key_id: text(&entry, "key_id"),
        member: text(&entry, "member"),
        changes: changes.iter().map(field_change).collect(),
        reason: text(&entry, "reason"),
        comment: text(&entry, "comment"),
        request_id: text(&entry, "request_id"),
        chain: record.chain.0.to_vec(),
        policy_version: entry.get("policy_version").and_then(Value::as_u64).unwrap_or_default(),
        group_id: text(&entry, "group_id"),
        key_count: entry.get("key_count").and_then(Value::as_u64).unwrap_or_default(),
        gaining_key_count: entry.get("gain_count").and_then(Value::as_u64).unwrap_or_default(),
        gained_by_key: of_key.map(|set| set.scopes).unwrap_or_default(),
        gains,
    })
}

/// The actor of a request that is no entry yet, in the same way.
pub(super) fn actor_to_wire(asked: &Actor, moment: &Moment) -> v1::Actor {
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    let (kind, key, owner, address) = match asked {
        Actor::Admin { by, .. } if !moment.knows_caller(*by) => {
            return v1::Actor { kind: ActorKind::Admin.into(), ..v1::Actor::default() };
        }
        Actor::Admin { by, owner, address } => (ActorKind::Admin, by.to_text(), owner, address),
        Actor::Holder { key, owner, address } => (ActorKind::Holder, key.to_text(), owner, address),
        Actor::System => return v1::Actor { kind: ActorKind::System.into(), ..v1::Actor::default() },
    };
    let owner = owner.as_ref().map(ToString::to_string).unwrap_or_default();
    v1::Actor { kind: kind.into(), key_id: key, owner, address: text(*address) }
}

/// Who acted. Of an administration key that the reader may not know of, only that it was one.
fn actor(actor: &Value, moment: &Moment) -> Option<v1::Actor> {
    let kind = match actor.get("kind")?.as_str()? {
        "admin" => ActorKind::Admin,
        "holder" => ActorKind::Holder,
        "system" => ActorKind::System,
        _ => return None,
    };
    let is_known = || CallerId::parse(&text(actor, "key_id")).is_ok_and(|caller| moment.knows_caller(caller));
    if kind == ActorKind::Admin && !is_known() {
        return Some(v1::Actor { kind: kind.into(), ..v1::Actor::default() });
    }
    Some(v1::Actor {
        kind: kind.into(),
        key_id: text(actor, "key_id"),
        owner: text(actor, "owner"),
        address: text(actor, "address"),
    })
}

fn field_change(change: &Value) -> v1::FieldChange {
    let json = |name: &str| change.get(name).filter(|value| !value.is_null()).map(Value::to_string);
    v1::FieldChange {
        field: text(change, "field"),
        from: json("from").unwrap_or_default(),
        to: json("to").unwrap_or_default(),
    }
}

fn gained_set(set: &Value) -> v1::GainedScopes {
    let none = Vec::new();
    let scopes = set.get("scopes").and_then(Value::as_array).unwrap_or(&none);
    v1::GainedScopes {
        scopes: scopes.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        key_count: set.get("keys").and_then(Value::as_u64).unwrap_or_default(),
    }
}

fn text(object: &Value, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a reading of the whole log found, for the wire.
pub(in crate::grpc) fn verification(found: Verification) -> v1::VerifyLogResponse {
    v1::VerifyLogResponse {
        records: found.records,
        head_revision: found.head.0,
        head_chain: found.chain.0.to_vec(),
        fault: found.fault.map(|(revision, message)| v1::LogFault { revision: revision.0, message }),
    }
}
