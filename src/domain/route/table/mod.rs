//! The table of routes, and the one route in it that a request is on.
//!
//! The routes are sorted once, so that those which agree so far stand side by side: each segment of a path narrows
//! the ones in question by binary search, as a walk through a tree would, which enters no branch twice.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    CanonicalPath, NotCanonical, Route, RouteDecision, host::RequestHost, method, template::PathSegment,
};

/// Routes of the largest table.
const MAX_ROUTES: usize = 1_024;

/// Routes; no two of them match the same request equally well.
///
/// A request is on the route that says most about it, of all that match: one that gives the host before one that takes
/// any; then, segment by segment from the left, a literal before a variable before a rest; then one that gives the
/// method before one that takes any. A route that does not match stands in the way of none: `PUT /a` may be on
/// `/{rest=**}` although there is a route for `GET /a`.
///
/// A HEAD that no route for HEAD matches is on the route of the same request with GET (H11).
///
/// Browsers ask by OPTIONS, without a key, before they send what a page wants to send. So that one route can answer them all,
/// a route for OPTIONS comes before a route of any method for the same host, however much that says about the path; but never
/// before one that denies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable(Box<[Entry]>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Where the route stood in the list.
    index: usize,
    route: Route,
}

/// The route that a request is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match<'a> {
    /// Where the route stood in the list that the table was made of.
    pub index: usize,
    /// The route.
    pub route: &'a Route,
    /// The resource that the request touches, well-formed; none when the route requires none.
    pub resource: Option<Cow<'a, str>>,
}

/// Why routes are no table. The indices are those of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// There are more than 1,024.
    #[error("at most 1,024 routes")]
    TooMany,
    /// Two take the same host, paths and method; the names of their variables do not matter.
    #[error("routes {first} and {second} are for the same requests")]
    Ambiguous {
        /// The one that stands first.
        first: usize,
        /// The one that repeats it.
        second: usize,
    },
}

/// Why a request is on no route; each is a reason to deny it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    /// The path, host or method could be read as another one.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// No route matches.
    #[error("no route is for this request")]
    NotFound,
    /// The best route asks for a resource, and what the path has in its place cannot be one.
    #[error("the path names no resource")]
    NoResource,
}

impl RouteTable {
    /// Makes a table; the order of the list means nothing.
    ///
    /// # Errors
    /// Too many routes, or two between which a request could not choose.
    pub fn new(routes: Vec<Route>) -> Result<Self, TableError> {
        if routes.len() > MAX_ROUTES {
            return Err(TableError::TooMany);
        }
        let mut entries: Box<[Entry]> =
            routes.into_iter().enumerate().map(|(index, route)| Entry { index, route }).collect();
        // Stable: of two equal ones the first of the list stays first.
        entries.sort_by(|one, other| specificity(&one.route, &other.route));
        let neighbours = entries.iter().zip(entries.iter().skip(1));
        let equal = neighbours.filter(|(one, other)| specificity(&one.route, &other.route).is_eq());
        match equal.min_by_key(|(_, other)| other.index) {
            Some((one, other)) => Err(TableError::Ambiguous { first: one.index, second: other.index }),
            None => Ok(Self(entries)),
        }
    }

    /// Each route with its place in the list, the best for a request that both match before the other.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &Route)> {
        self.0.iter().map(|entry| (entry.index, &entry.route))
    }

    /// The route of a request, from its host with or without a port, its method, and its path with or without a query.
    ///
    /// # Errors
    /// A request that is on no route, and must be denied.
    pub fn find(&self, host: &str, method: &str, path: &str) -> Result<Match<'_>, Unrouted> {
        let host = RequestHost::parse(host)?;
        method::check(method)?;
        let path = CanonicalPath::parse(path)?;
        let method = self.decided_as(host, method, path);
        let entry = self.of_host(host, |entries| best(entries, path, method)).ok_or(Unrouted::NotFound)?;
        Ok(Match { index: entry.index, route: &entry.route, resource: resource(&entry.route, path)? })
    }

    /// The method by which a request is decided: a HEAD that no route for HEAD matches is a GET (H11).
    pub(super) fn decided_as<'m>(
        &self,
        host: RequestHost<'_>,
        method: &'m str,
        path: CanonicalPath<'_>,
    ) -> &'m str {
        let below = Some(path.below_root());
        let named = |route: &Route| route.method.is_some() && takes_method(route, method);
        let has_own = || self.of_host(host, |entries| search(entries, 0, below, &named)).is_some();
        if method == method::HEAD && !has_own() { method::GET } else { method }
    }

    /// What is found among the routes for this host, or else among those for any.
    fn of_host<'t>(
        &'t self,
        host: RequestHost<'_>,
        find: impl Fn(&'t [Entry]) -> Option<&'t Entry>,
    ) -> Option<&'t Entry> {
        let with_host = equal(&self.0, |entry| match &entry.route.host {
            Some(given) => given.compare(host),
            None => Ordering::Greater,
        });
        let any_host = equal(&self.0, |entry| entry.route.host.is_none().cmp(&true));
        find(with_host).or_else(|| find(any_host))
    }
}

/// The best of these entries, which agree in their host.
fn best<'t>(entries: &'t [Entry], path: CanonicalPath<'_>, method: &str) -> Option<&'t Entry> {
    let below = Some(path.below_root());
    let found = search(entries, 0, below, &|route| takes_method(route, method))?;
    let gives_way = method == method::OPTIONS
        && found.route.method.is_none()
        && !matches!(found.route.decision, RouteDecision::Denied);
    let named = || search(entries, 0, below, &|route| route.method.is_some() && takes_method(route, method));
    gives_way.then(named).flatten().or(Some(found))
}

/// The best of these entries, which agree with the path down to `depth`; `below` is what is left of the path. Only those
/// whose method is `wanted` count.
fn search<'t>(
    entries: &'t [Entry],
    depth: usize,
    below: Option<&str>,
    wanted: &impl Fn(&Route) -> bool,
) -> Option<&'t Entry> {
    if entries.is_empty() {
        return None;
    }
    let with = |slot: PathSegment<'_>| equal(entries, |entry| entry.route.template.slot(depth).cmp(&slot));
    // They differ in their method alone.
    let wanted_of = |same: &'t [Entry]| same.iter().find(|entry| wanted(&entry.route));
    let rest = || wanted_of(with(PathSegment::Rest));
    let Some(below) = below else {
        return wanted_of(with(PathSegment::End)).or_else(rest);
    };
    let (segment, below) =
        below.split_once('/').map_or((below, None), |(segment, below)| (segment, Some(below)));
    let variable = || match segment {
        "" => None,
        _ => search(with(PathSegment::Variable), depth + 1, below, wanted),
    };
    search(with(PathSegment::Literal(segment)), depth + 1, below, wanted).or_else(variable).or_else(rest)
}

fn takes_method(route: &Route, method: &str) -> bool {
    route.method.as_ref().is_none_or(|given| given.as_str() == method)
}

/// The resource that a request on this route touches.
fn resource<'t>(route: &'t Route, path: CanonicalPath<'_>) -> Result<Option<Cow<'t, str>>, Unrouted> {
    match &route.decision {
        RouteDecision::Require { resource: Some(resource), .. } => {
            resource.fill(&route.template, path).map(Some).ok_or(Unrouted::NoResource)
        }
        RouteDecision::Require { resource: None, .. } | RouteDecision::Public | RouteDecision::Denied => {
            Ok(None)
        }
    }
}

/// Of two routes that match the same request the better one is less. Equal ones match the same requests.
fn specificity(one: &Route, other: &Route) -> Ordering {
    given_first(one.host.as_ref(), other.host.as_ref())
        .then_with(|| one.template.shape().cmp(other.template.shape()))
        .then_with(|| given_first(one.method.as_ref(), other.method.as_ref()))
}

fn given_first<T: Ord>(one: Option<&T>, other: Option<&T>) -> Ordering {
    one.is_none().cmp(&other.is_none()).then_with(|| one.cmp(&other))
}

/// Those that are equal to what is looked for, by where each stands to it; they are sorted by that.
fn equal<T>(sorted: &[T], order: impl Fn(&T) -> Ordering) -> &[T] {
    let start = sorted.partition_point(|each| order(each).is_lt());
    let end = sorted.partition_point(|each| order(each).is_le());
    sorted.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
