//! A tag: a label that picks keys out, by its name or by its name and value.

use std::collections::BTreeMap;

use super::{parse::ParseError, text::Metadata};

/// Which label a key must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    name: Box<str>,
    /// `None` is any value.
    value: Option<Box<str>>,
}

impl Tag {
    /// Reads `name=value`, or `name` for any value. What stands behind the first `=` is the value.
    ///
    /// # Errors
    /// No key could have such a label.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let label = BTreeMap::from([(name.to_owned(), value.unwrap_or_default().to_owned())]);
        Metadata::parse(label).map_err(|_unfit| {
            ParseError::new("`name=value` or `name`, as the metadata of a key can have it")
        })?;
        Ok(Self { name: name.into(), value: value.map(Into::into) })
    }

    /// Whether these labels hold it.
    #[must_use]
    pub fn marks(&self, labels: &Metadata) -> bool {
        let found = labels.pairs().get(&*self.name);
        found.is_some_and(|found| self.value.as_deref().is_none_or(|value| value == found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_name_or_a_name_and_a_value() {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Metadata::parse(pairs.collect()).unwrap()
        };
        let blue = labels(&[("team", "blue"), ("sum", "1=1"), ("none", "")]);
        for marking in ["team", "team=blue", "sum=1=1", "none", "none="] {
            assert!(Tag::parse(marking).unwrap().marks(&blue), "{marking}");
        }
        for other in ["tea", "Team", "team=", "team=blu", "team=blue ", "blue", "sum=1"] {
            assert!(!Tag::parse(other).unwrap().marks(&blue), "{other}");
        }
        for bad in ["", "=blue", "a b", "a b=c", "team=\n", &format!("team={}", "x".repeat(257))] {
            assert!(Tag::parse(bad).is_err(), "{bad:?}");
        }
    }
}
