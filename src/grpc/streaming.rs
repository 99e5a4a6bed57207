//! RPCs that answer with a stream: long looks, which tell how far they are and what they find. No deadline of a listener ends one.
//! The client does, by going away, and so does a client that does not read, and a process that ends.

use std::pin::Pin;

use futures_util::{Stream, stream};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use super::{
    api::{Api, stopping},
    lanes::Work,
    rpc::CallerProof,
};
use crate::{
    changes::{Changes, support::audience::Audience},
    error::OperationError,
    health::HealthWatch,
    ports::StoreError,
};

/// How much is told before the client has taken what came first.
const UNTAKEN: usize = 4;

/// The request of an RPC that answers with a stream.
pub(super) trait StreamRpc: Send + Sync + Sized + 'static {
    /// What is told.
    type News: Send + 'static;
    /// The same as a message.
    type Message: Send + 'static;
    /// What a caller must prove.
    type Permit: CallerProof<Self>;

    /// What it is called.
    const CALL: &'static str;

    /// Does the work. Permission comes first: fields are read here, and nowhere before.
    fn tell(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
        telling: Audience<Self::News>,
    ) -> impl Future<Output = Result<(), OperationError>> + Send;

    /// What is told, as a message.
    fn message(news: Self::News) -> Self::Message;
}

/// What a client of such an RPC reads.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The work's own end, which is told apart from one that it did not come to.
type WorkEnd = oneshot::Receiver<Result<(), OperationError>>;

impl Api {
    /// Answers with a stream: who calls, may they, is there a place, and then the work, which ends when the client goes away.
    pub(super) async fn stream<R: StreamRpc>(
        &self,
        request: Request<R>,
    ) -> Result<Response<Messages<R::Message>>, Status> {
        let (caller, asked_as) = self.caller(&request, R::CALL)?;
        let asked = request.into_inner();
        let permit = R::Permit::of(&caller, &asked);
        let permit = permit.map_err(|error| self.noted(asked_as, &caller, error))?;
        let party = permit.party();
        let lane = self.lanes.of(Work::LongLook);
        let turn = lane.take(party)?.turn().await.map_err(|_closed| stopping())?;
        let (to, news) = mpsc::channel(UNTAKEN);
        let (ended, end) = oneshot::channel();
        let changes = self.changes_shared();
        lane.runtime(party).spawn(async move {
            let telling = Audience::new(to);
            let unheard = telling.clone();
            let done = tokio::select! {
                done = R::tell(&changes, permit, asked, telling) => {
                    done.inspect_err(|error| changes.note_refused(asked_as, &caller, error))
                }
                () = unheard.is_unheard() => Ok(()),
            };
            drop(turn);
            // The client may be gone.
            drop(ended.send(done));
        });
        Ok(Response::new(Box::pin(messages::<R>(news, end, self.health()))))
    }
}

fn messages<R: StreamRpc>(
    news: mpsc::Receiver<R::News>,
    end: WorkEnd,
    health: HealthWatch,
) -> impl Stream<Item = Result<R::Message, Status>> + Send {
    stream::unfold(Some((news, end, health)), |reading| async move {
        let (mut news, end, mut health) = reading?;
        let told = tokio::select! {
            biased;
            // With the messages goes the work: nothing waits for it.
            () = health.drains() => return Some((Err(cut_short().into()), None)),
            told = news.recv() => told,
        };
        if let Some(told) = told {
            return Some((Ok(R::message(told)), Some((news, end, health))));
        }
        match end.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some((Err(error.into()), None)),
            // It panicked, or the server stops.
            Err(_never_ended) => Some((Err(stopping().into()), None)),
        }
    })
}

/// A look changes nothing, so it can be asked for again.
fn cut_short() -> OperationError {
    StoreError::Unavailable("Keyward is stopping, and the look was cut short: ask again".to_owned()).into()
}
