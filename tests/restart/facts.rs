//! What one client was told about its keys, what it asked for without hearing the end, and what must be true of both.

use std::collections::HashMap;

use keyward::wire::v1::{
    self, AuditAction, DenialReason, KeyState, check_request::Subject, revoke_request::Target,
};
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::{Client, support::reason};

pub(crate) const SCOPE: &str = "messaging:send";
const HOUR: i64 = 3_600;

/// `SplitMix64`: from one seed, one run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        usize::try_from(word % u64::try_from(end).unwrap()).unwrap()
    }
}

/// One key, as its client knows it.
pub(crate) struct Fact {
    pub(crate) id: String,
    /// Oldest first; the last one is current.
    secrets: Vec<Known>,
    state: KeyState,
    /// Acknowledged changes: where in the log, and what.
    records: Vec<(u64, AuditAction)>,
}

struct Known {
    /// Nobody has seen the secret of a rotation whose answer was lost.
    text: Option<String>,
    works: bool,
}

/// What was asked for; if the answer never came, it is there whole or not at all.
#[derive(Clone)]
pub(crate) enum Change {
    Issue { request_id: String },
    Rotate { key: usize, grace: Option<i64>, request_id: String },
    Revoke { key: usize },
    Disable { key: usize },
    Enable { key: usize },
}

/// A client that alone changes its keys.
pub(crate) struct Owner {
    name: usize,
    dice: Dice,
    made: usize,
    pub(crate) facts: Vec<Fact>,
    pending: Option<Change>,
}

/// The server is gone.
#[derive(Debug)]
pub(crate) struct Gone;

type Answer = (v1::Key, String, u64);

impl Owner {
    pub(crate) fn new(name: usize, seed: u64) -> Self {
        Self { name, dice: Dice(seed), made: 0, facts: Vec::new(), pending: None }
    }

    /// Changes one of its keys and looks whether the change is true; `Gone` leaves it pending.
    pub(crate) async fn step(&mut self, client: &Client) -> Result<(), Gone> {
        let change = self.draw();
        self.pending = Some(change.clone());
        let answer = self.send(client, &change).await.map_err(|status| gone(&status))?;
        self.pending = None;
        let key = self.learn(&change, Some(answer));
        self.check(client, key).await
    }

    fn draw(&mut self) -> Change {
        self.made += 1;
        let request_id = format!("{}-{}", self.name, self.made);
        let lives: Vec<usize> =
            (0..self.facts.len()).filter(|key| self.facts[*key].state != KeyState::Revoked).collect();
        let what = self.dice.below(10);
        if lives.is_empty() || what < 3 {
            return Change::Issue { request_id };
        }
        // Mostly young keys, so that several changes meet on one.
        let key = lives[lives.len() - 1 - self.dice.below(lives.len().min(8))];
        let retiring = self.facts[key].secrets.iter().filter(|secret| secret.works).count() - 1;
        let grace = if retiring < 2 { [None, Some(0), Some(HOUR)][self.dice.below(3)] } else { Some(0) };
        match what {
            3..=6 => Change::Rotate { key, grace, request_id },
            7 => Change::Revoke { key },
            _ if self.facts[key].state == KeyState::Disabled => Change::Enable { key },
            _ => Change::Disable { key },
        }
    }

    async fn send(&self, client: &Client, change: &Change) -> Result<Answer, Status> {
        let mut keys = client.keys();
        let id = |key: &usize| self.facts[*key].id.clone();
        match change {
            Change::Issue { request_id } => {
                let request = v1::IssueRequest {
                    name: format!("of owner {}", self.name),
                    scopes: vec![SCOPE.to_owned()],
                    request_id: request_id.clone(),
                    ..v1::IssueRequest::default()
                };
                let mut answer = keys.issue(client.signed(request)).await.map(Response::into_inner)?;
                Ok((answer.key.take().unwrap(), std::mem::take(&mut answer.api_key), answer.revision))
            }
            Change::Rotate { key, grace, request_id } => {
                let request = v1::RotateRequest {
                    key_id: id(key),
                    grace_period: grace.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
                    request_id: request_id.clone(),
                };
                let mut answer = keys.rotate(client.signed(request)).await.map(Response::into_inner)?;
                Ok((answer.key.take().unwrap(), std::mem::take(&mut answer.api_key), answer.revision))
            }
            Change::Revoke { key } => {
                let target = Some(Target::KeyId(id(key)));
                let request = v1::RevokeRequest { target, ..v1::RevokeRequest::default() };
                let answer = keys.revoke(client.signed(request)).await.map(Response::into_inner)?;
                Ok((answer.key.unwrap(), String::new(), answer.revision))
            }
            Change::Disable { key } => {
                let request = v1::DisableKeyRequest { key_id: id(key), ..v1::DisableKeyRequest::default() };
                let answer = keys.disable_key(client.signed(request)).await.map(Response::into_inner)?;
                Ok((answer.key.unwrap(), String::new(), answer.revision))
            }
            Change::Enable { key } => {
                let request = v1::EnableKeyRequest { key_id: id(key), ..v1::EnableKeyRequest::default() };
                let answer = keys.enable_key(client.signed(request)).await.map(Response::into_inner)?;
                Ok((answer.key.unwrap(), String::new(), answer.revision))
            }
        }
    }

    /// Takes a change for true that was acknowledged, or that the log has without an answer; gives the key.
    fn learn(&mut self, change: &Change, answer: Option<Answer>) -> usize {
        let (shown, text, revision) = match answer {
            Some((key, text, revision)) => (Some(key), Some(text), Some(revision)),
            None => (None, None, None),
        };
        let key = match change {
            Change::Issue { .. } => {
                let id = shown.map(|key| key.id).unwrap_or_default();
                let secrets = vec![Known { text, works: true }];
                self.facts.push(Fact { id, secrets, state: KeyState::Active, records: Vec::new() });
                self.facts.len() - 1
            }
            Change::Rotate { key, grace, .. } => {
                let secrets = &mut self.facts[*key].secrets;
                if *grace == Some(0) {
                    for secret in secrets.iter_mut() {
                        secret.works = false;
                    }
                }
                secrets.push(Known { text, works: true });
                *key
            }
            Change::Revoke { key } => {
                self.facts[*key].state = KeyState::Revoked;
                *key
            }
            Change::Disable { key } => {
                self.facts[*key].state = KeyState::Disabled;
                *key
            }
            Change::Enable { key } => {
                self.facts[*key].state = KeyState::Active;
                *key
            }
        };
        let action = action(change);
        self.facts[key].records.extend(revision.map(|revision| (revision, action)));
        key
    }

    /// What was acknowledged is true for the next Check.
    async fn check(&self, client: &Client, key: usize) -> Result<(), Gone> {
        let (requests, expected) = self.facts[key].questions();
        if requests.is_empty() {
            return Ok(());
        }
        let asked = client
            .keys()
            .batch_check(v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() })
            .await;
        let answers = asked.map_err(|status| gone(&status))?.into_inner().responses;
        assert_as_told(&self.facts[key], &answers, &expected);
        Ok(())
    }

    /// Compares everything known with the keys and the log of a server that was started anew, and repeats what was
    /// pending: whole or absent, and never twice.
    pub(crate) async fn reconcile(
        &mut self,
        client: &Client,
        keys: &HashMap<String, v1::Key>,
        log: &[v1::AuditRecord],
        by_key: &HashMap<&str, Vec<(u64, AuditAction)>>,
    ) {
        if let Some(change) = self.pending.take() {
            self.settle(client, &change, log, by_key).await;
        }
        for fact in &self.facts {
            let Some(records) = by_key.get(fact.id.as_str()) else {
                assert!(
                    fact.records.iter().all(|(revision, _)| *revision > newest(log)),
                    "{} is lost",
                    fact.id
                );
                continue;
            };
            let known: Vec<_> =
                fact.records.iter().copied().filter(|(revision, _)| *revision <= newest(log)).collect();
            assert_eq!(&known, records, "{}: what was acknowledged, and what the log has", fact.id);
            if known.len() == fact.records.len() {
                fact.compare(&keys[&fact.id]);
            }
        }
        for facts in self.facts.chunks(100) {
            let (mut requests, mut ends) = (Vec::new(), Vec::new());
            for fact in facts {
                let (questions, expected) = fact.questions();
                requests.extend(questions);
                ends.push((requests.len() - expected.len(), requests.len(), expected));
            }
            if requests.is_empty() {
                continue;
            }
            let answers = client
                .keys()
                .batch_check(v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() })
                .await
                .unwrap();
            let answers = answers.into_inner().responses;
            for (fact, (start, end, expected)) in facts.iter().zip(ends) {
                assert_as_told(fact, &answers[start..end], &expected);
            }
        }
    }

    /// Finds out what became of a change whose answer never came.
    async fn settle(
        &mut self,
        client: &Client,
        change: &Change,
        log: &[v1::AuditRecord],
        by_key: &HashMap<&str, Vec<(u64, AuditAction)>>,
    ) {
        let happened = match change {
            Change::Issue { request_id } | Change::Rotate { request_id, .. } => {
                log.iter().find(|record| record.request_id == *request_id)
            }
            Change::Revoke { key } | Change::Disable { key } | Change::Enable { key } => {
                let fact = &self.facts[*key];
                let records = &by_key[fact.id.as_str()];
                let more = records.len() > fact.records.len();
                let last = records.last().filter(|_| more);
                last.map(|(revision, _)| &log[usize::try_from(*revision).unwrap() - 1])
            }
        };
        if let Some(record) = happened {
            assert_eq!(record.action(), action(change), "one change was pending, and it was another");
            let key = self.learn(change, None);
            let fact = &mut self.facts[key];
            fact.records.push((record.revision, record.action()));
            match change {
                Change::Issue { .. } => fact.id.clone_from(&record.key_id),
                Change::Rotate { .. }
                | Change::Revoke { .. }
                | Change::Disable { .. }
                | Change::Enable { .. } => assert_eq!(fact.id, record.key_id),
            }
            self.repeat_in_vain(client, change, key).await;
        } else {
            let answer = self.send(client, change).await.unwrap();
            self.learn(change, Some(answer));
        }
    }

    /// K10: a retry of what has happened makes nothing, and says which key it made.
    async fn repeat_in_vain(&self, client: &Client, change: &Change, key: usize) {
        if matches!(change, Change::Issue { .. } | Change::Rotate { .. }) {
            let refused = self.send(client, change).await.unwrap_err();
            let info = refused.get_details_error_info().unwrap();
            assert_eq!(info.reason, "SECRET_ALREADY_SHOWN", "{refused:?}");
            assert_eq!(info.metadata["key_id"], self.facts[key].id);
        }
    }
}

impl Fact {
    /// A Check for each secret that anybody has seen, and whether it must be allowed.
    fn questions(&self) -> (Vec<v1::CheckRequest>, Vec<bool>) {
        let seen = self.secrets.iter().filter_map(|secret| Some((secret.text.clone()?, secret.works)));
        let question = |text| v1::CheckRequest {
            subject: Some(Subject::ApiKey(text)),
            scopes: vec![SCOPE.to_owned()],
            ..v1::CheckRequest::default()
        };
        // The newest ones: what is older cannot come back if these do not.
        let mut newest: Vec<_> = seen.collect();
        newest.drain(..newest.len().saturating_sub(4));
        newest
            .into_iter()
            .map(|(text, works)| (question(text), works && self.state == KeyState::Active))
            .unzip()
    }

    fn compare(&self, shown: &v1::Key) {
        assert_eq!(shown.state(), self.state, "{shown:?}");
        assert_eq!(shown.revision, self.records.last().unwrap().0);
        let generation = shown.secrets.iter().map(|secret| secret.generation).max().unwrap();
        assert_eq!(generation, u32::try_from(self.secrets.len()).unwrap(), "{shown:?}");
    }
}

fn assert_as_told(fact: &Fact, answers: &[v1::CheckResponse], expected: &[bool]) {
    assert_eq!(answers.len(), expected.len());
    for (answer, works) in answers.iter().zip(expected) {
        let denied = reason(answer);
        assert_eq!(denied.is_none(), *works, "{}, {:?}: {denied:?}", fact.id, fact.state);
        let fits = match (denied, fact.state) {
            (None | Some(DenialReason::KeyExpired | DenialReason::KeyUnknown), _) => true,
            (Some(denied), KeyState::Disabled) => denied == DenialReason::KeyDisabled,
            (Some(denied), _) => denied == DenialReason::KeyRevoked,
        };
        assert!(fits, "{}, {:?}: {denied:?}", fact.id, fact.state);
    }
}

/// An error of the connection; whatever Keyward itself refuses is a failure of the test.
fn gone(status: &Status) -> Gone {
    assert!(status.get_details_error_info().is_none(), "{status:?}");
    Gone
}

fn newest(log: &[v1::AuditRecord]) -> u64 {
    log.last().map_or(0, |record| record.revision)
}

const fn action(change: &Change) -> AuditAction {
    match change {
        Change::Issue { .. } => AuditAction::KeyIssue,
        Change::Rotate { .. } => AuditAction::KeyRotate,
        Change::Revoke { .. } => AuditAction::KeyRevoke,
        Change::Disable { .. } => AuditAction::KeyDisable,
        Change::Enable { .. } => AuditAction::KeyEnable,
    }
}
