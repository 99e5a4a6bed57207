//! Whose a data directory and its files are, and what is done about rights that a platform has widened.
//!
//! Container platforms make a volume group-writable at each mount (`fsGroup`: directories 2770, files 660). What belongs to
//! this process's user gets its rights back. A volume's own directory belongs to root, and perhaps files of it to the user
//! of an earlier container: there the volume's group is trusted, and no user outside it.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::error::{DataDirError, failed};

/// Files that another user could have planted.
const TRUSTED: [&str; 6] =
    ["keyward.db", "keyward.db-wal", "keyward.db-shm", "keyward.lock", "keyward.anchor", "roots.elsewhere"];
/// Files that no other user may read either.
const SECRET: [&str; 2] = ["roots", "roots.new"];
/// What Keyward only writes: nothing depends on who can change it.
const HANDED_OUT: [&str; 2] = ["root-key", "root-key.new"];

const ROOT: u32 = 0;
/// Anything for those who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;
const SET_GROUP: u32 = 0o2000;

/// What a file is to Keyward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Trusted,
    Secret,
    HandedOut,
}

/// What is to be done about one file, or the directory.
#[derive(Debug)]
enum FileStep {
    Fine,
    /// It is ours, and its group has rights that it must not have.
    TakeBack,
    Fault(DataDirError),
}

/// Passes if no other user can change a data directory or read its secrets; takes back what a group was given of ours.
///
/// # Errors
/// All that is wrong, at once.
pub(in crate::store) fn require(directory: &Path) -> Result<(), DataDirError> {
    let user = user();
    let found = fs::metadata(directory).map_err(failed("examine", directory))?;
    if user == Some(ROOT) && found.uid() != ROOT {
        return Err(DataDirError::AsRoot { path: directory.to_owned(), owner: found.uid() });
    }
    let is_volume = is_volume(&found, user);
    let mut faults = Vec::new();
    let mut widened = Vec::new();
    for (path, metadata, kind) in examined(directory)? {
        let trusted_group = is_volume.then(|| found.gid());
        match judge(&path, &metadata, kind, user, trusted_group) {
            FileStep::Fine => {}
            FileStep::TakeBack => widened.push((path, metadata.is_dir())),
            FileStep::Fault(fault) => faults.push(fault),
        }
    }
    if let Some(fault) = DataDirError::all_of(faults) {
        return Err(fault);
    }
    take_back(&widened)?;
    if is_volume {
        tracing::warn!(
            path = %directory.display(),
            group = found.gid(),
            "the data directory belongs to root and is writable for this group, as a volume of a container platform is: \
             whoever else is in the group could replace its files"
        );
    }
    Ok(())
}

/// Whether a directory is a volume's own, which its platform gives to a group.
fn is_volume(directory: &Metadata, user: Option<u32>) -> bool {
    let mode = directory.mode();
    user.is_some_and(|user| user != directory.uid())
        && directory.uid() == ROOT
        && mode & SET_GROUP != 0
        && mode & OTHERS == 0
}

/// Whether a secret may be read though its group can: where the directory is a group's own volume, before a server has taken
/// the rights back.
pub(in crate::store) fn is_shared_secret(path: &Path, secret: &Metadata) -> bool {
    let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
    let is_groups = |directory: Metadata| {
        directory.mode() & SET_GROUP != 0 && directory.mode() & OTHERS == 0 && directory.gid() == secret.gid()
    };
    secret.mode() & OTHERS == 0 && directory.is_some_and(is_groups)
}

/// The directory and what is there of its files.
fn examined(directory: &Path) -> Result<Vec<(PathBuf, Metadata, FileKind)>, DataDirError> {
    let named = |names: &'static [&str], kind| names.iter().map(move |name| (directory.join(name), kind));
    let all = std::iter::once((directory.to_owned(), FileKind::Trusted))
        .chain(named(&TRUSTED, FileKind::Trusted))
        .chain(named(&SECRET, FileKind::Secret))
        .chain(named(&HANDED_OUT, FileKind::HandedOut));
    let mut found = Vec::new();
    for (path, kind) in all {
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            metadata => {
                let metadata = metadata.map_err(failed("examine", &path))?;
                found.push((path, metadata, kind));
            }
        }
    }
    Ok(found)
}

fn judge(
    path: &Path,
    found: &Metadata,
    kind: FileKind,
    user: Option<u32>,
    trusted_group: Option<u32>,
) -> FileStep {
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let path = path.to_owned();
    let other_user = user.filter(|user| *user != owner);
    if kind == FileKind::HandedOut {
        return if other_user.is_none() && mode & 0o070 != 0 { FileStep::TakeBack } else { FileStep::Fine };
    }
    if mode & 0o002 != 0 {
        return FileStep::Fault(DataDirError::Writable { path, mode });
    }
    if kind == FileKind::Secret && mode & OTHERS != 0 {
        return FileStep::Fault(DataDirError::Readable { path, mode });
    }
    if let Some(user) = other_user {
        let is_trusted = mode & OTHERS == 0 && trusted_group == Some(found.gid());
        let fault = DataDirError::NotOwned { path, owner, user };
        return if is_trusted { FileStep::Fine } else { FileStep::Fault(fault) };
    }
    let too_much = if kind == FileKind::Secret { 0o070 } else { 0o020 };
    if mode & too_much == 0 { FileStep::Fine } else { FileStep::TakeBack }
}

fn take_back(widened: &[(PathBuf, bool)]) -> Result<(), DataDirError> {
    for (path, is_directory) in widened {
        let mode = if *is_directory { 0o700 } else { 0o600 };
        let taken = fs::set_permissions(path, Permissions::from_mode(mode));
        taken.map_err(failed("take back the rights to", path))?;
    }
    if !widened.is_empty() {
        let paths: Vec<_> = widened.iter().map(|(path, _)| path.display().to_string()).collect();
        tracing::warn!(
            paths = paths.join(", "),
            "their group could write here, as a container platform lets it at each mount; they belong to this user, who alone has \
             them now (mode 0700, files 0600)"
        );
    }
    Ok(())
}

/// Who this process runs as; `None` where the system does not tell.
fn user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mode(path: &Path, mode: u32) -> Metadata {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        fs::metadata(path).unwrap()
    }

    #[test]
    fn rights_of_a_group_are_taken_back_and_those_of_all_are_refused_all_at_once() {
        // M6, D5
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path();
        let path = |name: &str| directory.join(name);
        for name in ["keyward.db", "roots", "keyward.lock"] {
            fs::write(path(name), "").unwrap();
            with_mode(&path(name), 0o660);
        }
        with_mode(directory, 0o2770);
        require(directory).unwrap();
        assert_eq!(fs::metadata(directory).unwrap().mode() & 0o7777, 0o700);
        for name in ["keyward.db", "roots", "keyward.lock"] {
            assert_eq!(fs::metadata(path(name)).unwrap().mode() & 0o777, 0o600, "{name}");
        }
        // Harmless for what is no secret.
        with_mode(&path("keyward.db"), 0o644);
        require(directory).unwrap();
        assert_eq!(fs::metadata(path("keyward.db")).unwrap().mode() & 0o777, 0o644);

        with_mode(&path("keyward.db"), 0o666);
        with_mode(&path("roots"), 0o604);
        with_mode(&path("keyward.lock"), 0o660);
        let refused = require(directory).unwrap_err().to_string();
        for part in ["keyward.db can be written", "chmod go-w", "roots can be read", "chmod 600"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert_eq!(fs::metadata(path("keyward.lock")).unwrap().mode() & 0o777, 0o660, "nothing is changed");
    }

    #[test]
    fn another_users_file_is_trusted_in_a_volume_of_its_group_only() {
        // M6
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("roots");
        fs::write(&file, "").unwrap();
        let of_all = with_mode(&file, 0o664);
        let found = with_mode(&file, 0o660);
        let somebody = Some(found.uid() + 1);
        let verdict = |found, group| judge(&file, found, FileKind::Secret, somebody, group);
        assert!(matches!(verdict(&found, Some(found.gid())), FileStep::Fine));
        for (found, group) in [(&found, None), (&found, Some(found.gid() + 1)), (&of_all, Some(found.gid()))]
        {
            assert!(matches!(verdict(found, group), FileStep::Fault(_)), "{group:?}");
        }
        let directory = with_mode(parent.path(), 0o2770);
        let is_root = directory.uid() == ROOT;
        assert_eq!(is_volume(&directory, Some(directory.uid() + 1)), is_root);
        assert!(!is_volume(&with_mode(parent.path(), 0o2777), Some(directory.uid() + 1)));
        assert!(!is_volume(&with_mode(parent.path(), 0o770), Some(directory.uid() + 1)));
    }
}
