//! The routes that a policy declares.

use super::{Document, RouteEntry, check::Faults};
use crate::domain::{
    decision::{MAX_COST, MAX_SCOPES},
    parse::ParseError,
    route::{HostName, Method, PathTemplate, ResourceTemplate, Route, RouteDecision, RouteTable, TableError},
    scope::ScopeText,
};

pub(super) fn routes(
    document: &Document,
    is_declared: impl Fn(&str) -> bool,
    faults: &mut Faults,
) -> RouteTable {
    let mut routes = Vec::new();
    if !faults.count("routes", document.routes.len(), 0, 1_024) {
        return RouteTable::default();
    }
    for (place, entry) in document.routes.iter().enumerate() {
        routes.extend(route(&format!("routes[{place}]"), entry, &is_declared, faults));
    }
    if routes.len() < document.routes.len() {
        return RouteTable::default();
    }
    match RouteTable::new(routes) {
        Ok(table) => table,
        Err(TableError::TooMany) => {
            faults.must("routes", "at most 1,024 items");
            RouteTable::default()
        }
        Err(TableError::Ambiguous { first, second }) => {
            let why = format!("such that no request matches it and routes[{first}] equally");
            faults.add(format!("routes[{second}].path"), &ParseError::owned(why));
            RouteTable::default()
        }
    }
}

fn route(
    at: &str,
    entry: &RouteEntry,
    is_declared: &impl Fn(&str) -> bool,
    faults: &mut Faults,
) -> Option<Route> {
    let before = faults.len();
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let host = optional(&entry.host).map(|text| faults.take(format!("{at}.host"), HostName::parse(&text)));
    let method =
        optional(&entry.method).map(|text| faults.take(format!("{at}.method"), Method::parse(&text)));
    let template = faults.take(format!("{at}.path"), PathTemplate::parse(&entry.path))?;
    let decision = decision(at, entry, &template, is_declared, faults);
    if faults.len() > before {
        return None;
    }
    Some(Route { name: None, host: host.flatten(), method: method.flatten(), template, decision: decision? })
}

fn decision(
    at: &str,
    entry: &RouteEntry,
    template: &PathTemplate,
    is_declared: &impl Fn(&str) -> bool,
    faults: &mut Faults,
) -> Option<RouteDecision> {
    let open = match entry.access.as_str() {
        "" | "scopes" => return require(at, entry, template, is_declared, faults),
        "public" => RouteDecision::Public,
        "denied" => RouteDecision::Denied,
        _ => {
            faults.must(format!("{at}.access"), "`scopes`, `public` or `denied`");
            return None;
        }
    };
    if !entry.scopes.is_empty() || !entry.resource.is_empty() || entry.cost.is_some() {
        faults.must(format!("{at}.access"), "`scopes` where scopes, a resource or a cost are given");
    }
    Some(open)
}

fn require(
    at: &str,
    entry: &RouteEntry,
    template: &PathTemplate,
    is_declared: &impl Fn(&str) -> bool,
    faults: &mut Faults,
) -> Option<RouteDecision> {
    if !faults.count(&format!("{at}.scopes"), entry.scopes.len(), 1, MAX_SCOPES) {
        return None;
    }
    let mut scopes = Vec::new();
    for (place, text) in entry.scopes.iter().enumerate() {
        match ScopeText::parse(text).ok().filter(|_| is_declared(text)) {
            Some(scope) => scopes.push(scope),
            None => faults.must(format!("{at}.scopes[{place}]"), "a declared scope"),
        }
    }
    if entry.cost.is_some_and(|cost| cost > MAX_COST) {
        faults.must(format!("{at}.cost"), "at most 1,000,000,000,000");
    }
    let resource = if entry.resource.is_empty() {
        None
    } else {
        Some(faults.take(format!("{at}.resource"), ResourceTemplate::parse(&entry.resource, template))?)
    };
    Some(RouteDecision::Require { scopes, resource, cost: entry.cost })
}
