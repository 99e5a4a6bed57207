//! The id by which one request is found in every log: the gateway's, the service's, and Keyward's own.

use std::fmt;

use super::time::{Entropy, EntropyUnavailable};

/// Where a gateway says it, and where the answer repeats it.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// The longest that is taken.
const LONGEST: usize = 128;

/// The id of a request at a gateway. It is repeated in answers and logs, so it has no character that means anything there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Box<str>);

impl CorrelationId {
    /// The one that a request came with; none where it has none, several, or one that is not 1 to 128 letters, digits and
    /// `- . _ ~ : / + = @` of ASCII.
    #[must_use]
    pub fn given<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let value = values.next().filter(|_| values.next().is_none())?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte);
        if !(1..=LONGEST).contains(&value.len()) || !value.iter().all(is_plain) {
            return None;
        }
        std::str::from_utf8(value).ok().map(|text| Self(text.into()))
    }

    /// A new one: 32 hexadecimal digits, as a trace id of W3C has them.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn drawn(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes)).into()))
    }

    /// Its text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn what_came_with_a_request_is_taken_where_it_can_break_nothing() {
        // M7, H5
        let given = |values: &[&str]| CorrelationId::given(values.iter().map(|value| value.as_bytes()));
        let longest = "x".repeat(128);
        for good in [
            "0192f0c1-7c3a-7d2e-8f4b-1a2b3c4d5e6f",
            "Root=1-67891233-abcdef012345678912345678",
            "a",
            &longest,
        ] {
            assert_eq!(given(&[good]).as_ref().map(CorrelationId::as_str), Some(good));
        }
        let too_long = "x".repeat(129);
        for bad in ["", " a", "a b", "a,b", "a\"b", "a\\b", "a\r\nb", "ä", "a;b", "<a>", "{a}", &too_long] {
            assert_eq!(given(&[bad]), None, "{bad:?}");
        }
        assert_eq!(given(&[]), None);
        assert_eq!(given(&["a", "a"]), None, "which of them is the request's?");
    }

    #[test]
    fn one_of_our_own_is_taken_by_whoever_gets_it() {
        let own = CorrelationId::drawn(&Sevens).unwrap();
        assert_eq!(own.to_string(), "07".repeat(16));
        assert_eq!(CorrelationId::given([own.as_str().as_bytes()].into_iter()), Some(own));
    }
}
