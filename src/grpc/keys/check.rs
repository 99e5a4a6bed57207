//! A question of a Check: may the caller ask it, what does it say, and the answer to it.

use std::sync::Arc;

use http::HeaderMap;
use tonic::{Request, Response, Status, body::Body, codegen::BoxFuture};

use crate::grpc::{
    api::{Api, CHECK},
    check_call::CheckAtOnce,
    convert,
};
use crate::{
    domain::{
        admin::{AdminPermit, AdminRefusal, Caller, ExplainKeys, ReadPolicy},
        revision::Revision,
    },
    error::{NotFound, OperationError, Unavailable},
    judge::question::{Door, Mode, Query},
    server::{budget::Purse, connection::Peer},
    wire::v1,
};

impl CheckAtOnce for Api {
    fn check_at_once(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        asked: &v1::CheckRequest,
        message: &mut Vec<u8>,
    ) -> Option<Result<(), Status>> {
        let answer = || {
            let (caller, asked_as) = self.caller_of(headers, CHECK, Some(peer))?;
            let query = self.question_at_once(&caller, Door::Grpc, "", asked);
            match query.map_err(|error| self.noted(asked_as, &caller, error))? {
                // An explanation says more, and is asked for by people.
                Some(query) if query.mode != Mode::Explain => self.judge().try_check(&query),
                Some(_) | None => Ok(None),
            }
        };
        match answer() {
            Ok(Some(answer)) => {
                convert::check_bytes::write(&answer, message);
                self.judge().note_answered(Door::Grpc, answer.began);
                Some(Ok(()))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    fn batch(
        self: Arc<Self>,
        caller: Request<()>,
        asked: v1::BatchCheckRequest,
        purse: Purse,
    ) -> Option<BoxFuture<http::Response<Body>, Status>> {
        Some(Box::pin(self.batch_response(caller, asked, purse)))
    }
}

impl Api {
    /// Answers a Check that is not answered at once.
    pub(super) async fn answer_check(
        &self,
        request: Request<v1::CheckRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        let (caller, asked_as) = self.caller(&request, CHECK)?;
        let door = request.extensions().get::<Door>().copied().unwrap_or(Door::Grpc);
        let query = self.question(&caller, door, "", request.get_ref()).await;
        let query = query.map_err(|error| self.noted(asked_as, &caller, error))?;
        let answer = self.judge().check(&query).await?;
        let mut response = convert::check::response(&answer);
        response.route = self.route(&caller, &query, request.get_ref())?;
        self.judge().note_answered(door, answer.began);
        Ok(Response::new(response))
    }

    /// Reads one question, as [`Self::question_at_once`] does, once the view has the revision that it asks for.
    pub(super) async fn question<'a>(
        &self,
        caller: &Caller,
        door: Door,
        prefix: &str,
        asked: &'a v1::CheckRequest,
    ) -> Result<Query<'a>, OperationError> {
        if let Some(query) = self.question_at_once(caller, door, prefix, asked)? {
            return Ok(query);
        }
        self.judge().await_revision(Revision(asked.min_revision)).await?;
        self.question_at_once(caller, door, prefix, asked)?
            .ok_or(OperationError::Unavailable(Unavailable::RevisionAhead))
    }

    /// Reads one question: may the caller ask it, does what it names belong to the caller, is it well-formed. `None` where
    /// the view does not have the revision that it asks for.
    fn question_at_once<'a>(
        &self,
        caller: &Caller,
        door: Door,
        prefix: &str,
        asked: &'a v1::CheckRequest,
    ) -> Result<Option<Query<'a>>, OperationError> {
        let mode = convert::check::mode(prefix, asked);
        let by_id = convert::check::named_key(prefix, asked);
        if by_id.is_some() || mode == Ok(Mode::Explain) {
            let _explainer: AdminPermit<ExplainKeys> = caller.permit()?;
        } else {
            self.require_checker(caller)?;
        }
        let bound_to = caller.bound_to();
        let named = convert::check::workspace(prefix, asked)?;
        if named.is_some_and(|named| bound_to.is_some_and(|bound| bound != named)) {
            return Err(NotFound::Workspace.into());
        }
        let is_known = self.judge().has_revision(Revision(asked.min_revision));
        if let Some(id) = by_id {
            let id = id?;
            if !is_known {
                return Ok(None);
            }
            self.judge().require_known(bound_to, id)?;
        }
        let query = convert::check::query(prefix, asked, mode?, named, (caller, door))?;
        Ok(is_known.then_some(query))
    }

    pub(super) async fn answer(&self, query: &Query<'_>) -> Result<v1::CheckResponse, OperationError> {
        Ok(convert::check::response(&self.judge().check(query).await?))
    }

    /// Which route the request is on, for an operator who wants it explained: `ExplainRoute` would tell the same operator.
    fn route(
        &self,
        caller: &Caller,
        query: &Query<'_>,
        asked: &v1::CheckRequest,
    ) -> Result<Option<v1::RouteExplanation>, OperationError> {
        let reader: Result<AdminPermit<ReadPolicy>, AdminRefusal> = caller.permit();
        let may_know = reader.and_then(|permit| permit.require_global()).is_ok();
        let explained = may_know && query.mode == Mode::Explain;
        let Some(context) = asked.context.as_ref().filter(|_| explained) else {
            return Ok(None);
        };
        let request = (context.host.as_str(), context.method.as_str(), context.path.as_str());
        if [request.0, request.1, request.2].contains(&"") {
            return Ok(None);
        }
        Ok(Some(convert::route::explained(&self.judge().policy()?.policy, request)))
    }
}
