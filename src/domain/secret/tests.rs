//! Which texts are secrets, and which are not.

use ring::digest;

use super::*;
use crate::domain::root::{DerivedKeys, Root};

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill_with(|| self.0.fetch_add(37, std::sync::atomic::Ordering::Relaxed));
        Ok(())
    }
}

fn secret() -> String {
    SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &Counting(0.into())).unwrap().reveal()
}

fn sort(text: &str) -> Result<bool, NotAKey> {
    PresentedKey::parse(text, &Environments::default()).map(|key| matches!(key, PresentedKey::Native(_)))
}

#[test]
fn a_secret_is_one_word_with_a_prefix_and_a_checksum() {
    // K4
    let text = secret();
    assert_eq!(text.len(), "kw_live_".len() + 49);
    assert!(text.starts_with("kw_live_"));
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    assert_eq!(sort(&text), Ok(true));
}

#[test]
fn the_checksum_is_the_one_that_scanners_compute() {
    // K4: CRC-32 of "123456789" is 0xCBF43926, in base 62 with these digits 3jbqLY.
    let mut value = 0_u64;
    for digit in checksum(b"123456789") {
        value = value * 62 + u64::try_from(DIGITS.iter().position(|known| *known == digit).unwrap()).unwrap();
    }
    assert_eq!(value, 0xCBF4_3926);
}

#[test]
fn every_typing_error_is_told_without_a_look_up() {
    // K4: one wrong character, two swapped, one missing, one more
    let text = secret();
    for place in "kw_live_".len()..text.len() {
        for wrong in ["x", "Q", "7", "_", "-"] {
            let mut typed = text.clone();
            typed.replace_range(place..=place, wrong);
            if typed != text {
                assert_eq!(sort(&typed), Err(NotAKey::Malformed), "{typed}");
            }
        }
        let mut shorter = text.clone();
        shorter.remove(place);
        assert_eq!(sort(&shorter), Err(NotAKey::Malformed));
    }
    for typed in [format!("{text}0"), format!("{text} "), format!("kw_live_{text}"), "kw_live_".to_owned()] {
        assert_eq!(sort(&typed), Err(NotAKey::Malformed), "{typed}");
    }
}

#[test]
fn what_is_not_ours_is_foreign_or_malformed() {
    // K5
    let text = secret();
    assert_eq!(sort(""), Err(NotAKey::Missing));
    for foreign in [
        "sk_live_abc",
        "eyJhbGciOiJub25lIn0.e30.",
        "abc==",
        &text.to_uppercase(),
        &text.replace("kw_live_", "pxk_live_"),
    ] {
        assert_eq!(sort(foreign), Ok(false), "{foreign}");
    }
    for bad in [
        " ",
        "a b",
        "a,b",
        "a\0",
        "ä",
        "=",
        "a=b",
        "\"a\"",
        &format!(" {text}"),
        &format!("{text},{text}"),
        &"a".repeat(257),
    ] {
        assert_eq!(sort(bad), Err(NotAKey::Malformed), "{bad}");
    }
}

#[test]
fn a_secret_in_a_text_is_noticed() {
    // K2
    let text = secret();
    for holding in [text.clone(), format!("my key: {text}."), format!("a\n{text}=")] {
        assert!(holds_secret(&holding));
    }
    let mistyped = text.replace("kw_live_", "kw_test_");
    for free in
        ["", "kw_live_", "a description of some length, with words and more words, and no secret", &mistyped]
    {
        assert!(!holds_secret(free), "{free}");
    }
}

#[test]
fn a_hash_depends_on_every_root_and_every_byte() {
    let root = |number, byte| Root::kept(number, [byte; 32].into());
    let one = DerivedKeys::new(&root(1, 1), &[]);
    let two = DerivedKeys::new(&root(1, 1), &[root(2, 2)]);
    let hash = |keys: &DerivedKeys, text| KeyHash::of(text, &keys.lookup);
    assert!(hash(&one, "a").equals(&hash(&one, "a")));
    assert!(!hash(&one, "a").equals(&hash(&one, "b")));
    assert!(!hash(&one, "a").equals(&hash(&two, "a")));
    let layered = two.lookup.hash(digest::digest(&digest::SHA256, b"a").as_ref());
    assert_eq!(layered, *hash(&two, "a").as_bytes());
}
