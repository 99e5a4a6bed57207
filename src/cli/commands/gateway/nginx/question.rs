//! The location that asks Keyward: only nginx can call it, and it says itself what it asks about.

use super::{
    NginxFinding,
    headers::is_clients,
    levels::{NginxBlocks, inner_scopes},
    tree::Directive,
};

/// What must be said of the request, each by a value of nginx's own.
const SAID: [&str; 5] =
    ["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-for", "x-keyward-caller"];

/// Whether this block is what an `auth_request` of its server asks.
pub(super) fn is_question(scope: &NginxBlocks<'_>) -> bool {
    scope.server().is_some_and(|server| {
        let top = NginxBlocks::of(server);
        let inner = inner_scopes(&top);
        let all = std::iter::once(&top).chain(&inner);
        all.flat_map(NginxBlocks::own).any(|directive| {
            directive.name == "auth_request"
                && directive.first() != "off"
                && is_named(scope, directive.first())
        })
    })
}

/// Whether a location of the same server answers at this path, by passing the question on.
pub(super) fn is_answered(scope: &NginxBlocks<'_>, path: &str) -> bool {
    let Some(server) = scope.server() else { return false };
    inner_scopes(&NginxBlocks::of(server)).iter().any(|scope| {
        is_named(scope, path) && scope.own().iter().any(|directive| directive.name == "proxy_pass")
    })
}

fn is_named(scope: &NginxBlocks<'_>, path: &str) -> bool {
    scope.block().is_some_and(|block| {
        let (regex, args) = (["~", "~*"].contains(&block.first()), &block.args);
        block.name == "location" && !regex && args.last().is_some_and(|named| named == path)
    })
}

pub(super) fn judge(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    let mut findings = Vec::new();
    if !scope.own().iter().any(|directive| directive.name == "internal") {
        let message = "clients can reach the location that asks Keyward";
        findings.push(scope.finding("QUESTION_OPEN", pass, message, "add `internal;`"));
    }
    if scope.value("proxy_pass_request_body") != "off" {
        let message = "Keyward is sent the body of the request, or waits for it";
        findings.push(scope.finding("QUESTION_WRONG", pass, message, "add `proxy_pass_request_body off;`"));
    }
    if !["", "off"].contains(&scope.value("proxy_cache")) {
        let message =
            "answers of Keyward are cached: they hold for other requests, and for keys that are revoked";
        findings.push(scope.finding("QUESTION_WRONG", pass, message, "add `proxy_cache off;`"));
    }
    findings.extend(SAID.iter().filter_map(|name| said(scope, pass, name)));
    findings
}

fn said(scope: &NginxBlocks<'_>, pass: &Directive, name: &str) -> Option<NginxFinding> {
    let found = scope.in_effect("proxy_set_header");
    let set: Vec<_> = found.into_iter().filter(|known| known.first().eq_ignore_ascii_case(name)).collect();
    let (at, message) = match set.as_slice() {
        [] => (pass, format!("Keyward is told {name} by the client")),
        [one] if is_clients(one.last()) => {
            (*one, format!("{name} is {:?}, which a client may choose", one.last()))
        }
        [one] if name == "x-forwarded-uri" && one.last() != "$request_uri" => {
            (*one, format!("{name} is {:?}, and not what the client sent", one.last()))
        }
        [_] => return None,
        [_, second, ..] => (*second, format!("{name} is set twice")),
    };
    Some(scope.finding("QUESTION_WRONG", at, message, "set it as keyward-server.conf does"))
}
