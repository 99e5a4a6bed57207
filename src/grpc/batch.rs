//! BatchCheck: many questions, one by one or all together.

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{api::Api, convert};
use crate::{
    domain::{
        admin::{AdminPermit, AdminRefusal, Caller, ExplainKeys},
        parse::ParseError,
    },
    operations::{
        check::{Mode, Query},
        error::OperationError,
    },
    wire::v1,
};

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

impl Api {
    /// Answers many questions, in order.
    pub(super) async fn batch(
        &self,
        request: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let caller = self.caller(&request)?;
        self.require_checker_or_explainer(&caller)?;
        let questions = &request.get_ref().requests;
        if questions.is_empty() || questions.len() > MAX_BATCH {
            let why = ParseError::new("1 to 1,000 questions");
            return Err(OperationError::invalid("requests", why).into());
        }
        // All are read before the first is answered: a batch that is refused for what it asks has charged nothing.
        let mut queries = Vec::with_capacity(questions.len());
        for (place, question) in questions.iter().enumerate() {
            queries.push(self.question(&caller, &format!("requests[{place}]"), question).await?);
            if queries.len().is_multiple_of(QUESTIONS_READ_AT_A_TIME) {
                tokio::task::yield_now().await;
            }
        }
        if request.get_ref().all_or_nothing {
            return Ok(Response::new(self.answer_together(queries).await?));
        }
        let mut responses = Vec::with_capacity(queries.len());
        let mut answered = Answered::default();
        for query in &queries {
            let response = self.answer(query).await?;
            answered.add(bytes_of(&response)).await?;
            responses.push(response);
        }
        Ok(Response::new(v1::BatchCheckResponse { responses }))
    }

    /// Answers questions that are charged together or not at all.
    async fn answer_together(
        &self,
        mut queries: Vec<Query<'_>>,
    ) -> Result<v1::BatchCheckResponse, OperationError> {
        if let Some(place) = queries.iter().position(|query| query.mode != Mode::Enforce) {
            let why = ParseError::new("ENFORCE, or left out, where all_or_nothing is true");
            return Err(OperationError::invalid(format!("requests[{place}].mode"), why));
        }
        // What is charged is answered: so the length of the answers is tried before.
        let mut answered = Answered::default();
        for query in &mut queries {
            query.mode = Mode::Peek;
            let bytes = bytes_of(&self.answer(query).await?).saturating_add(COUNTS_BYTES);
            query.mode = Mode::Enforce;
            answered.add(bytes).await?;
        }
        let answers = self.operations().check_all(&queries).await?;
        Ok(v1::BatchCheckResponse { responses: convert::check::responses(&answers) })
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
fn bytes_of(response: &v1::CheckResponse) -> usize {
    let length = response.encoded_len();
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
