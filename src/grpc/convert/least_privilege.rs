//! What keys use of what they have, for the wire.

use super::{rights, time};
use crate::{
    changes::keys::least_privilege::{LastSeen, LeastPrivilege, Narrowing},
    domain::{revision::Revision, time::Timestamp},
    error::OperationError,
    wire::v1,
};

/// From when on to look.
pub(in crate::grpc) fn since(
    asked: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, OperationError> {
    asked.map(|asked| time::timestamp("since", asked)).transpose()
}

/// How to narrow a key.
pub(in crate::grpc) fn narrowing(asked: &v1::NarrowKeyRequest) -> Result<Narrowing, OperationError> {
    let expected = (asked.expected_revision != 0).then_some(Revision(asked.expected_revision));
    Ok(Narrowing { since: since(asked.since)?, validate_only: asked.validate_only, expected })
}

/// What a key used.
pub(in crate::grpc) fn response(found: LeastPrivilege) -> v1::GetLeastPrivilegeResponse {
    let (scopes, grants) = rights::grants_to_wire(&found.narrowed);
    v1::GetLeastPrivilegeResponse {
        watched_since: Some(time::to_wire(found.since)),
        used: found.used.iter().map(seen_to_wire).collect(),
        never_used: found.never_used,
        denied: found.denied.iter().map(seen_to_wire).collect(),
        scopes,
        grants,
    }
}

/// From when on it is known what a narrowed key used.
pub(in crate::grpc) fn watched_since(since: Timestamp) -> prost_types::Timestamp {
    time::to_wire(since)
}

fn seen_to_wire((scope, last): &LastSeen) -> v1::SeenScope {
    v1::SeenScope { scope: scope.as_ref().to_owned(), last_time: Some(time::to_wire(*last)) }
}
