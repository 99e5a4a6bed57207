//! Why a request is on the route that it is on: for people who write tables.

use std::borrow::Cow;

use super::{
    CanonicalPath, Match, NotCanonical, Route, RouteTable, Unrouted, host::RequestHost, method,
    template::PathSegment,
};

/// The most routes that are named beside the one that decides.
const MAX_OTHERS: usize = 20;

/// A request, the route that decides about it, and those that do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The route that decides, or why none does.
    pub decides: Result<Match<'a>, Unrouted>,
    /// The other routes for its path, the best first; at most 20.
    pub others: Vec<Other<'a>>,
    /// What is spelled in another way than the canonical one, where that is why none decides.
    pub misspelled: Option<&'static str>,
    /// Whether it is a `HEAD` that is decided as a `GET`.
    pub as_get: bool,
}

/// A route for the path of a request that does not decide about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other<'a> {
    /// Where it stood in the list.
    pub index: usize,
    /// The route.
    pub route: &'a Route,
    /// Why it does not decide.
    pub because: Because,
}

/// Why a route for the path of a request does not decide about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// It matches too, and says less about the request.
    SaysLess,
    /// It matches, is for any method, and gives way to a route for OPTIONS.
    AnyMethod,
    /// It matches, and what the path has in the place of its resource cannot be one.
    NoResource,
    /// It is for another host.
    OtherHost,
    /// It is for another method.
    OtherMethod,
}

impl Explanation<'_> {
    /// The same in words.
    #[must_use]
    pub fn why(&self) -> Cow<'static, str> {
        let why = self.why_by_routes();
        if self.as_get {
            format!("{why}; no route for HEAD matches, so that it is decided as GET").into()
        } else {
            why
        }
    }

    fn why_by_routes(&self) -> Cow<'static, str> {
        let count = |because| self.others.iter().filter(|other| other.because == because).count();
        match (&self.decides, self.misspelled, count(Because::SaysLess)) {
            (Ok(_), _, _) if count(Because::AnyMethod) > 0 => {
                "it is for OPTIONS, and such a route comes before those of any method".into()
            }
            (Ok(_), _, 0) => "no other route matches".into(),
            (Ok(_), _, 1) => "it says more about the request than the other route that matches".into(),
            (Ok(_), _, more) => {
                format!("it says more about the request than the {more} others that match").into()
            }
            (Err(_), Some(what), _) => {
                format!("the {what} is not in its canonical form, and could be read as another").into()
            }
            (Err(why), None, _) if self.others.is_empty() => format!("{why}: none is for its path").into(),
            (Err(why), None, _) => why.to_string().into(),
        }
    }
}

impl RouteTable {
    /// Explains which route a request is on; see [`RouteTable::find`].
    #[must_use]
    pub fn explain(&self, host: &str, method: &str, path: &str) -> Explanation<'_> {
        let decides = self.find(host, method, path);
        let deciding = decides.as_ref().ok().map(|found| found.index);
        let named = |found: &Match<'_>| found.route.method.is_some();
        let decides_preflight = method == method::OPTIONS && decides.as_ref().is_ok_and(named);
        let misspelled = match (RequestHost::parse(host), method::check(method), CanonicalPath::parse(path)) {
            (_, _, Err(NotCanonical)) => Some("path"),
            (Err(NotCanonical), ..) => Some("host"),
            (_, Err(NotCanonical), _) => Some("method"),
            (Ok(_), Ok(()), Ok(_)) => None,
        };
        let (Ok(host), Ok(path), None) = (RequestHost::parse(host), CanonicalPath::parse(path), misspelled)
        else {
            return Explanation { decides, others: Vec::new(), misspelled, as_get: false };
        };
        let decided_as = self.decided_as(host, method, path);
        let as_get = decided_as != method;
        let for_path = self.each().filter(|(_, route)| takes(route, path));
        let others = for_path.filter(|(index, _)| Some(*index) != deciding).map(|(index, route)| {
            let because = if route.host.as_ref().is_some_and(|given| given.compare(host).is_ne()) {
                Because::OtherHost
            } else if route.method.as_ref().is_some_and(|given| given.as_str() != decided_as) {
                Because::OtherMethod
            } else if decides == Err(Unrouted::NoResource) {
                Because::NoResource
            } else if route.method.is_none() && decides_preflight {
                Because::AnyMethod
            } else {
                Because::SaysLess
            };
            Other { index, route, because }
        });
        let others = others.take(MAX_OTHERS).collect();
        Explanation { decides, others, misspelled, as_get }
    }
}

/// Whether a route is for this path.
fn takes(route: &Route, path: CanonicalPath<'_>) -> bool {
    let mut below = Some(path.below_root());
    let mut depth = 0;
    loop {
        let slot = route.template.slot(depth);
        let Some(text) = below else { return matches!(slot, PathSegment::End | PathSegment::Rest) };
        let (segment, rest) =
            text.split_once('/').map_or((text, None), |(segment, rest)| (segment, Some(rest)));
        match slot {
            PathSegment::End => return false,
            PathSegment::Rest => return true,
            PathSegment::Literal(literal) if literal != segment => return false,
            PathSegment::Variable if segment.is_empty() => return false,
            PathSegment::Literal(_) | PathSegment::Variable => (below, depth) = (rest, depth + 1),
        }
    }
}
