//! The one place of the command line that handles key strings: read here, handed on once, held by `domain::secret`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write},
    mem,
    path::Path,
};

use tonic::metadata::{Ascii, MetadataValue};

use super::{failure::Failure, output::text::printable};
use crate::domain::{seal::ForeignSecret, secret::HeldSecret};

/// Nothing longer is read; no key comes near it.
const LONGEST: u64 = 64 * 1024;

/// A key string. Neither `Clone` nor `Debug`.
pub(super) struct Credential(HeldSecret);

impl Credential {
    /// The only line of a file.
    pub(super) fn from_file(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let file =
            File::open(path).map_err(|error| Failure::input(format!("cannot open {shown}: {error}")))?;
        Self::read(&mut BufReader::new(file), true, &shown.to_string())
    }

    /// The only line of standard input, or the next one that a person types.
    pub(super) fn from_input(input: &mut dyn BufRead, is_terminal: bool) -> Result<Self, Failure> {
        Self::read(input, !is_terminal, "standard input")
    }

    /// Moves a fresh secret out of an answer.
    pub(super) fn taken_from(answer: &mut String) -> Self {
        Self(HeldSecret::new(mem::take(answer)))
    }

    /// The key string, for the request that presents it.
    pub(super) fn to_request(&self) -> String {
        self.0.expose().to_owned()
    }

    /// Writes the key string and a line break, and nothing else.
    pub(super) fn write_line(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", printable(self.0.expose()))?;
        out.flush()
    }

    /// The header that identifies the caller with this key.
    pub(super) fn authorization(&self) -> Result<MetadataValue<Ascii>, Failure> {
        authorization(&self.0)
    }

    /// The key string, for an answer as JSON.
    pub(super) fn reveal(&self) -> &str {
        self.0.expose()
    }

    fn read(input: &mut dyn BufRead, to_the_end: bool, source: &str) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| Failure::input(format!("cannot read {source}: {error}"));
        let mut bytes = Vec::new();
        (&mut *input).take(LONGEST).read_until(b'\n', &mut bytes).map_err(unreadable)?;
        let line = String::from_utf8(bytes)
            .map_err(|error| Failure::input(format!("{source} is no API key: {}", error.utf8_error())))?;
        let credential = Self(HeldSecret::new(line));
        if credential.0.expose().is_empty() {
            return Err(Failure::input(format!("{source} holds no API key: its first line is empty")));
        }
        if to_the_end && !input.fill_buf().map_err(unreadable)?.is_empty() {
            return Err(Failure::input(format!("{source} holds more than one line; an API key is one")));
        }
        Ok(credential)
    }
}

/// The secret by which another system hashes, which may be any bytes; less the line break at its end, unless `exact`.
pub(super) fn other_systems_secret(path: &Path, exact: bool) -> Result<ForeignSecret, Failure> {
    let failed = |error: io::Error| Failure::input(format!("cannot read {}: {error}", path.display()));
    // Room for all, so that no copy is left behind when it grows.
    let mut secret = Vec::with_capacity(2 * 64 * 1024);
    File::open(path).map_err(failed)?.take(LONGEST).read_to_end(&mut secret).map_err(failed)?;
    if !exact {
        for end in [b'\n', b'\r'] {
            if secret.last() == Some(&end) {
                secret.pop();
            }
        }
    }
    Ok(ForeignSecret::new(secret))
}

/// The header that identifies the caller with this administration key.
pub(super) fn authorization(key: &HeldSecret) -> Result<MetadataValue<Ascii>, Failure> {
    let header = HeldSecret::new(format!("Bearer {}", key.expose()));
    let mut value = MetadataValue::try_from(header.expose())
        .map_err(|error| Failure::input(format!("the administration key cannot be one: {error}")))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_line() {
        for (input, key) in [
            ("kw_live_1", Some("kw_live_1")),
            ("kw_live_1\n", Some("kw_live_1")),
            ("kw_live_1\r\n", Some("kw_live_1")),
            (" kw_live_1 \n", Some(" kw_live_1 ")),
            ("", None),
            ("\n", None),
            ("kw_live_1\nkw_live_2\n", None),
        ] {
            let found = Credential::from_input(&mut input.as_bytes(), false).ok();
            assert_eq!(found.map(|key| key.to_request()).as_deref(), key, "{input:?}");
        }
        let typed = Credential::from_input(&mut "kw_live_1\nnext".as_bytes(), true).ok();
        assert_eq!(typed.map(|key| key.to_request()).as_deref(), Some("kw_live_1"));
        assert!(Credential::from_input(&mut &b"\xff\n"[..], false).is_err());
        assert!(Credential::from_input(&mut "a".repeat(70_000).as_bytes(), false).is_err());
    }

    #[test]
    fn a_header_does_not_show_what_it_holds() {
        let key = HeldSecret::new("kw_admin_1".into());
        let header = authorization(&key).ok().unwrap();
        assert_eq!(header.as_bytes(), b"Bearer kw_admin_1");
        assert!(!format!("{header:?}").contains("kw_admin_1"));
        assert!(authorization(&HeldSecret::new("two\nlines".into())).is_err());
    }
}
