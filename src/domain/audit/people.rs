//! People in entries: a random reference stands in place of each name, so that a name can be erased later without a change to the
//! log, its chain or an export of it.
//!
//! A reference is an object with one field, `$person`, at a place where a name would be a text: so no name looks like one, and
//! nothing that an operator writes has a field of that name.

use std::{convert::Infallible, fmt};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Action, digest};
use crate::domain::revision::Revision;

/// The one field of a reference.
pub const PERSON: &str = "$person";

/// How a reference begins in an entry's bytes.
const BEGIN: &[u8] = br#"{"$person":""#;

/// How many characters a reference has.
const DIGITS: usize = 22;

/// Stands for a person in entries: 128 random bits, the same in each entry that names that person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonRef([u8; 16]);

/// 128 random bits, other ones in each entry: what is left of an entry whose bytes were taken away, its digest, confirms no guess at
/// them.
#[derive(Clone, Copy)]
pub struct Salt(pub [u8; 16]);

/// Whom a reference means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonName {
    /// The person of this name.
    Known(String),
    /// Nobody knows any more: there is no row for it.
    Unknown,
    /// Its row was edited.
    Edited,
}

impl PersonRef {
    /// How many bytes it has.
    pub const BYTES: usize = 16;

    /// A new one, of random bytes, for the `place`-th new person of the entry at `revision`: so that a machine whose randomness
    /// comes again, because an image of its memory was put back, gives no reference twice.
    #[must_use]
    pub fn new(random: [u8; 16], revision: Revision, place: u64) -> Self {
        let made = digest(&[random.as_slice(), &revision.0.to_be_bytes(), &place.to_be_bytes()].concat());
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(made.first_chunk::<{ Self::BYTES }>().unwrap_or(&[0; Self::BYTES]));
        Self(bytes)
    }

    /// One that is stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// For storing it.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// Reads one as entries spell it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Every reference in the bytes of an entry, as often as it stands there.
    pub fn all_in(bytes: &[u8]) -> impl Iterator<Item = Self> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let at = rest.windows(BEGIN.len()).position(|window| window == BEGIN)?;
            rest = rest.get(at.saturating_add(BEGIN.len())..)?;
            Self::parse(std::str::from_utf8(rest.get(..DIGITS)?).ok()?)
        })
    }

    fn in_entry(self) -> Value {
        json!({ PERSON: self.to_string() })
    }

    fn of_entry(value: &Value) -> Option<Self> {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        Self::parse(fields.get(PERSON)?.as_str()?)
    }
}

impl fmt::Display for PersonRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl PersonName {
    /// What people are shown in place of the reference: a name, or words that are none, because no name has a space.
    #[must_use]
    pub fn shown(&self, reference: PersonRef) -> String {
        match self {
            Self::Known(name) => name.clone(),
            Self::Unknown => format!("a person whose name is not kept ({reference})"),
            Self::Edited => format!("a person whose name was edited in the database ({reference})"),
        }
    }
}

/// Puts references in place of the names of an entry.
pub(super) fn refer<E>(
    entry: &mut Map<String, Value>,
    mut reference: impl FnMut(&str) -> Result<PersonRef, E>,
) -> Result<(), E> {
    each_person(entry, &mut |person| {
        if let Value::String(name) = person {
            *person = reference(name)?.in_entry();
        }
        Ok(())
    })
}

/// An entry with names in place of references, as `shown` has them; `None` if its bytes are no entry. One from before there were
/// references has names.
#[must_use]
pub fn read_entry(bytes: &[u8], shown: impl Fn(PersonRef) -> String) -> Option<Value> {
    let mut entry: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let Ok(()) = each_person(&mut entry, &mut |person| -> Result<(), Infallible> {
        if let Some(reference) = PersonRef::of_entry(person) {
            *person = Value::String(shown(reference));
        }
        Ok(())
    });
    Some(Value::Object(entry))
}

/// Shows every place of an entry to `visit` at which it names a person.
fn each_person<E>(
    entry: &mut Map<String, Value>,
    visit: &mut dyn FnMut(&mut Value) -> Result<(), E>,
) -> Result<(), E> {
    let action = entry.get("action").and_then(Value::as_str).map(ToOwned::to_owned);
    let is = |wanted: Action| action.as_deref() == Some(wanted.as_str());
    if let Some(member) = entry.get_mut("member") {
        visit(member)?;
    }
    if let Some(owner) = entry.get_mut("actor").and_then(|actor| actor.get_mut("owner")) {
        visit(owner)?;
    }
    // A document of the policy names nobody, whatever its parts are called.
    let (tells_people, tells_damage) = (!is(Action::PolicyApply), is(Action::DamageFind));
    for change in entry.get_mut("changes").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(change) = change.as_object_mut() else { continue };
        match change.get("field").and_then(Value::as_str) {
            Some("owner" | "on_behalf_of" | "workspace.owner") if tells_people => {
                for side in ["from", "to"] {
                    change.get_mut(side).map_or(Ok(()), &mut *visit)?;
                }
            }
            Some("members") if tells_damage => {
                let rows = change.get_mut("to").and_then(|to| to.get_mut("rows"));
                for row in rows.and_then(Value::as_array_mut).into_iter().flatten() {
                    row.as_object_mut().map_or(Ok(()), |row| damaged_member(row, visit))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A row of a member is called `workspace/name`: the name stands apart from it as long as it is a reference.
fn damaged_member<E>(
    row: &mut Map<String, Value>,
    visit: &mut dyn FnMut(&mut Value) -> Result<(), E>,
) -> Result<(), E> {
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (before, mut member) = match row.remove("member") {
        Some(apart) => (id, apart),
        None => id.split_once('/').map_or_else(
            || (String::new(), id.as_str().into()),
            |(workspace, name)| (format!("{workspace}/"), name.into()),
        ),
    };
    visit(&mut member)?;
    let id = if let Value::String(name) = &member {
        before + name
    } else {
        row.insert("member".to_owned(), member);
        before
    };
    row.insert("id".to_owned(), id.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action) -> Map<String, Value> {
        let entry = json!({
            "action": action.as_str(),
            "actor": { "kind": "admin", "owner": "ann" },
            "member": "bob",
            "changes": [
                { "field": "owner", "from": null, "to": "cid" },
                { "field": "on_behalf_of", "from": "dan", "to": null },
                { "field": "workspace.owner", "from": null, "to": "eve" },
                { "field": "metadata", "from": null, "to": { "owner": "kept" } },
                { "field": "members", "from": null, "to": { "damaged": 1, "rows": [{ "id": "ws_1/fay/x", "why": "edited" }] } },
            ],
        });
        entry.as_object().unwrap().clone()
    }

    fn referred(mut entry: Map<String, Value>) -> (Vec<u8>, Vec<String>) {
        let mut names = Vec::new();
        let Ok(()) = refer(&mut entry, |name| {
            names.push(name.to_owned());
            let place = u8::try_from(names.len()).unwrap();
            Ok::<_, Infallible>(PersonRef::from_bytes([place; 16]))
        });
        (Value::Object(entry).to_string().into_bytes(), names)
    }

    #[test]
    fn every_name_of_an_entry_is_a_reference_and_comes_back() {
        // K12
        for (action, expected) in [
            (Action::KeyIssue, vec!["bob", "ann", "cid", "dan", "eve"]),
            (Action::DamageFind, vec!["bob", "ann", "cid", "dan", "eve", "fay/x"]),
            (Action::PolicyApply, vec!["bob", "ann"]),
        ] {
            let before = entry(action);
            let (bytes, names) = referred(before.clone());
            assert_eq!(names, expected, "{action:?}");
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(names.iter().all(|name| !text.contains(name.as_str())), "{text}");
            let found: Vec<_> = PersonRef::all_in(&bytes).collect();
            assert_eq!(found.len(), names.len());
            assert!(found.iter().all(|found| names.len() >= usize::from(found.to_bytes()[0])));
            let shown =
                read_entry(&bytes, |person| names[usize::from(person.to_bytes()[0]) - 1].clone()).unwrap();
            assert_eq!(shown, Value::Object(before));
        }
    }

    #[test]
    fn an_entry_with_names_reads_as_it_is() {
        let before = Value::Object(entry(Action::DamageFind));
        let bytes = before.to_string().into_bytes();
        assert_eq!(read_entry(&bytes, |_| unreachable!()), Some(before));
        assert_eq!(PersonRef::all_in(&bytes).count(), 0);
    }

    #[test]
    fn no_name_and_no_label_is_a_reference() {
        let reference = PersonRef::new([7; 16], Revision(3), 0).to_string();
        let texts = json!({
            "action": "key.issue",
            "member": format!("{{\"$person\":\"{reference}\"}}"),
            "changes": [{ "field": "metadata", "from": null, "to": { "person": reference } }],
        });
        let bytes = texts.to_string().into_bytes();
        assert_eq!(PersonRef::all_in(&bytes).count(), 0);
        assert_eq!(read_entry(&bytes, |_| unreachable!()), Some(texts));
    }

    #[test]
    fn a_reference_is_new_for_each_person_even_where_randomness_comes_again() {
        let of = |revision, place| PersonRef::new([1; 16], Revision(revision), place);
        assert!(of(1, 0) != of(1, 1) && of(1, 0) != of(2, 0));
        assert_eq!(PersonRef::parse(&of(1, 0).to_string()), Some(of(1, 0)));
        assert_eq!(of(1, 0).to_string().len(), DIGITS);
        for name in [PersonName::Unknown, PersonName::Edited] {
            assert!(name.shown(of(1, 0)).contains(' '), "no name has a space");
        }
    }
}
