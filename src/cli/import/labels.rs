//! Labels in a line of JSON: an object in which no name stands twice.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Labels)
}

struct Labels;

impl<'de> Visitor<'de> for Labels {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some((name, text)) = entries.next_entry::<String, String>()? {
            if labels.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate field `metadata.{name}`")));
            }
            labels.insert(name, text);
        }
        Ok(labels)
    }
}
