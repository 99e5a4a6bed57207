//! What a key may do in the end, and why (S7): its role and grants, wildcards spelled out, and where its limits come from.

use std::sync::Arc;

use crate::{
    changes::{Changes, keys::show::Moment},
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
        key::{Key, Standing},
        member::Surroundings,
        parse::ParseError,
        policy::{Policy, Role},
        rights::Rights,
        text::Label,
        workspace::Workspace,
    },
    error::OperationError,
    ports::PolicyVersion,
};

/// What a key may do now.
pub struct EffectiveRights {
    /// The key.
    pub key: Key,
    /// Its workspace.
    pub workspace: Option<Arc<Workspace>>,
    /// The role that its owner has.
    pub owner_role: Option<Label>,
    /// What surrounds it.
    pub surroundings: Surroundings,
    /// The policy that this is worked out by.
    pub policy: Arc<PolicyVersion>,
    /// Every scope that it has, sorted.
    pub scopes: Vec<EffectiveScope>,
    /// What was granted and permits nothing.
    pub inert: Vec<InertGrant>,
    /// The key whose import of the token came first that is its current secret, for a global caller.
    pub earlier_import: Option<KeyId>,
    /// What its limits are rendered by.
    pub moment: Moment,
}

/// One scope that a key has.
#[derive(Debug)]
pub struct EffectiveScope {
    /// The scope.
    pub scope: String,
    /// The tier that it is charged to.
    pub tier: String,
    /// The resources that it holds for, as they were granted; `None` is every one.
    pub resources: Option<Vec<String>>,
    /// The grants that give it.
    pub granted_by: Vec<String>,
    /// The role that gives it or lets it be.
    pub role: Option<Label>,
}

/// What permits nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum InertGrant {
    /// The policy does not declare it.
    Undeclared(String),
    /// The role does not have it.
    WithheldByRole(String),
}

impl EffectiveRights {
    /// Whether a Check with the current secret can pass.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.key.standing(self.moment.time) == Standing::Active
            && self.surroundings == Surroundings::default()
            && self.earlier_import.is_none()
    }
}

impl Changes {
    /// What a key may do now, and why.
    ///
    /// # Errors
    /// It is out of reach, or an administration key. The policy cannot be trusted. The store.
    pub async fn effective_rights(
        &self,
        permit: &AdminPermit<ReadKeys>,
        id: KeyId,
    ) -> Result<EffectiveRights, OperationError> {
        let found = self.key(permit, id)?;
        let key = self.whole(id).await?;
        if key.admin.is_some() {
            let why = ParseError::new("a holder's key: what an administration key may do stands in itself");
            return Err(OperationError::invalid("key_id", why));
        }
        let (policy, moment) = (self.policy()?, self.moment(permit.sight()));
        let owner_role = self.index.owner_role(&key.view());
        let role = owner_role.as_ref().and_then(|role| policy.policy.role(role));
        let role = role.filter(|_| key.follows_owner_role);
        let rights = moment.rights(&key);
        let undeclared = rights.inert().iter().map(|scope| InertGrant::Undeclared(scope.to_string()));
        let withheld = rights.withheld().map(|scope| InertGrant::WithheldByRole(scope.to_owned()));
        Ok(EffectiveRights {
            scopes: scopes(&key, &rights, role, &policy.policy),
            inert: undeclared.chain(withheld).collect(),
            workspace: self.index.workspace(key.workspace),
            surroundings: found.surroundings(),
            earlier_import: self.judge.earlier_of_current(permit, &key.view()),
            owner_role,
            policy,
            moment,
            key,
        })
    }
}

fn scopes(key: &Key, rights: &Rights, role: Option<&Role>, policy: &Policy) -> Vec<EffectiveScope> {
    let each = |scope: &str| {
        let gives = key.grants.iter().filter(|grant| policy.reached(grant.scope()).any(|one| one == scope));
        let gives: Vec<_> = gives.collect();
        let unbound = gives.iter().all(|grant| grant.resources().is_some());
        let bound = (unbound && !gives.is_empty()).then(|| {
            let mut all: Vec<_> = gives
                .iter()
                .filter_map(|grant| grant.resources())
                .flatten()
                .map(ToString::to_string)
                .collect();
            all.sort();
            all.dedup();
            all
        });
        EffectiveScope {
            scope: scope.to_owned(),
            tier: policy.tier_name(scope).to_owned(),
            resources: bound,
            granted_by: gives.iter().map(|grant| grant.scope().to_string()).collect(),
            role: role.map(|role| role.name.clone()),
        }
    };
    rights.scopes().map(each).collect()
}
