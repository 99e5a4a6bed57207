//! Administration that is refused: for who the caller is, for what it may, or for what is out of its reach (A6).

use std::borrow::Cow;

use super::{
    super::Judge,
    calls::{AskedAs, OUT_OF_REACH, shown},
};
use crate::{
    domain::{
        admin::{AdminRefusal, Caller},
        caller_id::CallerId,
        denial_sums::{ADMINISTRATION, DenialLabel, DenialSeen, DeniedCredential},
        id::WorkspaceId,
        network::source_of,
        time::Timestamp,
    },
    error::{NotFound, OperationError, Refused},
};

impl Judge {
    /// Notes that a caller was refused, where that is what the error says: that he may not, or that what he names is there and out of
    /// his reach. Who sent no usable key was noted when that was found.
    pub fn note_refused(&self, asked: AskedAs, caller: &Caller, error: &OperationError) {
        let Some(reason) = self.count_refused(asked, caller, error) else { return };
        if let Some(untold) = self.refused_calls.untold(self.clock.now()) {
            let (call, source) = (asked.call, shown(asked.address));
            let key = caller.id().map_or_else(|| "none".to_owned(), |id| id.to_string());
            tracing::warn!(
                key.id = key,
                source,
                call,
                reason,
                untold,
                "a call of administration was refused"
            );
        }
    }

    /// The same without a line in the log, for a gateway, which has lines of its own; why it was refused, if it was.
    pub fn count_refused(
        &self,
        asked: AskedAs,
        caller: &Caller,
        error: &OperationError,
    ) -> Option<&'static str> {
        let reason = self.refusal(caller, error)?;
        let credential = match caller.id() {
            Some(CallerId::Key(id)) => DeniedCredential::Key(id),
            // Named in the configuration, and no secret.
            Some(actor @ CallerId::Actor(_)) => DeniedCredential::Hint(actor.to_string().into()),
            None => DeniedCredential::Unnamed,
        };
        self.note_refused_call(asked, self.clock.now(), (reason, caller.bound_to()), credential);
        Some(reason)
    }

    /// Counts a refused call, with what was sent to be let in.
    pub(in crate::judge) fn note_refused_call(
        &self,
        asked: AskedAs,
        now: Timestamp,
        (reason, workspace): (&'static str, Option<WorkspaceId>),
        credential: DeniedCredential,
    ) {
        self.refused_calls.count(reason, asked.call);
        let label = DenialLabel {
            door: Cow::Borrowed(ADMINISTRATION),
            call: Cow::Borrowed(asked.call),
            reason: Cow::Borrowed(reason),
        };
        let source = asked.address.map(source_of);
        self.denials.note(now, DenialSeen { label, workspace, source, credential });
    }

    /// How many calls of administration were refused since the start, by their reason and the call.
    #[must_use]
    pub fn refused_calls(&self) -> Vec<((&'static str, &'static str), u64)> {
        self.refused_calls.counts()
    }

    /// Why it was refused, where that is what the error says: the words are those of `ErrorReason`, and [`OUT_OF_REACH`].
    fn refusal(&self, caller: &Caller, error: &OperationError) -> Option<&'static str> {
        match error {
            OperationError::Refused(refused) => word(refused),
            OperationError::NotFound(missing) if caller.bound_to().is_some() => match missing {
                NotFound::Key(id) => self.index.by_id(*id).map(|_| OUT_OF_REACH),
                // Its own is there.
                NotFound::Workspace => Some(OUT_OF_REACH),
                NotFound::Secret | NotFound::PolicyVersion(_) | NotFound::Member(_) => None,
            },
            OperationError::NotFound(_)
            | OperationError::Invalid(_)
            | OperationError::Blocked(_)
            | OperationError::Exists(_)
            | OperationError::Conflict(_)
            | OperationError::Limited(_)
            | OperationError::Unavailable(_)
            | OperationError::EndUnwritten(_)
            | OperationError::Store(_) => None,
        }
    }
}

const fn word(refused: &Refused) -> Option<&'static str> {
    match refused {
        // Noted already, with what was sent.
        Refused::CallerInvalid | Refused::Unproven(_) => None,
        Refused::Admin(AdminRefusal::CallerMissing) => Some("CALLER_MISSING"),
        Refused::Admin(AdminRefusal::ScopeMissing(_)) => Some("ADMIN_SCOPE_MISSING"),
        Refused::Admin(AdminRefusal::GlobalRequired) => Some("GLOBAL_CALLER_REQUIRED"),
        Refused::Admin(AdminRefusal::CeilingExceeded(_)) | Refused::CeilingExceededBy { .. } => {
            Some("CEILING_EXCEEDED")
        }
        Refused::RoleExceeded { .. } => Some("ROLE_EXCEEDED"),
    }
}
