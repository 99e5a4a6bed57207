//! How callers are written down in packed bodies.

use serde::{Deserialize, Serialize};

use crate::domain::{
    caller_id::{ActorId, CallerId},
    id::KeyId,
};

/// Who asked for a change. Packed, the first two are what an optional id of a key was before there were actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) enum CallerBody {
    Nobody,
    Key([u8; KeyId::BYTES]),
    Actor([u8; ActorId::BYTES]),
}

/// A number that is no actor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct NoActor;

impl CallerBody {
    pub(in crate::store) const fn of(caller: Option<CallerId>) -> Self {
        match caller {
            None => Self::Nobody,
            Some(CallerId::Key(key)) => Self::Key(key.to_bytes()),
            Some(CallerId::Actor(actor)) => Self::Actor(actor.to_bytes()),
        }
    }

    /// Who it was.
    ///
    /// # Errors
    /// The number is no actor's.
    pub(in crate::store) fn into_caller(self) -> Result<Option<CallerId>, NoActor> {
        Ok(match self {
            Self::Nobody => None,
            Self::Key(key) => Some(CallerId::Key(KeyId::from_bytes(key))),
            Self::Actor(actor) => Some(CallerId::Actor(ActorId::from_bytes(actor).ok_or(NoActor)?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_packed_as_an_optional_key_was() {
        // O2, D8
        let key = KeyId::from_bytes([9; 16]);
        for before in [None, Some(key.to_bytes())] {
            let packed = postcard::to_allocvec(&before).unwrap();
            let body: CallerBody = postcard::from_bytes(&packed).unwrap();
            assert_eq!(body.into_caller(), Ok(before.map(|_| CallerId::Key(key))));
            assert_eq!(postcard::to_allocvec(&body).unwrap(), packed);
        }
        let actor = CallerId::parse("actor:billing").unwrap();
        assert_eq!(CallerBody::of(Some(actor)).into_caller(), Ok(Some(actor)));
        assert_eq!(CallerBody::Actor([0; 16]).into_caller(), Err(NoActor));
    }
}
