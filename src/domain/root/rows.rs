//! What stored rows are coded and counted with: each row says under which root it stands.

use ring::hmac;
use zeroize::Zeroizing;

use super::{Root, codes::code};

/// What the rows under one root are coded and counted with. Without `Debug`: it holds keys.
pub struct RowKeys {
    root: i64,
    codes: hmac::Key,
    terms: Zeroizing<[u8; 32]>,
}

impl RowKeys {
    pub(super) fn of(root: &Root) -> Self {
        Self { root: root.number.into(), codes: root.mac_key(b"rows"), terms: root.derive(b"row terms") }
    }

    /// The root's number, as a row has it.
    #[must_use]
    pub const fn root(&self) -> i64 {
        self.root
    }

    /// The code of a row in parts: the first half of HMAC-SHA-256. Each part's length goes in, so that parts cannot be shifted.
    #[must_use]
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 16] {
        let whole = code(&self.codes, parts);
        whole.first_chunk().copied().unwrap_or_default()
    }

    /// Whether `stated` is the code of these parts; takes the same time wherever it differs.
    #[must_use]
    pub fn agrees(&self, parts: &[&[u8]], stated: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.code(parts).as_slice(), stated).into()
    }

    /// A key of `ChaCha20`, from which the terms of the sum over all rows follow.
    #[must_use]
    pub fn terms(&self) -> &[u8; 32] {
        &self.terms
    }
}
