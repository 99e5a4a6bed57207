//! Every error to one gRPC status, with the details of google.rpc that help: the one table for it.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::group::MAX_WORKSPACES,
    domain::{admin::AdminRefusal, group::MAX_GROUP, key::TransitionError, policy::Fault},
    error::{OperationError, QuotaReached, listed},
    ports::StoreError,
    wire::v1::{self, ErrorReason},
};

/// The domain of every ErrorInfo.
pub(super) const DOMAIN: &str = "keyward";

/// The most violations that one error names: it travels in a header.
const MAX_VIOLATIONS: usize = 20;

/// Details that say which field, which precondition, or when to come back.
enum Extra {
    None,
    Field {
        field: String,
        allowed: String,
    },
    /// Each with its field and what is wrong.
    Fields(Vec<(String, String)>),
    Precondition {
        subject: String,
    },
    Retry(Duration),
    /// Whose quota, and when there is room again, where that comes by itself.
    Quota {
        subject: String,
        after: Option<Duration>,
    },
}

impl From<OperationError> for Status {
    fn from(error: OperationError) -> Self {
        let message = error.to_string();
        let (code, reason, metadata, extra) = classify(error);
        if matches!(code, Code::DataLoss | Code::Unknown | Code::Internal) {
            tracing::error!(error = %message, "an operation failed");
        }
        status(code, reason, &message, metadata, extra)
    }
}

/// The same for one row among others.
pub(super) fn of_row(error: OperationError) -> v1::ImportError {
    let message =
        if let OperationError::Invalid { why, .. } = &error { why.to_string() } else { error.to_string() };
    let (_, reason, metadata, _) = classify(error);
    let value =
        |wanted: &str| metadata.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    let of_reason = [
        (ErrorReason::SchemeNotFound, "hmac_sha256.scheme"),
        (ErrorReason::WeakSecret, "secret_bits"),
        (ErrorReason::HashExists, "hash"),
    ];
    let known = of_reason.into_iter().find(|(known, _)| *known == reason).map(|(_, field)| field.to_owned());
    // The field that goes beyond the caller's ceiling.
    let of_part = [("grants", "scopes"), ("environment", "environment"), ("lifetime", "expire_time")];
    let part = value("part").and_then(|part| of_part.into_iter().find(|(known, _)| *known == part));
    let field = known.or_else(|| value("field")).or_else(|| part.map(|(_, field)| field.to_owned()));
    let existing = Some("key_id").filter(|_| reason == ErrorReason::HashExists).and_then(value);
    v1::ImportError {
        field: field.unwrap_or_default(),
        message,
        reason: bare(reason).to_owned(),
        existing_key_id: existing.unwrap_or_default(),
    }
}

fn bare(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

type Metadata = Vec<(&'static str, String)>;

#[expect(clippy::too_many_lines, reason = "the one table")]
fn classify(error: OperationError) -> (Code, ErrorReason, Metadata, Extra) {
    match error {
        OperationError::Invalid { field, why } => {
            let metadata = vec![("field", field.clone())];
            let extra = Extra::Field { field, allowed: why.to_string() };
            (Code::InvalidArgument, ErrorReason::FieldInvalid, metadata, extra)
        }
        OperationError::CallerLimited(seconds) => wait(ErrorReason::CallerLimited, seconds),
        OperationError::SecretUnknown => plain(Code::NotFound, ErrorReason::SecretUnknown),
        OperationError::CallerInvalid => plain(Code::Unauthenticated, ErrorReason::CallerInvalid),
        OperationError::Refused(refusal) => refused(&refusal),
        OperationError::KeyNotFound(id) => {
            named(Code::NotFound, ErrorReason::KeyNotFound, "key_id", id.to_string())
        }
        OperationError::WorkspaceNotFound => plain(Code::NotFound, ErrorReason::WorkspaceNotFound),
        OperationError::Transition(error) => transition(error),
        OperationError::NothingUsed(since) => {
            precondition(ErrorReason::NothingUsed, vec![("watched_since", since.to_string())])
        }
        OperationError::LastRoot => precondition(ErrorReason::LastRootKey, Vec::new()),
        OperationError::RootUnreachable => precondition(ErrorReason::RootKeyUnreachable, Vec::new()),
        OperationError::SecretAlreadyShown(id) => {
            named(Code::AlreadyExists, ErrorReason::SecretAlreadyShown, "key_id", id.to_string())
        }
        OperationError::GroupDone(group) => {
            named(Code::AlreadyExists, ErrorReason::GroupDone, "group_id", group.to_string())
        }
        OperationError::CountChanged { changed, expected } => {
            let metadata = vec![("count", changed.to_string()), ("expected_count", expected.to_string())];
            precondition(ErrorReason::CountChanged, metadata)
        }
        OperationError::GainsUnexpected { gaining, expected, first, scopes } => {
            let keys: Vec<_> = first.iter().map(ToString::to_string).collect();
            let metadata = vec![
                ("gaining_key_count", gaining.to_string()),
                ("expected_gains", expected.to_string()),
                ("key_ids", keys.join(" ")),
                ("gained_scopes", listed(&scopes)),
            ];
            precondition(ErrorReason::GainsUnexpected, metadata)
        }
        OperationError::TooManyKeys(count) => {
            let metadata = vec![("count", count.to_string()), ("max_count", MAX_GROUP.to_string())];
            precondition(ErrorReason::TooManyKeys, metadata)
        }
        OperationError::TooManyWorkspaces(count) => {
            let metadata = vec![("count", count.to_string()), ("max_count", MAX_WORKSPACES.to_string())];
            precondition(ErrorReason::TooManyWorkspaces, metadata)
        }
        OperationError::CeilingExceededBy { keys, first, part } => {
            let part = format!("{part:?}").to_lowercase();
            let metadata = vec![("part", part), ("count", keys.to_string()), ("key_id", first.to_string())];
            (Code::PermissionDenied, ErrorReason::CeilingExceeded, metadata, Extra::None)
        }
        OperationError::RequestIdReused => plain(Code::AlreadyExists, ErrorReason::RequestIdReused),
        OperationError::Contended => plain(Code::Aborted, ErrorReason::Conflict),
        OperationError::PolicyVersionChanged(version) => {
            named(Code::Aborted, ErrorReason::PolicyVersionChanged, "current_version", version.to_string())
        }
        OperationError::PolicyVersionNotFound(version) => {
            named(Code::NotFound, ErrorReason::PolicyVersionNotFound, "version", version.to_string())
        }
        OperationError::PolicyInvalid(faults) => fields(faults.iter().map(violation)),
        OperationError::FieldsInvalid(faults) => {
            fields(faults.into_iter().map(|fault| (fault.field, fault.why)))
        }
        OperationError::PlanMayNotIssue(plan) => {
            precondition(ErrorReason::PlanMayNotIssue, vec![("plan", plan.to_string())])
        }
        OperationError::SchemeNotFound(name) => {
            precondition(ErrorReason::SchemeNotFound, vec![("scheme", name.to_string())])
        }
        OperationError::SchemeExists(name) => {
            named(Code::AlreadyExists, ErrorReason::SchemeExists, "scheme", name.to_string())
        }
        OperationError::WeakSecret(bits) => {
            precondition(ErrorReason::WeakSecret, vec![("secret_bits", bits.to_string())])
        }
        OperationError::HashExists(key) => {
            named(Code::AlreadyExists, ErrorReason::HashExists, "key_id", key.to_string())
        }
        OperationError::HashRepeated(line) => {
            named(Code::AlreadyExists, ErrorReason::HashExists, "line", line.to_string())
        }
        OperationError::RoleMayNotIssue(role) => {
            precondition(ErrorReason::RoleMayNotIssue, vec![("role", role.to_string())])
        }
        OperationError::RoleExceeded { role, beyond } => {
            let metadata = vec![("role", role.to_string()), ("beyond", listed(&beyond))];
            (Code::PermissionDenied, ErrorReason::RoleExceeded, metadata, Extra::None)
        }
        OperationError::MemberNotFound(member) => {
            named(Code::NotFound, ErrorReason::MemberNotFound, "member", member.to_string())
        }
        OperationError::MemberExists(member) => {
            named(Code::AlreadyExists, ErrorReason::MemberExists, "member", member.to_string())
        }
        OperationError::WorkspaceSuspended => precondition_of("workspace", ErrorReason::WorkspaceSuspended),
        OperationError::WorkspaceClosed => precondition_of("workspace", ErrorReason::WorkspaceClosed),
        OperationError::RevisionAhead => soon(Code::Unavailable, ErrorReason::RevisionAhead),
        OperationError::CountsUnwritten => soon(Code::Unavailable, ErrorReason::CountsUnwritten),
        OperationError::SourceLimited(seconds) => wait(ErrorReason::SourceLimited, seconds),
        OperationError::QuotaReached(reached) => quota(&reached),
        OperationError::Overloaded => soon(Code::ResourceExhausted, ErrorReason::Overloaded),
        OperationError::ShareTaken { party, share } => {
            let metadata = vec![("share_of", party.to_string()), ("share", share.to_string())];
            let extra = Extra::Retry(Duration::from_secs(1));
            (Code::ResourceExhausted, ErrorReason::ShareTaken, metadata, extra)
        }
        OperationError::Store(error) | OperationError::EndUnwritten(error) => store(&error),
        OperationError::DeniedNotDurable => plain(Code::Unavailable, ErrorReason::DeniedNotDurable),
        OperationError::DenialsFull => plain(Code::Unavailable, ErrorReason::DenialsFull),
        OperationError::EndWaits => soon(Code::Unavailable, ErrorReason::StoreUnavailable),
    }
}

fn quota(reached: &QuotaReached) -> (Code, ErrorReason, Metadata, Extra) {
    let workspace = reached.workspace.map(|workspace| workspace.to_string());
    let mut metadata = vec![
        ("quota", reached.quota.as_str().to_owned()),
        ("limit", reached.limit.to_string()),
        ("used", reached.used.to_string()),
        ("needed", reached.needed.to_string()),
    ];
    metadata.extend(workspace.iter().map(|workspace| ("workspace_id", workspace.clone())));
    let subject = workspace.map_or_else(|| "store".to_owned(), |workspace| format!("workspace:{workspace}"));
    let after = reached.wait.map(Duration::from_secs);
    (Code::ResourceExhausted, ErrorReason::QuotaReached, metadata, Extra::Quota { subject, after })
}

/// An error that names one thing.
fn named(
    code: Code,
    reason: ErrorReason,
    name: &'static str,
    value: String,
) -> (Code, ErrorReason, Metadata, Extra) {
    (code, reason, vec![(name, value)], Extra::None)
}

/// Several fields, each with what is wrong.
fn fields(faults: impl Iterator<Item = (String, String)>) -> (Code, ErrorReason, Metadata, Extra) {
    let violations: Vec<_> = faults.take(MAX_VIOLATIONS).collect();
    let metadata = violations.first().map(|(field, _)| ("field", field.clone())).into_iter().collect();
    (Code::InvalidArgument, ErrorReason::FieldInvalid, metadata, Extra::Fields(violations))
}

/// Where a document is wrong, as a path of the request, and how.
fn violation(fault: &Fault) -> (String, String) {
    let dot = if fault.field.is_empty() { "" } else { "." };
    let line = fault.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    (format!("policy{dot}{}", fault.field), format!("{line}{}", fault.why))
}

fn refused(refusal: &AdminRefusal) -> (Code, ErrorReason, Metadata, Extra) {
    match refusal {
        AdminRefusal::CallerMissing => plain(Code::Unauthenticated, ErrorReason::CallerMissing),
        AdminRefusal::ScopeMissing(scope) => {
            let metadata = vec![("admin_scope", scope.as_str().to_owned())];
            (Code::PermissionDenied, ErrorReason::AdminScopeMissing, metadata, Extra::None)
        }
        AdminRefusal::GlobalRequired => plain(Code::PermissionDenied, ErrorReason::GlobalCallerRequired),
        AdminRefusal::CeilingExceeded(part) => {
            let metadata = vec![("part", format!("{part:?}").to_lowercase())];
            (Code::PermissionDenied, ErrorReason::CeilingExceeded, metadata, Extra::None)
        }
    }
}

fn transition(error: TransitionError) -> (Code, ErrorReason, Metadata, Extra) {
    match error {
        TransitionError::Revoked => precondition(ErrorReason::KeyRevoked, Vec::new()),
        TransitionError::Expired(at) => {
            precondition(ErrorReason::KeyExpired, vec![("expire_time", at.to_string())])
        }
        TransitionError::SecretEnded(generation) => {
            precondition(ErrorReason::SecretEnded, vec![("generation", generation.to_string())])
        }
        TransitionError::NoRetiringSecret => precondition(ErrorReason::NoRetiringSecret, Vec::new()),
        TransitionError::TooManyLiveSecrets(end) => {
            precondition(ErrorReason::TooManyLiveSecrets, vec![("first_end_time", end.to_string())])
        }
    }
}

fn store(error: &StoreError) -> (Code, ErrorReason, Metadata, Extra) {
    match error {
        StoreError::Conflict => plain(Code::Aborted, ErrorReason::Conflict),
        StoreError::RequestUsed { .. } | StoreError::GroupDone { .. } => {
            plain(Code::AlreadyExists, ErrorReason::RequestIdReused)
        }
        StoreError::Unavailable(_) | StoreError::TooOld => {
            soon(Code::Unavailable, ErrorReason::StoreUnavailable)
        }
        // No retry helps before a restart.
        StoreError::Sealed(_) => plain(Code::Unavailable, ErrorReason::StoreUnavailable),
        StoreError::WrittenByOthers => precondition_of("store", ErrorReason::ForeignWrite),
        StoreError::OutcomeUnknown(_) => plain(Code::Unknown, ErrorReason::OutcomeUnknown),
        StoreError::Corrupt(_) | StoreError::ZoneMissing { .. } => {
            plain(Code::DataLoss, ErrorReason::StoreCorrupt)
        }
    }
}

fn plain(code: Code, reason: ErrorReason) -> (Code, ErrorReason, Metadata, Extra) {
    (code, reason, Vec::new(), Extra::None)
}

fn wait(reason: ErrorReason, seconds: u64) -> (Code, ErrorReason, Metadata, Extra) {
    let metadata = vec![("retry_after_seconds", seconds.to_string())];
    (Code::ResourceExhausted, reason, metadata, Extra::Retry(Duration::from_secs(seconds)))
}

fn soon(code: Code, reason: ErrorReason) -> (Code, ErrorReason, Metadata, Extra) {
    (code, reason, Vec::new(), Extra::Retry(Duration::from_secs(1)))
}

fn precondition(reason: ErrorReason, metadata: Metadata) -> (Code, ErrorReason, Metadata, Extra) {
    (Code::FailedPrecondition, reason, metadata, Extra::Precondition { subject: "key".to_owned() })
}

fn precondition_of(subject: &str, reason: ErrorReason) -> (Code, ErrorReason, Metadata, Extra) {
    (Code::FailedPrecondition, reason, Vec::new(), Extra::Precondition { subject: subject.to_owned() })
}

fn status(code: Code, reason: ErrorReason, message: &str, metadata: Metadata, extra: Extra) -> Status {
    let reason = bare(reason);
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    match extra {
        Extra::None => {}
        Extra::Field { field, allowed } => {
            details.add_bad_request_violation(field, allowed);
        }
        Extra::Fields(violations) => {
            for (field, wrong) in violations {
                details.add_bad_request_violation(field, wrong);
            }
        }
        Extra::Precondition { subject } => {
            details.add_precondition_failure_violation(reason, subject, message);
        }
        Extra::Retry(after) => {
            details.set_retry_info(Some(after));
        }
        Extra::Quota { subject, after } => {
            details.add_quota_failure_violation(subject, message);
            if after.is_some() {
                details.set_retry_info(after);
            }
        }
    }
    Status::with_error_details(code, message, details)
}
