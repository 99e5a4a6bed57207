//! Files that a disk or a person has damaged: told in words that say what, and what to do next.

use std::{fs, os::unix::fs::FileExt as _, path::Path};

use crate::{
    Client,
    process::{Ended, Server, keyward, run},
    support::holder_key,
};

const PAGE: u64 = 4096;

fn offline(words: &[&str], data: &Path) -> Ended {
    let mut command = keyward();
    command.args(words).arg("--data-dir").arg(data);
    run(command, "")
}

/// Helpful, whoever says it: no raw report, no other promise than a restore.
fn assert_helpful(said: &str) {
    assert!(!said.contains("***") && !said.contains("try again"), "{said}");
    assert!(said.contains("keyward audit verify") && said.contains("restore"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_told_by_its_page_or_its_beginning_with_what_to_do() {
    // D5, M4
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let client = Client::of(&server, &data).await;
    for _ in 0..60 {
        client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap();
    }
    server.stop();
    let database = data.join("keyward.db");
    let whole = fs::read(&database).unwrap();
    let connection = rusqlite::Connection::open(&database).unwrap();
    let root = |name: &str| -> u64 {
        let select = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        connection.query_row(select, [name], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    };
    let (keys, by_action) = (root("keys"), root("log_by_action"));
    drop(connection);

    // A page of a table.
    let file = fs::File::options().write(true).open(&database).unwrap();
    file.write_all_at(&[0xEE; 512], (keys - 1) * PAGE).unwrap();
    let refused = offline(&["serve", "--listen", "127.0.0.1:0"], &data);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("pages of the database file are damaged"), "{refused:?}");
    assert_helpful(&refused.err);
    let verified = offline(&["audit", "verify"], &data);
    let said = format!("{}{}", verified.out, verified.err);
    assert_ne!(verified.code, Some(0), "{said}");
    assert_helpful(&said);

    // A page of an index: the log is whole, and its check names the page and what is lost.
    fs::write(&database, &whole).unwrap();
    let file = fs::File::options().write(true).open(&database).unwrap();
    file.write_all_at(&[0xEE; 512], (by_action - 1) * PAGE).unwrap();
    let verified = offline(&["audit", "verify"], &data);
    assert_eq!(verified.code, Some(4), "{verified:?}");
    assert!(verified.out.contains("the table `log`"), "{verified:?}");
    assert!(verified.out.contains(&format!("page {by_action} ")), "{verified:?}");
    assert_helpful(&verified.out);

    // The beginning of the file.
    fs::write(&database, &whole).unwrap();
    let file = fs::File::options().write(true).open(&database).unwrap();
    file.write_all_at(&[0xEE; 64], 0).unwrap();
    for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["doctor"], &["audit", "verify"]] {
        let refused = offline(words, &data);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("its beginning was overwritten"), "{refused:?}");
        assert_helpful(&refused.err);
    }
    fs::write(&database, &whole).unwrap();
    Server::start(&data).stop();
}
