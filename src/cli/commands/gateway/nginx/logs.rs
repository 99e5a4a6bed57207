//! The logs: neither holds the query of a request, where people put keys, nor a header that holds one.

use super::{NginxFinding, headers::variables, levels::NginxBlocks, tree::Directive};

/// Variables that hold the query, or a key's header.
const TELLING: [&str; 7] = [
    "request",
    "request_uri",
    "args",
    "query_string",
    "http_authorization",
    "http_x_api_key",
    "http_referer",
];

pub(super) fn judge(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    error_log(scope, pass).into_iter().chain(access_logs(scope, pass)).collect()
}

/// A line about a request, of any level, holds the request's first line; lines of `emerg` are about no request.
fn error_log(scope: &NginxBlocks<'_>, pass: &Directive) -> Option<NginxFinding> {
    let logs = scope.in_effect("error_log");
    let telling = logs.iter().find(|log| log.args.get(1).map(String::as_str) != Some("emerg"));
    if !logs.is_empty() && telling.is_none() {
        return None;
    }
    let message = "lines of the error log hold the query of a request, where people put keys";
    let next = "include keyward-http.conf in http, or set `error_log FILE emerg;`";
    Some(scope.finding("LOG_TELLS", telling.copied().unwrap_or(pass), message, next))
}

fn access_logs(scope: &NginxBlocks<'_>, pass: &Directive) -> Vec<NginxFinding> {
    let logs = scope.in_effect("access_log");
    let next = "use the format `keyward` of keyward-http.conf, or one without them";
    if logs.is_empty() {
        let message = "the access log is nginx's own, which holds the query of each request";
        return vec![scope.finding("LOG_TELLS", pass, message, "include keyward-http.conf in http")];
    }
    let telling = logs.into_iter().filter_map(|log| {
        let told = match log.args.get(1).map_or("combined", String::as_str) {
            _ if log.first() == "off" => return None,
            "combined" => "$request".to_owned(),
            name => format!("${}", told(scope, name)?),
        };
        Some(scope.finding("LOG_TELLS", log, format!("the access log holds {told}"), next))
    });
    telling.collect()
}

/// The first variable of a format that must not be in it. A format that is not there is nginx's to refuse.
fn told<'a>(scope: &NginxBlocks<'a>, format: &str) -> Option<&'a str> {
    let parts =
        scope.outermost().iter().filter(|known| known.name == "log_format" && known.first() == format);
    let mut used = parts.flat_map(|known| &known.args).flat_map(|part| variables(part));
    used.find(|name| TELLING.contains(name) || name.starts_with("arg_"))
}
