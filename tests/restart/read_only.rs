//! A Keyward that can write into its data directory and nowhere else, as in a container with a read-only root.

use keyward::wire::v1::{ChangeKeysRequest, DisableKeys, IssueRequest, change_keys_request::Action};

use crate::{
    Client, mounts,
    process::{Server, keyward},
    support::{holder_key, skip},
    verify_offline,
};

const OWNER: &str = "many";

/// Enough for SQLite to want a temporary file, if it may not use memory.
const ISSUES: u64 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_needs_a_temporary_directory() {
    // D12, M6
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (data, hidden) = (dir.path().join("data"), dir.path().join("hidden"));
    std::fs::create_dir(&hidden).unwrap();
    let script = "for place in /tmp /var/tmp; do mount -t tmpfs -o ro,size=4k none $place || exit 1; done; cd /proc; exec \"$@\"";
    let mut program = keyward();
    program.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let Some(command) = mounts::behind(script, &hidden, &program) else { return skip::say(mounts::NOT_HERE) };
    let server = Server::start_by(command);
    let client = Client::of(&server, &data).await;
    for _ in 0..ISSUES {
        let issue = IssueRequest { owner: OWNER.to_owned(), ..holder_key(&["messaging:send"]) };
        client.keys().issue(client.signed(issue)).await.unwrap();
    }
    let together = ChangeKeysRequest {
        owner: OWNER.to_owned(),
        action: Some(Action::Disable(DisableKeys {})),
        expected_count: ISSUES,
        ..ChangeKeysRequest::default()
    };
    client.keys().change_keys(client.signed(together)).await.unwrap();
    server.stop();
    verify_offline(&data);
}
