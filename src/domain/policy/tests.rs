//! What a document may say, and what is refused.

use super::*;

#[test]
fn the_default_document_is_the_one_that_is_promised() {
    // S2, L2, T2
    let policy = Policy::default_document().unwrap();
    assert_eq!(policy.scopes.len(), 15);
    assert_eq!(policy.first_plan().as_str(), "starter");
    assert_eq!(
        policy.roles().iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
        ["owner", "editor", "viewer"]
    );
    let per_hour: Vec<_> =
        policy.tiers().iter().map(|tier| (tier.name.as_str(), tier.limits[0].limit)).collect();
    let promised = [
        ("default", 1_000),
        ("permissions-check", 5_000),
        ("permissions-manage", 500),
        ("permissions-audit", 100),
    ];
    assert_eq!(per_hour, promised);
    let live = policy.environments().first();
    assert_eq!((live.name.as_str(), policy.is_billable(live)), ("live", true));
    assert!(!policy.is_billable(policy.environments().holder("test").unwrap()), "L13");
}

#[test]
fn a_document_survives_its_own_text() {
    let policy = Policy::default_document().unwrap();
    let again = Policy::from_toml(&policy.to_toml()).unwrap();
    assert_eq!(policy.document(), again.document());
    assert_eq!(changes(policy.document(), again.document()), []);
}
