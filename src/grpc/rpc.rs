//! The one shape of an RPC of administration: what a caller proves, in which lane the work is done, and the work itself.
//!
//! Each RPC is a file that implements [`Rpc`] for its request. One that names no proof or no lane does not compile.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{api::Api, lanes::Work};
use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, Caller, Party, Permission},
    error::OperationError,
};

/// The request of an RPC that is answered in a lane of administration.
pub(super) trait Rpc: Send + Sync + Sized + 'static {
    /// What is answered.
    type Answer: Send + 'static;
    /// What a caller must prove.
    type Permit: CallerProof<Self>;

    /// What it is called.
    const CALL: &'static str;
    /// Which work it is, and so which lane it takes.
    const WORK: Work;

    /// The same for this request, where requests differ.
    ///
    /// # Errors
    /// Only by what the request names can it be told, and that is wrong.
    fn work(&self, _changes: &Changes, _permit: &Self::Permit) -> Result<Work, OperationError> {
        Ok(Self::WORK)
    }

    /// Does the work. Permission comes first: fields are read here, and nowhere before.
    fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> impl Future<Output = Result<Self::Answer, OperationError>> + Send;
}

/// The proof that a caller may send a request.
pub(super) trait CallerProof<R>: Send + Sync + Sized + 'static {
    /// Takes the caller's proof.
    ///
    /// # Errors
    /// The caller may not.
    fn of(caller: &Caller, asked: &R) -> Result<Self, OperationError>;

    /// Whose share of the places for administration the work takes.
    fn party(&self) -> Party;
}

impl<R, P: Permission + Send + Sync + 'static> CallerProof<R> for AdminPermit<P> {
    fn of(caller: &Caller, _asked: &R) -> Result<Self, OperationError> {
        Ok(caller.permit()?)
    }

    fn party(&self) -> Party {
        Party::of(self)
    }
}

/// The permit of a caller who reaches every workspace.
pub(super) struct Global<P>(pub(super) AdminPermit<P>);

impl<R, P: Permission + Send + Sync + 'static> CallerProof<R> for Global<P> {
    fn of(caller: &Caller, _asked: &R) -> Result<Self, OperationError> {
        let permit: AdminPermit<P> = caller.permit()?;
        permit.require_global()?;
        Ok(Self(permit))
    }

    fn party(&self) -> Party {
        Party::of(&self.0)
    }
}

impl Api {
    /// Answers an RPC of administration: who calls, may they, is there a place, and then the work.
    pub(super) async fn serve<R: Rpc>(&self, request: Request<R>) -> Result<Response<R::Answer>, Status> {
        let (caller, asked_as) = self.caller(&request, R::CALL)?;
        let asked = request.into_inner();
        let noted = |error| self.noted(asked_as, &caller, error);
        let permit = R::Permit::of(&caller, &asked).map_err(noted)?;
        let lane = self.lanes.of(asked.work(self.changes(), &permit).map_err(noted)?);
        let party = permit.party();
        let work = async move |changes: Arc<Changes>| {
            let handled = R::handle(&changes, permit, asked).await;
            handled.inspect_err(|error| changes.note_refused(asked_as, &caller, error))
        };
        self.work_in(lane, party, work).await
    }
}
