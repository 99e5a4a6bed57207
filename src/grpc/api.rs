//! What the services share: the changes, who is calling, and the lanes that administration hops to.

use std::{future::Future, net::IpAddr, panic::resume_unwind, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use tonic::{Request, Response, Status};

use super::lanes::{Lane, Lanes};
use crate::{
    changes::Changes,
    domain::{
        admin::{Caller, Party},
        denial_sums::DeniedCredential,
    },
    error::{OperationError, Refused},
    gateway::Desk,
    health::HealthWatch,
    judge::{Judge, denials::AskedAs, identify},
    ports::StoreError,
    server::connection::Peer,
};

/// What gateways are taken to call, whichever way they ask.
pub(super) const CHECK: &str = "Check";

/// Implements the services of `keyward.v1`, and Envoy's.
pub struct Api {
    judge: Arc<Judge>,
    changes: Arc<Changes>,
    check_is_open: bool,
    desk: Arc<Desk>,
    pub(super) lanes: Arc<Lanes>,
    health: HealthWatch,
}

impl Api {
    /// Serves what `judge` decides and `changes` do. Administration has places in `lanes`; Check and BatchCheck need no
    /// caller where `check_is_open`. Gateways are answered at `desk`. Streams end when `health` says that the process does.
    #[must_use]
    pub fn new(
        judge: Arc<Judge>,
        changes: Arc<Changes>,
        lanes: Arc<Lanes>,
        check_is_open: bool,
        desk: Arc<Desk>,
        health: HealthWatch,
    ) -> Self {
        Self { judge, changes, check_is_open, desk, lanes, health }
    }

    /// Hears when the process ends.
    pub(super) fn health(&self) -> HealthWatch {
        self.health.clone()
    }

    pub(super) fn judge(&self) -> &Judge {
        &self.judge
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn changes_shared(&self) -> Arc<Changes> {
        Arc::clone(&self.changes)
    }

    /// Where gateways are answered.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Passes callers who may check. Where Checks are open, callers without a credential pass; a credential that lacks the scope
    /// does not.
    pub(super) fn require_checker(&self, caller: &Caller) -> Result<(), OperationError> {
        identify::require_checker(caller, self.check_is_open)
    }

    /// Who sent a request of this call, and how that is noted.
    pub(super) fn caller<T>(
        &self,
        request: &Request<T>,
        call: &'static str,
    ) -> Result<(Caller, AskedAs), OperationError> {
        self.caller_of(request.metadata().as_ref(), call, request.extensions().get::<Peer>())
    }

    /// Who sent these headers over this connection.
    pub(super) fn caller_of(
        &self,
        headers: &HeaderMap,
        call: &'static str,
        peer: Option<&Peer>,
    ) -> Result<(Caller, AskedAs), OperationError> {
        self.identify(bearer(headers), call, peer)
    }

    fn identify(
        &self,
        presented: Result<Option<&str>, OperationError>,
        call: &'static str,
        peer: Option<&Peer>,
    ) -> Result<(Caller, AskedAs), OperationError> {
        let asked = AskedAs { call, address: peer.map(address) };
        let presented =
            presented.map_err(|_guessed_never| self.judge.wrong_caller(asked, DeniedCredential::Unnamed))?;
        let proof = peer.and_then(|peer| peer.proof.as_deref());
        Ok((self.judge.identify(presented, asked, proof)?, asked))
    }

    /// Passes a gateway that may check.
    pub(super) fn require_gateway(&self, asked: AskedAs, caller: Caller) -> Result<Caller, OperationError> {
        match self.require_checker(&caller) {
            Ok(()) => Ok(caller),
            Err(error) => {
                self.judge.count_refused(asked, &caller, &error);
                Err(error)
            }
        }
    }

    /// Notes an error where it refuses a caller.
    pub(super) fn noted(&self, asked: AskedAs, caller: &Caller, error: OperationError) -> OperationError {
        self.judge.note_refused(asked, caller, &error);
        error
    }

    /// Who asks a Check over this connection, if he may; `callers` are the values in which he says who he is.
    ///
    /// # Errors
    /// He may not, or says it in a way that could be read in two.
    pub fn checker<'a>(
        &self,
        callers: impl Iterator<Item = &'a [u8]>,
        peer: Option<&Peer>,
    ) -> Result<Caller, OperationError> {
        let (caller, asked) = self.identify(only_bearer(callers), CHECK, peer)?;
        self.require_gateway(asked, caller)
    }

    /// Does administrative work in a lane, on threads that no Check waits for. Once begun it goes on when the client goes
    /// away: a change is carried out or refused, never left half-way.
    pub(super) async fn work_in<T, F, W>(
        &self,
        lane: &Lane,
        party: Party,
        work: W,
    ) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Changes>) -> F,
        F: Future<Output = Result<T, OperationError>> + Send + 'static,
    {
        let turn = lane.take(party)?.turn().await.map_err(|_closed| stopping())?;
        let work = work(Arc::clone(&self.changes));
        let work = async move {
            let done = work.await;
            drop(turn);
            done
        };
        match lane.runtime(party).spawn(work).await {
            Ok(done) => Ok(Response::new(done?)),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_cancelled) => Err(stopping().into()),
            },
        }
    }
}

pub(super) fn stopping() -> OperationError {
    StoreError::OutcomeUnknown("Keyward is stopping".to_owned()).into()
}

/// Where a call came from: the address of the other end of its connection, since nothing else can be believed.
fn address(peer: &Peer) -> IpAddr {
    peer.address.ip().to_canonical()
}

/// The credential of `authorization: Bearer <key>` (RFC 6750 section 2.1), if one was sent.
///
/// # Errors
/// There are two, or it is of another form: what was meant is not guessed.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, OperationError> {
    only_bearer(headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes))
}

fn only_bearer<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a str>, OperationError> {
    let Some(first) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(first).ok().filter(|_| values.next().is_none());
    let (scheme, key) = text.and_then(|text| text.split_once(' ')).ok_or(Refused::CallerInvalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(key)) } else { Err(Refused::CallerInvalid.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_counts_and_nothing_is_guessed() {
        // X2
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(|key| key.map(ToOwned::to_owned))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Bearer k"]), Ok(Some("k".to_owned())));
        assert_eq!(read(&["bEARER k"]), Ok(Some("k".to_owned())));
        assert_eq!(read(&["Bearer  k"]), Ok(Some(" k".to_owned())), "nothing is trimmed");
        for bad in [&["k"][..], &["Basic k"], &["Bearer a", "Bearer a"], &[""]] {
            assert_eq!(read(bad), Err(Refused::CallerInvalid.into()), "{bad:?}");
        }
    }
}
