//! Page tokens: a place in a list, coded so that it can neither be forged nor carried to another list.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    domain::{parse::ParseError, root::MacKey},
    error::OperationError,
};

const CODE_LENGTH: usize = 16;
/// No token of ours is as long: the longest place is the name of a member.
const MAX_LENGTH: usize = 4_096;

/// A token for `place` in `list`.
pub(in crate::changes) fn seal(key: &MacKey, list: &str, place: &str) -> String {
    let code = key.code(&[list.as_bytes(), place.as_bytes()]);
    let (code, _) = code.split_at(CODE_LENGTH);
    URL_SAFE_NO_PAD.encode([code, place.as_bytes()].concat())
}

/// The place that a token of `list` names; nothing for any other text.
pub(in crate::changes) fn open(key: &MacKey, list: &str, token: &str) -> Option<String> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (code, place) = bytes.split_at_checked(CODE_LENGTH)?;
    let right = key.code(&[list.as_bytes(), place]);
    let (right, _) = right.split_at(CODE_LENGTH);
    bool::from(subtle::ConstantTimeEq::ct_eq(right, code)).then(|| String::from_utf8(place.to_vec()).ok())?
}

/// Where a page of `list` begins, as its token says and `read` takes it apart; nothing for the first page, whose token is empty.
///
/// # Errors
/// The token is not one of this list.
pub(in crate::changes) fn begin<T>(
    key: &MacKey,
    list: &str,
    token: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, OperationError> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = open(key, list, token).and_then(|place| read(&place));
    let foreign = ParseError::new("empty, or the next_page_token of the page before, with the same filter");
    place.map(Some).ok_or(OperationError::invalid("page_token", foreign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        root::{DerivedKeys, Root},
        time::{Entropy, EntropyUnavailable},
    };

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let key = DerivedKeys::new(&Root::generate(&Sevens).unwrap(), &[]).cursors;
        let token = seal(&key, "list a", "17");
        assert_eq!(open(&key, "list a", &token).as_deref(), Some("17"));
        assert_eq!(open(&key, "list b", &token), None);
        for place in 0..token.len() {
            let mut forged = token.clone();
            forged.replace_range(place..=place, if token.as_bytes()[place] == b'A' { "B" } else { "A" });
            assert_eq!(open(&key, "list a", &forged), None, "{forged}");
        }
        let long = seal(&key, "list a", &"x".repeat(MAX_LENGTH));
        for forged in ["", "AAAA", "%", "17", &long] {
            assert_eq!(open(&key, "list a", forged), None);
        }
    }
}
