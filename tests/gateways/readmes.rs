//! Each sentence of the READMEs of Envoy, Caddy and Traefik is held by a test with the real gateway, or says what stands in a
//! file; the one of nginx is nginx/readme.rs's.

use std::process::Command;

use crate::{
    gateway::{CADDY, ENVOY, Gateway, TRAEFIK},
    sentences::{
        AWAY, CLAIMS, DECISIONS, EXAMPLE,
        Held::{self, By, Words},
        PATHS, Sentences, assert_held,
    },
    support::skip,
};

const NO_SECRET: Held = By("example.rs", "no_log_of_a_gateway_holds_a_secret");
const WHOEVER: Held = By("outage.rs", "whoever_answers_in_the_place_of_keyward_lets_nothing_through");
const NO_NAMES: Held = By("claims.rs", "a_client_can_name_no_header_to_be_removed");
const ADDRESS: Held =
    By("claims.rs", "the_address_the_method_and_the_path_are_the_connections_whatever_a_header_says");
const LIMITS: Held = By("claims.rs", "what_the_service_says_of_limits_is_overwritten_where_the_gateway_can");
const BALANCED: Held =
    By("balanced.rs", "behind_a_balancer_trusted_proxies_are_believed_through_every_gateway");
const OWN_SETTINGS: Held =
    By("balanced.rs", "behind_a_balancer_the_gateways_own_settings_are_enough_but_for_traefik");
const GRPC: Held = By("streams/grpc.rs", "a_caller_of_grpc_hears_what_a_caller_of_http_hears_and_asks_once");
const KNOWN_BY: Held =
    By("streams/grpc.rs", "callers_of_grpc_are_known_by_a_header_that_has_to_be_passed_on");
const WEBSOCKET: Held = By("streams/websocket.rs", "a_websocket_opens_for_who_may_and_for_nobody_else");
const PREFLIGHT: Held = By("streams/pages.rs", "a_preflight_is_answered_without_a_key");
const BOUND: Held = By("streams/life.rs", "a_stream_ends_when_the_bound_of_the_gateway_is_over");
const OUTLIVES: Held = By("streams/life.rs", "an_open_stream_outlives_its_key");
const ADDED: Held = By("streams/added.rs", "lines_that_are_added_in_the_ordinary_place_drop_no_protection");
const HEADERS: Held = By("streams/headers.rs", "the_document_says_which_headers_reach_the_service");
const CALLERS: Held = By("callers.rs", "a_gateway_can_say_who_it_is_and_its_clients_can_not");
const EACH: Held = By("readmes.rs", "each_sentence_is_held");

const OF_ENVOY: &Sentences = &[
    ("[envoy.yaml](envoy.yaml) is a whole configuration", EACH),
    ("[docs/gateways.md](../../docs/gateways.md) says", DECISIONS),
    ("The tests in `tests/envoy/`", By("../envoy/example.rs", "envoy_takes_the_example_as_it_is")),
    ("Three programs", EXAMPLE),
    ("Then a key that may read templates", EXAMPLE),
    (
        "A route says what it needs",
        By("../envoy/answers.rs", "a_route_that_keyward_does_not_understand_is_503_and_never_open"),
    ),
    ("The scopes here are of the policy", EXAMPLE),
    (
        "Where a route names no scopes",
        By("../envoy/routes.rs", "a_route_of_the_policy_decides_where_envoys_names_no_scopes"),
    ),
    (
        "A name that Keyward does not know",
        By("../envoy/answers.rs", "a_route_that_keyward_does_not_understand_is_503_and_never_open"),
    ),
    ("To leave a route open", By("../envoy/example.rs", "the_open_route_is_open_and_believes_no_claim")),
    ("It fails closed.", AWAY),
    ("When Keyward does not answer within", WHOEVER),
    (
        "With `failure_mode_allow: true`",
        By(
            "../envoy/outage.rs",
            "while_keyward_is_down_envoy_answers_503_and_passes_all_only_where_it_was_told_to",
        ),
    ),
    ("What Keyward answers", By("../envoy/hostile.rs", "no_bytes_elsewhere_are_an_outage_or_a_way_in")),
    ("A burst is no outage.", By("../envoy/flood.rs", "a_burst_of_requests_is_no_outage")),
    ("Keyward takes 128 calls", By("../envoy/flood.rs", "a_burst_of_requests_is_no_outage")),
    ("`circuit_breakers` has room", By("../envoy/flood.rs", "a_burst_of_requests_is_no_outage")),
    ("Claims are stripped.", CLAIMS),
    ("The filter `strip_claims` removes", CLAIMS),
    (
        "A route's `request_headers_to_remove`",
        By("otherwise.rs", "a_route_of_envoy_that_removes_claims_removes_what_keyward_says"),
    ),
    ("The secret stays here.", DECISIONS),
    ("`request_headers_to_remove` takes", DECISIONS),
    (
        "The access log has no header but",
        By("../envoy/identity.rs", "the_access_log_says_who_asked_and_why_it_was_denied_and_holds_no_secret"),
    ),
    ("One spelling of a path.", PATHS),
    ("`normalize_path`", By("../envoy/hostile.rs", "another_spelling_of_a_path_gets_around_nothing")),
    ("gRPC.", GRPC),
    ("Callers of a gRPC service", GRPC),
    ("Keyward knows them by `content-type`", KNOWN_BY),
    ("WebSockets and pages.", WEBSOCKET),
    ("`upgrade_configs` lets WebSockets through", WEBSOCKET),
    ("The filter `cors` answers preflights", PREFLIGHT),
    ("Streams end after an hour", BOUND),
    ("The address that a key's", OWN_SETTINGS),
    ("`strip_claims` writes it into a header", BALANCED),
    ("Name the balancers' networks", BALANCED),
    (
        "Health checks keep requests",
        By("otherwise.rs", "envoy_asks_no_keyward_that_does_not_answer_where_another_does"),
    ),
    ("Keyward and Envoy talk without TLS", Words(&["# gRPC over HTTP/2 without TLS: for loopback."])),
];

const OF_CADDY: &Sentences = &[
    ("[Caddyfile](Caddyfile) is a whole configuration", EACH),
    ("[docs/gateways.md](../../docs/gateways.md#caddy) says", DECISIONS),
    ("The tests in `tests/gateways/`", EXAMPLE),
    ("Three programs", EXAMPLE),
    ("Then a key that may read templates", EXAMPLE),
    ("Keyward is asked ahead of all", ADDED),
    (
        "A site of its own needs",
        By("streams/added.rs", "a_site_of_its_own_asks_where_it_says_so_and_not_otherwise"),
    ),
    ("A path says what it needs", DECISIONS),
    ("The scopes here are of the policy", EXAMPLE),
    ("Where a route names no scopes", DECISIONS),
    ("A name that Keyward does not know", DECISIONS),
    ("To leave a path open", EXAMPLE),
    (
        "`path_regexp`, since `path` takes",
        By("otherwise.rs", "a_path_of_caddy_that_is_no_expression_takes_other_spellings"),
    ),
    ("It fails closed.", AWAY),
    ("When Keyward does not answer in time", WHOEVER),
    ("A client gets what Keyward says", LIMITS),
    ("Claims are stripped ahead of everything", CLAIMS),
    ("`Connection` goes as well", NO_NAMES),
    ("Where a WebSocket is asked for", WEBSOCKET),
    ("The secret stays here.", DECISIONS),
    ("The credential is taken away", DECISIONS),
    ("No log has a header", NO_SECRET),
    ("One spelling of a path.", PATHS),
    ("Caddy compares a path", PATHS),
    ("The service gets them as they were sent", PATHS),
    ("gRPC.", GRPC),
    ("Callers of a gRPC service", GRPC),
    ("Pages of `https://app.example.com`", PREFLIGHT),
    ("Streams end after an hour", BOUND),
    ("One that is open outlives its key.", OUTLIVES),
    ("The address that a key's", ADDRESS),
    ("Behind balancers, name their networks", BALANCED),
    (
        "Leave `trusted_proxies_strict` there",
        By("otherwise.rs", "a_caddy_that_is_not_strict_takes_what_a_client_writes_for_its_address"),
    ),
    (
        "Caddy, Keyward and the service talk without TLS",
        Words(&["\treverse_proxy 127.0.0.1:8080 {\n", "\tauto_https off\n"]),
    ),
    ("Where Keyward listens beyond loopback", CALLERS),
];

const OF_TRAEFIK: &Sentences = &[
    ("[traefik.yaml](traefik.yaml) and [routes.yaml](routes.yaml) are", EACH),
    ("[docs/gateways.md](../../docs/gateways.md#traefik) says", DECISIONS),
    ("The tests in `tests/gateways/`", EXAMPLE),
    ("Three programs", EXAMPLE),
    ("Then a key that may read templates", EXAMPLE),
    ("A router says what it needs", DECISIONS),
    ("The scopes here are of the policy", EXAMPLE),
    ("Where a route names no scopes", DECISIONS),
    ("A name that Keyward does not know", DECISIONS),
    ("To leave a path open", EXAMPLE),
    ("Since the services ask", By("streams/added.rs", "what_traefik_cannot_prevent_its_check_finds")),
    ("It fails closed.", AWAY),
    ("When Keyward does not answer, the answer is 500", AWAY),
    ("A client gets what Keyward says", DECISIONS),
    ("On what is allowed it does not see its limits", LIMITS),
    ("Claims are stripped by", CLAIMS),
    ("On an open route nobody does that", CLAIMS),
    ("`aliasHeadersStrategy` drops names", NO_NAMES),
    ("The secret stays here.", DECISIONS),
    ("The credential is taken away", DECISIONS),
    (
        "The access log has of the headers only",
        By("otherwise.rs", "the_log_of_traefik_says_which_route_it_was_and_no_path"),
    ),
    ("One spelling of a path.", PATHS),
    ("`..` and `//` are resolved", PATHS),
    ("gRPC.", GRPC),
    ("Callers of a gRPC service", GRPC),
    ("Keyward knows them by `Content-Type`", KNOWN_BY),
    ("WebSockets go through", WEBSOCKET),
    ("For them Traefik has no bound", BOUND),
    ("One that is open outlives its key.", OUTLIVES),
    ("Pages may ask where", PREFLIGHT),
    ("Put your pages' origins there.", PREFLIGHT),
    ("The address that a key's", ADDRESS),
    ("Behind balancers, name their networks", BALANCED),
    ("What was asked is told as it came.", BALANCED),
    (
        "Traefik believes every `X-Forwarded-*`",
        By("otherwise.rs", "a_traefik_that_takes_nothing_away_tells_what_a_client_wrote"),
    ),
    ("The middleware `as-it-came` takes them away", ADDED),
    (
        "Without it in `routes.yaml`",
        By("otherwise.rs", "no_router_of_traefik_answers_without_what_takes_claims_away"),
    ),
    ("The service gets no `X-Forwarded-Host`", HEADERS),
    (
        "Traefik, Keyward and the service talk without TLS",
        Words(&["address: http://127.0.0.1:8080/verify\n", "- url: http://127.0.0.1:8000\n"]),
    ),
    ("Where Keyward listens beyond loopback", CALLERS),
];

/// A gateway, what makes its program say its version, the version's beginning, and the sentences.
const READMES: [(&Gateway, &str, &str, &Sentences); 3] = [
    (&ENVOY, "--version", "1.40", OF_ENVOY),
    (&CADDY, "version", "2.11", OF_CADDY),
    (&TRAEFIK, "version", "3.7", OF_TRAEFIK),
];

#[test]
fn each_sentence_is_held() {
    for (gateway, say, version, sentences) in READMES {
        let Some(program) = skip::tool(gateway.program) else { return };
        let said = Command::new(program).arg(say).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains(&format!("{version}.")), "{}: {said}", gateway.name);
        let named = format!("whole configuration of {} {version}:", gateway.name);
        assert!(gateway.readme.contains(&named), "{named}");
        assert_held(gateway, sentences);
    }
}
