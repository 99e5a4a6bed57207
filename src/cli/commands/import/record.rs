//! What a row of a file can say, field by field, in CSV and JSON alike. Every fault names its field.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Node;

/// The columns, less those that begin with `metadata.`.
pub(super) const COLUMNS: [&str; 16] = [
    "name",
    "description",
    "owner",
    "environment",
    "scopes",
    "grants",
    "expire_time",
    "lifetime",
    "allowed_cidrs",
    "sha256",
    "sha512",
    "hmac_sha256",
    "scheme",
    "prefix",
    "last_four",
    "secret_bits",
];
pub(super) const LISTS: [&str; 3] = ["scopes", "grants", "allowed_cidrs"];
const METADATA: &str = "metadata";
pub(super) const LABEL: &str = "metadata.";
pub(super) const BITS: &str = "secret_bits";
pub(super) const NUMBER: &str = "must be a whole number";

/// What a line says; what it leaves out is as in the defaults.
#[derive(Default)]
pub(super) struct ImportRecord {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) owner: String,
    pub(super) environment: String,
    pub(super) scopes: Vec<String>,
    pub(super) grants: Vec<String>,
    pub(super) expire_time: String,
    pub(super) lifetime: String,
    pub(super) allowed_cidrs: Vec<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) sha256: String,
    pub(super) sha512: String,
    pub(super) hmac_sha256: String,
    pub(super) scheme: String,
    pub(super) prefix: String,
    pub(super) last_four: String,
    pub(super) secret_bits: u32,
}

/// What is wrong with a line: a field, or none where it has none, and why.
pub(super) type LineFault = (String, String);

/// The refusal of a field.
///
/// # Errors
/// Always.
pub(super) fn fault<T>(field: &str, why: impl Into<String>) -> Result<T, LineFault> {
    Err((field.to_owned(), why.into()))
}

impl ImportRecord {
    /// Takes in what a field says. `null` is the same as absent.
    ///
    /// # Errors
    /// There is no such field, or it takes something else.
    pub(super) fn set(&mut self, name: &str, node: Node) -> Result<(), LineFault> {
        match (name, node) {
            ("metadata", Node::Object(labels)) => self.label_all(labels),
            (_, Node::Null) if name == METADATA || COLUMNS.contains(&name) => Ok(()),
            ("metadata", _) => fault(name, "must be an object of texts"),
            (BITS, Node::Number(bits)) => match u32::try_from(bits) {
                Ok(bits) => {
                    self.secret_bits = bits;
                    Ok(())
                }
                Err(_too_many) => fault(name, NUMBER),
            },
            (BITS, _) => fault(name, NUMBER),
            (_, node) => {
                if let Some(list) = self.list(name) {
                    *list = texts(name, node)?;
                } else if let Some(text) = self.text(name) {
                    let Node::Text(said) = node else { return fault(name, "must be a text") };
                    *text = said;
                } else {
                    let why = format!(
                        "there is no such field; the fields are {}, and metadata",
                        COLUMNS.join(", ")
                    );
                    return fault(name, why);
                }
                Ok(())
            }
        }
    }

    fn label_all(&mut self, labels: Vec<(String, Node)>) -> Result<(), LineFault> {
        let mut seen = BTreeSet::new();
        for (label, node) in labels {
            let field = format!("{LABEL}{label}");
            if !seen.insert(label.clone()) {
                return fault(&field, "stands twice");
            }
            match node {
                Node::Null => {}
                Node::Text(text) => {
                    self.metadata.insert(label, text);
                }
                Node::Number(_) | Node::List(_) | Node::Object(_) | Node::Other => {
                    return fault(&field, "must be a text");
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, name: &str) -> Option<&mut Vec<String>> {
        match name {
            "scopes" => Some(&mut self.scopes),
            "grants" => Some(&mut self.grants),
            "allowed_cidrs" => Some(&mut self.allowed_cidrs),
            _ => None,
        }
    }

    fn text(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "name" => Some(&mut self.name),
            "description" => Some(&mut self.description),
            "owner" => Some(&mut self.owner),
            "environment" => Some(&mut self.environment),
            "expire_time" => Some(&mut self.expire_time),
            "lifetime" => Some(&mut self.lifetime),
            "sha256" => Some(&mut self.sha256),
            "sha512" => Some(&mut self.sha512),
            "hmac_sha256" => Some(&mut self.hmac_sha256),
            "scheme" => Some(&mut self.scheme),
            "prefix" => Some(&mut self.prefix),
            "last_four" => Some(&mut self.last_four),
            _ => None,
        }
    }
}

fn texts(name: &str, node: Node) -> Result<Vec<String>, LineFault> {
    const LIST: &str = "must be a list of texts";
    let Node::List(elements) = node else { return fault(name, LIST) };
    let text = |element| match element {
        Node::Text(text) => Ok(text),
        Node::Number(_) | Node::List(_) | Node::Object(_) | Node::Null | Node::Other => fault(name, LIST),
    };
    elements.into_iter().map(text).collect()
}
