//! The headers that a service gets: who the holder is as only Keyward says it, and not the key.

use super::{NginxFinding, levels::NginxBlocks, shipped::Shipped, tree::Directive};

/// Those whose values a configuration may choose as it likes.
const FREE: [&str; 3] = ["host", "upgrade", "connection"];

/// How a way to pass requests on names the headers that it sets.
struct ProxyWay {
    set: &'static str,
    shipped: Shipped,
    /// Whether they are parameters, `HTTP_X_API_KEY` for `x-api-key`.
    of_cgi: bool,
}

fn way(pass: &Directive) -> Option<ProxyWay> {
    let cgi = |set| Some(ProxyWay { set, shipped: Shipped::Grpc, of_cgi: true });
    match pass.name.as_str() {
        "proxy_pass" => Some(ProxyWay { set: "proxy_set_header", shipped: Shipped::Proxy, of_cgi: false }),
        "grpc_pass" => Some(ProxyWay { set: "grpc_set_header", shipped: Shipped::Grpc, of_cgi: false }),
        "fastcgi_pass" => cgi("fastcgi_param"),
        "uwsgi_pass" => cgi("uwsgi_param"),
        "scgi_pass" => cgi("scgi_param"),
        // memcached gets the name of a page only.
        _ => None,
    }
}

impl ProxyWay {
    /// A header's name as it is written here.
    fn spelled(&self, name: &str) -> String {
        if self.of_cgi { format!("HTTP_{}", name.to_uppercase().replace('-', "_")) } else { name.to_owned() }
    }

    /// What to do about headers that are missing.
    fn remedy(&self) -> String {
        if self.of_cgi {
            format!("set each by {}, to the value that {} has for it", self.set, self.shipped.file())
        } else {
            format!("include {} in the location", self.shipped.file())
        }
    }
}

/// What a service gets that it must not, or does not get.
pub(super) fn judge(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    let Some(way) = way(pass) else { return Vec::new() };
    let found = scope.in_effect(way.set);
    let shipped = way.shipped.directives(way.shipped.set_header());
    let mut findings = Vec::new();
    let mut missing = Vec::new();
    for wanted in &shipped {
        let name = way.spelled(wanted.first());
        let set: Vec<_> = found.iter().filter(|known| known.first().eq_ignore_ascii_case(&name)).collect();
        match set.as_slice() {
            [] if !FREE.contains(&wanted.first()) => missing.push(name),
            [] => {}
            [one] => findings.extend(unsafe_value(scope, one, wanted)),
            [_, second, ..] => {
                let message = format!("{name} is set twice, and the service gets both");
                let next = "set it once; what is included from keyward-*.conf stays";
                findings.push(scope.finding("CLAIM_PASSED", second, message, next));
            }
        }
    }
    if !missing.is_empty() {
        let here = found
            .first()
            .map_or(String::new(), |_| format!(": the {} here drops those of the server", way.set));
        let message = format!("what a client writes reaches the service in {}{here}", missing.join(", "));
        let at = found.first().copied().unwrap_or(pass);
        findings.push(scope.finding("CLAIM_PASSED", at, message, way.remedy()));
    }
    findings
}

/// A variable that holds Keyward's word on the holder, and is set to something else here or further out.
pub(super) fn other_words(scope: &NginxBlocks<'_>) -> Vec<NginxFinding> {
    let shipped = Shipped::Ask.directives("auth_request_set");
    let own = shipped.iter().filter(|known| known.last().starts_with("$upstream_http_x_keyward_"));
    let own: Vec<_> = own.collect();
    let sets = scope.all("set").into_iter().chain(scope.in_effect("auth_request_set"));
    let is_other = |set: &&Directive| {
        own.iter()
            .any(|known| known.first() == set.first() && (set.name == "set" || known.last() != set.last()))
    };
    let finding = |set: &Directive| {
        let message = format!("{} is set to something else than Keyward's word on the holder", set.first());
        scope.finding("CLAIM_PASSED", set, message, format!("take `{}` away", set.text()))
    };
    sets.filter(is_other).map(finding).collect()
}

/// What a header of Keyward's is set to must be what Keyward says, and nothing of the client's may stand in any other.
fn unsafe_value(scope: &NginxBlocks<'_>, set: &Directive, wanted: &Directive) -> Option<NginxFinding> {
    let name = wanted.first();
    let value = set.args.get(1).map_or("", String::as_str);
    let is_right = if name.starts_with("x-keyward-") {
        value.is_empty() || value == wanted.last()
    } else {
        FREE.contains(&name) || !is_clients(value)
    };
    if is_right {
        return None;
    }
    let message = format!("{name} is set to {value:?}, which a client may choose");
    let next = format!("set it to {:?}, as the shipped file does", wanted.last());
    Some(scope.finding("CLAIM_PASSED", set, message, next))
}

/// Whether a value holds what a client wrote.
pub(super) fn is_clients(value: &str) -> bool {
    variables(value).any(|name| {
        let starts = ["http_", "arg_", "cookie_"];
        let whole = ["args", "query_string", "request", "proxy_add_x_forwarded_for", "request_body"];
        starts.iter().any(|start| name.starts_with(start)) || whole.contains(&name)
    })
}

/// The names of the variables in a value.
pub(super) fn variables(value: &str) -> impl Iterator<Item = &str> {
    value.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_is_known_in_any_spelling() {
        // H13
        for value in ["$http_authorization", "a${http_x}b", "$scheme $arg_key", "$proxy_add_x_forwarded_for"]
        {
            assert!(is_clients(value), "{value}");
        }
        for value in ["", "$remote_addr", "Basic abc", "$keyward_owner", "${request_method}x", "$request_uri"]
        {
            assert!(!is_clients(value), "{value}");
        }
    }
}
