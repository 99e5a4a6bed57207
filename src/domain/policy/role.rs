//! Roles: the most that keys can do that follow them.

use crate::domain::{grant::Grants, text::Label};

/// A role.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Label,
    /// What it can do at most; `None` is every declared scope.
    pub grants: Option<Grants>,
}
