//! What a key takes, in bytes, and whether a change of it gives its holder no more: what quotas are about.

use super::{
    admin::AdminRights,
    credentials::{Credentials, Secret},
    grant::{Grant, Grants},
    key::{Key, KeyState},
    network::AllowedNetworks,
    policy::LimitOverrides,
    text::{Metadata, Owner},
    time::Timestamp,
};

/// What each key takes beside its texts: its id, its secrets, its place in maps.
const KEY: usize = 400;
const GRANT: usize = 96;
const RESOURCE: usize = 48;
const NETWORK: usize = 24;
const PAIR: usize = 64;
/// A limit is kept as it was written, as it was read, and as it applies.
const LIMIT: usize = 400;

/// What a key takes of memory and disk, about. Parts that keys share count with each key: a tenant
/// who makes them differ pays for each.
#[must_use]
pub fn key_bytes(key: &Key) -> u64 {
    let texts = [key.name.as_str(), key.description.as_str(), key.owner.as_ref().map_or("", Owner::as_str)];
    let shared = shared_bytes(&key.grants, &key.networks, key.limits.as_deref(), key.admin.as_deref());
    own_bytes(texts, &key.metadata).saturating_add(shared)
}

/// What it takes by itself.
#[must_use]
pub fn own_bytes(texts: [&str; 3], metadata: &Metadata) -> u64 {
    let texts: usize = texts.map(str::len).iter().sum();
    let labels: usize = metadata.pairs().iter().map(|(name, value)| PAIR + name.len() + value.len()).sum();
    u64::try_from(KEY + texts + labels).unwrap_or(u64::MAX)
}

/// What it takes with what others have, too.
#[must_use]
pub fn shared_bytes(
    grants: &Grants,
    networks: &AllowedNetworks,
    limits: Option<&LimitOverrides>,
    admin: Option<&AdminRights>,
) -> u64 {
    let limits = limits.map_or(0, |limits| limits.iter().count() * LIMIT);
    let ceiling = admin.map_or(0, |rights| match &rights.ceiling.grants {
        super::ceiling::GrantCeiling::Any => 0,
        super::ceiling::GrantCeiling::Within(grants) => grants_bytes(grants),
    });
    let networks = networks.as_slice().len() * NETWORK;
    u64::try_from(limits + ceiling + networks + grants_bytes(grants)).unwrap_or(u64::MAX)
}

fn grants_bytes(grants: &Grants) -> usize {
    let of_one = |grant: &Grant| {
        let resources = grant.resources().unwrap_or_default();
        let resources: usize = resources.iter().map(|pattern| RESOURCE + pattern.as_str().len()).sum();
        GRANT + grant.scope().as_str().len() + resources
    };
    grants.iter().map(of_one).sum()
}

/// Whether `after` gives its holder nothing that `before` did not, and differs only in what it gives.
#[must_use]
pub fn gives_no_more(before: &Key, after: &Key) -> bool {
    let same_otherwise = Key {
        grants: before.grants.clone(),
        networks: before.networks.clone(),
        expires: before.expires,
        state: before.state.clone(),
        credentials: before.credentials.clone(),
        updated: before.updated,
        revision: before.revision,
        ..after.clone()
    };
    same_otherwise == *before
        && switched_no_more(&before.state, &after.state)
        && grants_no_more(&before.grants, &after.grants)
        && networks_no_more(&before.networks, &after.networks)
        && ends_no_later(before.expires, after.expires)
        && credentials_no_more(&before.credentials, &after.credentials)
}

const fn switched_no_more(before: &KeyState, after: &KeyState) -> bool {
    match (before, after) {
        (KeyState::Active, _) | (KeyState::Disabled, KeyState::Disabled) | (_, KeyState::Revoked(_)) => true,
        (KeyState::Disabled | KeyState::Revoked(_), KeyState::Active)
        | (KeyState::Revoked(_), KeyState::Disabled) => false,
    }
}

/// None at all is all that a role has, where a key follows one.
fn grants_no_more(before: &Grants, after: &Grants) -> bool {
    before == after || (!after.is_empty() && before.under(None).cover(after))
}

/// None at all is every network.
fn networks_no_more(before: &AllowedNetworks, after: &AllowedNetworks) -> bool {
    let (before, after) = (before.as_slice(), after.as_slice());
    before == after
        || (!after.is_empty() && (before.is_empty() || after.iter().all(|network| before.contains(network))))
}

fn ends_no_later(before: Option<Timestamp>, after: Option<Timestamp>) -> bool {
    before.is_none_or(|before| after.is_some_and(|after| after <= before))
}

fn credentials_no_more(before: &Credentials, after: &Credentials) -> bool {
    let had = |(secret, end): (&Secret, Option<Timestamp>)| {
        before.iter().any(|(known, had)| known == secret && ends_no_later(had, end))
    };
    after.iter().all(had)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::domain::{
        grant::tests::grant,
        key::tests::{at, key, secret},
        text::{Metadata, Name},
    };

    fn with_grants(grants: Vec<Grant>) -> Key {
        Key { grants: Arc::new(Grants::new(grants).unwrap()), ..key().unwrap() }
    }

    #[test]
    fn a_change_gives_no_more_where_something_was_only_taken_away() {
        let before = with_grants(vec![grant("a:read", &["x/*", "y"]), grant("b:read", &[])]);
        for (grants, expected) in [
            (vec![grant("a:read", &["x/*"]), grant("b:read", &[])], true),
            (vec![grant("b:read", &["z"])], true),
            (vec![grant("a:read", &[])], false),
            (vec![grant("a:write", &["y"])], false),
            (vec![], false),
        ] {
            let after = Key { updated: at(9), ..with_grants(grants) };
            assert_eq!(gives_no_more(&before, &after), expected, "{:?}", after.grants);
        }
        let renamed = Key { name: Name::parse("other").unwrap(), ..before.clone() };
        assert!(!gives_no_more(&before, &renamed), "a name takes nothing away");
        let disabled = Key { state: KeyState::Disabled, ..before.clone() };
        assert!(gives_no_more(&before, &disabled) && !gives_no_more(&disabled, &before));
        let ends = Key { expires: Some(at(5_000)), ..before.clone() };
        assert!(gives_no_more(&before, &ends) && !gives_no_more(&ends, &before));
        let rotated = before.clone().rotate(secret(2), Duration::from_secs(1), at(2)).unwrap();
        assert!(!gives_no_more(&before, &rotated));
        let ended = rotated.clone().regrace(None, Duration::ZERO, at(3)).unwrap();
        assert!(gives_no_more(&rotated, &ended) && !gives_no_more(&ended, &rotated));
    }

    #[test]
    fn a_key_takes_what_it_holds() {
        let small = key().unwrap();
        let pairs = [("label".to_owned(), "v".repeat(200))].into();
        let large = Key { metadata: Arc::new(Metadata::parse(pairs).unwrap()), ..small.clone() };
        assert_eq!(key_bytes(&large) - key_bytes(&small), 64 + 5 + 200);
        assert!(key_bytes(&small) >= 400);
    }
}
