//! The names that header fields take from HPACK's tables (RFC 7541 §2.3), as far as a path is told by them.

use std::collections::VecDeque;

/// The names of the static table, in its order (RFC 7541 appendix A).
const STATIC: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

pub(super) const PATH: &str = ":path";

/// What an entry counts beyond its name and value (RFC 7541 §4.1).
const ENTRY_BYTES: u32 = 32;
/// The size of the dynamic table that a client may assume, and we do not change (RFC 9113 §6.5.2).
const MAX_BYTES: u32 = 4_096;

/// A table has no such entry, or may not be so large.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchEntry;

/// The name of a field.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) bytes: u32,
    pub(super) is_path: bool,
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self { bytes: u32::try_from(name.len()).unwrap_or(u32::MAX), is_path: name == PATH }
    }
}

/// The static table, and what the client has put into the dynamic one: the newest first.
#[derive(Debug)]
pub(super) struct Names {
    kept: VecDeque<KeptName>,
    bytes: u32,
    most: u32,
}

#[derive(Debug)]
struct KeptName {
    name: Name,
    bytes: u32,
}

impl Default for Names {
    fn default() -> Self {
        Self { kept: VecDeque::new(), bytes: 0, most: MAX_BYTES }
    }
}

impl Names {
    /// The name at an index, which begins with 1.
    pub(super) fn get(&self, index: u32) -> Result<Name, NoSuchEntry> {
        let index = usize::try_from(index).ok().and_then(|index| index.checked_sub(1)).ok_or(NoSuchEntry)?;
        match STATIC.get(index) {
            Some(name) => Ok(Name::from(*name)),
            None => self.kept.get(index - STATIC.len()).map(|kept| kept.name).ok_or(NoSuchEntry),
        }
    }

    /// Keeps a field, if the table has room for it when others have gone.
    pub(super) fn keep(&mut self, name: Name, value_bytes: u32) {
        let bytes = name.bytes.saturating_add(value_bytes).saturating_add(ENTRY_BYTES);
        self.shrink_to(self.most.saturating_sub(bytes));
        if bytes <= self.most {
            self.bytes = self.bytes.saturating_add(bytes);
            self.kept.push_front(KeptName { name, bytes });
        }
    }

    /// Changes the size of the table (RFC 7541 §4.3).
    pub(super) fn resize(&mut self, most: u32) -> Result<(), NoSuchEntry> {
        if most > MAX_BYTES {
            return Err(NoSuchEntry);
        }
        self.most = most;
        self.shrink_to(most);
        Ok(())
    }

    fn shrink_to(&mut self, most: u32) {
        while self.bytes > most
            && let Some(kept) = self.kept.pop_back()
        {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH_NAME: Name = Name { bytes: 5, is_path: true };

    #[test]
    fn the_static_table_has_two_paths() {
        let names = Names::default();
        let paths: Vec<_> = (1..=61).filter(|index| names.get(*index) == Ok(PATH_NAME)).collect();
        assert_eq!(paths, [4, 5]);
        assert_eq!(names.get(0), Err(NoSuchEntry));
        assert_eq!(names.get(62), Err(NoSuchEntry));
        assert_eq!(names.get(u32::MAX), Err(NoSuchEntry));
    }

    #[test]
    fn the_oldest_go_where_there_is_no_room() {
        let mut names = Names::default();
        names.keep(PATH_NAME, 2_000);
        names.keep(Name::from("x"), 2_000);
        assert_eq!(names.get(63), Ok(PATH_NAME));
        names.keep(Name::from("y"), 100);
        assert_eq!((names.get(62), names.get(64)), (Ok(Name::from("y")), Err(NoSuchEntry)));
        assert_eq!(names.get(63), Ok(Name::from("x")));
        names.resize(133).unwrap();
        assert_eq!((names.get(62), names.get(63)), (Ok(Name::from("y")), Err(NoSuchEntry)));
        names.keep(PATH_NAME, 97);
        assert_eq!(names.get(62), Err(NoSuchEntry), "what is larger than the table empties it");
        assert_eq!(names.resize(4_097), Err(NoSuchEntry));
    }
}
