//! Message authentication codes: made with the newest root, and checked with that or an older one.

use ring::hmac;
use smallvec::SmallVec;

/// Makes and checks message authentication codes (HMAC-SHA-256).
#[derive(Clone)]
pub struct MacKey {
    newest: hmac::Key,
    /// Those of the older roots that are at hand, newest first.
    older: Vec<hmac::Key>,
}

impl MacKey {
    pub(super) const fn new(newest: hmac::Key, older: Vec<hmac::Key>) -> Self {
        Self { newest, older }
    }

    /// The code of a message in parts; each part's length goes in, so that parts cannot be shifted.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        code(&self.newest, parts)
    }

    /// Whether `code` is the code of these parts, under whichever root; takes the same time wherever it differs.
    #[must_use]
    pub fn agrees(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        agrees(&self.newest, parts, code) || self.older.iter().any(|key| agrees(key, parts, code))
    }
}

/// The message is put together first: to hash it in pieces of some bytes costs more than to copy it.
pub(super) fn code(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut message = SmallVec::<[u8; 1024]>::new();
    for part in parts {
        message.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        message.extend_from_slice(part);
    }
    let mut code = [0; 32];
    code.copy_from_slice(hmac::sign(key, &message).as_ref());
    code
}

fn agrees(key: &hmac::Key, parts: &[&[u8]], stated: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(code(key, parts).as_slice(), stated).into()
}
