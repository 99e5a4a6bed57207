//! Every gRPC error as words: what happened, which fields are wrong, what to do next. The one table for it.

use std::error::Error as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::explanation::{FailureText, root_cause};
use crate::wire::v1::ErrorReason;

const MAYBE_DONE: &str = "if it was a change, it may have happened: look with `keyward list` or `keyward audit query` \
                          before you repeat it; --request-id makes issue and rotate safe to repeat";

const NOT_DURABLE: &str = "do not restart the server: keep it running, and mend what keeps it from writing (its log says what; on a full disk, make \
             room). `keyward status` shows what waits to be written; this command, run again, says when it is. If the server was \
             restarted all the same, revoke again at once";

const NO_PLACE: &str = "mend what keeps the server from writing (its log says what), then run the command again; until then suspend what you can \
             elsewhere: the key goes on";

/// What a status says, with everything that its details add.
pub(in crate::cli) fn status(server: &str, status: &Status) -> FailureText {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == "keyward");
    let reason = info.map(|info| info.reason.clone()).unwrap_or_default();
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"));
    let mut metadata: Vec<(String, String)> =
        info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default();
    metadata.sort();
    FailureText {
        code: code_name(status.code()),
        message: message(server, status),
        violations: violations(&details),
        metadata,
        next: next_step(server, status.code(), known, &details),
        reason,
    }
}

/// Whether the server denies in its memory only what was to end.
pub(in crate::cli) fn is_denied_not_durable(status: &Status) -> bool {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == "keyward");
    info.is_some_and(|info| info.reason == "DENIED_NOT_DURABLE")
}

fn message(server: &str, status: &Status) -> String {
    match status.source() {
        _ if is_client_timeout(status) => format!("{server} gave no answer in time"),
        Some(source) => format!("{server} gave no answer: {}", root_cause(source)),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}

/// tonic's client reports its own deadline as CANCELLED.
fn is_client_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == "Timeout expired"
}

fn violations(details: &ErrorDetails) -> Vec<(String, String)> {
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    let preconditions = details.precondition_failure().into_iter().flat_map(|failure| &failure.violations);
    let quotas = details.quota_failure().into_iter().flat_map(|failure| &failure.violations);
    fields
        .map(|v| (v.field.clone(), v.description.clone()))
        .chain(preconditions.map(|v| (v.subject.clone(), v.description.clone())))
        .chain(quotas.map(|v| (v.subject.clone(), v.description.clone())))
        .collect()
}

fn next_step(server: &str, code: Code, reason: Option<ErrorReason>, details: &ErrorDetails) -> String {
    let step = match reason {
        Some(reason) => by_reason(reason).to_owned(),
        None => by_code(server, code),
    };
    match details.retry_info().and_then(|info| info.retry_delay) {
        Some(delay) if step.is_empty() => format!("try again after {} s", delay.as_secs_f64().ceil()),
        Some(delay) => format!("{step}; try again after {} s", delay.as_secs_f64().ceil()),
        None => step,
    }
}

#[expect(clippy::too_many_lines, reason = "the one table")]
fn by_reason(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::CallerMissing => {
            "name a file that holds an administration key with KEYWARD_ADMIN_KEY_FILE or --admin-key-file; \
             the first such key was made when the server was initialized"
        }
        ErrorReason::CallerLimited => {
            "the administration key is not good: give another with --admin-key-file or KEYWARD_ADMIN_KEY; a good one need not wait"
        }
        ErrorReason::SecretUnknown => {
            "compare it with what was found, to the last character; a key of another Keyward is known there alone"
        }
        ErrorReason::CallerInvalid => {
            "see that the file, or KEYWARD_ADMIN_KEY, holds a whole administration key of this server, neither \
             revoked nor expired; `keyward recover` on the server's machine makes a new one"
        }
        ErrorReason::AdminScopeMissing => "use an administration key that has this scope",
        ErrorReason::GlobalCallerRequired => "use a global administration key",
        ErrorReason::CeilingExceeded => "ask for less, or use an administration key with a higher ceiling",
        ErrorReason::KeyNotFound => "`keyward list` shows the keys within reach of your administration key",
        ErrorReason::WorkspaceNotFound => {
            "see that --workspace is right and within reach of your administration key"
        }
        ErrorReason::KeyRevoked | ErrorReason::KeyExpired => "issue a new key with `keyward issue`",
        ErrorReason::TooManyLiveSecrets => {
            "wait for a grace to end, or end all earlier secrets with --grace 0"
        }
        ErrorReason::SecretEnded => "`keyward rotation show KEY_ID` shows which secrets are live",
        ErrorReason::NoRetiringSecret => {
            "there is nothing to end or extend; `keyward rotate` makes a new secret"
        }
        ErrorReason::NothingUsed => {
            "a key that uses nothing needs nothing: `keyward disable KEY_ID`, and `keyward revoke` if nobody misses it"
        }
        ErrorReason::LastRootKey => {
            "issue another global administration key with admin:grant first; or `keyward rotate KEY_ID --grace 0`, which gives it another \
             secret and ends this one at once"
        }
        ErrorReason::RootKeyUnreachable => {
            "run the command from one of these networks, name the network that you are in too, or issue another global \
             administration key with admin:grant first"
        }
        ErrorReason::ForeignWrite => {
            "Checks go on. On the server's machine: find out who writes into the database, stop Keyward, `keyward audit verify \
             --data-dir DIR`, and start it again"
        }
        ErrorReason::SecretAlreadyShown => {
            "if the secret was lost, make another with `keyward rotate KEY_ID --grace 0`, without this request id"
        }
        ErrorReason::CountChanged => {
            "run the command without --confirm to see which keys it would change now"
        }
        ErrorReason::GainsUnexpected => {
            "if that is meant, add --expect-gains and their number; `keyward policy check FILE` shows which keys gain by a \
             policy, and what"
        }
        ErrorReason::TooManyKeys => "split the change with --issued-from and --issued-before",
        ErrorReason::TooManyWorkspaces => "name the workspaces one by one with --workspace ID",
        ErrorReason::GroupDone => "`keyward audit query` shows the change that bears this group id",
        ErrorReason::RequestIdReused => "use another --request-id, or the same arguments as before",
        ErrorReason::Conflict => "run the same command again",
        ErrorReason::PolicyVersionChanged => {
            "somebody applied another version meanwhile: `keyward policy diff FILE` shows what your document would \
             change now; apply it with --expect and that version, or without --expect"
        }
        ErrorReason::PolicyVersionNotFound => "`keyward policy versions` lists the versions",
        ErrorReason::PlanMayNotIssue => {
            "key_rules.barred_plans of `keyward policy show` names the plans whose workspaces may not issue keys"
        }
        ErrorReason::SchemeNotFound => {
            "`keyward import-scheme list` shows the schemes; `keyward import-scheme add` adds one"
        }
        ErrorReason::SchemeExists => "choose another name: the secret of a scheme cannot be changed",
        ErrorReason::WeakSecret => {
            "give these holders new keys instead, or take theirs in for 90 days with --allow-weak"
        }
        ErrorReason::HashExists => "the key is here already: leave its row out",
        ErrorReason::WorkspaceSuspended => "`keyward workspace resume` puts the workspace back in use",
        ErrorReason::WorkspaceClosed => "use another workspace: a closed one stays closed",
        ErrorReason::RoleMayNotIssue => {
            "key_rules.barred_roles of `keyward policy show` names the roles that get no keys"
        }
        ErrorReason::RoleExceeded => {
            "ask for less, or give the member another role with `keyward member update`"
        }
        ErrorReason::MemberNotFound => {
            "`keyward member list` shows the members; `keyward member add` adds one"
        }
        ErrorReason::MemberExists => "`keyward member update` changes the role",
        ErrorReason::RevisionAhead => {
            "try again in a moment, or see that --min-revision came from this server"
        }
        ErrorReason::CountsUnwritten => {
            "nothing was charged; the disk is slow or busy: try again in a moment"
        }
        ErrorReason::StoreUnavailable => "nothing was changed; the server's log says why",
        ErrorReason::DeniedNotDurable => NOT_DURABLE,
        ErrorReason::DenialsFull => NO_PLACE,
        ErrorReason::OutcomeUnknown | ErrorReason::DeadlineExceeded => MAYBE_DONE,
        ErrorReason::StoreCorrupt => {
            "look at the server's log before anything else; `keyward audit verify` checks the log"
        }
        ErrorReason::QuotaReached => {
            "`keyward workspace show` shows what is taken of each quota; revoke or remove what is not needed, or have the \
             quota raised: `[quotas]` of the policy, or those of the workspace's plan"
        }
        ErrorReason::MemorySpent => {
            "try again, in smaller pieces where it was a large one; `--in-flight-mib` of `keyward serve` gives calls more memory"
        }
        ErrorReason::SourceLimited | ErrorReason::Overloaded | ErrorReason::ShareTaken => {
            "wait before you try again"
        }
        ErrorReason::Internal => "the server's log has the details; please report it",
        ErrorReason::Unspecified | ErrorReason::FieldInvalid => "",
    }
}

/// For errors that carry no reason: they come from a proxy, another service, or the connection.
fn by_code(server: &str, code: Code) -> String {
    match code {
        Code::Unavailable => format!("is `keyward serve` running at {server}? {MAYBE_DONE}"),
        Code::Cancelled | Code::DeadlineExceeded => format!("--timeout gives it longer; {MAYBE_DONE}"),
        Code::Unknown | Code::Internal | Code::Aborted => {
            format!("see that {server} is Keyward's gRPC port; {MAYBE_DONE}")
        }
        Code::Unimplemented => {
            format!("see that {server} is Keyward's gRPC port, and a version that knows this command")
        }
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::DataLoss
        | Code::Unauthenticated => String::new(),
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "http://127.0.0.1:50051";

    fn keyward(code: Code, message: &str, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let mut details = ErrorDetails::new();
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        details.set_error_info(reason, "keyward", metadata.collect::<std::collections::HashMap<_, _>>());
        Status::with_error_details(code, message, details)
    }

    #[test]
    fn a_missing_caller_is_told_where_the_key_comes_from() {
        let text = status(
            SERVER,
            &keyward(Code::Unauthenticated, "an administration key is needed", "CALLER_MISSING", &[]),
        )
        .text();
        assert!(text.starts_with(
            "keyward: an administration key is needed (UNAUTHENTICATED, CALLER_MISSING)\nnext: "
        ));
        assert!(text.contains("KEYWARD_ADMIN_KEY_FILE"), "{text}");
    }

    #[test]
    fn wrong_fields_are_named_one_by_one() {
        let mut details = ErrorDetails::with_bad_request_violation("name", "must not be empty");
        details.add_bad_request_violation("scopes[1]", "no action\u{1b}[2J");
        details.set_error_info("FIELD_INVALID", "keyward", std::collections::HashMap::new());
        let text = status(
            SERVER,
            &Status::with_error_details(Code::InvalidArgument, "two fields are wrong", details),
        )
        .text();
        let expected = "keyward: two fields are wrong (INVALID_ARGUMENT, FIELD_INVALID)\n  \
                        name: must not be empty\n  scopes[1]: no action\\u{1b}[2J\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn metadata_is_shown() {
        let shown = status(
            SERVER,
            &keyward(Code::AlreadyExists, "shown already", "SECRET_ALREADY_SHOWN", &[("key_id", "key_1")]),
        );
        assert!(shown.text().contains("\n  key_id: key_1\nnext: if the secret was lost"), "{}", shown.text());
        assert_eq!(shown.json()["error"]["metadata"]["key_id"], "key_1");
    }

    #[test]
    fn a_timeout_says_that_the_change_may_have_happened() {
        let text = status(SERVER, &Status::cancelled("Timeout expired")).text();
        assert!(
            text.starts_with("keyward: http://127.0.0.1:50051 gave no answer in time (CANCELLED)"),
            "{text}"
        );
        assert!(text.contains("--timeout") && text.contains("may have happened"), "{text}");
    }

    #[test]
    fn a_foreign_domain_is_not_taken_for_ours() {
        let details = ErrorDetails::with_error_info(
            "CALLER_MISSING",
            "proxy.example",
            std::collections::HashMap::new(),
        );
        let shown = status(SERVER, &Status::with_error_details(Code::Unauthenticated, "no", details));
        assert_eq!(shown.reason, "");
    }
}
