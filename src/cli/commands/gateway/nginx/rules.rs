//! What must be in effect where an nginx passes requests on.

use super::{
    NginxFinding, headers,
    levels::{NginxBlocks, PASSES, inner_scopes},
    logs, question,
    shipped::Shipped,
    tree::Directive,
};

/// Everything that is wrong with a configuration, and how many places of it pass requests on.
pub(super) fn judge(directives: &[Directive]) -> (usize, Vec<NginxFinding>) {
    let mut findings = Vec::new();
    let mut passes = 0;
    for outermost in directives {
        let top = NginxBlocks::of(outermost);
        if outermost.name == "stream" {
            findings.extend(inner_scopes(&top).iter().filter_map(unasked_stream));
        } else if outermost.name == "http" {
            for scope in inner_scopes(&top) {
                passes += usize::from(pass(&scope).is_some());
                findings.extend(judge_scope(&scope));
            }
        }
    }
    (passes, findings)
}

/// The directive by which this block itself passes requests on.
fn pass<'a>(scope: &NginxBlocks<'a>) -> Option<&'a Directive> {
    scope.own().iter().find(|directive| PASSES.contains(&directive.name.as_str()))
}

fn unasked_stream(scope: &NginxBlocks<'_>) -> Option<NginxFinding> {
    let pass = pass(scope).filter(|pass| !pass.unguarded)?;
    let message = "passes connections on, and nobody is asked about what is in them";
    Some(scope.finding("STREAM_UNASKED", pass, message, "serve it in http, or say # keyward: unguarded"))
}

fn judge_scope(scope: &NginxBlocks<'_>) -> Vec<NginxFinding> {
    let Some(pass) = pass(scope).filter(|pass| !pass.unguarded) else { return Vec::new() };
    if question::is_question(scope) {
        return question::judge(scope, pass);
    }
    let mut findings = asked(scope, pass);
    findings.extend(headers::judge(scope, pass));
    findings.extend(headers::other_words(scope));
    findings.extend(told(scope, pass));
    findings.extend(spelling(scope, pass));
    findings.extend(logs::judge(scope, pass));
    findings
}

/// Whether Keyward is asked here, unless the location says that it is open.
pub(super) fn is_open(scope: &NginxBlocks<'_>) -> bool {
    let found = scope.in_effect("auth_request");
    found.last().is_some_and(|directive| directive.first() == "off" && !scope.is_of_server(directive))
}

/// Keyward is asked, nothing else lets a request in, and what it says is kept and told.
fn asked(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    if is_open(scope) {
        return Vec::new();
    }
    let asks = scope.in_effect("auth_request");
    let Some(ask) = asks.last().filter(|ask| ask.first() != "off") else {
        let next =
            "include keyward-server.conf in the server; an open location says `auth_request off;` itself";
        return vec![scope.finding("UNASKED", pass, "passes requests on without asking Keyward", next)];
    };
    let mut findings = Vec::new();
    if !question::is_answered(scope, ask.first()) {
        let message = format!("no location of this server is there to ask Keyward at {}", ask.first());
        findings.push(scope.finding("UNASKED", pass, message, "include keyward-server.conf in the server"));
    }
    if scope.value("satisfy") == "any" {
        let message = "`satisfy any` lets in whom allow, deny or auth_basic let in, whatever Keyward says";
        findings.push(scope.finding("SATISFY_ANY", pass, message, "take `satisfy any` away"));
    }
    findings.extend(missing(
        scope,
        pass,
        "auth_request_set",
        Shipped::Ask,
        "ANSWER_DROPPED",
        "what Keyward says is not kept: the service does not learn who the holder is, and denials become 503",
    ));
    findings.extend(denials(scope, pass));
    findings
}

/// What a denial leads to: the first `error_page` of a status is the one that counts.
fn denials(scope: &NginxBlocks<'_>, pass: &Directive) -> Option<NginxFinding> {
    let found = scope.in_effect("error_page");
    let next = || format!("include {} in the location, before its own error_page", Shipped::Ask.file());
    let shipped = Shipped::Ask.directives("error_page");
    let denied = shipped.iter().find(|page| page.args.iter().any(|arg| arg == "403"))?;
    for status in ["401", "403", "500"] {
        let first = found.iter().find(|page| page.args.iter().any(|arg| arg == status));
        if first.is_none_or(|page| page.args != denied.args) {
            let at = first.or(found.first()).copied().unwrap_or(pass);
            let message =
                format!("a denial ({status} of auth_request) does not come to the client as Keyward says it");
            return Some(scope.finding("DENIAL_REPLACED", at, message, next()));
        }
    }
    let intercepts = ["proxy_intercept_errors", "grpc_intercept_errors", "fastcgi_intercept_errors"];
    let intercepts = intercepts.into_iter().find(|name| scope.value(name) == "on")?;
    let message =
        format!("`{intercepts} on` makes a denial of what the service itself answers with 401, 403 or 500");
    Some(scope.finding("DENIAL_REPLACED", pass, message, format!("take `{intercepts} on` away")))
}

/// What the client is told of its limits.
fn told(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    if is_open(scope) {
        return Vec::new();
    }
    let message = "the client is not told how its limits stand, nor why and until when it is denied";
    let mut findings = missing(scope, pass, "add_header", Shipped::Client, "CLIENT_NOT_TOLD", message);
    let hide = match pass.name.as_str() {
        "proxy_pass" => "proxy_hide_header",
        "grpc_pass" => "grpc_hide_header",
        _ => return findings,
    };
    let message = "what the service says of limits comes to the client beside what Keyward says";
    findings.extend(missing(scope, pass, hide, Shipped::Client, "CLIENT_NOT_TOLD", message));
    findings
}

/// A finding where the shipped directives of this name are not all in effect.
fn missing(
    scope: &NginxBlocks<'_>,
    pass: &Directive,
    name: &str,
    shipped: Shipped,
    problem: &'static str,
    message: &str,
) -> Vec<NginxFinding> {
    let found = scope.in_effect(name);
    let wanted = shipped.directives(name);
    if wanted.iter().all(|wanted| found.iter().any(|directive| directive.args == wanted.args)) {
        return Vec::new();
    }
    let dropped =
        found.first().map_or(String::new(), |_| format!("; the {name} here drops those of the server"));
    let at = found.first().copied().unwrap_or(pass);
    let next = format!("include {} beside it", shipped.file());
    vec![scope.finding(problem, at, format!("{message}{dropped}"), next)]
}

/// A path and the names of headers have one spelling only.
fn spelling(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    let mut findings = Vec::new();
    let refuses = |server: &Directive| {
        server.block.iter().any(|directive| {
            directive.name == "if"
                && directive.args == ["($keyward_odd_path)"]
                && directive.block.iter().any(|inner| inner.name == "return" && inner.first() == "400")
        })
    };
    if !is_open(scope) && !scope.server().is_some_and(refuses) {
        let message =
            "a path is not refused that nginx decides in one spelling and the service takes in another";
        findings.push(scope.finding(
            "PATH_SPELLING",
            pass,
            message,
            "include keyward-server.conf in the server",
        ));
    }
    for (name, value) in [("underscores_in_headers", "on"), ("ignore_invalid_headers", "off")] {
        if scope.value(name) == value {
            let message = format!(
                "`{name} {value}` lets names like x_keyward_owner through, which many services take for x-keyward-owner"
            );
            findings.push(scope.finding(
                "HEADER_SPELLING",
                pass,
                message,
                format!("take `{name} {value}` away"),
            ));
        }
    }
    findings
}
