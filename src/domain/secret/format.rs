//! The native format: a prefix that names the environment, 43 characters of base 62 (256 bits), 6 characters of base 62: the
//! CRC-32 of all before them. The checksum tells a typing error from an unknown key without a look-up, and lets a
//! secret scanner know a key offline (K4); it is no protection.

use super::Prefix;

pub(super) const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(super) const RANDOM_LENGTH: usize = 43;
pub(super) const CHECKSUM_LENGTH: usize = 6;
pub(super) const BODY_LENGTH: usize = RANDOM_LENGTH + CHECKSUM_LENGTH;
pub(super) const MAX_LENGTH: usize = 256;

/// Whether a text that is to be stored holds what looks like one of our secrets: put in the wrong place, it would be
/// kept in clear (K2).
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    native_in(text).is_some()
}

/// The first of our secrets that stands in a text.
pub(super) fn native_in(text: &str) -> Option<&str> {
    if text.len() <= BODY_LENGTH {
        return None;
    }
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .find(|part| is_native(part))
}

pub(super) fn is_native(text: &str) -> bool {
    let Some((prefix, body)) =
        text.len().checked_sub(BODY_LENGTH).and_then(|length| text.split_at_checked(length))
    else {
        return false;
    };
    let checked = prefix.len() + RANDOM_LENGTH;
    Prefix::fits(prefix)
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.as_bytes().split_at_checked(checked).is_some_and(|(all, sum)| checksum(all) == sum)
}

pub(super) fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or(0);
        *digit = DIGITS.get(place).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

pub(super) fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() <= MAX_LENGTH && !body.is_empty() && body.bytes().all(is_token_byte)
}

pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}
