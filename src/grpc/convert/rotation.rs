//! Rotations under way, for the wire.

use std::time::Duration;

use super::{
    key::{owner_to_wire, secret_state},
    time,
};
use crate::{
    changes::keys::grace::{SecretInUse, SecretUser},
    domain::{
        caller_id::CallerId,
        key::MAX_GRACE,
        parse::ParseError,
        rotation::{QUIET_PERIOD, Readiness},
        time::Timestamp,
    },
    error::OperationError,
    wire::v1,
};

/// For how long a secret must have been unused.
pub(in crate::grpc) fn quiet_period(
    asked: Option<prost_types::Duration>,
) -> Result<Duration, OperationError> {
    let Some(asked) = asked else { return Ok(QUIET_PERIOD) };
    let quiet = time::duration("quiet_period", asked).ok().filter(|quiet| *quiet <= MAX_GRACE);
    quiet.ok_or(OperationError::invalid(
        "quiet_period",
        ParseError::new("0 to 366 days, or absent for 24 hours"),
    ))
}

/// The secrets of a key and who uses them.
pub(in crate::grpc) fn response(secrets: &[SecretInUse], now: Timestamp) -> v1::GetRotationResponse {
    v1::GetRotationResponse { secrets: secrets.iter().map(|secret| to_wire(secret, now)).collect() }
}

fn to_wire(shown: &SecretInUse, now: Timestamp) -> v1::RotationSecret {
    let SecretInUse { secret, end, users, readiness } = shown;
    v1::RotationSecret {
        generation: secret.generation,
        hint: secret.hint.as_str().to_owned(),
        state: secret_state(*end, now).into(),
        create_time: Some(time::to_wire(secret.created)),
        end_time: end.map(time::to_wire),
        users: users.iter().map(user_to_wire).collect(),
        last_use_time: users.first().map(|user| time::to_wire(user.last.time)),
        safe_to_end: readiness.is_some_and(Readiness::is_safe),
        why: readiness.map(|readiness| readiness.to_string()).unwrap_or_default(),
    }
}

fn user_to_wire(SecretUser { last, caller, owner }: &SecretUser) -> v1::SecretUser {
    v1::SecretUser {
        caller_key_id: caller.map(CallerId::to_text).unwrap_or_default(),
        caller_owner: owner_to_wire(owner.as_ref()),
        source_address: last.address.map(|address| address.to_string()).unwrap_or_default(),
        last_use_time: Some(time::to_wire(last.time)),
        by_operator: caller.is_none() && last.caller.is_some(),
    }
}
