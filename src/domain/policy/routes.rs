//! The routes that a policy declares.

use super::{Document, RouteEntry, faults::Faults};
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
        let reading = RouteReading { at: format!("routes[{place}]"), entry, is_declared: &is_declared };
        routes.extend(reading.route(faults));
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

/// One route as it is read.
struct RouteReading<'a, F> {
    at: String,
    entry: &'a RouteEntry,
    is_declared: &'a F,
}

impl<F: Fn(&str) -> bool> RouteReading<'_, F> {
    fn route(&self, faults: &mut Faults) -> Option<Route> {
        let before = faults.len();
        let RouteEntry { host, method, path, .. } = self.entry;
        let host = (!host.is_empty()).then(|| faults.take(self.field("host"), HostName::parse(host)));
        let method = (!method.is_empty()).then(|| faults.take(self.field("method"), Method::parse(method)));
        let template = faults.take(self.field("path"), PathTemplate::parse(path))?;
        let decision = self.decision(&template, faults);
        if faults.len() > before {
            return None;
        }
        let (host, method) = (host.flatten(), method.flatten());
        Some(Route { name: None, host, method, template, decision: decision? })
    }

    fn decision(&self, template: &PathTemplate, faults: &mut Faults) -> Option<RouteDecision> {
        let entry = self.entry;
        let open = match entry.access.as_str() {
            "" | "scopes" => return self.require(template, faults),
            "public" => RouteDecision::Public,
            "denied" => RouteDecision::Denied,
            _ => {
                faults.must(self.field("access"), "`scopes`, `public` or `denied`");
                return None;
            }
        };
        if !entry.scopes.is_empty() || !entry.resource.is_empty() || entry.cost.is_some() {
            faults.must(self.field("access"), "`scopes` where scopes, a resource or a cost are given");
        }
        Some(open)
    }

    fn require(&self, template: &PathTemplate, faults: &mut Faults) -> Option<RouteDecision> {
        let entry = self.entry;
        if !faults.count(&self.field("scopes"), entry.scopes.len(), 1, MAX_SCOPES) {
            return None;
        }
        let mut scopes = Vec::new();
        for (place, text) in entry.scopes.iter().enumerate() {
            match ScopeText::parse(text).ok().filter(|_| (self.is_declared)(text)) {
                Some(scope) => scopes.push(scope),
                None => faults.must(self.field(&format!("scopes[{place}]")), "a declared scope"),
            }
        }
        if entry.cost.is_some_and(|cost| cost > MAX_COST) {
            faults.must(self.field("cost"), "at most 1,000,000,000,000");
        }
        let resource = if entry.resource.is_empty() {
            None
        } else {
            Some(faults.take(self.field("resource"), ResourceTemplate::parse(&entry.resource, template))?)
        };
        Some(RouteDecision::Require { scopes, resource, cost: entry.cost })
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }
}
