//! A real Keyward and its model, side by side: every command goes to both, every answer is compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use keyward::{
    domain::{
        policy::{Policy, RoleEntry},
        secret::{Prefix, SecretKey},
    },
    wire::v1::{
        self, AuditAction, DenialReason, change_keys_request::Action, check_request::Subject,
        revoke_request::Target,
    },
};
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Response, Status};

use crate::{
    command::{Act, Ask, Bound, Change, Command, Expiry, How, New, ROLES, Wish},
    model::{Key, Model, Refusal},
    support::{Keyward, SeededEntropy, error_reason, policy, reason},
};

pub(crate) struct World {
    keyward: Keyward,
    model: Model,
    workspaces: [String; 2],
    root_id: String,
    /// The id of each key of the model.
    ids: Vec<String>,
    /// Every secret ever shown, with its key and its place there; the first one was never issued.
    secrets: Vec<(String, Option<(usize, usize)>)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let keyward = Keyward::start_with(true, with_roles()).await;
        let first = keyward.newest_record().await;
        let mut model = Model::new(keyward.clock.now_ms());
        let request = v1::RegisterWorkspaceRequest {
            name: "another".to_owned(),
            key: Some(v1::IssueRequest {
                name: "k".to_owned(),
                scopes: vec!["a:read".to_owned()],
                ..v1::IssueRequest::default()
            }),
            ..v1::RegisterWorkspaceRequest::default()
        };
        let made = keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap();
        let mut made = made.into_inner();
        model.register();
        let stranger =
            SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &SeededEntropy::new(0xDEAD)).unwrap();
        Self {
            workspaces: [first.workspace_id, made.workspace.take().unwrap().id],
            root_id: first.key_id,
            ids: vec![made.key.take().unwrap().id],
            secrets: vec![(stranger.reveal(), None), (std::mem::take(&mut made.api_key), Some((0, 0)))],
            keyward,
            model,
        }
    }

    pub(crate) async fn carry_out(mut self, command: &Command) -> Self {
        match command {
            Command::Issue(new) => self.issue(new).await,
            Command::Rotate { key, grace, request } => self.rotate(self.index(*key), *grace, *request).await,
            Command::Revoke { key } => self.revoke(self.index(*key)).await,
            Command::RevokePresented { secret } => self.revoke_presented(secret % self.secrets.len()).await,
            Command::Disable { key } => self.switch(self.index(*key), true).await,
            Command::Enable { key } => self.switch(self.index(*key), false).await,
            Command::Update { key, change } => self.update(self.index(*key), change).await,
            Command::Bulk { workspace, environment, act } => {
                self.bulk(*workspace, *environment, *act).await;
            }
            Command::Member { workspace, subject, wish } => self.member(*workspace, subject, *wish).await,
            Command::Check(ask) => self.check(ask).await,
            Command::Advance { ms } => {
                self.keyward.clock.advance(Duration::from_millis(u64::try_from(*ms).unwrap()));
                self.model.now += ms;
            }
            Command::Restart => {
                self.keyward = self.keyward.restart().await;
                self.model.restarted();
            }
        }
        self
    }

    pub(crate) async fn stop(self) {
        self.keyward.stop().await;
    }

    fn index(&self, key: usize) -> usize {
        key % self.ids.len()
    }

    async fn issue(&mut self, new: &New) {
        let request = v1::IssueRequest {
            workspace_id: new.workspace.map(|place| self.workspaces[place].clone()).unwrap_or_default(),
            name: "k".to_owned(),
            environment: new.environment.unwrap_or_default().to_owned(),
            scopes: texts(&new.scopes),
            grants: grants(&new.grants),
            expire_time: new.expires.map(|span| to_wire(self.model.now + span)),
            allowed_cidrs: texts(&new.networks),
            owner: new.follows.unwrap_or_default().to_owned(),
            follows_owner_role: new.follows.is_some(),
            request_id: request_id(new.request),
            ..v1::IssueRequest::default()
        };
        let expected = self.model.issue(new, format!("{request:?}"));
        let answer = self.keyward.keys().issue(self.keyward.as_root(request)).await;
        if let Some(mut answer) = self.compare(expected, answer) {
            let key = answer.key.take().unwrap();
            self.ids.push(key.id.clone());
            let index = self.ids.len() - 1;
            self.secrets.push((std::mem::take(&mut answer.api_key), Some((index, 0))));
            self.compare_change(index, &key, answer.revision);
        }
    }

    async fn rotate(&mut self, index: usize, grace: Option<i64>, request: Option<u8>) {
        let request_message = v1::RotateRequest {
            key_id: self.ids[index].clone(),
            grace_period: grace.map(|ms| prost_types::Duration {
                seconds: ms / 1_000,
                nanos: i32::try_from(ms % 1_000 * 1_000_000).unwrap(),
            }),
            request_id: request_id(request),
        };
        let expected = self.model.rotate(index, grace, request, format!("{request_message:?}"));
        let answer = self.keyward.keys().rotate(self.keyward.as_root(request_message)).await;
        if let Some(mut answer) = self.compare(expected, answer) {
            let place = self.model.keys[index].secrets.len() - 1;
            self.secrets.push((std::mem::take(&mut answer.api_key), Some((index, place))));
            self.compare_change(index, &answer.key.take().unwrap(), answer.revision);
        }
    }

    async fn revoke(&mut self, index: usize) {
        let target = Some(Target::KeyId(self.ids[index].clone()));
        let request = v1::RevokeRequest { target, ..v1::RevokeRequest::default() };
        self.model.revoke(index);
        let answer = self.keyward.keys().revoke(self.keyward.as_root(request)).await;
        let answer = self.compare(Ok(()), answer).unwrap();
        self.compare_change(index, answer.key.as_ref().unwrap(), answer.revision);
    }

    async fn revoke_presented(&mut self, secret: usize) {
        let (text, whose) = self.secrets[secret].clone();
        let request =
            v1::RevokeRequest { target: Some(Target::ApiKey(text)), ..v1::RevokeRequest::default() };
        let expected = self.model.revoke_presented(whose);
        let answer = self.keyward.keys().revoke(request).await;
        if let Some(answer) = self.compare(expected, answer) {
            assert_eq!(answer, v1::RevokeResponse::default(), "the answer is empty whatever was presented");
        }
    }

    async fn switch(&mut self, index: usize, off: bool) {
        let key_id = self.ids[index].clone();
        let expected = self.model.switch(index, off);
        let mut keys = self.keyward.keys();
        let (key, revision) = if off {
            let request =
                self.keyward.as_root(v1::DisableKeyRequest { key_id, ..v1::DisableKeyRequest::default() });
            let answer = self.compare(expected, keys.disable_key(request).await);
            answer.map(|answer| (answer.key, answer.revision)).unwrap_or_default()
        } else {
            let request =
                self.keyward.as_root(v1::EnableKeyRequest { key_id, ..v1::EnableKeyRequest::default() });
            let answer = self.compare(expected, keys.enable_key(request).await);
            answer.map(|answer| (answer.key, answer.revision)).unwrap_or_default()
        };
        if let Some(key) = key {
            self.compare_change(index, &key, revision);
        }
    }

    async fn bulk(&mut self, workspace: usize, environment: Option<&'static str>, act: Act) {
        let action = match act {
            Act::Disable => Action::Disable(v1::DisableKeys {}),
            Act::Enable => Action::Enable(v1::EnableKeys {}),
            Act::Revoke => Action::Revoke(v1::RevokeKeys { reason: 0 }),
            Act::Retire(span) => Action::Retire(v1::RetireKeys {
                expire_time: Some(to_wire(self.model.now + span)),
                lifetime: None,
            }),
        };
        let request = |validate_only, expected_count| {
            self.keyward.as_root(v1::ChangeKeysRequest {
                workspace_id: self.workspaces[workspace].clone(),
                environment: environment.unwrap_or_default().to_owned(),
                action: Some(action),
                validate_only,
                expected_count,
                ..v1::ChangeKeysRequest::default()
            })
        };
        let mut keys = self.keyward.keys();
        let preview = keys.change_keys(request(true, 0)).await;
        let expected = self.model.bulk(workspace, environment, act);
        let (changed, unchanged) = expected.as_ref().map_or((Vec::new(), 0), Clone::clone);
        let Some(preview) = self.compare(expected.map(drop), preview) else { return };
        let mut ids: Vec<_> = changed.iter().map(|index| self.ids[*index].clone()).collect();
        ids.sort_unstable();
        assert_eq!((&preview.key_ids, preview.count), (&ids, u64::try_from(ids.len()).unwrap()));
        assert_eq!(preview.unchanged_count, u64::try_from(unchanged).unwrap());
        let done = keys.change_keys(request(false, preview.count)).await.unwrap().into_inner();
        assert_eq!((&done.key_ids, done.group_id.is_empty()), (&ids, ids.is_empty()));
        assert_eq!(done.revision, u64::try_from(self.model.log.len()).unwrap());
    }

    async fn member(&mut self, workspace: usize, subject: &'static str, wish: Wish) {
        let expected = self.model.member(workspace, subject, wish);
        let workspace_id = self.workspaces[workspace].clone();
        let mut workspaces = self.keyward.workspaces();
        let (subject, role) = (
            subject.to_owned(),
            match wish {
                Wish::Add(role) | Wish::Update(role) => role.to_owned(),
                Wish::Remove => String::new(),
            },
        );
        match wish {
            Wish::Add(_) => {
                let request = self.keyward.as_root(v1::AddMemberRequest {
                    workspace_id,
                    subject,
                    role,
                    expected_gains: None,
                });
                self.compare(expected, workspaces.add_member(request).await);
            }
            Wish::Update(_) => {
                let request = self.keyward.as_root(v1::UpdateMemberRequest {
                    workspace_id,
                    subject,
                    role,
                    expected_gains: None,
                });
                self.compare(expected, workspaces.update_member(request).await);
            }
            Wish::Remove => {
                let comment = String::new();
                let request = self.keyward.as_root(v1::RemoveMemberRequest {
                    workspace_id,
                    subject,
                    comment,
                    ..Default::default()
                });
                self.compare(expected, workspaces.remove_member(request).await);
            }
        }
    }

    async fn update(&mut self, index: usize, change: &Change) {
        let named = [
            ("scopes", change.scopes.is_some()),
            ("grants", change.grants.is_some()),
            ("expire_time", change.expires.is_some()),
        ];
        let paths = named.iter().filter(|(_, named)| *named).map(|(path, _)| (*path).to_owned()).collect();
        let key = v1::Key {
            id: self.ids[index].clone(),
            scopes: texts(change.scopes.as_deref().unwrap_or_default()),
            grants: grants(change.grants.as_deref().unwrap_or_default()),
            expire_time: change.expires.and_then(Expiry::span).map(|span| to_wire(self.model.now + span)),
            ..v1::Key::default()
        };
        let request =
            v1::UpdateKeyRequest { key: Some(key), update_mask: Some(FieldMask { paths }), lifetime: None };
        let expected = self.model.update(index, change);
        let answer = self.keyward.keys().update_key(self.keyward.as_root(request)).await;
        if let Some(answer) = self.compare(expected, answer) {
            self.compare_change(index, answer.key.as_ref().unwrap(), answer.revision);
        }
    }

    async fn check(&mut self, ask: &Ask) {
        let (text, whose) = self.secrets[ask.secret % self.secrets.len()].clone();
        let (subject, place) = match (ask.how, whose) {
            // There is no id of a secret that was never issued.
            (How::ExplainById, None) => return,
            (How::ExplainById, Some((index, _))) => (Subject::KeyId(self.ids[index].clone()), None),
            (How::Enforce | How::Peek | How::Explain, whose) => {
                (Subject::ApiKey(text), whose.map(|(_, place)| place))
            }
        };
        let request = v1::CheckRequest {
            subject: Some(subject),
            scopes: texts(&ask.scopes),
            any_scopes: ask.any_scopes.iter().map(|group| v1::ScopeGroup { scopes: texts(group) }).collect(),
            resource: ask.resource.unwrap_or_default().to_owned(),
            workspace_id: ask.workspace.map(|place| self.workspaces[place].clone()).unwrap_or_default(),
            environment: ask.environment.unwrap_or_default().to_owned(),
            mode: match ask.how {
                How::Enforce => v1::CheckMode::Unspecified,
                How::Peek => v1::CheckMode::Peek,
                How::Explain | How::ExplainById => v1::CheckMode::Explain,
            }
            .into(),
            context: ask.address.map(|address| v1::CheckContext {
                source_address: address.to_owned(),
                ..v1::CheckContext::default()
            }),
            ..v1::CheckRequest::default()
        };
        let answer = match ask.how {
            How::Enforce | How::Peek => self.keyward.keys().check(request).await,
            How::Explain | How::ExplainById => self.keyward.keys().check(self.keyward.as_root(request)).await,
        };
        let answer = answer.unwrap().into_inner();
        self.compare_answer(&answer, ask, whose.map(|(index, _)| index), place);
        if let (How::Enforce, Some((index, _)), true) = (ask.how, whose, answer.allowed) {
            self.model.keys[index].last_use = Some(self.model.now.div_euclid(60_000) * 60_000);
        }
    }

    fn compare_answer(
        &self,
        answer: &v1::CheckResponse,
        ask: &Ask,
        index: Option<usize>,
        place: Option<usize>,
    ) {
        let Some(index) = index else {
            assert_eq!(reason(answer), Some(DenialReason::KeyUnknown));
            return;
        };
        if self.may_be_forgotten(index, place) && reason(answer) == Some(DenialReason::KeyUnknown) {
            return;
        }
        let failures = self.model.judge(index, place, ask);
        assert_eq!(reason(answer), failures.first().map(|(reason, _)| *reason), "{ask:?}");
        assert_eq!(answer.revision, u64::try_from(self.model.log.len()).unwrap());
        let key = answer.key.as_ref().unwrap();
        assert_eq!(key.id, self.ids[index]);
        assert_eq!(key.workspace_id, self.workspaces[self.model.keys[index].workspace]);
        let shown = key.secret.as_ref().map(|secret| (secret.generation, ms(secret.retiring_at.as_ref())));
        let end = |place: usize| self.model.keys[index].secrets[place].end;
        assert_eq!(shown, place.map(|place| (generation(place), end(place))));
        let Some(denial) = &answer.denial else { return };
        let explained = matches!(ask.how, How::Explain | How::ExplainById);
        let told = if explained { &failures[..] } else { &failures[..1] };
        let missing: Vec<_> = told.iter().flat_map(|(_, missing)| missing.clone()).collect();
        assert_eq!(denial.missing_scopes, missing, "{ask:?}");
        let all: Vec<_> = denial.failures.iter().map(|failure| failure.reason).collect();
        let expected: Vec<i32> = told.iter().map(|(reason, _)| (*reason).into()).collect();
        assert_eq!(all, if explained { expected } else { Vec::new() }, "{ask:?}");
    }

    fn may_be_forgotten(&self, index: usize, place: Option<usize>) -> bool {
        place.is_some_and(|place| self.model.keys[index].secrets[place].forgettable)
    }

    /// Asks about every secret ever shown, without leaving a trace.
    pub(crate) async fn check_every_secret(&self) {
        let request = |(text, _): &(String, _)| v1::CheckRequest {
            subject: Some(Subject::ApiKey(text.clone())),
            mode: v1::CheckMode::Peek.into(),
            ..v1::CheckRequest::default()
        };
        let requests = self.secrets.iter().map(request).collect();
        let answers = self
            .keyward
            .keys()
            .batch_check(v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() })
            .await
            .unwrap();
        let answers = answers.into_inner().responses;
        assert_eq!(answers.len(), self.secrets.len());
        let nothing = Ask {
            secret: 0,
            how: How::Peek,
            scopes: Vec::new(),
            any_scopes: Vec::new(),
            resource: None,
            workspace: None,
            environment: None,
            address: None,
        };
        for ((_, whose), answer) in self.secrets.iter().zip(&answers) {
            self.compare_answer(
                answer,
                &nothing,
                whose.map(|(index, _)| index),
                whose.map(|(_, place)| place),
            );
        }
    }

    /// The answer where both carried the command out, nothing where both refused it.
    fn compare<T>(&self, expected: Result<(), Refusal>, answer: Result<Response<T>, Status>) -> Option<T> {
        match (expected, answer) {
            (Ok(()), Ok(answer)) => Some(answer.into_inner()),
            (Err(refusal), Err(status)) => {
                let (code, reason) = code_of(&refusal);
                assert_eq!((status.code(), error_reason(&status).as_str()), (code, reason), "{status:?}");
                if let Refusal::SecretAlreadyShown(index) = refusal {
                    let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
                    assert_eq!(info.metadata["key_id"], self.ids[index]);
                }
                None
            }
            (Ok(()), Err(status)) => panic!("refused: {status:?}"),
            (Err(refusal), Ok(_)) => panic!("not refused as {refusal:?}"),
        }
    }

    fn compare_change(&self, index: usize, key: &v1::Key, revision: u64) {
        assert_eq!(revision, u64::try_from(self.model.keys[index].revision).unwrap());
        self.compare_key(index, key);
    }

    fn compare_key(&self, index: usize, key: &v1::Key) {
        let model = &self.model.keys[index];
        assert_eq!(key.id, self.ids[index]);
        assert_eq!(key.workspace_id, self.workspaces[model.workspace]);
        assert_eq!(key.environment, model.environment);
        assert_eq!(key.follows_owner_role.then_some(key.owner.as_str()), model.follows);
        assert_eq!(key.state(), self.state(model), "{key:?}");
        assert_eq!(key.revocation.is_some(), model.revoked);
        assert_eq!(ms(key.expire_time.as_ref()), model.expires);
        assert_eq!(ms(key.update_time.as_ref()), Some(model.updated), "{key:?}");
        assert_eq!(key.revision, u64::try_from(model.revision).unwrap());
        let unbound = key.scopes.iter().map(|scope| (scope.as_str(), None));
        let bound = key.grants.iter().map(|grant| {
            (grant.scope.as_str(), Some(grant.resources.iter().map(String::as_str).collect::<BTreeSet<_>>()))
        });
        let shown: BTreeSet<_> = unbound.chain(bound).collect();
        assert_eq!(shown, model.grants);
        self.compare_secrets(key, model);
    }

    fn compare_secrets(&self, key: &v1::Key, model: &Key) {
        let mut shown: BTreeMap<u32, (v1::SecretState, Option<i64>)> = key
            .secrets
            .iter()
            .map(|secret| (secret.generation, (secret.state(), ms(secret.end_time.as_ref()))))
            .collect();
        assert_eq!(shown.len(), key.secrets.len());
        assert!(key.secrets.len() <= 3, "at most three are kept");
        for (place, secret) in model.secrets.iter().enumerate() {
            let state = match secret.end {
                None => v1::SecretState::Current,
                Some(end) if self.model.now < end => v1::SecretState::Retiring,
                Some(_) => v1::SecretState::Ended,
            };
            match shown.remove(&generation(place)) {
                Some(found) => assert_eq!(found, (state, secret.end)),
                None => assert!(secret.forgettable, "generation {} is gone", generation(place)),
            }
        }
        assert!(shown.is_empty(), "{shown:?}");
    }

    fn state(&self, key: &Key) -> v1::KeyState {
        if key.revoked {
            v1::KeyState::Revoked
        } else if key.expires.is_some_and(|end| self.model.now >= end) {
            v1::KeyState::Expired
        } else if key.disabled {
            v1::KeyState::Disabled
        } else {
            v1::KeyState::Active
        }
    }

    pub(crate) async fn compare_lists(&self) {
        let mut listed = BTreeMap::new();
        for workspace_id in &self.workspaces {
            let mut request = v1::ListKeysRequest {
                workspace_id: workspace_id.clone(),
                page_size: 3,
                ..v1::ListKeysRequest::default()
            };
            for _page in 0..100 {
                let page =
                    self.keyward.keys().list_keys(self.keyward.as_root(request.clone())).await.unwrap();
                let page = page.into_inner();
                assert!(page.keys.iter().all(|key| key.workspace_id == *workspace_id));
                listed.extend(page.keys.into_iter().map(|key| (key.id.clone(), key)));
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
        }
        listed.remove(&self.root_id).unwrap();
        assert_eq!(listed.len(), self.ids.len());
        for (index, id) in self.ids.iter().enumerate() {
            self.compare_key(index, &listed[id]);
            let request = v1::GetKeyRequest { key_id: id.clone(), presented: None };
            let shown = self.keyward.keys().get_key(self.keyward.as_root(request)).await.unwrap();
            let shown = shown.into_inner().key.unwrap();
            assert_eq!(shown, listed[id]);
            assert_eq!(ms(shown.last_use_time.as_ref()), self.model.keys[index].last_use);
        }
    }

    /// One record for each effective change, in order, and a chain that holds.
    pub(crate) async fn compare_log(&self) {
        let request = v1::QueryLogRequest { page_size: 1_000, ..v1::QueryLogRequest::default() };
        let page = self.keyward.audit().query_log(self.keyward.as_root(request)).await.unwrap().into_inner();
        let found: Vec<_> = page
            .records
            .iter()
            .rev()
            .map(|record| {
                (record.revision, record.action(), record.key_id.as_str(), ms(record.time.as_ref()))
            })
            .collect();
        let expected: Vec<_> = (1_u64..)
            .zip(&self.model.log)
            .map(|(revision, (action, key, time))| {
                let id = match (key, action) {
                    (Some(index), _) => self.ids[*index].as_str(),
                    (None, AuditAction::StoreInitialize) => self.root_id.as_str(),
                    (None, _) => "",
                };
                (revision, *action, id, Some(*time))
            })
            .collect();
        assert_eq!(found, expected);
        let verified = self.keyward.audit().verify_log(self.keyward.as_root(v1::VerifyLogRequest {})).await;
        let verified = verified.unwrap().into_inner();
        assert_eq!((verified.fault, verified.records), (None, u64::try_from(expected.len()).unwrap()));
        assert_eq!(found.first().unwrap().1, AuditAction::StoreInitialize);
    }
}

/// The policy of other tests, and roles of this universe.
fn with_roles() -> Policy {
    let mut document = policy().document().clone();
    document.roles.extend(ROLES.map(|(name, scopes)| RoleEntry {
        name: name.to_owned(),
        scopes: texts(scopes),
        ..RoleEntry::default()
    }));
    Policy::new(document).unwrap()
}

/// The code that `error_reason.proto` gives with each reason.
const fn code_of(refusal: &Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::FieldInvalid => (Code::InvalidArgument, "FIELD_INVALID"),
        Refusal::KeyRevoked => (Code::FailedPrecondition, "KEY_REVOKED"),
        Refusal::KeyExpired => (Code::FailedPrecondition, "KEY_EXPIRED"),
        Refusal::TooManyLiveSecrets => (Code::FailedPrecondition, "TOO_MANY_LIVE_SECRETS"),
        Refusal::SecretAlreadyShown(_) => (Code::AlreadyExists, "SECRET_ALREADY_SHOWN"),
        Refusal::RequestIdReused => (Code::AlreadyExists, "REQUEST_ID_REUSED"),
        Refusal::MemberExists => (Code::AlreadyExists, "MEMBER_EXISTS"),
        Refusal::MemberNotFound => (Code::NotFound, "MEMBER_NOT_FOUND"),
        Refusal::RoleExceeded => (Code::PermissionDenied, "ROLE_EXCEEDED"),
        Refusal::SourceLimited => (Code::ResourceExhausted, "SOURCE_LIMITED"),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn grants(grants: &[Bound]) -> Vec<v1::Grant> {
    let one =
        |(scope, resources): &Bound| v1::Grant { scope: (*scope).to_owned(), resources: texts(resources) };
    grants.iter().map(one).collect()
}

fn request_id(request: Option<u8>) -> String {
    request.map(|number| format!("request-{number}")).unwrap_or_default()
}

fn generation(place: usize) -> u32 {
    u32::try_from(place).unwrap() + 1
}

fn to_wire(ms: i64) -> Timestamp {
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap();
    Timestamp { seconds: ms.div_euclid(1_000), nanos }
}

fn ms(time: Option<&Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000)
}
