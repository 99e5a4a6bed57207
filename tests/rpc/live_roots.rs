//! Roots that come and go while Keyward serves: no Check fails, no end is lost, and every secret stays what it is.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use keyward::{
    store::{
        settings::StoreSettings,
        sqlite::{RootState, RootsReport, roots_offline},
    },
    wire::v1::{self, AuditAction, DenialReason, key_service_client::KeyServiceClient},
};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::{
    import::{HMAC, TOKEN, hmac_of, row, rows, sha256, unhex},
    support::{
        Issued, Keyward, check,
        verbs::{DAY, by_possession},
    },
};

const SCOPES: &[&str] = &["messaging:send"];
const REVOKED: Option<DenialReason> = Some(DenialReason::KeyRevoked);

/// The line of a further root.
pub(crate) fn line(number: u32) -> String {
    format!("{number} {}\n", format!("{number:02x}").repeat(32))
}

pub(crate) fn lines(data_dir: &Path) -> String {
    std::fs::read_to_string(data_dir.join("roots")).unwrap()
}

/// Writes a file of roots in the place of the one that is there.
pub(crate) fn put(data_dir: &Path, text: &str) {
    std::fs::write(data_dir.join("roots"), text).unwrap();
}

fn report(data_dir: &Path) -> RootsReport {
    roots_offline(data_dir, &StoreSettings::default()).unwrap()
}

/// What holders have: what each must be answered, whatever root its secret has come under.
#[derive(Clone, Default)]
struct Holders {
    good: Vec<String>,
    dead: Vec<String>,
}

impl Keyward {
    /// Adds a root while it serves.
    async fn take_root(&self, number: u32) {
        put(&self.data_dir(), &format!("{}{}", lines(&self.data_dir()), line(number)));
        assert!(self.service.take_roots().await.unwrap());
    }

    async fn refused_roots(&self) -> String {
        self.service.take_roots().await.unwrap_err().to_string()
    }

    /// Lets rows be written anew until none stands under any root but the newest.
    async fn until_rewritten(&self) {
        while report(&self.data_dir()).of(RootState::Older).any(|root| root.rows > 0) {
            tokio::task::yield_now().await;
        }
    }

    /// Keys with a secret of each kind.
    async fn fill_with_secrets(&self) -> Holders {
        let plain = self.issue_scopes(SCOPES).await.api_key;
        let retiring = self.issue_scopes(SCOPES).await;
        let current = self.rotate(&retiring.key.id, None).await.api_key;
        let revoked = self.issue_scopes(SCOPES).await;
        self.revoke(&revoked.key.id).await;
        let disabled = self.issue_scopes(SCOPES).await;
        self.disable(&disabled.key.id).await;
        self.add_scheme("acme").await;
        self.import(row(1, sha256(TOKEN))).await;
        self.import(row(2, hmac_of("acme", unhex(HMAC)))).await;
        Holders {
            good: vec![plain, retiring.api_key, current, TOKEN.to_owned()],
            dead: vec![revoked.api_key, disabled.api_key, format!("{TOKEN}x")],
        }
    }

    async fn assert_all(&self, holders: &Holders, when: &str) {
        for good in &holders.good {
            assert_eq!(self.denied(good, SCOPES).await, None, "{when}: {good}");
        }
        for dead in &holders.dead {
            assert_ne!(self.denied(dead, SCOPES).await, None, "{when}: {dead}");
        }
    }

    async fn assert_log_holds(&self) {
        let verified = self.audit().verify_log(self.as_root(v1::VerifyLogRequest::default())).await.unwrap();
        assert_eq!(verified.into_inner().fault, None);
    }
}

/// Checks of all holders, one after the other, until it is stopped.
struct Watch {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Watch {
    async fn over(keyward: &Keyward, holders: &Holders) -> Self {
        let (stop, rounds, mut tasks) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), JoinSet::new());
        for _ in 0..3 {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            let (channel, holders) = (keyward.new_channel().await, holders.clone());
            tasks.spawn(watch(channel, holders, stop, rounds));
        }
        let watch = Self { stop, rounds, tasks };
        watch.round().await;
        watch
    }

    /// Waits until every holder was asked for again.
    async fn round(&self) {
        let enough = self.rounds.load(Ordering::Acquire) + 6;
        while self.rounds.load(Ordering::Acquire) < enough && self.tasks.len() == 3 {
            tokio::task::yield_now().await;
        }
    }

    async fn end(mut self) {
        self.round().await;
        self.stop.store(true, Ordering::Release);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn watch(channel: Channel, holders: Holders, stop: Arc<AtomicBool>, rounds: Arc<AtomicU64>) {
    let mut keys = KeyServiceClient::new(channel);
    while !stop.load(Ordering::Acquire) {
        for (holders, is_good) in [(&holders.good, true), (&holders.dead, false)] {
            for api_key in holders {
                let answer = keys.check(check(api_key, SCOPES)).await.unwrap().into_inner();
                assert_eq!(answer.allowed, is_good, "{api_key}: {answer:?}");
            }
        }
        rounds.fetch_add(1, Ordering::AcqRel);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_comes_and_the_old_one_goes_while_every_check_is_answered_and_no_end_is_lost() {
    // D5, K2, V1
    let keyward = Keyward::start().await;
    let mut holders = keyward.fill_with_secrets().await;
    assert!(!keyward.service.take_roots().await.unwrap(), "nothing has changed");
    let watch = Watch::over(&keyward, &holders).await;
    let ended_before: Vec<Issued> = issue_many(&keyward, 40).await;

    // Keys come and go, are rotated and ended all the while.
    let changes = Box::pin(async {
        let mut made = Holders::default();
        for (place, issued) in ended_before.iter().enumerate() {
            let new = keyward.issue_scopes(SCOPES).await;
            made.good.push(keyward.rotate(&new.key.id, None).await.api_key);
            made.good.push(new.api_key);
            if place % 2 == 0 {
                keyward.revoke(&issued.key.id).await;
            } else {
                keyward.keys().revoke(by_possession(&issued.api_key)).await.unwrap();
            }
            assert_eq!(keyward.denied(&issued.api_key, SCOPES).await, REVOKED, "{place}: an end is lost");
            made.dead.push(issued.api_key.clone());
        }
        made
    });
    let (made, ()) = tokio::join!(changes, Box::pin(keyward.take_root(2)));
    watch.end().await;
    holders.good.extend(made.good);
    holders.dead.extend(made.dead);
    Box::pin(keyward.assert_all(&holders, "under root 2")).await;
    keyward.assert_log_holds().await;
    Box::pin(keyward.until_rewritten()).await;

    // What was imported is known under both, and what is imported again is told.
    let again = keyward.try_import(&keyward.root, rows(vec![row(1, sha256(TOKEN))])).await.unwrap();
    assert!(again.into_inner().results[0].error.is_some());

    let watch = Watch::over(&keyward, &holders).await;
    let text = lines(&keyward.data_dir());
    put(&keyward.data_dir(), &line(2));
    assert!(keyward.service.take_roots().await.unwrap());
    watch.end().await;
    keyward.add_scheme("acme").await;
    assert_eq!(keyward.newest_record().await.action(), AuditAction::RootDestroy, "the same scheme again");
    assert!(!text.is_empty() && !keyward.service.take_roots().await.unwrap());
    keyward.assert_log_holds().await;

    // And a start finds all of it.
    let keyward = Box::pin(keyward.restart()).await;
    Box::pin(keyward.assert_all(&holders, "after a restart")).await;
    keyward.assert_log_holds().await;
    keyward.stop().await;
}

async fn issue_many(keyward: &Keyward, count: usize) -> Vec<Issued> {
    let mut issued = Vec::with_capacity(count);
    for _ in 0..count {
        issued.push(keyward.issue_scopes(SCOPES).await);
    }
    issued
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fourth_root_is_refused_while_it_serves_and_a_clock_that_is_wrong_makes_no_room_for_it() {
    // D5, D6, K9
    let keyward = Keyward::start().await;
    let ended = keyward.issue_scopes(SCOPES).await;
    keyward.revoke(&ended.key.id).await;
    let mut holders = Holders { good: Vec::new(), dead: vec![ended.api_key.clone()] };
    for number in [2, 3] {
        keyward.take_root(number).await;
        holders.good.push(keyward.issue_scopes(SCOPES).await.api_key);
    }
    let three = lines(&keyward.data_dir());
    put(&keyward.data_dir(), &format!("{three}{}", line(4)));
    assert!(keyward.refused_roots().await.contains("secrets start at 3 roots already"));
    // Somebody sets the clock: no time has passed.
    let days = i64::try_from(DAY.as_millis()).unwrap() * 200;
    keyward.clock.leap(days);
    assert!(keyward.refused_roots().await.contains("secrets start at 3 roots already"));
    keyward.clock.leap(-days);
    assert_eq!(keyward.denied(&ended.api_key, SCOPES).await, REVOKED, "it is not forgotten");
    Box::pin(keyward.assert_all(&holders, "under root 3")).await;
    put(&keyward.data_dir(), &three);
    assert!(!keyward.service.take_roots().await.unwrap());

    // With one start less there is room, and what ended at it is unknown from then on.
    let keyward = Box::pin(keyward.with_other_root_key()).await;
    keyward.clock.advance(DAY * 91);
    let keyward = Box::pin(keyward.restart()).await;
    let keyward = Box::pin(keyward.restart()).await;
    assert_eq!(keyward.denied(&ended.api_key, SCOPES).await, REVOKED);
    keyward.take_root(4).await;
    assert_eq!(keyward.denied(&ended.api_key, SCOPES).await, Some(DenialReason::KeyUnknown));
    let record = keyward.newest_record().await;
    assert!(record.changes.iter().any(|change| change.field == "secrets_still_known"), "{record:?}");
    Box::pin(keyward.assert_all(&holders, "under root 4")).await;
    keyward.stop().await;
}

impl Keyward {
    /// The first administration key begins anew, at the newest root.
    async fn with_other_root_key(mut self) -> Self {
        let id = self.root_id().await;
        self.root = self.rotate(&id, Some(std::time::Duration::ZERO)).await.api_key;
        self
    }
}
