//! A key through its life.

use super::*;
use crate::domain::{
    parse::ParseError,
    secret::{Hint, KeyHash},
    time::EntropyUnavailable,
};

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).unwrap()
}

pub(crate) fn secret(generation: u32) -> Secret {
    let byte = u8::try_from(generation).unwrap();
    Secret {
        generation,
        hash: KeyHash::stored([byte; 32]),
        scheme: crate::domain::scheme::Scheme::Native,
        root: 1,
        hint: Hint::stored("kw_live_…abcd"),
        created: at(0),
    }
}

struct Ones;

impl crate::domain::time::Entropy for Ones {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill(1);
        Ok(())
    }
}

pub(crate) fn key() -> Result<Key, ParseError> {
    Ok(Key {
        id: KeyId::generate(&Ones).unwrap(),
        workspace: WorkspaceId::generate(&Ones).unwrap(),
        name: Name::parse("CI")?,
        description: Description::parse("")?,
        owner: None,
        follows_owner_role: false,
        creator: Arc::new(Creator::System),
        environment: EnvironmentName::parse("live")?,
        grants: Arc::default(),
        networks: Arc::default(),
        metadata: Arc::default(),
        limits: None,
        state: KeyState::Active,
        created: at(0),
        expires: None,
        updated: at(0),
        credentials: Credentials::new(secret(1)),
        admin: None,
        revision: Revision::ZERO,
        taken_in: Revision::ZERO,
    })
}

fn ends(key: &Key) -> Vec<(u32, i64)> {
    key.credentials.retiring.iter().map(|earlier| (earlier.secret.generation, earlier.end.as_ms())).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_rotation_keeps_the_old_secret_for_its_grace() {
    // R1, R2
    let key = key().unwrap().rotate(secret(2), HOUR, at(1_000)).unwrap();
    assert_eq!(key.credentials.current.generation, 2);
    assert_eq!(ends(&key), [(1, 3_601_000)]);
    let key = key.rotate(secret(3), HOUR, at(2_000)).unwrap();
    assert_eq!(ends(&key), [(2, 3_602_000), (1, 3_601_000)], "ends are kept");
    let refused = key.clone().rotate(secret(4), HOUR, at(3_000));
    assert_eq!(refused, Err(TransitionError::TooManyLiveSecrets(at(3_601_000))));
    assert_eq!(
        ends(&key.clone().rotate(secret(4), HOUR, at(3_601_000)).unwrap()),
        [(3, 7_201_000), (2, 3_602_000)]
    );
    assert_eq!(ends(&key.rotate(secret(4), Duration::ZERO, at(3_000)).unwrap()), [(3, 3_000), (2, 3_000)]);
}

#[test]
fn a_grace_never_passes_the_expiry() {
    // R2
    let key = Key { expires: Some(at(5_000)), ..key().unwrap() };
    assert_eq!(ends(&key.rotate(secret(2), HOUR, at(1_000)).unwrap()), [(1, 5_000)]);
}

#[test]
fn revoked_and_expired_are_final() {
    // K8, K9
    let expiring = Key { expires: Some(at(5_000)), ..key().unwrap() };
    assert_eq!(expiring.standing(at(4_999)), Standing::Active);
    assert_eq!(expiring.standing(at(5_000)), Standing::Expired);
    let expired = Err(TransitionError::Expired(at(5_000)));
    assert_eq!(expiring.clone().enable(at(5_000)), expired);
    assert_eq!(expiring.clone().disable(at(5_000)), expired);
    assert_eq!(expiring.clone().rotate(secret(2), HOUR, at(5_000)), expired);

    let revocation = Revocation {
        at: at(1),
        by: None,
        reason: RevokeReason::Unused,
        comment: Comment::parse("").unwrap(),
    };
    let revoked = expiring.revoke(revocation.clone());
    assert_eq!(revoked.clone().enable(at(2)), Err(TransitionError::Revoked));
    assert_eq!(revoked.clone().rotate(secret(2), HOUR, at(2)), Err(TransitionError::Revoked));
    let again = revoked.clone().revoke(Revocation { at: at(9), ..revocation });
    assert_eq!(again, revoked, "the first revocation stands");
}
