//! In front of every service: each request becomes a [`Call`], or is turned away by the protocol that it speaks.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, service::Service};

use super::{
    budget::BudgetSpent,
    call::{AnswerBody, Call},
    calls::Calls,
    connection::{OpenCall, Peer, Pulse},
    cost,
};

/// The gate of one connection.
#[derive(Debug)]
pub(super) struct Gate<S> {
    service: Arc<S>,
    peer: Peer,
    pulse: Arc<Pulse>,
}

impl<S> Gate<S> {
    pub(super) fn new(service: S, peer: Peer, pulse: Arc<Pulse>) -> Self {
        Self { service: Arc::new(service), peer, pulse }
    }
}

impl<S: Calls> Service<Request<Incoming>> for Gate<S> {
    type Response = Response<AnswerBody<S>>;
    type Error = Infallible;
    type Future = Call<S>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut open = OpenCall::begin(&self.pulse, request.uri().path_and_query().cloned());
        let texts = cost::of_texts(request.headers());
        self.pulse.allowance.earn_by_call(texts, &self.pulse.shared.limits);
        if let Err(BudgetSpent) = open.charge_head(cost::of_call(&request, texts)) {
            if self.pulse.is_stalled() {
                // It does not even take refusals.
                self.pulse.order_closed();
            }
            return Call::over_budget(Arc::clone(&self.service), open);
        }
        match self.service.admit(&request, &self.pulse.shared.limits) {
            Ok(taken) => Call::new(Arc::clone(&self.service), request, self.peer.clone(), taken, open),
            Err(answer) => {
                self.pulse.shared.counts.calls_refused.increment();
                Call::refused(Arc::clone(&self.service), answer, open)
            }
        }
    }
}
