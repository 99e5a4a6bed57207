//! Each sentence of the README of nginx is held by a test with a real nginx, or says what stands in a file.

use std::process::Command;

use super::{nginx, replacing};
use crate::{
    exchange::{exchange, request},
    gateway::NGINX,
    house::{Holder, House, policy},
    sentences::{
        AWAY, CLAIMS, DECISIONS, EXAMPLE,
        Held::{self, By, Words},
        PATHS, Sentences, assert_held,
    },
    service::Seen,
    support::skip,
};

const VARIATIONS: Held =
    By("nginx/variations.rs", "what_drops_a_protection_is_found_where_a_real_nginx_shows_it");
const AGAIN: Held =
    By("nginx/variations.rs", "a_location_that_includes_the_files_again_is_as_protected_as_the_server");
const ACCEPTED: Held = By("nginx/accepted.rs", "the_shipped_files_and_what_is_rightly_added_are_accepted");
const KEPT: Held = By("nginx/connections.rs", "a_thousand_denials_take_few_connections_to_keyward");
const TWO: Held =
    By("nginx/connections.rs", "of_two_keywards_the_living_one_decides_and_all_that_it_says_arrives");
const WRITTEN: Held = By("nginx/connections.rs", "what_nginx_writes_while_others_are_away_holds_no_query");
const PAGES: Held = By("nginx/browsers.rs", "pages_of_listed_origins_may_ask_and_read_denials_and_limits");
const OTHER_PAGES: Held = By("nginx/browsers.rs", "other_pages_may_not_and_as_shipped_none_may");
const CALL: Held =
    By("nginx/rpc.rs", "a_call_goes_through_with_who_its_holder_is_and_what_it_claims_does_not");
const DENIED_CALL: Held = By("nginx/rpc.rs", "a_denial_is_a_status_of_grpc_and_nobody_asks_again");
const WEBSOCKET: Held =
    By("nginx/streams.rs", "a_websocket_goes_through_with_who_its_holder_is_and_no_other_protocol_does");
const STREAM: Held = By("nginx/streams.rs", "an_open_stream_outlives_its_key_until_nginx_is_told_to_reload");
const ESCAPES: Held = By("nginx/readme.rs", "an_escape_that_a_path_needs_goes_through_as_it_is");

const SENTENCES: &Sentences = &[
    ("[nginx.conf](nginx.conf) is a whole configuration", EXAMPLE),
    ("What protects stands in the files", ACCEPTED),
    ("They need `auth_request` and HTTP/2; the tests", By("nginx/readme.rs", "each_sentence_is_held")),
    ("[docs/gateways.md](../../docs/gateways.md#nginx) says", DECISIONS),
    ("Three programs", EXAMPLE),
    ("Then a key that may read templates", EXAMPLE),
    ("| `keyward-http.conf` | `http`", WRITTEN),
    ("| `keyward-server.conf` | `server`", VARIATIONS),
    (
        "It includes the next four",
        Words(&[
            "\ninclude keyward-ask.conf;\n",
            "\ninclude keyward-proxy.conf;\n",
            "\ninclude keyward-grpc.conf;\n",
            "\ninclude keyward-client.conf;\n",
        ]),
    ),
    ("| `keyward-ask.conf` | again", AGAIN),
    ("| `keyward-proxy.conf` | again", AGAIN),
    ("| `keyward-grpc.conf` | again", CALL),
    ("| `keyward-client.conf` | again", AGAIN),
    ("| `keyward-cors.conf` | `server`", PAGES),
    ("| `keyward-origins.conf` | by", OTHER_PAGES),
    ("A location with a header of its own drops", VARIATIONS),
    ("So such a location includes", AGAIN),
    ("What forgets it is found", VARIATIONS),
    (
        "It reads the file and all that it includes",
        By("nginx/accepted.rs", "a_file_that_is_included_is_judged_by_its_own_name_and_line"),
    ),
    ("It cannot know what is passed on to", ACCEPTED),
    ("The tests change the shipped files", VARIATIONS),
    ("A table says what a request needs", DECISIONS),
    ("Where the table names no scopes", DECISIONS),
    ("A name that Keyward does not know", DECISIONS),
    ("To leave a path open", EXAMPLE),
    ("It fails closed.", AWAY),
    ("When Keyward does not answer in time", AWAY),
    ("A client gets what Keyward says.", DECISIONS),
    ("`auth_request` knows 200, 401 and 403", VARIATIONS),
    ("So status and headers are kept", DECISIONS),
    ("Keyward is asked once", By("decisions.rs", "a_limit_admits_exactly_as_many_through_each_gateway")),
    (
        "After a 400, 429 and 503 nginx closes",
        By("nginx/connections.rs", "a_client_of_http_2_keeps_its_connection_whatever_is_denied"),
    ),
    ("Connections to Keyward are kept", KEPT),
    ("Two Keywards", TWO),
    ("Where one does not answer", TWO),
    (
        "A client sees its limits",
        By("claims.rs", "what_the_service_says_of_limits_is_overwritten_where_the_gateway_can"),
    ),
    ("Claims are overwritten", CLAIMS),
    ("nginx cannot remove headers by prefix", AGAIN),
    ("Names with `_` or `.`", CLAIMS),
    ("The secret stays here.", DECISIONS),
    ("The credential is taken away", DECISIONS),
    ("The access log has no header", By("example.rs", "no_log_of_a_gateway_holds_a_secret")),
    ("The error log has no line about a request", WRITTEN),
    ("One spelling of a path.", PATHS),
    ("nginx compares a path", PATHS),
    ("The service gets them as they were sent", ESCAPES),
    (
        "The address that a key's `allowed_cidrs`",
        By("claims.rs", "the_address_the_method_and_the_path_are_the_connections_whatever_a_header_says"),
    ),
    (
        "Behind balancers, name their networks",
        By("balanced.rs", "behind_a_balancer_trusted_proxies_are_believed_through_every_gateway"),
    ),
    ("WebSockets go through every location.", WEBSOCKET),
    ("No other protocol does", WEBSOCKET),
    ("gRPC: a location with `grpc_pass`.", CALL),
    ("A denial is a status of gRPC", DENIED_CALL),
    ("With `grpc-retry-pushback-ms: -1`", DENIED_CALL),
    ("Pages: with `keyward-cors.conf`", PAGES),
    ("Other pages get no such header.", OTHER_PAGES),
    ("A stream that is open outlives its key.", STREAM),
    ("What ends it is `nginx -s reload`", STREAM),
    ("[docs/gateways.md](../../docs/gateways.md#what-is-not-protected) says", STREAM),
    (
        "nginx, Keyward and the service talk without TLS",
        Words(&["proxy_pass http://service;", "proxy_pass http://keyward$keyward_question;"]),
    ),
    (
        "Where Keyward listens beyond loopback",
        By("callers.rs", "a_gateway_can_say_who_it_is_and_its_clients_can_not"),
    ),
];

#[test]
fn each_sentence_is_held() {
    let Some(program) = skip::tool(NGINX.program) else { return };
    let version = Command::new(program).arg("-v").output().unwrap();
    let version = String::from_utf8(version.stderr).unwrap();
    assert!(version.contains("nginx/1.31.") && NGINX.readme.contains("run nginx 1.31 with"), "{version}");

    assert_held(&NGINX, SENTENCES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_escape_that_a_path_needs_goes_through_as_it_is() {
    // H12, X3
    let house = House::alone(policy()).await;
    let Some(shipped) = nginx(house.behind(), &replacing(&[])).await else { return };
    let key = house.key(Holder::Reader).await;
    // The last one as nginx would not write it itself.
    let needed = "/v1/spaces/cdn-eu/%22%3C%3E%5B%5D%5E%60%7B%7C%7D";
    for path in ["/v1/spaces/cdn-eu/a%20b", "/files/cdn-eu/caf%C3%A9", needed] {
        let with_key = request("GET", path, &[("x-api-key", &key)], "");
        assert_eq!(Seen::of(&exchange(shipped.address, &with_key).await).path, path);
    }
    let other = request("GET", "/v1/spaces/cdn-eu/%2e%2e/a%20b", &[("x-api-key", &key)], "");
    assert_eq!(exchange(shipped.address, &other).await.status, 400);
    house.stop().await;
}
