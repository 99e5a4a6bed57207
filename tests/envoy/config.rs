//! The configuration of an Envoy: the example's text with other ports, and with what a test changes.

use std::net::SocketAddr;

const EXAMPLE: &str = include_str!("../../examples/envoy/envoy.yaml");
/// The line before which routes are added: what comes later loses.
const LAST_ROUTE: &str = "                        # Everything else";
/// The lines that keep all headers but the credentials from Keyward.
const ALLOWED_HEADERS: &str = "                      allowed_headers:
                        patterns:
                          - { exact: authorization }
                          - { exact: x-api-key }
                          - { exact: accept }
                          # By this Keyward knows callers of gRPC, who get a status of gRPC.
                          - { exact: content-type }
                          - { exact: origin }
                          - { prefix: sec-fetch- }
                          # By which the request is found in every log.
                          - { exact: x-request-id }
                          # For a Keyward that is told whose word in it to believe.
                          - { exact: x-forwarded-for }
";

/// A text that began as `examples/envoy/envoy.yaml`.
#[derive(Debug, Clone)]
pub(crate) struct Config(String);

impl Default for Config {
    fn default() -> Self {
        Self(EXAMPLE.to_owned())
    }
}

impl Config {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Between a Keyward and a service.
    pub(crate) fn between(self, keyward: SocketAddr, service: SocketAddr) -> Self {
        self.with(&port(50_051), &port(keyward.port())).with(&port(8_000), &port(service.port()))
    }

    /// On these ports, for clients and for administration; 0 is one that the system chooses.
    pub(crate) fn listening(self, gateway: u16, admin: u16) -> Self {
        self.with(&port(9_901), &port(admin)).with(&port(10_000), &port(gateway))
    }

    /// What cannot be asked is let through.
    pub(crate) fn failing_open(self) -> Self {
        self.with("failure_mode_allow: false", "failure_mode_allow: true")
    }

    /// Claims of clients come as far as Keyward lets them.
    pub(crate) fn without_stripping(self) -> Self {
        self.with("{ contains: keyward, ignore_case: true }", "{ exact: x-nothing }")
    }

    /// Paths reach Keyward and the service as clients spell them.
    pub(crate) fn without_normalization(self) -> Self {
        self.with("normalize_path: true", "normalize_path: false")
            .with("merge_slashes: true", "merge_slashes: false")
            .with(
                "path_with_escaped_slashes_action: REJECT_REQUEST",
                "path_with_escaped_slashes_action: KEEP_UNCHANGED",
            )
    }

    /// Keyward has as long as a debug build on a busy machine may need.
    pub(crate) fn with_patience(self) -> Self {
        self.with("timeout: 0.5s\n                      #", "timeout: 60s\n                      #")
    }

    /// Keyward gets all headers.
    pub(crate) fn with_all_headers(self) -> Self {
        self.with(ALLOWED_HEADERS, "")
    }

    /// Keyward gets headers as the bytes that they are.
    pub(crate) fn with_raw_headers(self) -> Self {
        self.with(
            ALLOWED_HEADERS,
            &format!("{ALLOWED_HEADERS}                      encode_raw_headers: true\n"),
        )
    }

    /// With a route of a prefix and what it tells Keyward.
    pub(crate) fn with_route(self, prefix: &str, extensions: &str) -> Self {
        let route = format!(
            r#"                        - match: {{ path_separated_prefix: {prefix} }}
                          route: {{ cluster: service }}
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              check_settings:
                                context_extensions: {{ {extensions} }}
{LAST_ROUTE}"#
        );
        self.with(LAST_ROUTE, &route)
    }

    fn with(self, old: &str, new: &str) -> Self {
        assert_eq!(self.0.matches(old).count(), 1, "the example does not have it once: {old}");
        Self(self.0.replace(old, new))
    }
}

fn port(port: u16) -> String {
    format!("port_value: {port} }}")
}
