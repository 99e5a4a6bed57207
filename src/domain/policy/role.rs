//! Roles: what the keys of their bearers can come to.

use crate::domain::{grant::Grants, text::Label};

/// A role.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Label,
    /// What it can do at most; `None` is every declared scope.
    pub grants: Option<Grants>,
}
