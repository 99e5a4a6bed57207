//! BatchCheck: many questions, one by one or all together.
//!
//! Served by hand, as Check is: the answers are written one after another into the bytes that are sent. As messages, a
//! thousand of them would take many times as much; and what a batch takes is paid for before it is made.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderMap, Response};
use prost::Message as _;
use tonic::{Request, Status, body::Body, codegen::BoxFuture, metadata::MetadataMap};

use crate::grpc::{
    api::Api,
    check_call::CheckAtOnce,
    convert,
    cost::fields,
    frame::{self, PREFIX_BYTES},
    refusal::CallRefusal,
};
use crate::{
    domain::{
        admin::{AdminPermit, AdminRefusal, Caller, ExplainKeys},
        parse::ParseError,
    },
    error::OperationError,
    judge::question::{Door, Mode, Query},
    server::{
        budget::{BudgetSpent, Held, Purse},
        request_body::RequestBody,
    },
    wire::v1,
};

/// The one method.
pub(in crate::grpc) const PATH: &str = "/keyward.v1.KeyService/BatchCheck";

const MAX_BATCH: usize = 1_000;
/// What clients of gRPC take unless told otherwise, and what keeps a few keys with long grants from filling memory.
const MAX_BATCH_ANSWER_BYTES: usize = 4 << 20;
/// By how much the answer to a question can be longer than the one to a peek a moment before: its message may be that of
/// another question.
const COUNTS_BYTES: usize = 256;
/// Questions of a batch that are read before others on the same core have their turn.
const QUESTIONS_READ_AT_A_TIME: usize = 64;
/// Questions of a batch that are judged, and bytes of answers that are made, before others on the same core have their turn.
const QUESTIONS_AT_A_TIME: usize = 16;
const BYTES_AT_A_TIME: usize = 64 << 10;
/// What most answers take.
const USUAL_BYTES: usize = 384;
/// What a question takes that was read, beside its message, and its answer before it is written.
const QUESTION_BYTES: usize = 1 << 10;
/// Beside the answers: their frame, and their stream until they are written.
const FRAME_BYTES: usize = 1 << 10;

/// Answers a call that is one plain message, if the handler does.
pub(in crate::grpc) fn serve<H: CheckAtOnce>(
    handler: &Arc<H>,
    request: &http::Request<RequestBody>,
) -> Option<BoxFuture<Response<Body>, Infallible>> {
    if !is_plain(request.headers()) {
        return None;
    }
    let asked = v1::BatchCheckRequest::decode(frame::plain_message(request.body().whole()?)?).ok()?;
    let mut caller = Request::from_parts(
        MetadataMap::from_headers(request.headers().clone()),
        request.extensions().clone(),
        (),
    );
    let purse = caller.extensions_mut().remove::<Purse>()?;
    let answer = Arc::clone(handler).batch(caller, asked, purse)?;
    Some(Box::pin(async move { Ok(answer.await.unwrap_or_else(Status::into_http)) }))
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all("grpc-encoding").iter().all(|encoding| encoding == "identity")
}

/// What a batch takes beside its message: what is made of each question, and the usual answers.
pub(in crate::grpc) fn cost(message: &[u8]) -> u64 {
    // A batch of more questions is refused before anything is made of them.
    let questions = fields(message, 1).min(MAX_BATCH);
    as_u64(questions.saturating_mul(QUESTION_BYTES))
}

/// Answers as they are sent, and what they cost.
pub(super) struct Answers {
    frame: Vec<u8>,
    /// The next one, until its length is known.
    next: Vec<u8>,
    held: Held,
}

impl Answers {
    fn begin(purse: &Purse, expected: usize) -> Result<Self, BudgetSpent> {
        let held = purse.hold(as_u64(expected.saturating_add(FRAME_BYTES)))?;
        let mut frame = frame::begin();
        frame.reserve_exact(expected);
        Ok(Self { frame, next: Vec::new(), held })
    }

    /// Pays for answers of so many bytes in all, and makes room for them.
    fn reserve(&mut self, bytes: usize) -> Result<(), BudgetSpent> {
        if bytes > self.frame.capacity() {
            let room = bytes.max(self.frame.capacity().saturating_mul(2));
            // For a moment the shorter one is there beside the longer.
            let both = room.saturating_add(self.frame.capacity()).saturating_add(FRAME_BYTES);
            self.held.grow_to(as_u64(both))?;
            self.frame.reserve_exact(room.saturating_sub(self.frame.len()));
        }
        Ok(())
    }

    /// Adds the answer that is written into the buffer that is passed.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Status> {
        self.next.clear();
        write(&mut self.next);
        let length = with_length(self.next.len());
        require_fitting(self.bytes().saturating_add(length))?;
        self.reserve(self.frame.len().saturating_add(length))?;
        prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut self.frame);
        prost::encoding::encode_varint(as_u64(self.next.len()), &mut self.frame);
        self.frame.extend_from_slice(&self.next);
        Ok(())
    }

    /// The bytes of the answers.
    fn bytes(&self) -> usize {
        self.frame.len().saturating_sub(PREFIX_BYTES)
    }

    /// The answer to the call.
    fn into_response(mut self) -> Response<Body> {
        self.frame.shrink_to_fit();
        let bytes = as_u64(self.frame.capacity().saturating_add(FRAME_BYTES));
        // It was as much at the least.
        let _less = self.held.resize(bytes);
        frame::paid_answer(self.frame, self.held)
    }

    /// The same as a message, for a call that is not served by hand.
    fn into_message(self) -> Result<v1::BatchCheckResponse, Status> {
        let message = self.frame.get(PREFIX_BYTES..).unwrap_or_default();
        v1::BatchCheckResponse::decode(message).map_err(|_undecodable| CallRefusal::Internal.status())
    }
}

impl From<BudgetSpent> for Status {
    fn from(_spent: BudgetSpent) -> Self {
        CallRefusal::OverBudget.status()
    }
}

impl Api {
    /// Answers a batch as a message.
    pub(super) async fn answer_batch(
        &self,
        request: Request<v1::BatchCheckRequest>,
    ) -> Result<tonic::Response<v1::BatchCheckResponse>, Status> {
        let purse = request.extensions().get::<Purse>().cloned().unwrap_or_else(Purse::endless);
        let answers = self.answers(&request, request.get_ref(), &purse).await?;
        Ok(tonic::Response::new(answers.into_message()?))
    }

    /// Answers a batch in the bytes that are sent.
    pub(super) async fn batch_response(
        self: Arc<Self>,
        caller: Request<()>,
        asked: v1::BatchCheckRequest,
        purse: Purse,
    ) -> Result<Response<Body>, Status> {
        Ok(self.answers(&caller, &asked, &purse).await?.into_response())
    }

    /// Answers many questions, in order.
    async fn answers<T>(
        &self,
        caller: &Request<T>,
        asked: &v1::BatchCheckRequest,
        purse: &Purse,
    ) -> Result<Answers, Status> {
        let (caller, asked_as) = self.caller(caller, "BatchCheck")?;
        let noted = |error| self.noted(asked_as, &caller, error);
        self.require_checker_or_explainer(&caller).map_err(noted)?;
        let questions = &asked.requests;
        if questions.is_empty() || questions.len() > MAX_BATCH {
            let why = ParseError::new("1 to 1,000 questions");
            return Err(OperationError::invalid("requests", why).into());
        }
        // All are read before the first is answered: a batch that is refused for what it asks has charged nothing.
        let mut queries = Vec::with_capacity(questions.len());
        for (place, question) in questions.iter().enumerate() {
            let query = self.question(&caller, Door::Grpc, &format!("requests[{place}]"), question).await;
            queries.push(query.map_err(noted)?);
            if queries.len().is_multiple_of(QUESTIONS_READ_AT_A_TIME) {
                tokio::task::yield_now().await;
            }
        }
        // Before the first is charged: that there is none later is rare.
        let mut answers = Answers::begin(purse, queries.len().saturating_mul(USUAL_BYTES))?;
        if asked.all_or_nothing {
            self.answer_together(queries, &mut answers).await?;
            return Ok(answers);
        }
        let (mut answered, mut began) = (Answered::default(), None);
        for query in &queries {
            let answer = self.judge().check(query).await?;
            began.get_or_insert(answer.began);
            let before = answers.bytes();
            answers.add(|bytes| convert::check_bytes::write(&answer, bytes))?;
            answered.add(answers.bytes().saturating_sub(before)).await?;
        }
        if let Some(began) = began {
            self.judge().note_answered(Door::Grpc, began);
        }
        Ok(answers)
    }

    /// Answers questions that are charged together or not at all.
    async fn answer_together(
        &self,
        mut queries: Vec<Query<'_>>,
        answers: &mut Answers,
    ) -> Result<(), Status> {
        if let Some(place) = queries.iter().position(|query| query.mode != Mode::Enforce) {
            let why = ParseError::new("ENFORCE, or left out, where all_or_nothing is true");
            return Err(OperationError::invalid(format!("requests[{place}].mode"), why).into());
        }
        // What is charged is answered: so the length of the answers is tried, and paid for, before.
        let mut answered = Answered::default();
        for query in &mut queries {
            query.mode = Mode::Peek;
            let length = with_length(self.answer(query).await?.encoded_len());
            query.mode = Mode::Enforce;
            answered.add(length.saturating_add(COUNTS_BYTES)).await?;
        }
        answers.reserve(answered.bytes.saturating_add(PREFIX_BYTES))?;
        let (_, began) = self.judge().exact_reading();
        let answered = self.judge().check_all(&queries).await?;
        self.judge().note_answered(Door::Grpc, began);
        for together in &answered {
            let response = convert::check::response_of(together);
            answers.add(|bytes| response.encode_raw(bytes))?;
        }
        Ok(())
    }

    /// Passes who may ask at least one kind of question, so that an empty or huge batch of others is refused as such.
    fn require_checker_or_explainer(&self, caller: &Caller) -> Result<(), OperationError> {
        let explainer: Result<AdminPermit<ExplainKeys>, AdminRefusal> = caller.permit();
        explainer.map(drop).or_else(|_refusal| self.require_checker(caller))
    }
}

/// What a batch has been answered so far.
#[derive(Default)]
struct Answered {
    bytes: usize,
    /// Since others had their turn.
    questions: usize,
    of_these: usize,
}

impl Answered {
    /// Takes an answer of so many bytes, and lets others on this core come in between, and the deadline, where that was enough.
    ///
    /// # Errors
    /// All of them together are more than clients take.
    async fn add(&mut self, bytes: usize) -> Result<(), OperationError> {
        self.bytes = self.bytes.saturating_add(bytes);
        require_fitting(self.bytes)?;
        (self.questions, self.of_these) =
            (self.questions.saturating_add(1), self.of_these.saturating_add(bytes));
        if self.questions >= QUESTIONS_AT_A_TIME || self.of_these >= BYTES_AT_A_TIME {
            (self.questions, self.of_these) = (0, 0);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// The bytes of an answer with its tag and its length, as it stands in a batch.
fn with_length(length: usize) -> usize {
    length.saturating_add(1 + prost::length_delimiter_len(length))
}

/// Passes answers that clients take.
fn require_fitting(bytes: usize) -> Result<(), OperationError> {
    if bytes <= MAX_BATCH_ANSWER_BYTES {
        return Ok(());
    }
    let why = ParseError::new("fewer: the answers would be over 4 MiB together");
    Err(OperationError::invalid("requests", why))
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
