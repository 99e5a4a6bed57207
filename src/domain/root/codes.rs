//! Message authentication codes: made with the newest root, and checked with that or an older one.

use ring::hmac;

/// Makes and checks message authentication codes (HMAC-SHA-256).
#[derive(Clone)]
pub struct MacKey {
    number: u32,
    newest: hmac::Key,
    /// Those of the older roots that are at hand, newest first.
    older: Vec<(u32, hmac::Key)>,
}

impl MacKey {
    pub(super) const fn new(number: u32, newest: hmac::Key, older: Vec<(u32, hmac::Key)>) -> Self {
        Self { number, newest, older }
    }

    /// The code of a message in parts; each part's length goes in, so that parts cannot be shifted.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        code(&self.newest, parts)
    }

    /// The same under the root of this number; `None` where that one is not at hand.
    #[must_use]
    pub fn code_under(&self, root: u32, parts: &[&[u8]]) -> Option<[u8; 32]> {
        if root == self.number {
            return Some(self.code(parts));
        }
        let known = self.older.iter().find(|(number, _)| *number == root);
        known.map(|(_, key)| code(key, parts))
    }

    /// Whether `code` is the code of these parts, under whichever root; takes the same time wherever it differs.
    #[must_use]
    pub fn agrees(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        agrees(&self.newest, parts, code) || self.older.iter().any(|(_, key)| agrees(key, parts, code))
    }

    /// The number of the root that makes codes.
    #[must_use]
    pub const fn root(&self) -> u32 {
        self.number
    }
}

pub(super) fn code(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut code = [0; 32];
    code.copy_from_slice(context.sign().as_ref());
    code
}

fn agrees(key: &hmac::Key, parts: &[&[u8]], stated: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(code(key, parts).as_slice(), stated).into()
}
