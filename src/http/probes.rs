//! `/livez` and `/readyz`: what platforms ask to know whether to restart a process, and whether to send it requests.
//!
//! They say no more than the health of gRPC does: names of conditions, and no reasons.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use super::respond::respond;
use crate::health::{HealthCondition, HealthWatch};

/// The parameter that asks for each condition by its name.
const VERBOSE: &str = "verbose";

/// Whether a restart would not help.
pub(super) fn live(health: &HealthWatch) -> Response<Full<Bytes>> {
    let is_alive = health.is_alive();
    plain(is_alive, if is_alive { "alive\n" } else { "stuck\n" }.to_owned())
}

/// Whether Checks are answered.
pub(super) fn ready(health: &HealthWatch, query: Option<&str>) -> Response<Full<Bytes>> {
    let now = health.now();
    let is_ready = now.answer_checks();
    let verdict = if is_ready { "ready\n" } else { "not ready\n" };
    let asked = query.unwrap_or_default().split('&').filter_map(|field| field.split('=').next());
    if !asked.into_iter().any(|name| name == VERBOSE) {
        return plain(is_ready, verdict.to_owned());
    }
    let mut told = String::new();
    for condition in HealthCondition::ALL {
        let words = match (now.hold(condition), condition.stops_checks()) {
            (false, _) => "no",
            (true, true) => "YES",
            (true, false) => "YES, and Checks are answered",
        };
        // Writing to a string cannot fail.
        let _written = writeln!(told, "{}: {words}", condition.name());
    }
    told.push_str(verdict);
    plain(is_ready, told)
}

fn plain(is_good: bool, body: String) -> Response<Full<Bytes>> {
    let status = if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers =
        [("content-type", "text/plain; charset=utf-8".to_owned()), ("cache-control", "no-store".to_owned())];
    respond(status, headers, body)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::health::{HealthConditions, health};

    async fn told(answer: Response<Full<Bytes>>) -> (u16, String) {
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_condition_is_named_and_fails_what_it_is_to_fail() {
        // M2
        let (reporter, watch) = health();
        for (condition, expected) in [
            (HealthCondition::Loading, 503),
            (HealthCondition::NoPolicy, 503),
            (HealthCondition::NoLease, 503),
            (HealthCondition::Sealed, 200),
            (HealthCondition::Full, 200),
            (HealthCondition::Behind, 200),
            (HealthCondition::ClockDoubted, 200),
            (HealthCondition::CertificateExpired, 200),
            // The last one: it is never taken back.
            (HealthCondition::Draining, 503),
        ] {
            reporter.report(condition.into());
            let (status, short) = told(ready(&watch, None)).await;
            assert_eq!(status, expected, "{condition:?}");
            assert_eq!(short, if status == 200 { "ready\n" } else { "not ready\n" });
            assert_eq!(told(live(&watch)).await, (200, "alive\n".to_owned()), "{condition:?}");
            for query in ["verbose", "verbose=1", "a=b&verbose"] {
                let (status, long) = told(ready(&watch, Some(query))).await;
                assert_eq!(status, expected, "{condition:?}");
                assert!(long.ends_with(&short), "{long}");
                let named: Vec<_> = long.lines().filter(|line| line.contains(": YES")).collect();
                assert_eq!(named.len(), 1, "{long}");
                assert!(named[0].starts_with(&format!("{}: YES", condition.name())), "{long}");
                assert_eq!(long.lines().count(), HealthCondition::ALL.len() + 1);
            }
        }
        assert_eq!(told(ready(&watch, Some("verbosely"))).await.1, "not ready\n");
    }

    #[tokio::test]
    async fn a_process_without_a_fault_is_ready() {
        // M2
        let (reporter, watch) = health();
        reporter.report(HealthConditions::NONE);
        let (status, long) = told(ready(&watch, Some("verbose"))).await;
        assert_eq!((status, long.matches(": no\n").count()), (200, HealthCondition::ALL.len()), "{long}");
    }
}
