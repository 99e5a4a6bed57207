//! What a call is told that does not reach a handler, or whose handler did not answer: one table.

use std::time::Duration;

use http::{Response, StatusCode, header};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{ext_authz, status::DOMAIN};
use crate::server::failure::CallFailure;

/// Why a call gets no answer from a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallRefusal {
    /// The method is not POST.
    MethodNotAllowed,
    /// The content type is not gRPC with protobuf.
    UnsupportedMediaType,
    /// The path names no method, exactly.
    Unimplemented,
    /// The method takes one message, and there is none, or something behind it.
    NotOneMessage,
    /// The `grpc-timeout` header is malformed.
    TimeoutMalformed,
    /// The deadline has passed.
    DeadlineExceeded,
    /// The handler panicked.
    Internal,
    /// The request ended before it was whole; the client is hardly ever there to hear it.
    RequestBroken,
    /// The memory for calls in flight is spent.
    OverBudget,
    /// Too many streams of answers are open.
    TooManyStreams,
}

impl From<CallFailure> for CallRefusal {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::DeadlineExceeded => Self::DeadlineExceeded,
            CallFailure::Panicked => Self::Internal,
            CallFailure::RequestBroken => Self::RequestBroken,
            CallFailure::OverBudget => Self::OverBudget,
            CallFailure::TooManyStreams => Self::TooManyStreams,
        }
    }
}

impl CallRefusal {
    /// The answer to a call of this path, after so long. Envoy hears of no error, on which it might let a request through: it gets a
    /// 503 to pass on (X1). What is no call of gRPC at all does not come from Envoy.
    pub(super) fn response_to(self, path: Option<&str>, took: Duration) -> Response<Body> {
        match self {
            Self::TimeoutMalformed
            | Self::DeadlineExceeded
            | Self::Internal
            | Self::RequestBroken
            | Self::OverBudget
            | Self::TooManyStreams
                if path == Some(ext_authz::PATH) =>
            {
                ext_authz::unavailable(took)
            }
            Self::MethodNotAllowed
            | Self::UnsupportedMediaType
            | Self::Unimplemented
            | Self::NotOneMessage
            | Self::TimeoutMalformed
            | Self::DeadlineExceeded
            | Self::Internal
            | Self::RequestBroken
            | Self::OverBudget
            | Self::TooManyStreams => self.response(),
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        match self {
            Self::MethodNotAllowed => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
                response
            }
            Self::UnsupportedMediaType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Unimplemented
            | Self::NotOneMessage
            | Self::TimeoutMalformed
            | Self::DeadlineExceeded
            | Self::Internal
            | Self::RequestBroken
            | Self::OverBudget
            | Self::TooManyStreams => self.status().into_http(),
        }
    }

    /// The same as a gRPC status; the two that are plain HTTP have what gRPC maps their HTTP status to.
    pub(super) fn status(self) -> Status {
        match self {
            Self::MethodNotAllowed | Self::UnsupportedMediaType => Status::unknown("not a gRPC request"),
            Self::Unimplemented => Status::unimplemented("there is no such method"),
            // What gRPC says of a "request cardinality violation" (its statuscodes.md).
            Self::NotOneMessage => Status::unimplemented("the method takes exactly one message"),
            Self::TimeoutMalformed => {
                with_reason(Code::InvalidArgument, "grpc-timeout is malformed", "FIELD_INVALID")
            }
            Self::DeadlineExceeded => with_reason(
                Code::DeadlineExceeded,
                "the call took longer than its deadline",
                "DEADLINE_EXCEEDED",
            ),
            Self::Internal => with_reason(Code::Internal, "internal error", "INTERNAL"),
            Self::RequestBroken => Status::cancelled("the request broke off"),
            Self::OverBudget => with_reason(
                Code::ResourceExhausted,
                "the memory for calls in flight is spent, or the share of this address; try again, or in smaller pieces",
                "MEMORY_SPENT",
            ),
            Self::TooManyStreams => Status::resource_exhausted("too many streams are open"),
        }
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn with_reason(code: Code, message: &str, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::ErrorReason;

    #[test]
    fn each_reason_is_one_of_the_published_ones() {
        for (refusal, expected) in [
            (CallRefusal::TimeoutMalformed, ErrorReason::FieldInvalid),
            (CallRefusal::DeadlineExceeded, ErrorReason::DeadlineExceeded),
            (CallRefusal::Internal, ErrorReason::Internal),
            (CallRefusal::OverBudget, ErrorReason::MemorySpent),
        ] {
            let info = refusal.status().get_details_error_info().unwrap();
            assert_eq!(ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason)), Some(expected));
            assert_eq!(info.domain, "keyward");
        }
    }
}
