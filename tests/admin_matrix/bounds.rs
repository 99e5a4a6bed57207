//! The bounds of an administration key: from where it may be used, and until when. Nobody takes off their own.

use super::*;

const OFFICE: &[&str] = &["127.0.0.0/8"];

/// An administration key for the office, which ends in a day.
async fn officer(keyward: &Keyward) -> Issued {
    let request = v1::IssueRequest {
        name: "officer".to_owned(),
        allowed_cidrs: strings(OFFICE),
        expire_time: Some(keyward.clock.after(DAY)),
        admin: Some(admin_rights(&ADMIN_SCOPES, true)),
        ..v1::IssueRequest::default()
    };
    keyward.issue(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_off_the_bounds_of_their_own_administration_key() {
    // X9, S8, K8
    let keyward = Keyward::start().await;
    let office = officer(&keyward).await;
    let before = keyward.revision().await;
    let attempt = async |caller: &str, key: v1::Key, mask: &[&str]| {
        let key = v1::Key { id: office.key.id.clone(), ..key };
        keyward.keys().update_key(signed(caller, update(key, mask))).await
    };
    let networks = |texts: &[&str]| v1::Key { allowed_cidrs: strings(texts), ..v1::Key::default() };
    let ends = |time| v1::Key { expire_time: time, ..v1::Key::default() };
    for wider in [&[][..], &["0.0.0.0/0"], &["127.0.0.0/8", "10.0.0.0/8"], &["::/0"]] {
        beyond(attempt(&office.api_key, networks(wider), &["allowed_cidrs"]).await, "networks");
    }
    for later in [None, Some(keyward.clock.after(DAY + MS))] {
        beyond(attempt(&office.api_key, ends(later), &["expire_time"]).await, "expiry");
    }
    assert_eq!(keyward.revision().await, before, "nothing was changed");
    attempt(&office.api_key, networks(&["127.0.0.0/9"]), &["allowed_cidrs"]).await.unwrap();
    let sooner = ends(Some(keyward.clock.after(HOUR)));
    attempt(&office.api_key, sooner, &["expire_time"]).await.unwrap();
    keyward.keys().update_key(signed(&office.api_key, renaming(&office.key.id, "after"))).await.unwrap();
    // Nor is what it gave up its own any more; whoever has more gives it back.
    beyond(attempt(&office.api_key, networks(OFFICE), &["allowed_cidrs"]).await, "networks");
    attempt(&keyward.root, networks(&[]), &["allowed_cidrs"]).await.unwrap();
    attempt(&keyward.root, ends(None), &["expire_time"]).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_off_their_bounds_by_another_administration_key() {
    // X9, S8, K8
    let keyward = Keyward::start().await;
    let office = officer(&keyward).await.api_key;
    let other = |networks: &[&str], expire_time| v1::IssueRequest {
        name: "other".to_owned(),
        allowed_cidrs: strings(networks),
        expire_time,
        admin: Some(admin_rights(&["keys:read"], true)),
        ..v1::IssueRequest::default()
    };
    let in_a_day = Some(keyward.clock.after(DAY));
    beyond(keyward.try_issue(&office, other(&[], in_a_day)).await, "networks");
    for later in [None, Some(keyward.clock.after(DAY + MS))] {
        beyond(keyward.try_issue(&office, other(OFFICE, later)).await, "expiry");
    }
    keyward.try_issue(&office, other(OFFICE, in_a_day)).await.unwrap();
    let mut keys = keyward.keys();
    for (wide, part) in [(other(&[], in_a_day), "networks"), (other(OFFICE, None), "expiry")] {
        let wide = keyward.issue(wide).await.key.id;
        beyond(keys.rotate(signed(&office, rotation(&wide, None))).await, part);
        // What takes away, or changes words, hands out nothing.
        keys.update_key(signed(&office, renaming(&wide, "after"))).await.unwrap();
        keys.disable_key(signed(&office, disabling(&wide))).await.unwrap();
        beyond(keys.enable_key(signed(&office, enabling(&wide))).await, part);
        let fitting = v1::Key {
            id: wide.clone(),
            allowed_cidrs: strings(OFFICE),
            expire_time: in_a_day,
            ..v1::Key::default()
        };
        keys.update_key(signed(&office, update(fitting, &["allowed_cidrs", "expire_time"]))).await.unwrap();
        keys.enable_key(signed(&office, enabling(&wide))).await.unwrap();
        keys.revoke(signed(&office, by_id(&wide))).await.unwrap();
    }
    // Holders' keys have bounds of their own.
    keyward.try_issue(&office, holder_key(&["a:b"])).await.unwrap();
    keyward.stop().await;
}
