//! Roots that are not kept in the data directory: from a file, a credential of systemd, the output of a command.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Client,
    process::{Ended, Server, keyward, run},
    read_key,
    support::{check, holder_key},
};

/// A new roots file, made by the program.
fn new_roots(folder: &Path) -> PathBuf {
    let file = folder.join("of-keyward");
    let mut command = keyward();
    command.args(["roots", "new"]).arg(&file);
    let made = run(command, "");
    assert_eq!((made.code, made.out.as_str()), (Some(0), ""), "{made:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    file
}

/// `keyward serve` or another verb on a data directory, with these flags and credentials.
fn with(verb: &[&str], data_dir: &Path, flags: &[&str], credentials: Option<&Path>) -> Command {
    let mut command = keyward();
    command.args(verb).arg("--data-dir").arg(data_dir).args(flags);
    if verb == ["serve"] {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if let Some(credentials) = credentials {
        command.env("CREDENTIALS_DIRECTORY", credentials);
    }
    command
}

fn refused(verb: &[&str], data_dir: &Path, flags: &[&str]) -> String {
    let Ended { code, err, .. } = run(with(verb, data_dir, flags, None), "");
    assert_eq!(code, Some(1), "{err}");
    err
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn roots_come_from_a_file_a_credential_or_a_command_and_every_key_stays_good() {
    // D5: whoever has the data directory alone has no roots
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, file) = (folder.path().join("data"), new_roots(folder.path()));
    let digits = fs::read_to_string(&file).unwrap();
    let digits = digits.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
    let path = file.to_str().unwrap();
    let of_file = ["--roots-file", path];
    let server = Server::start_by(with(&["serve"], &data_dir, &of_file, None));
    assert!(!data_dir.join("roots").exists() && !data_dir.join("roots.new").exists());
    let root = read_key(&data_dir.join("root-key"));
    let client = Client::with(&server, &root).await;
    let issued =
        client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap().into_inner();
    assert!(!server.stop().contains(&digits), "the log holds the roots");

    let command = format!("cat '{path}'");
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::copy(&file, credentials.join("keyward.roots")).unwrap();
    fs::set_permissions(credentials.join("keyward.roots"), Permissions::from_mode(0o440)).unwrap();
    for (flags, credentials) in [
        (&["--roots-command", command.as_str()], None),
        (&["--roots-credential", "keyward.roots"], Some(credentials.as_path())),
        (&of_file, None),
    ] {
        let server = Server::start_by(with(&["serve"], &data_dir, flags, credentials));
        let client = Client::with(&server, &root).await;
        let checked = client.keys().check(check(&issued.api_key, &["messaging:send"])).await.unwrap();
        assert!(checked.into_inner().allowed, "{flags:?}");
        server.stop();
        for verb in [&["doctor"][..], &["audit", "verify"]] {
            let looked = run(with(verb, &data_dir, flags, credentials), "");
            assert_eq!(looked.code, Some(0), "{verb:?} {flags:?}: {looked:?}");
        }
    }
}

#[test]
fn without_its_roots_a_store_says_where_they_are_to_be_named_and_is_never_made_anew() {
    // D5
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, file) = (folder.path().join("data"), new_roots(folder.path()));
    let path = file.to_str().unwrap();
    let of_file = ["--roots-file", path];
    assert_eq!(run(with(&["init"], &data_dir, &of_file, None), "").code, Some(0));
    for verb in [&["serve"][..], &["doctor"], &["recover"], &["audit", "verify"]] {
        assert!(refused(verb, &data_dir, &[]).contains("are kept elsewhere: say where with --roots-file"));
    }
    let fails = ["--roots-command", "false"];
    assert!(refused(&["serve"], &data_dir, &fails).contains("false failed: exit status: 1"));
    let none = ["--roots-credential", "keyward.roots"];
    assert!(refused(&["serve"], &data_dir, &none).contains("CREDENTIALS_DIRECTORY is not set"));

    // Another store's.
    fs::rename(&file, folder.path().join("right")).unwrap();
    new_roots(folder.path());
    let wrong = refused(&["serve"], &data_dir, &of_file);
    assert!(wrong.contains(&format!("the roots file {path} does not belong to")), "{wrong}");
    fs::rename(folder.path().join("right"), &file).unwrap();

    // Both places.
    fs::copy(&file, data_dir.join("roots")).unwrap();
    assert!(refused(&["serve"], &data_dir, &of_file).contains("said to be kept elsewhere"));
    fs::remove_file(data_dir.join("roots")).unwrap();

    // The database is lost.
    fs::remove_file(data_dir.join("keyward.db")).unwrap();
    let lost = refused(&["serve"], &data_dir, &of_file);
    assert!(lost.contains("`roots.elsewhere` beside it says that there was a store"), "{lost}");
}

#[test]
fn new_roots_replace_no_file_and_can_be_piped() {
    let folder = tempfile::tempdir().unwrap();
    let file = new_roots(folder.path());
    let before = fs::read(&file).unwrap();
    let mut again = keyward();
    again.args(["roots", "new"]).arg(&file);
    assert_eq!(run(again, "").code, Some(1));
    assert_eq!(fs::read(&file).unwrap(), before);
    let mut piped = keyward();
    piped.args(["roots", "new", "-"]);
    let piped = run(piped, "");
    assert_eq!(piped.code, Some(0));
    assert_eq!(piped.out.lines().last().unwrap().len(), "1 ".len() + 64);
}
