//! How grants are written down: a part of a key's body, and of the rights of an administration key.

use serde::{Deserialize, Serialize};

use super::body::stated;
use crate::domain::{
    grant::{Grant, Grants},
    resource::ResourcePattern,
    scope::ScopePattern,
};

/// A scope, and the resources that it is bound to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantBody {
    scope: String,
    /// `null` is every resource.
    #[serde(deserialize_with = "stated")]
    resources: Option<Vec<String>>,
}

impl GrantBody {
    pub(super) fn all(grants: &Grants) -> Vec<Self> {
        grants.iter().map(Self::of).collect()
    }

    fn of(grant: &Grant) -> Self {
        let resources = grant.resources().map(|all| all.iter().map(ToString::to_string).collect());
        Self { scope: grant.scope().to_string(), resources }
    }

    pub(super) fn into_grants(all: Vec<Self>) -> Option<Grants> {
        let grants = all.into_iter().map(Self::into_grant).collect::<Option<Vec<_>>>()?;
        Grants::new(grants).ok()
    }

    fn into_grant(self) -> Option<Grant> {
        let scope = ScopePattern::parse(&self.scope).ok()?;
        let Some(resources) = self.resources else { return Some(Grant::unbound(scope)) };
        let patterns = resources.iter().map(|text| ResourcePattern::parse(text).ok());
        Grant::bound(scope, patterns.collect::<Option<_>>()?).ok()
    }
}
