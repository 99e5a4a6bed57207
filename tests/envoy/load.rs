//! Rotation and revocation while requests go on through Envoy.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    House, READ,
    exchange::{Connection, request},
    process::PATIENCE,
    support::verbs::{HOUR, MS},
};

/// To each Envoy.
const CONNECTIONS: usize = 4;

/// Requests on connections of their own, each with every secret in turn, until told to stop.
struct Load {
    secrets: Arc<RwLock<Vec<String>>>,
    stop: Arc<AtomicBool>,
    /// Requests answered, by connection.
    answered: Arc<Vec<AtomicUsize>>,
    news: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// `judge` is told whether `before` was set before the request was sent, and the status.
    async fn start(house: &House, secret: &str, before: &Arc<AtomicBool>, judge: fn(bool, u16)) -> Self {
        let secrets = Arc::new(RwLock::new(vec![secret.to_owned()]));
        let stop = Arc::new(AtomicBool::new(false));
        let addresses = house.envoys.iter().flat_map(|envoy| [envoy.address; CONNECTIONS]);
        let answered: Arc<Vec<AtomicUsize>> =
            Arc::new(addresses.clone().map(|_| AtomicUsize::new(0)).collect());
        let news = Arc::new(Notify::new());
        let mut tasks = Vec::new();
        for (number, address) in addresses.enumerate() {
            let mut connection = Connection::open(address).await.unwrap();
            let (secrets, stop, before) = (Arc::clone(&secrets), Arc::clone(&stop), Arc::clone(before));
            let (answered, news) = (Arc::clone(&answered), Arc::clone(&news));
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let presented = secrets.read().unwrap().clone();
                    for secret in presented {
                        let request = request("GET", "/v1/templates", &[("x-api-key", &secret)], "");
                        let was_set = before.load(Ordering::SeqCst);
                        let reply = connection.ask(&request).await.unwrap().unwrap();
                        judge(was_set, reply.status);
                        answered[number].fetch_add(1, Ordering::SeqCst);
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
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_through_a_rotation_with_either_secret_within_its_grace() {
    // R3
    let Some(house) = House::build().await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    let never = Arc::new(AtomicBool::new(false));
    let load = Load::start(&house, &issued.api_key, &never, |_, status| assert_eq!(status, 200)).await;
    load.go_on(20).await;
    for _rotation in 0..2 {
        let rotated = house.keyward.rotate(&issued.key.id, Some(HOUR)).await;
        load.present(&rotated.api_key);
        load.go_on(50).await;
    }
    house.keyward.clock.advance(HOUR.checked_sub(MS).unwrap());
    load.go_on(50).await;
    load.end().await;
    house.keyward.clock.advance(MS);
    let late = request("GET", "/v1/templates", &[("x-api-key", &issued.api_key)], "");
    assert_eq!(house.refused(&late).await.status, 401);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_starts_after_revoke_returned_is_let_through() {
    // V1
    let Some(house) = House::build().await else { return };
    for _key in 0..3 {
        let issued = house.keyward.issue_scopes(&[READ]).await;
        let revoked = Arc::new(AtomicBool::new(false));
        let judge = |revoked: bool, status: u16| match status {
            200 => assert!(!revoked, "let through after Revoke returned"),
            status => assert_eq!(status, 401),
        };
        let load = Load::start(&house, &issued.api_key, &revoked, judge).await;
        load.go_on(20).await;
        house.keyward.revoke(&issued.key.id).await;
        revoked.store(true, Ordering::SeqCst);
        load.go_on(50).await;
        load.end().await;
    }
    house.stop().await;
}
