//! Makes keys share what is equal in them: most keys of a platform have the same few grants, networks and makers.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use crate::domain::{
    admin::AdminRights, grant::Grants, key::Creator, key::Key, network::AllowedNetworks,
    text::EnvironmentName, text::Metadata,
};

/// Every part that keys share now.
#[derive(Default)]
pub(super) struct Sharing {
    creators: HashSet<Arc<Creator>>,
    grants: HashSet<Arc<Grants>>,
    networks: HashSet<Arc<AllowedNetworks>>,
    metadata: HashSet<Arc<Metadata>>,
    rights: HashSet<Arc<AdminRights>>,
    /// As many as are configured or ever were.
    environments: HashSet<EnvironmentName>,
    prune_at: usize,
}

impl Sharing {
    /// Replaces the parts of `key` by equal ones that are in memory already.
    pub(super) fn share(&mut self, key: &mut Key) {
        one(&mut self.creators, &mut key.creator);
        one(&mut self.grants, &mut key.grants);
        one(&mut self.networks, &mut key.networks);
        one(&mut self.metadata, &mut key.metadata);
        if let Some(rights) = &mut key.admin {
            one(&mut self.rights, rights);
        }
        if let Some(known) = self.environments.get(&key.environment) {
            key.environment = known.clone();
        } else {
            self.environments.insert(key.environment.clone());
        }
    }

    /// Drops the parts that no key has any more, once there are twice as many parts as after the last time.
    pub(super) fn prune(&mut self) {
        if self.len() < self.prune_at {
            return;
        }
        self.creators.retain(|part| Arc::strong_count(part) > 1);
        self.grants.retain(|part| Arc::strong_count(part) > 1);
        self.networks.retain(|part| Arc::strong_count(part) > 1);
        self.metadata.retain(|part| Arc::strong_count(part) > 1);
        self.rights.retain(|part| Arc::strong_count(part) > 1);
        self.prune_at = self.len().saturating_mul(2).max(1024);
    }

    fn len(&self) -> usize {
        self.creators.len()
            + self.grants.len()
            + self.networks.len()
            + self.metadata.len()
            + self.rights.len()
    }
}

fn one<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, part: &mut Arc<T>) {
    if let Some(known) = known.get(part) {
        *part = Arc::clone(known);
    } else {
        known.insert(Arc::clone(part));
    }
}
