//! Who asks Keyward, and the question: a Check, at most twice.

use std::{net::IpAddr, time::Duration};

use http::{HeaderName, header::AUTHORIZATION, request::Parts};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
    transport::Channel,
};
use tonic_types::StatusExt as _;

use super::{
    answer::request_id,
    needs::Needs,
    reach::{Noting, Reached, is_absence},
};
use crate::{
    domain::{carried, decision::Denial},
    wire::v1::{
        CheckContext, CheckRequest, CheckResponse, check_request::Subject,
        key_service_client::KeyServiceClient,
    },
};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How long a request waits for Keyward at most, both tries together.
pub const DEADLINE: Duration = Duration::from_millis(200);

/// Asks one Keyward, over one channel. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    keys: KeyServiceClient<Noting>,
    caller: Option<MetadataValue<Ascii>>,
    pub(super) lets_through_while_away: bool,
    source: fn(&Parts) -> Option<IpAddr>,
}

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
    /// Asks the Keyward at the end of this channel, without a credential of its own, and fails closed.
    #[must_use]
    pub fn new(keyward: Channel) -> Self {
        let keys = KeyServiceClient::new(Noting(keyward));
        Self { keys, caller: None, lets_through_while_away: false, source: |_| None }
    }

    /// Asks with an administration key that has `keys:check`, which Keyward wants where it listens beyond loopback.
    ///
    /// # Errors
    /// The key has characters that no key has.
    pub fn calling_with(mut self, admin_key: &str) -> Result<Self, InvalidMetadataValue> {
        let mut caller: MetadataValue<Ascii> = format!("Bearer {admin_key}").parse()?;
        caller.set_sensitive(true);
        self.caller = Some(caller);
        Ok(self)
    }

    /// While Keyward is away, a request with one credential passes unchecked, with a warning in the log, instead of a
    /// 503. Such a request has no [`CheckedKey`](crate::wire::v1::CheckedKey).
    ///
    /// It is away where no connection to it can be made. One that is there and does not decide, because it cannot (its error
    /// says so), is too slow, or closes the connection, is a 503 all the same. A host that died without a word keeps its
    /// connections until the channel notices: set `http2_keep_alive_interval` of the channel for that, and
    /// `connect_timeout` as long as you like.
    #[must_use]
    pub fn letting_through_while_away(mut self) -> Self {
        self.lets_through_while_away = true;
        self
    }

    /// How to tell where a request came from. Without this it is not known, and keys that are bound to networks are denied.
    #[must_use]
    pub fn source(mut self, source: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.source = source;
        self
    }

    /// Asks whether a request with this key may pass.
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
        let source_address = (self.source)(parts).map(|address| address.to_string()).unwrap_or_default();
        let request_id = request_id(parts).map(|id| id.to_string()).unwrap_or_default();
        let mut request = Request::new(CheckRequest {
            subject: Some(Subject::ApiKey(api_key.to_owned())),
            scopes: needs.0.iter().map(|scope| scope.as_str().to_owned()).collect(),
            context: Some(CheckContext { source_address, request_id, ..CheckContext::default() }),
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
    tracing::error!(code = ?status.code(), reason, detail = status.message(), "no answer from Keyward");
    if is_absence(status) { NoAnswer::Away } else { NoAnswer::Undecided }
}
