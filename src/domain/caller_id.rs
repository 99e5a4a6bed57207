//! Who calls: an administration key, or an actor that the configuration names.

use std::fmt;

use super::{id::KeyId, parse::ParseError};

/// What an id is made of, each letter by its place; zero is no letter.
const LETTERS: &[u8; 39] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.";
const BASE: u128 = 40;
/// As many as fit in 128 bits.
const LONGEST: usize = 24;

/// Names an actor of the configuration; safe to log. As short as the id of a key: callers are remembered for each secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(u128);

impl ActorId {
    /// How many bytes its number takes.
    pub const BYTES: usize = 16;

    /// Reads an id.
    ///
    /// # Errors
    /// It is empty, too long, or has another letter.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        const ALLOWED: ParseError = ParseError::new("1 to 24 characters of a-z, 0-9, `-`, `_` and `.`");
        if text.is_empty() || text.len() > LONGEST {
            return Err(ALLOWED);
        }
        // The first letter is the lowest digit, so that no digit of an id is zero.
        let number = text.bytes().rev().try_fold(0, |number: u128, letter| {
            let place = LETTERS.iter().position(|known| *known == letter)?;
            let digit = u128::try_from(place).ok()?.checked_add(1)?;
            number.checked_mul(BASE)?.checked_add(digit)
        });
        number.map(Self).ok_or(ALLOWED)
    }

    /// Its number, big end first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// The id with this number, if there is one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let read = Self(u128::from_be_bytes(bytes));
        Self::parse(&read.to_string()).ok().filter(|id| *id == read)
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while rest > 0 {
            let digit = usize::try_from(rest % BASE).unwrap_or_default();
            let letter = digit.checked_sub(1).and_then(|place| LETTERS.get(place)).copied();
            fmt::Write::write_char(formatter, letter.map_or('?', char::from))?;
            rest /= BASE;
        }
        Ok(())
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What stands before the id of an actor where the id of a key could stand too.
const ACTOR: &str = "actor:";

/// Who calls. It is written as the id of the key, or as `actor:` and the id of the actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerId {
    /// This administration key.
    Key(KeyId),
    /// This actor of the configuration.
    Actor(ActorId),
}

impl CallerId {
    /// Reads an id as it is written.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text.strip_prefix(ACTOR) {
            Some(actor) => ActorId::parse(actor).map(Self::Actor),
            None => KeyId::parse(text).map(Self::Key),
        }
    }

    /// The key, if it is one.
    #[must_use]
    pub const fn key(self) -> Option<KeyId> {
        match self {
            Self::Key(key) => Some(key),
            Self::Actor(_) => None,
        }
    }

    /// The id as it is written, to be kept.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Key(key) => key.to_text(),
            Self::Actor(_) => self.to_string(),
        }
    }
}

impl From<KeyId> for CallerId {
    fn from(key: KeyId) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for CallerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => fmt::Display::fmt(key, formatter),
            Self::Actor(actor) => write!(formatter, "{ACTOR}{actor}"),
        }
    }
}

impl fmt::Debug for CallerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_in_one_spelling_only() {
        // O2
        for text in
            ["a", "billing", "a.b-c_9", "zzzzzzzzzzzzzzzzzzzzzzzz", "........................", "key_"]
        {
            let id = ActorId::parse(text).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(ActorId::from_bytes(id.to_bytes()), Some(id));
            assert_eq!(CallerId::parse(&format!("actor:{text}")), Ok(CallerId::Actor(id)));
        }
        for bad in ["", "A", "a b", "ä", "a:b", "aaaaaaaaaaaaaaaaaaaaaaaaa", "a\n"] {
            assert!(ActorId::parse(bad).is_err(), "{bad}");
            assert!(CallerId::parse(&format!("actor:{bad}")).is_err(), "{bad}");
        }
        assert_ne!(ActorId::parse("ab"), ActorId::parse("ba"));
        for number in [0, 40, 1600, u128::MAX] {
            assert_eq!(ActorId::from_bytes(number.to_be_bytes()), None, "{number}");
        }
    }

    #[test]
    fn no_actor_is_taken_for_a_key() {
        // O2, X9
        let key = KeyId::from_bytes([7; 16]);
        assert_eq!(CallerId::parse(&key.to_string()), Ok(CallerId::Key(key)));
        assert_eq!(CallerId::Key(key).to_text(), key.to_text());
        let named = CallerId::parse("actor:key_0").unwrap();
        assert_eq!((named.key(), named.to_text().as_str()), (None, "actor:key_0"));
        assert!(CallerId::parse("billing").is_err());
    }
}
