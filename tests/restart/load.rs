//! Rotation and revocation while many connections go on checking.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward::wire::v1::{self, DenialReason, key_service_client::KeyServiceClient, revoke_request::Target};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    process::PATIENCE,
    stop::Flag,
    support::{Issued, Keyward, check, reason},
};

const CONNECTIONS: usize = 16;
const SCOPE: &str = "messaging:send";
const ALMOST_A_DAY: Duration = Duration::from_millis(24 * 60 * 60 * 1_000 - 1);
const LAST_MOMENT: Duration = Duration::from_millis(1);

/// Checks on connections of their own, each with every secret in turn, until told to stop.
struct Load {
    secrets: Arc<RwLock<Vec<String>>>,
    stop: Flag,
    /// Checks answered, by connection.
    answered: Arc<Vec<AtomicUsize>>,
    news: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// `judge` is told what was true before the Check was sent, and the answer.
    async fn start(
        keyward: &Keyward,
        secret: &str,
        before: Flag,
        judge: fn(bool, Option<DenialReason>),
    ) -> Self {
        let secrets = Arc::new(RwLock::new(vec![secret.to_owned()]));
        let stop = Flag::default();
        let answered: Arc<Vec<AtomicUsize>> =
            Arc::new((0..CONNECTIONS).map(|_| AtomicUsize::new(0)).collect());
        let news = Arc::new(Notify::new());
        let mut tasks = Vec::new();
        for connection in 0..CONNECTIONS {
            let mut keys = KeyServiceClient::new(keyward.new_channel().await);
            let (secrets, stop, before) = (Arc::clone(&secrets), stop.clone(), before.clone());
            let (answered, news) = (Arc::clone(&answered), Arc::clone(&news));
            tasks.push(tokio::spawn(async move {
                while !stop.is_set() {
                    let presented = secrets.read().unwrap().clone();
                    for secret in presented {
                        let was_true = before.is_set();
                        let answer = keys.check(check(&secret, &[SCOPE])).await.unwrap().into_inner();
                        judge(was_true, reason(&answer));
                        answered[connection].fetch_add(1, Ordering::SeqCst);
                        news.notify_one();
                    }
                }
            }));
        }
        Self { secrets, stop, answered, news, tasks }
    }

    fn present(&self, secret: &str) {
        self.secrets.write().unwrap().push(secret.to_owned());
    }

    /// Waits until every connection has had this many more answers.
    async fn go_on(&self, more: usize) {
        let count = || self.answered.iter().map(|count| count.load(Ordering::SeqCst));
        let enough: Vec<_> = count().map(|count| count + more).collect();
        let gone_on = async {
            while count().zip(&enough).any(|(count, enough)| count < *enough) {
                assert!(!self.tasks.iter().any(JoinHandle::is_finished), "a connection has failed");
                self.news.notified().await;
            }
        };
        timeout(PATIENCE, gone_on).await.unwrap();
    }

    async fn end(self) {
        self.stop.set();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn rotate(keyward: &Keyward, key_id: &str) -> Issued {
    let request = v1::RotateRequest { key_id: key_id.to_owned(), ..v1::RotateRequest::default() };
    let mut answer = keyward.keys().rotate(keyward.as_root(request)).await.unwrap().into_inner();
    Issued { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_with_either_secret_is_denied_through_a_rotation_within_its_grace() {
    // R1, R2, R3
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&[SCOPE]).await;
    let never_denied = |_: bool, denied: Option<DenialReason>| assert_eq!(denied, None);
    let load = Load::start(&keyward, &first.api_key, Flag::default(), never_denied).await;
    load.go_on(20).await;
    for _rotation in 0..2 {
        let rotated = rotate(&keyward, &first.key.id).await;
        load.present(&rotated.api_key);
        load.go_on(50).await;
    }
    keyward.clock.advance(ALMOST_A_DAY);
    load.go_on(50).await;
    load.end().await;
    keyward.clock.advance(LAST_MOMENT);
    assert_eq!(keyward.denied(&first.api_key, &[SCOPE]).await, Some(DenialReason::KeyExpired));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_starts_after_revoke_returned_is_allowed_on_any_connection() {
    // V1
    let keyward = Keyward::start().await;
    for _key in 0..5 {
        let issued = keyward.issue_scopes(&[SCOPE]).await;
        let revoked = Flag::default();
        let judge = |revoked: bool, denied: Option<DenialReason>| match denied {
            None => assert!(!revoked, "allowed after Revoke returned"),
            Some(denied) => assert_eq!(denied, DenialReason::KeyRevoked),
        };
        let load = Load::start(&keyward, &issued.api_key, revoked.clone(), judge).await;
        load.go_on(20).await;
        let target = Some(Target::KeyId(issued.key.id));
        let request = v1::RevokeRequest { target, ..v1::RevokeRequest::default() };
        keyward.keys().revoke(keyward.as_root(request)).await.unwrap();
        revoked.set();
        load.go_on(50).await;
        load.end().await;
    }
    keyward.stop().await;
}
