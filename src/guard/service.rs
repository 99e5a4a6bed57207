//! The layer, and the service that it makes of another.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    answer::{add_limits, denial, denied, undecided},
    ask::{Guard, NoAnswer, credential},
    needs::Needs,
};
use crate::{
    domain::{decision::Denial, parse::ParseError},
    wire::v1::{CheckedKey, LimitState},
};

/// What a request needs; nothing where no key gives access to it.
pub(super) type Rule = Arc<dyn Fn(&Parts) -> Option<Needs> + Send + Sync>;

/// Guards services with one [`Guard`] and one rule about what requests need. Cheap to clone.
#[derive(Clone)]
pub struct GuardLayer {
    guard: Guard,
    needs: Rule,
}

/// Why a request passes: on whose key, and how its limits stand. Without a key it is unchecked.
#[derive(Default)]
struct Pass {
    key: Option<CheckedKey>,
    limits: Vec<LimitState>,
}

impl Guard {
    /// The layer for what needs all of these scopes; with none, a key that is in order.
    ///
    /// # Errors
    /// One of them is no scope.
    pub fn requires(&self, scopes: &[&str]) -> Result<GuardLayer, ParseError> {
        let needs = Needs::parse(scopes)?;
        Ok(self.requires_by(move |_| Some(needs.clone())))
    }

    /// The layer for what needs something else for each request. Where that is `None`, the request is denied.
    #[must_use]
    pub fn requires_by(&self, needs: impl Fn(&Parts) -> Option<Needs> + Send + Sync + 'static) -> GuardLayer {
        GuardLayer::new(self.clone(), Arc::new(needs))
    }
}

impl GuardLayer {
    fn new(guard: Guard, needs: Rule) -> Self {
        Self { guard, needs }
    }

    /// Why the request passes, or the answer to it if it does not.
    async fn decide(&self, parts: &Parts) -> Result<Pass, Box<Response<Full<Bytes>>>> {
        let needs = (self.needs)(parts);
        let api_key = credential(parts).map_err(|denial| denied(parts, &denial, needs.as_ref()))?;
        let Some(needs) = needs else {
            return Err(denied(parts, &Denial::RouteNotFound, None).into());
        };
        match self.guard.ask(api_key, &needs, parts).await {
            Ok(answer) if answer.allowed => Ok(Pass { key: answer.key, limits: answer.limits }),
            Ok(answer) => {
                let denial = denial(&answer, &needs);
                let key = answer.key.as_ref().map(|key| key.id.as_str());
                tracing::info!(key.id = key, denial.reason = denial.reason(), "denied");
                let mut response = denied(parts, &denial, Some(&needs));
                add_limits(response.headers_mut(), &answer.limits);
                Err(response.into())
            }
            Err(NoAnswer::Away) if self.guard.lets_through_while_away => {
                tracing::warn!(method = %parts.method, path = parts.uri.path(), "let through unchecked");
                Ok(Pass::default())
            }
            Err(NoAnswer::Away | NoAnswer::Undecided) => Err(undecided(parts).into()),
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, layer: self.clone() }
    }
}

/// A service that gets only what Keyward allows.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone is not ready; the one that is goes with the request.
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let pass = match layer.decide(&parts).await {
                Ok(pass) => pass,
                Err(answer) => return Ok(answer.map(Either::Right)),
            };
            parts.extensions.remove::<CheckedKey>();
            if let Some(key) = pass.key {
                parts.extensions.insert(key);
            }
            let mut response = ready.call(Request::from_parts(parts, body)).await?;
            add_limits(response.headers_mut(), &pass.limits);
            Ok(response.map(Either::Left))
        })
    }
}
