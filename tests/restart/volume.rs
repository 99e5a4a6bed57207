//! A data directory that a container platform makes group-writable at each mount, under whatever user; and root in a directory
//! of somebody else's.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    process::{Ended, Server, keyward, run},
    support::skip,
};

const NOT_HERE: &str = "SKIPPED: only root can start Keyward as other users";
const GROUP: u32 = 20_002;

/// A folder that every user reaches, and the binary in it.
fn open_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("keyward");
    fs::copy(env!("CARGO_BIN_EXE_keyward"), &program).unwrap();
    (folder, program)
}

fn is_root(folder: &Path) -> bool {
    fs::metadata(folder).unwrap().uid() == 0
}

/// The program as this user, in the volume's group.
fn as_user(program: &Path, user: u32, words: &[&str], data: &Path) -> Command {
    let mut command = keyward();
    let environment: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command = Command::new(program);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(words).arg("--data-dir").arg(data).uid(user).gid(GROUP);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// What a mount with `fsGroup` does: everything belongs to the group, which may write.
fn mount(volume: &Path) {
    for entry in fs::read_dir(volume).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            mount(&path);
        } else {
            chown(&path, None, Some(GROUP)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
        }
    }
    chown(volume, None, Some(GROUP)).unwrap();
    fs::set_permissions(volume, Permissions::from_mode(0o2770)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn the_rights_that_a_mount_gives_a_group_are_taken_back_in_one_line() {
    // M6
    let (folder, program) = open_folder();
    if !is_root(folder.path()) {
        return skip::say(NOT_HERE);
    }
    let volume = folder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    mount(&volume);
    let data = volume.join("data");
    for round in 0..3 {
        let server = Server::start_by(as_user(&program, 10_001, &SERVE, &data));
        let log = server.stop();
        assert_eq!(log.matches("who alone has them now").count(), usize::from(round > 0), "{log}");
        assert_eq!(mode(&data), if round > 0 { 0o700 } else { 0o2700 }, "round {round}");
        for name in ["keyward.db", "keyward.anchor", "keyward.lock", "roots", "root-key"] {
            assert_eq!(mode(&data.join(name)), 0o600, "{name}");
        }
        mount(&volume);
        // What only reads changes nothing, and refuses nothing either.
        for words in [&["doctor"][..], &["audit", "verify"]] {
            let ended = run(as_user(&program, 10_001, words, &data), "");
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        assert_eq!(mode(&data.join("roots")), 0o660);
    }
}

#[test]
fn a_volume_of_its_own_serves_whatever_user_the_container_has() {
    // M6: the directory is root's, and each container has another user
    let (folder, program) = open_folder();
    if !is_root(folder.path()) {
        return skip::say(NOT_HERE);
    }
    let volume = folder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    for user in [10_001, 10_002, 10_003] {
        mount(&volume);
        let server = Server::start_by(as_user(&program, user, &SERVE, &volume));
        let log = server.stop();
        assert!(log.contains("as a volume of a container platform is"), "{log}");
    }
    // Beyond the group nobody is trusted; everything that is wrong is told at once.
    mount(&volume);
    for name in ["keyward.db", "roots"] {
        fs::set_permissions(volume.join(name), Permissions::from_mode(0o666)).unwrap();
    }
    let refused = run(as_user(&program, 10_003, &SERVE, &volume), "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("keyward.db can be") && refused.err.contains("roots can be"), "{refused:?}");
}

#[test]
fn root_leaves_no_files_in_a_directory_of_somebody_elses() {
    // M6: `sudo keyward recover` must not lock the service out
    let (folder, program) = open_folder();
    if !is_root(folder.path()) {
        return skip::say(NOT_HERE);
    }
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(10_001), Some(GROUP)).unwrap();
    let data = home.join("data");
    Server::start_by(as_user(&program, 10_001, &SERVE, &data)).stop();
    fs::remove_file(data.join("root-key")).unwrap();
    let by_root = |words: &[&str]| -> Ended {
        let mut command = keyward();
        command.args(words).arg("--data-dir").arg(&data);
        run(command, "")
    };
    for words in [&["recover"][..], &SERVE, &["doctor", "--reset-clock"]] {
        let refused = by_root(words);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("sudo -u '#10001' keyward"), "{refused:?}");
        assert!(!refused.err.contains("chown"), "{refused:?}");
    }
    for words in [&["doctor"][..], &["audit", "verify"]] {
        assert_eq!(by_root(words).code, Some(0));
    }
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 10_001, "{entry:?}");
    }
    assert_eq!(run(as_user(&program, 10_001, &["recover"], &data), "").code, Some(0));
    Server::start_by(as_user(&program, 10_001, &SERVE, &data)).stop();
}
