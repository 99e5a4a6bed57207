//! Load that goes on while something changes: on connections of their own, requests with every secret in turn, until
//! told to stop.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::process::PATIENCE;

/// One connection.
pub(crate) trait Asker: Send + 'static {
    type Answer: Send;

    fn ask(&mut self, secret: &str) -> impl Future<Output = Self::Answer> + Send;
}

pub(crate) struct SteadyLoad {
    secrets: Arc<RwLock<Vec<String>>>,
    changed: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    /// Requests answered, by connection.
    answered: Arc<Vec<AtomicUsize>>,
    news: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl SteadyLoad {
    /// `judge` is told whether the change had been noted before a request was sent, and its answer.
    pub(crate) fn start<A: Asker>(askers: Vec<A>, secret: &str, judge: fn(bool, A::Answer)) -> Self {
        let secrets = Arc::new(RwLock::new(vec![secret.to_owned()]));
        let (changed, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let answered: Arc<Vec<_>> = Arc::new(askers.iter().map(|_| AtomicUsize::new(0)).collect());
        let news = Arc::new(Notify::new());
        let mut tasks = Vec::new();
        for (connection, mut asker) in askers.into_iter().enumerate() {
            let (secrets, changed, stop) = (Arc::clone(&secrets), Arc::clone(&changed), Arc::clone(&stop));
            let (answered, news) = (Arc::clone(&answered), Arc::clone(&news));
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let presented = secrets.read().unwrap().clone();
                    for secret in presented {
                        let had_changed = changed.load(Ordering::SeqCst);
                        judge(had_changed, asker.ask(&secret).await);
                        answered[connection].fetch_add(1, Ordering::SeqCst);
                        news.notify_one();
                    }
                }
            }));
        }
        Self { secrets, changed, stop, answered, news, tasks }
    }

    /// From now on this secret is presented too.
    pub(crate) fn present(&self, secret: &str) {
        self.secrets.write().unwrap().push(secret.to_owned());
    }

    /// What is judged has changed.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    /// Waits until every connection has had this many more answers.
    pub(crate) async fn go_on(&self, more: usize) {
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

    pub(crate) async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
