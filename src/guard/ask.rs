//! The question to Keyward: a Check, at most twice.

use http::{HeaderName, header::AUTHORIZATION, request::Parts};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{
    DEADLINE, Guard, Needs,
    reach::{Reached, is_absence},
};
use crate::{
    domain::{carried, decision::Denial},
    wire::v1::{CheckContext, CheckRequest, CheckResponse, check_request::Subject},
};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// Keyward is away: no connection can be made.
    Away,
    /// It is there, and does not decide: it cannot, is too slow, or does not want to answer this caller or this question.
    Undecided,
}

/// The one credential of a request.
pub(super) fn credential(parts: &Parts) -> Result<&str, Denial> {
    let values = |name| parts.headers.get_all(name).into_iter().map(http::HeaderValue::as_bytes);
    carried::credential(values(AUTHORIZATION), values(X_API_KEY))
}

impl Guard {
    pub(super) async fn ask(
        &self,
        api_key: &str,
        needs: &Needs,
        parts: &Parts,
    ) -> Result<CheckResponse, NoAnswer> {
        let reached = Reached::default();
        let tries = async {
            match self.check(api_key, needs, parts, &reached).await {
                // What says so was not charged. Where the connection broke under the answer, the key pays twice.
                Err(status) if status.code() == Code::Unavailable => {
                    self.check(api_key, needs, parts, &reached).await
                }
                other => other,
            }
        };
        match tokio::time::timeout(DEADLINE, tries).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(no_answer(&status)),
            Err(_elapsed) => {
                tracing::error!(deadline_ms = DEADLINE.as_millis(), "no answer from Keyward in time");
                Err(if reached.is_set() { NoAnswer::Undecided } else { NoAnswer::Away })
            }
        }
    }

    async fn check(
        &self,
        api_key: &str,
        needs: &Needs,
        parts: &Parts,
        reached: &Reached,
    ) -> Result<CheckResponse, Status> {
        let source = (self.source)(parts).map(|address| address.to_string());
        let mut request = Request::new(CheckRequest {
            subject: Some(Subject::ApiKey(api_key.to_owned())),
            scopes: needs.0.iter().map(|scope| scope.as_str().to_owned()).collect(),
            context: source.map(|source_address| CheckContext { source_address, ..CheckContext::default() }),
            ..CheckRequest::default()
        });
        request.extensions_mut().insert(reached.clone());
        if let Some(caller) = &self.caller {
            request.metadata_mut().insert("authorization", caller.clone());
        }
        self.keys.clone().check(request).await.map(tonic::Response::into_inner)
    }
}

fn no_answer(status: &Status) -> NoAnswer {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    tracing::error!(code = ?status.code(), reason, message = status.message(), "no answer from Keyward");
    if is_absence(status) { NoAnswer::Away } else { NoAnswer::Undecided }
}
