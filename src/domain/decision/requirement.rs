//! What a request needs, and how much it may need.

use std::net::IpAddr;

use crate::domain::{id::WorkspaceId, resource::Resource, scope::Scope};

/// The most scopes that one request may need, and that one group of them may hold.
pub const MAX_SCOPES: usize = 64;
/// The most that one request may cost.
pub const MAX_COST: u64 = 1_000_000_000_000;

/// What a request needs.
#[derive(Debug, Clone, Default)]
pub struct Requirement<'a> {
    /// All of these scopes.
    pub scopes: Vec<Scope<'a>>,
    /// One scope of each group.
    pub any_scopes: Vec<Vec<Scope<'a>>>,
    /// On this resource.
    pub resource: Option<Resource<'a>>,
    /// A key of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// A key of this environment.
    pub environment: Option<&'a str>,
    /// Units to charge to its limits; `None` is 1.
    pub cost: Option<u64>,
    /// From this address.
    pub address: Option<IpAddr>,
    /// Whether a browser sent it.
    pub from_browser: bool,
}
