//! Reads the zoneinfo directory that an operator names, once, at the start: all of it or nothing.
//!
//! Afterwards the directory is not looked at again, so that a day ends for every key at the same moment until the next start.

use std::{
    fs::{self, DirEntry, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use crate::domain::zones::{self, Zones};

/// Real ones have 600 names.
const MAX_FILES: usize = 4_096;
/// Real files have less than 4 KiB.
const MAX_FILE: u64 = 64 << 10;
/// As in `America/Argentina/Buenos_Aires`, and one more.
const MAX_DEPTH: usize = 4;
/// How each file of a zone begins.
const MAGIC: &[u8] = b"TZif";
/// The same zones again: `right` counts leap seconds, which no day of ours does.
const COPIES: [&str; 2] = ["posix", "right"];

/// Why a directory cannot be used for time zones; nothing has been started or bound then.
#[derive(Debug, thiserror::Error)]
pub enum ZoneinfoError {
    /// It, or something in it, cannot be read.
    #[error("cannot read {} of the zoneinfo directory: {why}", .path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A file of it is not what it seems.
    #[error("{} of the zoneinfo directory is damaged: {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is another directory.
    #[error("{} is no zoneinfo directory: {why}", .path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// What it lacks, or has too much of.
        why: &'static str,
    },
}

/// Puts the zones of a directory in force; without one, those built in stay.
///
/// # Errors
/// It cannot be read, a file in it is damaged, or it is no zoneinfo directory.
pub fn use_directory(directory: Option<&Path>) -> Result<(), ZoneinfoError> {
    if let Some(directory) = directory {
        zones::put_in_force(read(directory)?);
    }
    Ok(())
}

fn read(directory: &Path) -> Result<Zones, ZoneinfoError> {
    let other = |why| ZoneinfoError::Other { path: directory.to_owned(), why };
    let mut found = Vec::new();
    walk(directory, "", 0, &mut found)?;
    if found.len() >= MAX_FILES {
        return Err(other("it holds more than 4,096 files of zones"));
    }
    let zones = Zones::new(directory.display().to_string(), release(directory), found.into_iter());
    if !zones.has("UTC") {
        return Err(other("it has no zone UTC"));
    }
    Ok(zones)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<(String, TimeZone)>,
) -> Result<(), ZoneinfoError> {
    let unreadable = |why| ZoneinfoError::Unreadable { path: folder.to_owned(), why };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Some(name) = zone_name(&entry) else { continue };
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        // Links are followed: many names are links to another.
        let unreadable = |why| ZoneinfoError::Unreadable { path: path.clone(), why };
        let kind = fs::metadata(&path).map_err(unreadable)?;
        if found.len() >= MAX_FILES {
            return Ok(());
        }
        if kind.is_dir() {
            let is_copy = depth == 0 && COPIES.contains(&name.as_str());
            if !is_copy && depth < MAX_DEPTH {
                walk(&path, &format!("{name}/"), depth.saturating_add(1), found)?;
            }
        } else if kind.is_file()
            && let Some(zone) = zone(&path, &name)?
        {
            found.push((name, zone));
        }
    }
    Ok(())
}

/// A name that can be one of a zone, or of a part of one: no `leap-seconds.list`, no `+VERSION`.
fn zone_name(entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (begins && name.bytes().all(fits)).then_some(name)
}

/// The zone in a file; `None` where it is a file of another kind.
fn zone(path: &Path, name: &str) -> Result<Option<TimeZone>, ZoneinfoError> {
    let unreadable = |why| ZoneinfoError::Unreadable { path: path.to_owned(), why };
    let damaged = |why: String| ZoneinfoError::Damaged { path: path.to_owned(), why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if !bytes.starts_with(MAGIC) {
        return Ok(None);
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(damaged("it is longer than 64 KiB".to_owned()));
    }
    TimeZone::tzif(name, &bytes).map(Some).map_err(|why| damaged(why.to_string()))
}

/// The release, as the directory tells it in one of three ways.
fn release(directory: &Path) -> String {
    let first_line = |file: &str| {
        let mut text = String::new();
        let file = File::open(directory.join(file)).ok()?;
        file.take(64).read_to_string(&mut text).ok()?;
        Some(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    let named = first_line("tzdata.zi").and_then(|line| Some(line.strip_prefix("# version ")?.to_owned()));
    let named = named.or_else(|| first_line("+VERSION")).or_else(|| first_line("version"));
    let is_release =
        |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    named.filter(is_release).unwrap_or_else(|| "an unknown release".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a zone that never changes, as `zic` writes it.
    fn tzif(footer: &str) -> Vec<u8> {
        let header = |version: u8| {
            let mut header = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
            for count in [0_u32, 0, 0, 0, 1, 4] {
                header.extend(count.to_be_bytes());
            }
            header
        };
        let body = [0_i32.to_be_bytes().as_slice(), &[0, 0], b"UTC\0"].concat();
        [header(b'2'), body.clone(), header(b'2'), body, format!("\n{footer}\n").into_bytes()].concat()
    }

    #[test]
    fn a_directory_is_taken_whole_with_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for part in ["Europe", "posix", "right", "America/Argentina"] {
            fs::create_dir_all(at(part)).unwrap();
        }
        for name in ["UTC", "Europe/Berlin", "right/Only", "America/Argentina/Salta", "Factory", "localtime"]
        {
            fs::write(at(name), tzif("UTC0")).unwrap();
        }
        fs::write(at("tzdata.zi"), "# version 2031a\n# more\n").unwrap();
        fs::write(at("zone1970.tab"), "# a table\n").unwrap();
        fs::write(at("README"), "words").unwrap();
        let zones = read(folder.path()).unwrap();
        for (name, there) in [
            ("UTC", true),
            ("europe/berlin", true),
            ("America/Argentina/Salta", true),
            ("right/Only", false),
            ("Factory", false),
            ("localtime", false),
            ("README", false),
        ] {
            assert_eq!(zones.has(name), there, "{name}");
        }
        assert_eq!(release(folder.path()), "2031a");
        fs::write(at("tzdata.zi"), "\u{1b}[31m").unwrap();
        assert_eq!(release(folder.path()), "an unknown release");
    }

    #[test]
    fn another_directory_or_a_damaged_one_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let why = |path: &Path| read(path).map(drop).unwrap_err().to_string();
        assert!(why(&folder.path().join("none")).contains("none of the zoneinfo directory: No such file"));
        assert!(why(folder.path()).contains("is no zoneinfo directory: it has no zone UTC"));
        fs::write(folder.path().join("UTC"), b"TZif2").unwrap();
        assert!(why(folder.path()).contains("UTC of the zoneinfo directory is damaged"));
        let mut long = tzif("UTC0");
        long.resize(70_000, 0);
        fs::write(folder.path().join("UTC"), long).unwrap();
        assert!(why(folder.path()).contains("it is longer than 64 KiB"));
    }
}
