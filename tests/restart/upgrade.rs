//! A process that is killed while it brings a database of an older schema to the newest: the old one is whole, or the new one is.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use keyward::wire::v1::{self, DenialReason, check_request::Subject};
use rusqlite::Connection;

use crate::{
    Client,
    process::{Server, start_and_kill_when},
    verify_offline,
};

/// Where it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// The copy is begun.
    Copying,
    /// Half of it is there.
    HalfCopied,
    /// What it is made into is begun.
    Compacting,
    /// Half of that is there.
    HalfCompacted,
    /// It was compared, and the copy is removed.
    Compared,
    /// The old one has its second name.
    Kept,
    /// The new one is in its place, or nearly so.
    Renamed,
}

const MOMENTS: [Moment; 7] = [
    Moment::Copying,
    Moment::HalfCopied,
    Moment::Compacting,
    Moment::HalfCompacted,
    Moment::Compared,
    Moment::Kept,
    Moment::Renamed,
];

/// A database of schema 8 with rows of every kind, and so much usage that its upgrade takes a while.
fn lay(data: &Path) {
    fs::create_dir(data).unwrap();
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
    let secret = |name: &str, bytes: &[u8]| {
        fs::write(data.join(name), bytes).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    secret("roots", include_bytes!("../fixtures/roots-v8-full"));
    secret("keyward.anchor", include_bytes!("../fixtures/anchor-v8-full"));
    secret("keyward.db", b"");
    let database = Connection::open(data.join("keyward.db")).unwrap();
    database.execute_batch(include_str!("../fixtures/store-v8-full.sql")).unwrap();
    let more = "WITH RECURSIVE hours (hour) AS (SELECT 1 UNION ALL SELECT hour + 1 FROM hours WHERE hour < 100000)
         INSERT INTO usage SELECT 'key_00000000000000000000000000', hour, 'default', 'ALLOWED', 1, 1 FROM hours";
    database.execute_batch(more).unwrap();
}

/// A key of the fixture: those of keys that were revoked are answered so for ever.
fn key(name: &str) -> &'static str {
    let mut lines = include_str!("../fixtures/keys-v8-full").lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.split('\t').next()).unwrap()
}

/// Whether a start has come so far, by its files.
fn is_at(moment: Moment, data: &Path, size: u64) -> bool {
    let length = |end: &str| fs::metadata(data.join(format!("keyward.db{end}"))).map(|file| file.len()).ok();
    let (copy, whole) = (length(".upgrading"), length(".upgraded"));
    match moment {
        Moment::Copying => copy.is_some(),
        Moment::HalfCopied => copy.is_some_and(|bytes| bytes > size / 2),
        Moment::Compacting => whole.is_some(),
        Moment::HalfCompacted => whole.is_some_and(|bytes| bytes > size / 2),
        Moment::Compared => copy.is_none() && whole.is_some_and(|bytes| bytes > size / 2),
        Moment::Kept => length(".schema-8").is_some(),
        Moment::Renamed => length(".schema-8").is_some() && whole.is_none(),
    }
}

/// The schema of the database, which must be whole.
fn whole(data: &Path) -> i64 {
    let database = Connection::open(data.join("keyward.db")).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let count = |table: &str| {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count("keys"), 26);
    assert!(count("log") >= 48);
    database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_killed_leaves_the_old_database_or_the_new_one_and_the_next_start_finishes() {
    // D8
    let mut schemas = Vec::new();
    for moment in MOMENTS {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        lay(&data);
        let size = fs::metadata(data.join("keyward.db")).unwrap().len();
        start_and_kill_when(&data, || is_at(moment, &data, size));
        let schema = whole(&data);
        schemas.push(schema);
        assert!(
            schema == 8 || moment >= Moment::Compared,
            "{moment:?}: the old one is there until the new one is whole"
        );

        let server = Server::start(&data);
        let client = Client::with(&server, key("root")).await;
        let request = v1::CheckRequest {
            subject: Some(Subject::ApiKey(key("revoked").to_owned())),
            ..v1::CheckRequest::default()
        };
        let answer = client.keys().check(client.signed(request)).await.unwrap().into_inner();
        assert_eq!(answer.denial.unwrap().reason(), DenialReason::KeyRevoked, "{moment:?}");
        server.stop();
        verify_offline(&data);
        assert!(whole(&data) > 8, "{moment:?}");
        let kept = Connection::open(data.join("keyward.db.schema-8")).unwrap();
        let records: i64 = kept.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap();
        assert_eq!(records, 48, "{moment:?}: the one that was there is kept");
        for left in ["upgrading", "upgraded"] {
            assert!(!data.join(format!("keyward.db.{left}")).exists(), "{moment:?}");
        }
    }
    assert!(schemas[..4].iter().all(|schema| *schema == 8), "{schemas:?}");
}
