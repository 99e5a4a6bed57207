//! Routes: which request, by host, method and path, needs which scopes on which resource.
//!
//! What lives here turns the words of a gateway about a request into a requirement that a policy wrote down; whether
//! a key meets it is not decided here. A request that is spelled in any but the one canonical way is refused before
//! a route is looked for (X3): the server behind the gateway could read it as another path.

mod explain;
mod host;
mod method;
mod path;
mod resource;
mod row;
mod table;
mod template;

pub use explain::{Because, Explanation, Other};
pub use host::HostName;
pub use method::Method;
pub use path::{CanonicalPath, NotCanonical};
pub use resource::ResourceTemplate;
pub use row::{Route, RouteDecision};
pub use table::{Match, RouteTable, TableError, Unrouted};
pub use template::PathTemplate;
