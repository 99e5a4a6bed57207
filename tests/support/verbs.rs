//! The verbs in a word each, sent as root, and what refusals say.

use std::time::Duration;

use keyward::{
    domain::policy::Document,
    wire::v1::{self, apply_policy_request, check_request, revoke_request, validate_policy_request},
};
use tonic::{Code, Response, Status, codec::Codec, transport::Channel};
use tonic_types::StatusExt as _;

use super::{Issued, Keyward, error_reason, signed};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const MS: Duration = Duration::from_millis(1);

/// The status of a call that must have been refused so.
#[track_caller]
pub fn refusal<T>(result: Result<Response<T>, Status>, code: Code, reason: &str) -> Status {
    let status = refused(result);
    assert_eq!((status.code(), error_reason(&status).as_str()), (code, reason), "{status:?}");
    if code == Code::FailedPrecondition {
        let failure = status.get_details_precondition_failure().unwrap();
        assert_eq!(failure.violations.len(), 1);
        assert_eq!(failure.violations[0].r#type, reason);
    }
    status
}

/// The status of a call that must have been refused.
#[track_caller]
pub fn refused<T>(result: Result<Response<T>, Status>) -> Status {
    match result {
        Ok(_) => panic!("the call was not refused"),
        Err(status) => status,
    }
}

/// Passes if the call was refused for this one field, and its details say so too; returns what is allowed there.
#[track_caller]
pub fn assert_field<T>(result: Result<Response<T>, Status>, field: &str) -> String {
    let status = refusal(result, Code::InvalidArgument, "FIELD_INVALID");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let named: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, [field], "{status:?}");
    assert!(violations[0].description.starts_with("must be "), "{status:?}");
    assert_eq!(metadata(&status, "field").as_deref(), Some(field));
    violations[0].description.clone()
}

/// A value of the ErrorInfo's metadata.
pub fn metadata(status: &Status, name: &str) -> Option<String> {
    status.get_details_error_info().unwrap().metadata.get(name).cloned()
}

/// The milliseconds since 1970 of a time on the wire.
pub fn ms(time: Option<prost_types::Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000)
}

/// A duration for the wire.
pub fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap(),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap(),
    }
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn bound(scope: &str, resources: &[&str]) -> v1::Grant {
    v1::Grant { scope: scope.to_owned(), resources: strings(resources) }
}

pub fn by_id(id: &str) -> v1::RevokeRequest {
    v1::RevokeRequest {
        target: Some(revoke_request::Target::KeyId(id.to_owned())),
        ..v1::RevokeRequest::default()
    }
}

pub fn by_possession(api_key: &str) -> v1::RevokeRequest {
    v1::RevokeRequest {
        target: Some(revoke_request::Target::ApiKey(api_key.to_owned())),
        ..v1::RevokeRequest::default()
    }
}

/// A Check of a key by its id.
pub fn peek(id: &str, scopes: &[&str]) -> v1::CheckRequest {
    v1::CheckRequest {
        subject: Some(check_request::Subject::KeyId(id.to_owned())),
        scopes: strings(scopes),
        mode: v1::CheckMode::Peek.into(),
        ..v1::CheckRequest::default()
    }
}

pub fn rotation(id: &str, grace: Option<Duration>) -> v1::RotateRequest {
    v1::RotateRequest { key_id: id.to_owned(), grace_period: grace.map(wire), ..v1::RotateRequest::default() }
}

pub fn named(id: &str) -> v1::GetKeyRequest {
    v1::GetKeyRequest { key_id: id.to_owned(), presented: None }
}

pub fn disabling(id: &str) -> v1::DisableKeyRequest {
    v1::DisableKeyRequest { key_id: id.to_owned(), ..v1::DisableKeyRequest::default() }
}

pub fn enabling(id: &str) -> v1::EnableKeyRequest {
    v1::EnableKeyRequest { key_id: id.to_owned(), ..v1::EnableKeyRequest::default() }
}

pub fn update(key: v1::Key, mask: &[&str]) -> v1::UpdateKeyRequest {
    let update_mask = Some(prost_types::FieldMask { paths: strings(mask) });
    v1::UpdateKeyRequest { key: Some(key), update_mask, lifetime: None }
}

/// An update of a key's name.
pub fn renaming(id: &str, name: &str) -> v1::UpdateKeyRequest {
    let key = v1::Key { id: id.to_owned(), name: name.to_owned(), ..v1::Key::default() };
    update(key, &["name"])
}

/// A document as its text, whether or not it could be in force.
pub fn toml(document: &Document) -> String {
    toml::to_string(document).unwrap()
}

impl Keyward {
    /// The newest revision of the log.
    pub async fn revision(&self) -> u64 {
        self.newest_record().await.revision
    }

    pub async fn try_issue(
        &self,
        caller: &str,
        request: v1::IssueRequest,
    ) -> Result<Response<v1::IssueResponse>, Status> {
        self.keys().issue(signed(caller, request)).await
    }

    /// Rotates a key as root; `None` is the default grace.
    pub async fn rotate(&self, id: &str, grace: Option<Duration>) -> Issued {
        let mut answer = self.keys().rotate(self.as_root(rotation(id, grace))).await.unwrap().into_inner();
        Issued { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) }
    }

    /// Revokes a key by its id as root.
    pub async fn revoke(&self, id: &str) -> v1::RevokeResponse {
        self.keys().revoke(self.as_root(by_id(id))).await.unwrap().into_inner()
    }

    /// Presents a key for revocation, as nobody in particular.
    pub async fn end(&self, api_key: &str) -> Result<v1::RevokeResponse, Status> {
        self.keys().revoke(by_possession(api_key)).await.map(Response::into_inner)
    }

    pub async fn disable(&self, id: &str) -> v1::DisableKeyResponse {
        self.keys().disable_key(self.as_root(disabling(id))).await.unwrap().into_inner()
    }

    pub async fn enable(&self, id: &str) -> v1::EnableKeyResponse {
        self.keys().enable_key(self.as_root(enabling(id))).await.unwrap().into_inner()
    }

    pub async fn update(&self, key: v1::Key, mask: &[&str]) -> v1::Key {
        let answer = self.keys().update_key(self.as_root(update(key, mask))).await.unwrap().into_inner();
        answer.key.unwrap()
    }

    /// A key as root sees it.
    pub async fn show(&self, id: &str) -> v1::Key {
        self.keys().get_key(self.as_root(named(id))).await.unwrap().into_inner().key.unwrap()
    }

    /// The root key's own id.
    pub async fn root_id(&self) -> String {
        let first = v1::QueryLogRequest {
            action: v1::AuditAction::StoreInitialize.into(),
            ..v1::QueryLogRequest::default()
        };
        let answer = self.audit().query_log(self.as_root(first)).await.unwrap().into_inner();
        answer.records[0].key_id.clone()
    }

    /// The id of the default workspace.
    pub async fn default_workspace(&self) -> String {
        let id = self.root_id().await;
        self.show(&id).await.workspace_id
    }

    /// The policy in force.
    pub async fn in_force(&self) -> v1::GetPolicyResponse {
        self.policy_version(0).await.unwrap().into_inner()
    }

    pub async fn policy_version(&self, version: u64) -> Result<Response<v1::GetPolicyResponse>, Status> {
        self.policies().get_policy(self.as_root(v1::GetPolicyRequest { version })).await
    }

    /// What a document in TOML would do.
    pub async fn judge(&self, toml: &str) -> Result<Response<v1::ValidatePolicyResponse>, Status> {
        let document = Some(validate_policy_request::Document::Toml(toml.to_owned()));
        self.policies().validate_policy(self.as_root(v1::ValidatePolicyRequest { document })).await
    }

    /// Puts a document in TOML in force, in the place of this version.
    pub async fn try_apply(
        &self,
        toml: &str,
        expected_version: u64,
        comment: &str,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        let document = Some(apply_policy_request::Document::Toml(toml.to_owned()));
        let comment = comment.to_owned();
        let request = v1::ApplyPolicyRequest { document, expected_version, comment, expected_gains: None };
        self.policies().apply_policy(self.as_root(request)).await
    }

    /// Puts a document in force in the place of whichever is, whoever gains by it.
    pub async fn apply(&self, document: &Document) -> v1::ApplyPolicyResponse {
        self.apply_expecting_all(&toml(document), "").await.unwrap().into_inner()
    }

    /// Puts a document in TOML in force in the place of whichever is, whoever gains by it.
    pub async fn apply_expecting_all(
        &self,
        toml: &str,
        comment: &str,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        let found = self.judge(toml).await?.into_inner();
        let request = v1::ApplyPolicyRequest {
            document: Some(apply_policy_request::Document::Toml(toml.to_owned())),
            expected_version: found.current_version,
            comment: comment.to_owned(),
            expected_gains: found.effect.map(|effect| effect.gaining_key_count),
        };
        self.policies().apply_policy(self.as_root(request)).await
    }

    /// Answers a Check that must not be an error.
    pub async fn ask(&self, request: v1::CheckRequest) -> v1::CheckResponse {
        self.keys().check(request).await.unwrap().into_inner()
    }

    /// Answers a Check that root asks.
    pub async fn ask_as_root(&self, request: v1::CheckRequest) -> v1::CheckResponse {
        self.keys().check(self.as_root(request)).await.unwrap().into_inner()
    }

    /// Calls a method by its full name (`keyward.v1.KeyService/Check`) with a message's bytes.
    pub async fn call(
        &self,
        method: &str,
        authorization: &[&str],
        message: Vec<u8>,
    ) -> Result<Response<Vec<u8>>, Status> {
        call(self.channel.clone(), method, authorization, message).await
    }
}

/// Calls a method by its full name with a message's bytes.
pub async fn call(
    channel: Channel,
    method: &str,
    authorization: &[&str],
    message: Vec<u8>,
) -> Result<Response<Vec<u8>>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(message);
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    client.unary(request, format!("/{method}").parse().unwrap(), Raw).await
}

/// Messages as bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length).to_vec()))
    }
}
