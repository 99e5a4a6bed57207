//! Who is asking: the one place where a presented administration key, or what a connection proves, becomes a caller.

use std::net::IpAddr;

use super::{
    Judge,
    denials::{AskedAs, CALLER_INVALID},
    wrong_callers::WrongCallersSeen,
};
use crate::{
    domain::{
        admin::{AdminCaller, AdminPermit, AdminRefusal, Caller, CheckKeys, ProvenClient},
        denial_sums::DeniedCredential,
        secret::{KeyHash, PresentedKey, hint_of},
    },
    error::{OperationError, Refused},
    index::{Found, User},
};

/// Passes a caller who may check: where Check is open, also one without a credential, but never one whose credential does
/// not permit it.
///
/// # Errors
/// The caller may not.
pub fn require_checker(caller: &Caller, is_open: bool) -> Result<(), OperationError> {
    match caller {
        Caller::Anonymous { .. } if is_open => Ok(()),
        Caller::Anonymous { .. } => Err(AdminRefusal::CallerMissing.into()),
        Caller::Admin(_) => {
            let _checker: AdminPermit<CheckKeys> = caller.permit()?;
            Ok(())
        }
    }
}

impl Judge {
    /// The caller who presented this; where nothing was presented, the actor that the connection proves to be there, or an
    /// anonymous caller where it proves nothing. A key that is presented counts alone.
    ///
    /// # Errors
    /// Something was presented, and it is not a usable administration key: unknown, a holder's, expired, disabled,
    /// revoked, past its grace, or bound to other networks. Which of these is not told. Or nothing was, and what the
    /// connection proves is no actor's, though there are actors.
    pub fn identify(
        &self,
        presented: Option<&str>,
        asked: AskedAs,
        proof: Option<&ProvenClient>,
    ) -> Result<Caller, OperationError> {
        let Some(text) = presented else {
            return self.proven(proof, asked);
        };
        let known = PresentedKey::native(text).and_then(|presented| self.whose_native(&presented));
        let Some((found, hash)) = known else {
            return Err(self.wrong_caller(asked, hint_of(text).into()));
        };
        let caller = self.admin(&found, &hash, asked.address).map(Caller::Admin);
        caller.ok_or_else(|| self.wrong_caller(asked, DeniedCredential::Key(found.key().id)))
    }

    /// Looked up at each call, so that an actor that was taken away is none from then on.
    fn proven(&self, proof: Option<&ProvenClient>, asked: AskedAs) -> Result<Caller, OperationError> {
        let address = asked.address;
        let Some(client) = proof else { return Ok(Caller::Anonymous { address }) };
        let actors = self.index.actors();
        if actors.is_empty() {
            return Ok(Caller::Anonymous { address });
        }
        let now = self.clock.now();
        actors.caller(client, address, now).map(Caller::Admin).map_err(|why| {
            self.note_refused_call(asked, now, (CALLER_INVALID, None), DeniedCredential::Unnamed);
            Refused::Unproven(why).into()
        })
    }

    fn admin(&self, found: &Found, hash: &KeyHash, address: Option<IpAddr>) -> Option<AdminCaller> {
        let now = self.clock.now();
        let (secret, end) = found.key().secrets.find(hash)?;
        if end.is_some_and(|end| now >= end) {
            return None;
        }
        let caller = AdminCaller::new(&found.key(), address, now)?;
        let user = User { generation: secret.generation, caller: None, address };
        self.index.note_use(found, user, end.is_none(), now);
        Some(caller)
    }

    /// What was sent as an administration key since the start, and is not a usable one.
    pub fn wrong_callers_seen(&self) -> WrongCallersSeen {
        self.wrong_callers.seen()
    }

    /// Counts a credential that is not a usable administration key, and says what its sender hears.
    pub fn wrong_caller(&self, asked: AskedAs, sent: DeniedCredential) -> OperationError {
        let now = self.clock.now();
        self.note_refused_call(asked, now, (CALLER_INVALID, None), sent);
        self.wrong_callers.refuse(asked.address, now, &self.refused_calls)
    }
}
