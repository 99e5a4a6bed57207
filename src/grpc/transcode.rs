//! Check for those who speak JSON: the same message, the same method, the same errors.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use tonic_types::StatusExt as _;

use super::api::Api;
use crate::{
    domain::{parse::ParseError, secret::holds_secret},
    error::{OperationError, Refused},
    http_answer::{Header, error_body},
    judge::question::Door,
    server::connection::Peer,
    wire::{
        json,
        v1::{self, CheckMode, check_request::Subject, key_service_server::KeyService as _},
    },
};

/// The longest message of the parser that is passed on: with all of our names, and one that is unknown.
const MAX_HELP_BYTES: usize = 300;

/// An answer over HTTP; its body is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers, beside the content type.
    pub headers: Vec<Header>,
    /// Its body.
    pub body: String,
}

/// `CheckRequest`, by the names of the wire.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct JsonQuestion {
    api_key: Option<String>,
    key_id: Option<String>,
    scopes: Vec<String>,
    any_scopes: Vec<Object<ScopeGroup>>,
    resource: String,
    cost: Option<u64>,
    workspace_id: String,
    environment: String,
    mode: ModeName,
    min_revision: u64,
    context: Option<Object<Context>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeGroup {
    scopes: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum ModeName {
    #[default]
    Enforce,
    Peek,
    Explain,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Context {
    source_address: String,
    method: String,
    path: String,
    user_agent: String,
    request_id: String,
    host: String,
}

/// What an object says. An array has no names, so the order of its values means nothing; serde would go by it.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectReader(PhantomData))
    }
}

/// Reads an object.
struct ObjectReader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectReader<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

impl Api {
    /// Answers a Check that `peer` asks in JSON; `callers` are the values of its `Authorization`.
    pub async fn check_json<'a>(
        &self,
        callers: impl Iterator<Item = &'a [u8]>,
        peer: Option<Peer>,
        body: &[u8],
    ) -> JsonAnswer {
        let message = match read(body) {
            Ok(message) => message,
            Err(error) => return failed(&error.into()),
        };
        let mut request = Request::new(message);
        for caller in callers {
            let Ok(caller) = MetadataValue::try_from(caller) else {
                return failed(&OperationError::Refused(Refused::CallerInvalid).into());
            };
            request.metadata_mut().append("authorization", caller);
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        request.extensions_mut().insert(Door::Json);
        match self.check(request).await {
            Ok(answer) => JsonAnswer {
                status: 200,
                headers: vec![no_store()],
                body: json::check(answer.get_ref()).to_string(),
            },
            Err(status) => failed(&status),
        }
    }
}

/// Reads a question.
fn read(body: &[u8]) -> Result<v1::CheckRequest, OperationError> {
    let Object::<JsonQuestion>(question) = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let subject = match (question.api_key, question.key_id) {
        (Some(_), Some(_)) => {
            let why = ParseError::new("left out where `api_key` is given");
            return Err(OperationError::invalid("key_id", why));
        }
        (Some(key), None) => Some(Subject::ApiKey(key)),
        (None, Some(id)) => Some(Subject::KeyId(id)),
        (None, None) => None,
    };
    let mode = match question.mode {
        ModeName::Enforce => CheckMode::Enforce,
        ModeName::Peek => CheckMode::Peek,
        ModeName::Explain => CheckMode::Explain,
    };
    Ok(v1::CheckRequest {
        subject,
        scopes: question.scopes,
        any_scopes: question
            .any_scopes
            .into_iter()
            .map(|Object(group)| v1::ScopeGroup { scopes: group.scopes })
            .collect(),
        resource: question.resource,
        cost: question.cost,
        workspace_id: question.workspace_id,
        environment: question.environment,
        mode: mode.into(),
        min_revision: question.min_revision,
        context: question.context.map(|Object(context)| v1::CheckContext {
            source_address: context.source_address,
            method: context.method,
            path: context.path,
            user_agent: context.user_agent,
            request_id: context.request_id,
            host: context.host,
        }),
    })
}

/// Says where the body is wrong. What stands there is not said: it may be a secret in the wrong place.
fn malformed(error: &serde_json::Error) -> OperationError {
    let what = error.to_string();
    // What the parser says of names, which are ours or unknown, helps; of values it repeats too much.
    let of_names = ["unknown field", "duplicate field", "missing field"];
    let is_of_names = of_names.iter().any(|start| what.starts_with(start));
    let helps = is_of_names && what.len() <= MAX_HELP_BYTES && !holds_secret(&what);
    let place = format!("line {}, column {}", error.line(), error.column());
    let why = if helps {
        format!("a question in JSON, as /openapi.json describes it: {what}")
    } else {
        format!("a question in JSON, as /openapi.json describes it, and is not at {place}")
    };
    OperationError::invalid("body", ParseError::owned(why))
}

fn failed(status: &Status) -> JsonAnswer {
    let details = status.get_error_details();
    let info = details.error_info();
    let reason = info.map_or("INTERNAL", |info| info.reason.as_str());
    let field = info.and_then(|info| info.metadata.get("field")).map(String::as_str);
    let body = error_body(reason, status.message(), field);
    let mut headers = vec![no_store()];
    let code = http_status(status.code());
    if code == 401 {
        headers.push(("www-authenticate", "Bearer realm=\"keyward\"".to_owned()));
    }
    if let Some(after) = details.retry_info().and_then(|retry| retry.retry_delay) {
        headers.push(("retry-after", after.as_secs().max(1).to_string()));
    }
    JsonAnswer { status: code, headers, body }
}

fn no_store() -> Header {
    ("cache-control", "no-store".to_owned())
}

/// The status of HTTP for one of gRPC, as google.rpc.Code maps them. What only Keyward can be blamed for is a 503: it could
/// not decide.
const fn http_status(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => 503,
    }
}
