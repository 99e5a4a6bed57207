//! Secrets that ended, and roots that are laid over a store later.

use std::{io::Write as _, path::Path, time::Duration};

use keyward::{
    store::{
        settings::StoreSettings,
        sqlite::{RootsReport, roots_offline},
    },
    wire::v1::{self, AuditAction, DenialReason},
};

use crate::{
    import::{TOKEN, row, sha256},
    support::{Issued, Keyward, holder_key, verbs::DAY},
};

const REVOKED: Option<DenialReason> = Some(DenialReason::KeyRevoked);
const EXPIRED: Option<DenialReason> = Some(DenialReason::KeyExpired);
const UNKNOWN: Option<DenialReason> = Some(DenialReason::KeyUnknown);
/// For how long a secret that ended is told from one that never was.
const REMEMBERED: Duration = DAY.saturating_mul(90);

/// Puts the line of a further root behind those that are there.
fn add_root(data_dir: &Path, number: u32) {
    let mut file = std::fs::File::options().append(true).open(data_dir.join("roots")).unwrap();
    writeln!(file, "{number} {}", format!("{number:02x}").repeat(32)).unwrap();
}

fn report(data_dir: &Path) -> RootsReport {
    roots_offline(data_dir, &StoreSettings::default()).unwrap()
}

/// How many secrets start at each root: those that are looked up, and those that ended long ago.
fn starts(report: &RootsReport) -> Vec<(u64, u64)> {
    report.roots.iter().map(|root| (root.secrets, root.over)).collect()
}

impl Keyward {
    async fn with_root(self, number: u32) -> Self {
        self.restart_after(|data_dir| add_root(data_dir, number)).await
    }

    /// The administration key begins anew, at the newest root.
    async fn renew_root_key(&mut self) {
        let listed = self.keys().list_keys(self.as_root(v1::ListKeysRequest::default())).await.unwrap();
        let all = listed.into_inner().keys;
        let id = all.into_iter().find(|key| key.admin.is_some()).unwrap().id;
        self.root = self.rotate(&id, Some(Duration::ZERO)).await.api_key;
    }

    async fn reasons(&self, secrets: &[&str]) -> Vec<Option<DenialReason>> {
        let mut reasons = Vec::new();
        for secret in secrets {
            reasons.push(self.denied(secret, &["messaging:send"]).await);
        }
        reasons
    }

    async fn revoked(&self) -> Issued {
        let issued = self.issue_scopes(&["messaging:send"]).await;
        self.revoke(&issued.key.id).await;
        issued
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ninety_days_after_the_last_secret_of_a_root_ended_nothing_keeps_a_fourth_root_away() {
    // D5, K9
    let mut keyward = Keyward::start().await;
    let revoked = keyward.revoked().await;
    let lasting_a_day =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY)), ..holder_key(&["messaging:send"]) };
    let expired = keyward.issue(lasting_a_day).await;
    let replaced = keyward.issue_scopes(&["messaging:send"]).await;

    keyward = keyward.with_root(2).await;
    keyward.renew_root_key().await;
    let current = keyward.rotate(&replaced.key.id, None).await;
    keyward = keyward.with_root(3).await;
    let third = keyward.issue_scopes(&["messaging:send"]).await;
    let ended = [&revoked, &expired, &replaced].map(|issued| issued.api_key.clone());
    let ended = ended.each_ref().map(String::as_str);
    let good = [current.api_key.as_str(), third.api_key.as_str()];

    // The day that both of them have.
    keyward.clock.advance(REMEMBERED.saturating_sub(DAY));
    keyward = keyward.restart().await;
    assert_eq!(starts(&report(&keyward.data_dir())), [(4, 0), (2, 0), (1, 0)], "not all of them ended then");
    assert!(report(&keyward.data_dir()).require_room().is_err());

    keyward.clock.advance(DAY * 2);
    keyward = keyward.restart().await;
    assert_eq!(starts(&report(&keyward.data_dir())), [(0, 4), (2, 0), (1, 0)]);
    report(&keyward.data_dir()).require_room().unwrap();
    assert_eq!(keyward.reasons(&ended).await, [REVOKED, EXPIRED, EXPIRED], "nothing is forgotten before");

    keyward = keyward.with_root(4).await;
    let record = keyward.newest_record().await;
    assert_eq!(record.action(), AuditAction::RootAdd);
    let forgotten = record.changes.iter().find(|change| change.field == "secrets_still_known").unwrap();
    assert_eq!((forgotten.from.as_str(), forgotten.to.as_str()), ("4", "0"));
    for _ in 0..2 {
        assert_eq!(keyward.reasons(&ended).await, [UNKNOWN; 3]);
        assert_eq!(keyward.reasons(&good).await, [None; 2]);
        let request = keyward
            .as_root(v1::GetKeyRequest { key_id: revoked.key.id.clone(), ..v1::GetKeyRequest::default() });
        let shown = keyward.keys().get_key(request).await.unwrap().into_inner().key.unwrap();
        assert_eq!(shown.state(), v1::KeyState::Revoked, "the key is there");
        keyward = keyward.restart().await;
    }
    let verified =
        keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest::default())).await.unwrap();
    assert_eq!(verified.into_inner().fault, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_secret_that_ended_is_known_for_ever_so_that_no_later_import_makes_it_good() {
    // I1, K9
    let mut keyward = Keyward::start().await;
    let ours = keyward.revoked().await;
    let theirs = keyward.import(row(1, sha256(TOKEN))).await;
    keyward.revoke(&theirs).await;
    keyward = keyward.with_root(2).await;
    keyward.renew_root_key().await;
    keyward.clock.advance(REMEMBERED * 10);
    keyward = keyward.restart().await;
    assert_eq!(starts(&report(&keyward.data_dir())), [(1, 2), (1, 0)]);
    keyward = keyward.with_root(3).await;
    assert_eq!(keyward.reasons(&[&ours.api_key, TOKEN]).await, [REVOKED; 2], "the start is there for both");
    assert!(keyward.newest_record().await.changes.iter().all(|change| change.field != "secrets_still_known"));
    keyward.stop().await;
}
