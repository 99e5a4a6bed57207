//! The body of an answer that lets nothing through (H5): ours, or problem details (RFC 9457) where the client asks for them.

use serde::Serialize;

use super::{grpc, status::StopStatus};
use crate::domain::correlation::CorrelationId;

const PROBLEM: &str = "application/problem+json";

/// Which JSON a client gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// `{"success":false,"error":{"code":…,"message":…}}`.
    #[default]
    Plain,
    /// Problem details.
    Problem,
    /// That of `Plain`, in a header: the message of a status of gRPC.
    Grpc,
}

#[derive(Serialize)]
struct Plain<'a> {
    success: bool,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// Our own JSON of an error; `field` is what is wrong with the request, where it is one field.
#[must_use]
pub fn error_body(code: &str, message: &str, field: Option<&str>) -> String {
    plain(ErrorBody { code, message, field, request_id: None })
}

fn plain(error: ErrorBody<'_>) -> String {
    // Texts alone cannot fail to be written.
    serde_json::to_string(&Plain { success: false, error }).unwrap_or_default()
}

/// Without a `type`, which is `about:blank` then: the title is that of the status.
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// How a client is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopForm<'a> {
    /// In this format.
    pub format: BodyFormat,
    /// With the id of its request.
    pub request_id: Option<&'a CorrelationId>,
}

impl BodyFormat {
    /// The format that a request asks for by its values of `Content-Type`, where it is a call of gRPC, or of `Accept`:
    /// problem details where it names them.
    #[must_use]
    pub fn wanted<'a>(
        content_type: impl Iterator<Item = &'a [u8]>,
        mut accept: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        if grpc::is_call(content_type) {
            Self::Grpc
        } else if accept.any(|value| value.split(|byte| *byte == b',').any(is_wanted_problem)) {
            Self::Problem
        } else {
            Self::Plain
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::Problem => PROBLEM,
            Self::Grpc => grpc::CONTENT_TYPE,
        }
    }
}

impl StopForm<'_> {
    pub(super) fn body(self, status: StopStatus, code: &str, message: &str) -> String {
        let request_id = self.request_id.map(CorrelationId::as_str);
        match self.format {
            BodyFormat::Plain | BodyFormat::Grpc => {
                plain(ErrorBody { code, message, field: None, request_id })
            }
            BodyFormat::Problem => {
                let (status, title) = (status.code(), status.title());
                let problem = Problem { title, status, detail: message, code, request_id };
                // Texts and a number alone cannot fail to be written.
                serde_json::to_string(&problem).unwrap_or_default()
            }
        }
    }
}

/// Whether a member of `Accept` is problem details, and not refused by a weight of 0.
fn is_wanted_problem(member: &[u8]) -> bool {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(PROBLEM.as_bytes()));
    let is_zero = |weight: &[u8]| weight.iter().all(|byte| matches!(byte, b'0' | b'.'));
    let weight = |part: &[u8]| {
        part.split_at_checked(2)
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"q="))
            .map(|(_, weight)| is_zero(weight))
    };
    named && !parts.any(|part| weight(part) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_details_are_for_those_who_name_them() {
        // H5
        let format = |accept: &[&str]| {
            let accept = accept.iter().map(|value| value.as_bytes());
            BodyFormat::wanted(std::iter::empty(), accept)
        };
        for accept in [
            &["application/problem+json"][..],
            &["text/html, Application/Problem+JSON;q=0.5"],
            &["*/*", "application/problem+json ; charset=utf-8"],
        ] {
            assert_eq!(format(accept), BodyFormat::Problem, "{accept:?}");
        }
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/json"],
            &["application/problem+json;q=0"],
            &["application/problem+json; q=0.000"],
            &["application/problem+jsonx"],
        ] {
            assert_eq!(format(accept), BodyFormat::Plain, "{accept:?}");
        }
    }

    #[test]
    fn problem_details_hold_what_the_plain_body_holds() {
        let id = CorrelationId::given([&b"req-7"[..]].into_iter());
        let body = |format, request_id| {
            let form = StopForm { format, request_id };
            form.body(StopStatus::TooManyRequests, "RATE_LIMITED", "Say \"when\".")
        };
        let expected =
            r#"{"title":"Too Many Requests","status":429,"detail":"Say \"when\".","code":"RATE_LIMITED"}"#;
        assert_eq!(body(BodyFormat::Problem, None), expected);
        // M7
        assert!(
            body(BodyFormat::Problem, id.as_ref())
                .ends_with(r#""code":"RATE_LIMITED","request_id":"req-7"}"#)
        );
        assert!(body(BodyFormat::Plain, id.as_ref()).ends_with(r#"when\".","request_id":"req-7"}}"#));
    }
}
