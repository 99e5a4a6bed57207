//! Percent-escapes as a canonical path has them (H12): those that it needs, in the one spelling of each.
//!
//! Nothing is decoded but to look at it: a path is matched, and becomes a resource, as it was sent. No Unicode is normalized.

/// The bytes of ASCII that RFC 3986 §3.3 keeps out of a path, and that no server takes for a part of its structure or for a
/// control: all others are either unreserved, may stand raw, or are `/`, `\`, `%`, `?`, `#`.
const NEEDED: &[u8] = b" \"<>[]^`{|}";

/// Whether each `%` of a segment begins an escape that is needed, with upper-case digits, and the bytes that are escaped
/// beyond ASCII are characters in UTF-8, none of them a control.
pub(super) fn are_canonical(segment: &str) -> bool {
    let Some((_, rest)) = segment.split_once('%') else { return true };
    let mut bytes = Vec::with_capacity(rest.len().div_ceil(3));
    for after in rest.split('%') {
        let Some((byte, raw)) = escaped(after) else { return false };
        bytes.push(byte);
        // What stands raw ends a character.
        if !raw.is_empty() {
            bytes.push(b'a');
        }
    }
    std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains(char::is_control))
}

/// The byte that stands after a `%`, if it may be escaped, and what follows it.
fn escaped(after: &str) -> Option<(u8, &str)> {
    let (digits, raw) = after.split_at_checked(2)?;
    let is_upper = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(is_upper))?;
    (!byte.is_ascii() || NEEDED.contains(&byte)).then_some((byte, raw))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// All that may stand raw in a path, by RFC 3986 §3.3.
    const RAW: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@";

    /// The one canonical spelling of a text in a segment; none where it has none.
    fn spelled(text: &str) -> Option<String> {
        let mut spelled = String::new();
        for character in text.chars() {
            if RAW.contains(character) {
                spelled.push(character);
            } else if character.is_control() || "/\\%?#".contains(character) {
                return None;
            } else {
                for byte in character.to_string().bytes() {
                    write!(spelled, "%{byte:02X}").unwrap();
                }
            }
        }
        Some(spelled)
    }

    /// Each byte of a character escaped, needed or not.
    fn escaped_whole(character: char) -> String {
        let bytes = character.to_string().into_bytes();
        bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
    }

    /// What an escaped text stands for, if it is well-formed.
    fn decoded(text: &str) -> Option<String> {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|digits| !digits.starts_with('+'))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).ok()
    }

    /// Canonical is what its own meaning is spelled as.
    fn is_canonical(text: &str) -> bool {
        decoded(text).and_then(|decoded| spelled(&decoded)).is_some_and(|spelled| spelled == *text)
    }

    #[test]
    fn each_byte_has_at_most_one_escape() {
        // H12, X3
        for byte in 0..=255_u8 {
            for text in [format!("%{byte:02X}"), format!("a%{byte:02X}b"), format!("%{byte:02X}%{byte:02X}")]
            {
                assert_eq!(are_canonical(&text), b" \"<>[]^`{|}".contains(&byte), "{text}");
                let lower = text.to_ascii_lowercase();
                assert!(lower == text || !are_canonical(&lower), "{lower}");
            }
        }
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let text = format!("%{first:02X}%{second:02X}");
                assert_eq!(are_canonical(&text), is_canonical(&text), "{text}");
            }
        }
        for character in
            ['\u{80}', '\u{9f}', '\u{a0}', '\u{e9}', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10ffff}']
        {
            let whole = escaped_whole(character);
            assert_eq!(are_canonical(&whole), !character.is_control(), "{whole}");
            for cut in [&whole[3..], &whole[..whole.len() - 3], &whole.to_ascii_lowercase()] {
                assert!(cut == whole || !are_canonical(cut) || cut.is_empty(), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_escape_or_hides_something_is_refused() {
        // H12, X3
        for bad in [
            "%",
            "%2",
            "a%",
            "%%20",
            "%2G",
            "%+5",
            "% 5",
            "%u0041",
            "%41",
            "%2e%2e",
            "%2E",
            "%2F",
            "%5C",
            "%25",
            "%252E",
            "%3F",
            "%23",
            "%3B",
            "%00",
            "%0A",
            "%7F",
            "%C2%85",
            "%C0%AE",
            "%C0%80",
            "%ED%A0%80",
            "%F4%90%80%80",
            "%C3",
            "%C3a%A9",
            "%A9%C3",
            "%c3%A9",
            "%C3%a9",
            "%21",
            "%2A",
            "%7E",
            "%2D",
        ] {
            assert!(!are_canonical(bad), "{bad}");
        }
        for good in [
            "",
            "a",
            "%20",
            "caf%C3%A9",
            "%F0%9F%94%91",
            "%5Ba%5D",
            "%7Bx%7D",
            "%C3%A9%20%C3%A9",
            "%EF%BC%8E",
            "e%CC%81",
        ] {
            assert!(are_canonical(good), "{good}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_segment_is_canonical_where_it_is_the_spelling_of_what_it_stands_for(
            parts in vec(prop_oneof![
                any::<u8>().prop_map(|byte| format!("%{byte:02X}")),
                any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
                any::<char>().prop_map(escaped_whole),
                select(RAW.chars().collect::<Vec<_>>()).prop_map(String::from),
                select(vec!["%", "%2", "%C3", "%A9"]).prop_map(str::to_owned),
            ], 0..8),
        ) {
            let text = parts.concat();
            prop_assert_eq!(are_canonical(&text), is_canonical(&text), "{}", text);
        }

        #[test]
        fn every_text_without_structure_and_controls_has_its_spelling(text in any::<String>()) {
            if let Some(spelled) = spelled(&text) {
                prop_assert!(are_canonical(&spelled), "{}", spelled);
            }
        }
    }
}
