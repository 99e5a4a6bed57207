//! Every error to one gRPC status, with the details of google.rpc that help: the one table for it.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::group::MAX_WORKSPACES,
    domain::{admin::AdminRefusal, group::MAX_GROUP, key::TransitionError, policy::Fault},
    error::{
        Blocked, Conflict, Exists, Invalid, Limited, NotFound, OperationError, QuotaReached, Refused,
        Unavailable, listed,
    },
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
        let (code, (reason, metadata, extra)) = classify(error);
        if matches!(code, Code::DataLoss | Code::Unknown | Code::Internal) {
            tracing::error!(error = %message, "an operation failed");
        }
        status(code, reason, &message, metadata, extra)
    }
}

/// The same for one row among others.
pub(super) fn of_row(error: OperationError) -> v1::ImportError {
    let message = if let OperationError::Invalid(Invalid::Field { why, .. }) = &error {
        why.to_string()
    } else {
        error.to_string()
    };
    let (_, (reason, metadata, _)) = classify(error);
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

type ErrorMetadata = Vec<(&'static str, String)>;

/// What of an error is told beside its message and its code.
type ErrorParts = (ErrorReason, ErrorMetadata, Extra);

/// One code for each group of errors, which is what the caller does next; two for callers who may not, and those of the store.
fn classify(error: OperationError) -> (Code, ErrorParts) {
    match error {
        OperationError::Invalid(error) => (Code::InvalidArgument, invalid(error)),
        OperationError::Refused(error) => refused(&error),
        OperationError::NotFound(error) => (Code::NotFound, not_found(&error)),
        OperationError::Blocked(error) => (Code::FailedPrecondition, blocked(error)),
        OperationError::Exists(error) => (Code::AlreadyExists, exists(&error)),
        OperationError::Conflict(error) => (Code::Aborted, conflict(&error)),
        OperationError::Limited(error) => (Code::ResourceExhausted, limited(&error)),
        OperationError::Unavailable(error) => (Code::Unavailable, unavailable(&error)),
        OperationError::Store(error) | OperationError::EndUnwritten(error) => store(&error),
    }
}

fn invalid(error: Invalid) -> ErrorParts {
    match error {
        Invalid::Field { field, why } => {
            let metadata = vec![("field", field.clone())];
            (ErrorReason::FieldInvalid, metadata, Extra::Field { field, allowed: why.to_string() })
        }
        Invalid::Policy(faults) => fields(faults.iter().map(violation)),
        Invalid::Fields(faults) => fields(faults.into_iter().map(|fault| (fault.field, fault.why))),
    }
}

fn refused(error: &Refused) -> (Code, ErrorParts) {
    let denied = |reason, metadata| (Code::PermissionDenied, (reason, metadata, Extra::None));
    match error {
        Refused::CallerInvalid | Refused::Unproven(_) => {
            (Code::Unauthenticated, plain(ErrorReason::CallerInvalid))
        }
        Refused::Admin(AdminRefusal::CallerMissing) => {
            (Code::Unauthenticated, plain(ErrorReason::CallerMissing))
        }
        Refused::Admin(AdminRefusal::ScopeMissing(scope)) => {
            denied(ErrorReason::AdminScopeMissing, vec![("admin_scope", scope.as_str().to_owned())])
        }
        Refused::Admin(AdminRefusal::GlobalRequired) => denied(ErrorReason::GlobalCallerRequired, Vec::new()),
        Refused::Admin(AdminRefusal::CeilingExceeded(part)) => {
            denied(ErrorReason::CeilingExceeded, vec![("part", format!("{part:?}").to_lowercase())])
        }
        Refused::CeilingExceededBy { keys, first, part } => {
            let part = format!("{part:?}").to_lowercase();
            let metadata = vec![("part", part), ("count", keys.to_string()), ("key_id", first.to_string())];
            denied(ErrorReason::CeilingExceeded, metadata)
        }
        Refused::RoleExceeded { role, beyond } => {
            denied(ErrorReason::RoleExceeded, vec![("role", role.to_string()), ("beyond", listed(beyond))])
        }
    }
}

fn not_found(error: &NotFound) -> ErrorParts {
    match error {
        NotFound::Key(id) => named(ErrorReason::KeyNotFound, "key_id", id.to_string()),
        NotFound::Secret => plain(ErrorReason::SecretUnknown),
        NotFound::Workspace => plain(ErrorReason::WorkspaceNotFound),
        NotFound::PolicyVersion(version) => {
            named(ErrorReason::PolicyVersionNotFound, "version", version.to_string())
        }
        NotFound::Member(member) => named(ErrorReason::MemberNotFound, "member", member.to_string()),
    }
}

fn blocked(error: Blocked) -> ErrorParts {
    match error {
        Blocked::Transition(error) => transition(error),
        Blocked::NothingUsed(since) => {
            precondition(ErrorReason::NothingUsed, vec![("watched_since", since.to_string())])
        }
        Blocked::LastRoot => precondition(ErrorReason::LastRootKey, Vec::new()),
        Blocked::RootUnreachable => precondition(ErrorReason::RootKeyUnreachable, Vec::new()),
        Blocked::CountChanged { changed, expected } => {
            let metadata = vec![("count", changed.to_string()), ("expected_count", expected.to_string())];
            precondition(ErrorReason::CountChanged, metadata)
        }
        Blocked::GainsUnexpected { gaining, expected, first, scopes } => {
            let keys: Vec<_> = first.iter().map(ToString::to_string).collect();
            let metadata = vec![
                ("gaining_key_count", gaining.to_string()),
                ("expected_gains", expected.to_string()),
                ("key_ids", keys.join(" ")),
                ("gained_scopes", listed(&scopes)),
            ];
            precondition(ErrorReason::GainsUnexpected, metadata)
        }
        Blocked::TooManyKeys(count) => {
            let metadata = vec![("count", count.to_string()), ("max_count", MAX_GROUP.to_string())];
            precondition(ErrorReason::TooManyKeys, metadata)
        }
        Blocked::TooManyToReview { count, most } => {
            let metadata = vec![("count", count.to_string()), ("max_count", most.to_string())];
            precondition(ErrorReason::TooManyKeys, metadata)
        }
        Blocked::TooManyWorkspaces(count) => {
            let metadata = vec![("count", count.to_string()), ("max_count", MAX_WORKSPACES.to_string())];
            precondition(ErrorReason::TooManyWorkspaces, metadata)
        }
        Blocked::PlanMayNotIssue(plan) => {
            precondition(ErrorReason::PlanMayNotIssue, vec![("plan", plan.to_string())])
        }
        Blocked::RoleMayNotIssue(role) => {
            precondition(ErrorReason::RoleMayNotIssue, vec![("role", role.to_string())])
        }
        Blocked::SchemeNotFound(name) => {
            precondition(ErrorReason::SchemeNotFound, vec![("scheme", name.to_string())])
        }
        Blocked::WeakSecret(bits) => {
            precondition(ErrorReason::WeakSecret, vec![("secret_bits", bits.to_string())])
        }
        Blocked::WorkspaceSuspended => precondition_of("workspace", ErrorReason::WorkspaceSuspended),
        Blocked::WorkspaceClosed => precondition_of("workspace", ErrorReason::WorkspaceClosed),
    }
}

fn transition(error: TransitionError) -> ErrorParts {
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

fn exists(error: &Exists) -> ErrorParts {
    match error {
        Exists::SecretAlreadyShown(id) => named(ErrorReason::SecretAlreadyShown, "key_id", id.to_string()),
        Exists::GroupDone(group) => named(ErrorReason::GroupDone, "group_id", group.to_string()),
        Exists::RequestIdReused => plain(ErrorReason::RequestIdReused),
        Exists::Scheme(name) => named(ErrorReason::SchemeExists, "scheme", name.to_string()),
        Exists::Hash(key) => named(ErrorReason::HashExists, "key_id", key.to_string()),
        Exists::HashRepeated(line) => named(ErrorReason::HashExists, "line", line.to_string()),
        Exists::Member(member) => named(ErrorReason::MemberExists, "member", member.to_string()),
    }
}

fn conflict(error: &Conflict) -> ErrorParts {
    match error {
        Conflict::Contended => plain(ErrorReason::Conflict),
        Conflict::PolicyVersion(version) => {
            named(ErrorReason::PolicyVersionChanged, "current_version", version.to_string())
        }
    }
}

fn limited(error: &Limited) -> ErrorParts {
    match error {
        Limited::Caller(seconds) => wait(ErrorReason::CallerLimited, *seconds),
        Limited::Source(seconds) => wait(ErrorReason::SourceLimited, *seconds),
        Limited::Quota(reached) => quota(reached),
        Limited::Overloaded => soon(ErrorReason::Overloaded),
        Limited::ShareTaken { party, share } => {
            let metadata = vec![("share_of", party.to_string()), ("share", share.to_string())];
            (ErrorReason::ShareTaken, metadata, Extra::Retry(Duration::from_secs(1)))
        }
    }
}

fn quota(reached: &QuotaReached) -> ErrorParts {
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
    (ErrorReason::QuotaReached, metadata, Extra::Quota { subject, after })
}

fn unavailable(error: &Unavailable) -> ErrorParts {
    match error {
        Unavailable::RevisionAhead => soon(ErrorReason::RevisionAhead),
        Unavailable::CountsUnwritten => soon(ErrorReason::CountsUnwritten),
        Unavailable::DeniedNotDurable => plain(ErrorReason::DeniedNotDurable),
        Unavailable::DenialsFull => plain(ErrorReason::DenialsFull),
        Unavailable::EndWaits => soon(ErrorReason::StoreUnavailable),
    }
}

fn store(error: &StoreError) -> (Code, ErrorParts) {
    match error {
        StoreError::Conflict => (Code::Aborted, plain(ErrorReason::Conflict)),
        StoreError::RequestUsed { .. } | StoreError::GroupDone { .. } => {
            (Code::AlreadyExists, plain(ErrorReason::RequestIdReused))
        }
        StoreError::Unavailable(_) | StoreError::Unreachable(_) | StoreError::TooOld => {
            (Code::Unavailable, soon(ErrorReason::StoreUnavailable))
        }
        // No retry helps before a restart.
        StoreError::Sealed(_) => (Code::Unavailable, plain(ErrorReason::StoreUnavailable)),
        StoreError::WrittenByOthers(_) => {
            (Code::FailedPrecondition, precondition_of("store", ErrorReason::ForeignWrite))
        }
        StoreError::OutcomeUnknown(_) => (Code::Unknown, plain(ErrorReason::OutcomeUnknown)),
        StoreError::Corrupt(_) | StoreError::ZoneMissing { .. } => {
            (Code::DataLoss, plain(ErrorReason::StoreCorrupt))
        }
    }
}

/// An error that names one thing.
fn named(reason: ErrorReason, name: &'static str, value: String) -> ErrorParts {
    (reason, vec![(name, value)], Extra::None)
}

/// Several fields, each with what is wrong.
fn fields(faults: impl Iterator<Item = (String, String)>) -> ErrorParts {
    let violations: Vec<_> = faults.take(MAX_VIOLATIONS).collect();
    let metadata = violations.first().map(|(field, _)| ("field", field.clone())).into_iter().collect();
    (ErrorReason::FieldInvalid, metadata, Extra::Fields(violations))
}

/// Where a document is wrong, as a path of the request, and how.
fn violation(fault: &Fault) -> (String, String) {
    let dot = if fault.field.is_empty() { "" } else { "." };
    let line = fault.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    (format!("policy{dot}{}", fault.field), format!("{line}{}", fault.why))
}

fn plain(reason: ErrorReason) -> ErrorParts {
    (reason, Vec::new(), Extra::None)
}

fn wait(reason: ErrorReason, seconds: u64) -> ErrorParts {
    let metadata = vec![("retry_after_seconds", seconds.to_string())];
    (reason, metadata, Extra::Retry(Duration::from_secs(seconds)))
}

fn soon(reason: ErrorReason) -> ErrorParts {
    (reason, Vec::new(), Extra::Retry(Duration::from_secs(1)))
}

fn precondition(reason: ErrorReason, metadata: ErrorMetadata) -> ErrorParts {
    (reason, metadata, Extra::Precondition { subject: "key".to_owned() })
}

fn precondition_of(subject: &str, reason: ErrorReason) -> ErrorParts {
    (reason, Vec::new(), Extra::Precondition { subject: subject.to_owned() })
}

fn status(code: Code, reason: ErrorReason, message: &str, metadata: ErrorMetadata, extra: Extra) -> Status {
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
