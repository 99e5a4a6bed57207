//! Lines that somebody adds where lines are added: each drops a protection, as a real nginx shows, and the check says where
//! and what to do.

use std::path::Path;

use serde_json::Value;

use super::{leaks::Leak, nginx, replacing};
use crate::{
    config::Changes,
    exchange::{exchange, request},
    gateway::NGINX,
    house::{Holder, House, policy},
    process::{Ended, keyward, run},
    service::Seen,
};

/// A change of the shipped files: what stands there once, and what is there instead.
type Change = (&'static str, &'static str);

/// A wrong configuration.
struct Variation {
    what: &'static str,
    changes: &'static [Change],
    /// What the check calls it.
    problem: &'static str,
    /// What stands on the line that it names.
    line: &'static str,
    leak: Leak,
}

const EVENTS: &str = "        location = /v1/events {\n            proxy_read_timeout 1h;\n";
const HEALTH: &str = "        # Open to everyone.";
const SERVER: &str = "        include keyward-server.conf;\n";

/// `EVENTS` with a line of its own.
macro_rules! events {
    ($line:literal) => {
        (
            EVENTS,
            concat!("        location = /v1/events {\n            proxy_read_timeout 1h;\n", $line, "\n"),
        )
    };
}
/// A location more.
macro_rules! location {
    ($text:literal) => {
        (HEALTH, concat!($text, "\n        # Open to everyone."))
    };
}
/// A line more in the server.
macro_rules! server {
    ($line:literal) => {
        (SERVER, concat!("        include keyward-server.conf;\n", $line, "\n"))
    };
}

const VARIATIONS: &[Variation] = &[
    Variation {
        what: "the usual two lines for WebSockets",
        changes: &[events!(
            "proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection \"upgrade\";"
        )],
        problem: "CLAIM_PASSED",
        line: "proxy_set_header Upgrade",
        leak: Leak::Claim("/v1/events", "x-keyward-owner"),
    },
    Variation {
        what: "the same, and the secret",
        changes: &[events!("proxy_set_header Upgrade $http_upgrade;")],
        problem: "CLAIM_PASSED",
        line: "proxy_set_header Upgrade",
        leak: Leak::Claim("/v1/events", "Authorization"),
    },
    Variation {
        what: "a header for gRPC",
        changes: &[(
            "            grpc_pass grpc://grpc_service;",
            "            grpc_set_header x-a b;\n            grpc_pass grpc://grpc_service;",
        )],
        problem: "CLAIM_PASSED",
        line: "grpc_set_header x-a",
        leak: Leak::Unshown,
    },
    Variation {
        what: "a header in a location within a location",
        changes: &[location!(
            "location /v1/spaces { location /v1/spaces/cdn-eu { proxy_set_header a b; proxy_pass http://service; } }"
        )],
        problem: "CLAIM_PASSED",
        line: "proxy_set_header a b",
        leak: Leak::Claim("/v1/spaces/cdn-eu", "x-keyward-plan"),
    },
    Variation {
        what: "a header of Keyward's, set beside the file",
        changes: &[events!(
            "include keyward-proxy.conf;\nproxy_set_header \"X-Keyward-Owner\" $http_x_keyward_owner;"
        )],
        problem: "CLAIM_PASSED",
        line: "\"X-Keyward-Owner\"",
        leak: Leak::Claim("/v1/events", "x-keyward-owner"),
    },
    Variation {
        what: "the client's credential, set beside the file",
        changes: &[events!(
            "include keyward-proxy.conf;\nproxy_set_header authorization $http_authorization;"
        )],
        problem: "CLAIM_PASSED",
        line: "authorization $http_authorization",
        leak: Leak::Claim("/v1/events", "authorization"),
    },
    Variation {
        what: "a claim in the place of Keyward's word",
        changes: &[(
            "proxy_set_header x-keyward-owner $keyward_owner;",
            "proxy_set_header x-keyward-owner ${http_x_keyward_owner};",
        )],
        problem: "CLAIM_PASSED",
        line: "${http_x_keyward_owner}",
        leak: Leak::Claim("/v1/templates", "x-keyward-owner"),
    },
    Variation {
        what: "the client's word on where it is",
        changes: &[(
            "proxy_set_header x-forwarded-for $remote_addr;\nproxy_set_header x-forwarded-host",
            "proxy_set_header x-forwarded-for $proxy_add_x_forwarded_for;\nproxy_set_header x-forwarded-host",
        )],
        problem: "CLAIM_PASSED",
        line: "$proxy_add_x_forwarded_for",
        leak: Leak::Claim("/v1/templates", "x-forwarded-for"),
    },
    Variation {
        what: "FastCGI, which knows headers as parameters",
        changes: &[location!("location /v1/php { fastcgi_pass 127.0.0.1:1; }")],
        problem: "CLAIM_PASSED",
        line: "fastcgi_pass",
        leak: Leak::Unshown,
    },
    Variation {
        what: "names with _",
        changes: &[server!("underscores_in_headers on;")],
        problem: "HEADER_SPELLING",
        line: "proxy_pass http://service",
        leak: Leak::Claim("/v1/templates", "x_keyward_owner"),
    },
    Variation {
        what: "names with .",
        changes: &[server!("ignore_invalid_headers off;")],
        problem: "HEADER_SPELLING",
        line: "proxy_pass http://service",
        leak: Leak::Claim("/v1/templates", "x.keyward.owner"),
    },
    Variation {
        what: "a server beside it",
        changes: &[(
            "    server {\n        listen 127.0.0.1:10000;",
            "    server { listen 127.0.0.1:9901; location / { proxy_pass http://service; } }\n    server {\n        listen 127.0.0.1:10000;",
        )],
        problem: "UNASKED",
        line: "listen 127.0.0.1:",
        leak: Leak::UnaskedBeside("/v1/templates"),
    },
    Variation {
        what: "no question in the whole server",
        changes: &[("auth_request /-keyward/verify;", "auth_request off;")],
        problem: "UNASKED",
        line: "proxy_pass http://service",
        leak: Leak::Unasked("/v1/templates"),
    },
    Variation {
        what: "another way in",
        changes: &[events!("satisfy any;\nallow all;")],
        problem: "SATISFY_ANY",
        line: "proxy_pass http://service",
        leak: Leak::Unasked("/v1/events"),
    },
    Variation {
        what: "a word of Keyward's that is kept",
        changes: &[events!("auth_request_set $mine $upstream_http_x_keyward_owner;")],
        problem: "ANSWER_DROPPED",
        line: "auth_request_set $mine",
        leak: Leak::Nobody("/v1/events"),
    },
    Variation {
        what: "a word of the client's in the place of Keyward's",
        changes: &[events!(
            "include keyward-ask.conf;\nauth_request_set $keyward_owner $http_x_keyward_owner;"
        )],
        problem: "CLAIM_PASSED",
        line: "auth_request_set $keyward_owner $http",
        leak: Leak::Claim("/v1/events", "x-keyward-owner"),
    },
    Variation {
        what: "a word on the holder where nobody is asked",
        changes: &[location!(
            "location = /open { auth_request off; set $keyward_owner $http_x_keyward_owner; proxy_pass http://service; }"
        )],
        problem: "CLAIM_PASSED",
        line: "set $keyward_owner",
        leak: Leak::Claim("/open", "x-keyward-owner"),
    },
    Variation {
        what: "a page for an error",
        changes: &[events!("error_page 404 /missing.html;")],
        problem: "DENIAL_REPLACED",
        line: "error_page 404",
        leak: Leak::NotSpent("/v1/events"),
    },
    Variation {
        what: "a page for denials, ahead of the file",
        changes: &[events!("error_page 500 502 /sorry.html;\ninclude keyward-ask.conf;")],
        problem: "DENIAL_REPLACED",
        line: "error_page 500 502",
        leak: Leak::NotSpent("/v1/events"),
    },
    Variation {
        what: "the service's own errors",
        changes: &[events!("proxy_intercept_errors on;")],
        problem: "DENIAL_REPLACED",
        line: "proxy_pass http://service",
        leak: Leak::Replaced("/v1/events"),
    },
    Variation {
        what: "a header for the client",
        changes: &[events!("add_header x-frame-options deny;")],
        problem: "CLIENT_NOT_TOLD",
        line: "add_header x-frame-options",
        leak: Leak::NotTold("/v1/events"),
    },
    Variation {
        what: "a header of the service that is hidden",
        changes: &[events!("proxy_hide_header x-powered-by;")],
        problem: "CLIENT_NOT_TOLD",
        line: "proxy_hide_header x-powered-by",
        leak: Leak::ToldByService("/v1/events"),
    },
    Variation {
        what: "any spelling of a path",
        changes: &[("if ($keyward_odd_path) {", "if ($keyward_preflight) {")],
        problem: "PATH_SPELLING",
        line: "proxy_pass http://service",
        leak: Leak::Unasked("/v1/templates/../../healthz"),
    },
    Variation {
        what: "a question that everybody may ask",
        changes: &[("location = /-keyward/verify {\n    internal;", "location = /-keyward/verify {")],
        problem: "QUESTION_OPEN",
        line: "proxy_pass http://keyward",
        leak: Leak::Reached("/-keyward/verify"),
    },
    Variation {
        what: "a question about another path",
        changes: &[("x-forwarded-uri $request_uri;", "x-forwarded-uri $http_x_forwarded_uri;")],
        problem: "QUESTION_WRONG",
        line: "$http_x_forwarded_uri",
        leak: Leak::UnaskedFor("/no", ("x-forwarded-uri", "/open/a")),
    },
    Variation {
        what: "a question that does not say the method",
        changes: &[("    proxy_set_header x-forwarded-method $request_method;\n", "")],
        problem: "QUESTION_WRONG",
        line: "proxy_pass http://keyward",
        leak: Leak::Unshown,
    },
    Variation {
        what: "a question with the body",
        changes: &[("    proxy_pass_request_body off;\n", "")],
        problem: "QUESTION_WRONG",
        line: "proxy_pass http://keyward",
        leak: Leak::Unshown,
    },
    Variation {
        what: "answers that are kept for others",
        changes: &[
            (
                "    include keyward-http.conf;\n",
                "    proxy_cache_path cache keys_zone=answers:1m;\n    include keyward-http.conf;\n",
            ),
            (
                "    proxy_pass_request_body off;\n",
                "    proxy_pass_request_body off;\n    proxy_cache answers;\n    proxy_cache_valid 200 1m;\n",
            ),
        ],
        problem: "QUESTION_WRONG",
        line: "proxy_pass http://keyward",
        leak: Leak::UnaskedAfter("/v1/templates"),
    },
    Variation {
        what: "a question that nobody answers",
        changes: &[("auth_request /-keyward/verify;", "auth_request /ask;")],
        problem: "UNASKED",
        line: "proxy_pass http://service",
        leak: Leak::Unshown,
    },
    Variation {
        what: "nginx's own access log",
        changes: &[server!("access_log /dev/stdout;")],
        problem: "LOG_TELLS",
        line: "access_log /dev/stdout;",
        leak: Leak::Logged("/v1/templates"),
    },
    Variation {
        what: "a format with the query",
        changes: &[
            (
                "    include keyward-http.conf;\n",
                "    include keyward-http.conf;\n    log_format mine '$status' ' ${request_uri}';\n",
            ),
            server!("access_log /dev/stdout mine;"),
        ],
        problem: "LOG_TELLS",
        line: "access_log /dev/stdout mine;",
        leak: Leak::Logged("/v1/templates"),
    },
    Variation {
        what: "an error log",
        changes: &[
            server!("error_log stderr crit;"),
            location!("location /v1/spaces/ { proxy_pass http://unix:/nobody.sock; }"),
        ],
        problem: "LOG_TELLS",
        line: "error_log stderr crit;",
        leak: Leak::Logged("/v1/spaces/cdn-eu"),
    },
];

/// Runs the check on a file.
pub(super) fn check(file: &Path, flags: &[&str]) -> Ended {
    let mut command = keyward();
    command.args(["gateway", "check"]).arg(file).args(flags);
    run(command, "")
}

impl Variation {
    fn changes(&self) -> Changes {
        Changes { ready_when_open: true, ..replacing(self.changes) }
    }

    /// What is wrong, unless the check names the problem, its file and its line.
    fn fault(&self, folder: &Path) -> Option<String> {
        let found = check(&folder.join("nginx.conf"), &["--json"]);
        if found.code != Some(6) {
            return Some(format!("{}: {found:?}", self.what));
        }
        let answer: Value = serde_json::from_str(&found.out).unwrap();
        let findings = answer["findings"].as_array().unwrap();
        let is_this = |finding: &&Value| {
            let text = std::fs::read_to_string(finding["file"].as_str().unwrap()).unwrap();
            let line = usize::try_from(finding["line"].as_u64().unwrap()).unwrap();
            let line = text.lines().nth(line - 1).unwrap();
            let is_told =
                !finding["next"].as_str().unwrap().is_empty() && !finding["at"].as_str().unwrap().is_empty();
            is_told && finding["problem"] == self.problem && line.contains(self.line)
        };
        let found = findings.iter().any(|finding| is_this(&finding));
        (!found).then(|| format!("{}: {:#}", self.what, answer["findings"]))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_drops_a_protection_is_found_where_a_real_nginx_shows_it() {
    // H13
    let house = House::alone(policy()).await;
    let Some(right) = nginx(house.behind(), &Changes::default()).await else { return };
    let mut faults = Vec::new();
    for variation in VARIATIONS {
        let running = nginx(house.behind(), &variation.changes()).await.unwrap();
        faults.extend(variation.fault(running.folder()));
        let (what, leak) = (variation.what, variation.leak);
        if !leak.shows(&house, &running).await {
            faults.push(format!("{what}: no {leak:?}"));
        }
        let is_shown = !matches!(leak, Leak::Unshown | Leak::UnaskedBeside(_));
        if is_shown && leak.shows(&house, &right).await {
            faults.push(format!("{what}: as shipped: {leak:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let shown = VARIATIONS.iter().filter(|variation| !matches!(variation.leak, Leak::Unshown)).count();
    let told = NGINX.readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [format!("in {} wrong ways", VARIATIONS.len()), format!("in {shown} of them")] {
        assert!(told.contains(&words), "{words}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_location_that_includes_the_files_again_is_as_protected_as_the_server() {
    // H6, H13
    const AGAIN: Variation = Variation {
        what: "lines of every kind, beside the files",
        changes: &[events!(
            "include keyward-ask.conf; include keyward-proxy.conf; include keyward-client.conf;
             auth_request_set $mine $upstream_status; error_page 404 /missing.html;
             proxy_set_header x-own mine; proxy_hide_header x-powered-by; add_header x-frame-options deny;"
        )],
        problem: "",
        line: "",
        leak: Leak::Unshown,
    };
    let house = House::alone(policy()).await;
    let Some(running) = nginx(house.behind(), &AGAIN.changes()).await else { return };
    assert_eq!(check(&running.folder().join("nginx.conf"), &[]).code, Some(0));
    for leak in [
        Leak::Claim("/v1/events", "x-keyward-owner"),
        Leak::Claim("/v1/events", "authorization"),
        Leak::Unasked("/v1/events"),
        Leak::Nobody("/v1/events"),
        Leak::NotSpent("/v1/events"),
        Leak::NotTold("/v1/events"),
        Leak::ToldByService("/v1/events"),
        Leak::Replaced("/v1/events"),
    ] {
        assert!(!leak.shows(&house, &running).await, "{leak:?}");
    }
    let key = house.key(Holder::Reader).await;
    let reply = exchange(running.address, &request("GET", "/v1/events", &[("x-api-key", &key)], "")).await;
    assert_eq!(Seen::of(&reply).values("x-own"), ["mine"], "{reply:?}");
    assert_eq!(reply.message.header("x-frame-options"), Some("deny"), "{reply:?}");
    // There is no way to remove what is not named.
    assert!(Leak::Claim("/v1/events", "x-keyward-role").shows(&house, &running).await);
    house.stop().await;
}
