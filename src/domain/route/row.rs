//! A row of a table of routes.

use super::{HostName, Method, PathTemplate, ResourceTemplate};
use crate::domain::{scope::ScopeText, text::Name};

/// One row of a table of routes: the requests that it is for, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What people call it; decides nothing.
    pub name: Option<Name>,
    /// The host that is asked; none is any host.
    pub host: Option<HostName>,
    /// The method that is asked for; none is any method. `GET` is `HEAD` too, where no route for `HEAD` matches.
    pub method: Option<Method>,
    /// The paths.
    pub template: PathTemplate,
    /// What a request on this route must bring.
    pub decision: RouteDecision,
}

/// What a request on a route must bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDecision {
    /// A key that holds all of this.
    Require {
        /// Every scope that is needed; with none the key must be valid and no more.
        scopes: Vec<ScopeText>,
        /// The resource that is touched; none is no resource.
        resource: Option<ResourceTemplate>,
        /// What the request costs of each limit; `None` costs the same as a request that names no cost.
        cost: Option<u64>,
    },
    /// Nothing, not even a key.
    Public,
    /// Nothing helps: no key may do this.
    Denied,
}
