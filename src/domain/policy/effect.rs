//! What one document changes against another.

use serde_json::Value;

use super::Document;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, for example `scopes[storage:read].description`.
    pub field: String,
    /// Before; `Null` where there was nothing.
    pub from: Value,
    /// After; `Null` where there is nothing.
    pub to: Value,
}

/// Every change from one document to another, in the order of the fields' names. Items of a list are told apart by
/// their names, so that one put in between is one change.
#[must_use]
pub fn changes(before: &Document, after: &Document) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", &tree(before), &tree(after), &mut found);
    found
}

/// A document as JSON: texts, numbers and lists, which always can be.
fn tree(document: &Document) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

fn compare(at: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            for (name, from) in before {
                compare(&path(name), from, after.get(name).unwrap_or(&Value::Null), found);
            }
            for (name, to) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                compare(&path(name), &Value::Null, to, found);
            }
        }
        (Value::Array(_), Value::Array(_) | Value::Null) | (Value::Null, Value::Array(_))
            if named(before).is_some() && named(after).is_some() =>
        {
            compare_named(at, &named(before).unwrap_or_default(), &named(after).unwrap_or_default(), found);
        }
        _ => found.push(Change { field: at.to_owned(), from: before.clone(), to: after.clone() }),
    }
}

fn compare_named(at: &str, before: &[(String, &Value)], after: &[(String, &Value)], found: &mut Vec<Change>) {
    let find = |list: &[(String, &Value)], name: &str| {
        list.iter().find(|(known, _)| known == name).map_or(Value::Null, |(_, value)| (*value).clone())
    };
    for (name, from) in before {
        compare(&format!("{at}[{name}]"), from, &find(after, name), found);
    }
    for (name, to) in after.iter().filter(|(name, _)| find(before, name).is_null()) {
        compare(&format!("{at}[{name}]"), &Value::Null, to, found);
    }
    let names =
        |list: &[(String, &Value)]| -> Vec<String> { list.iter().map(|(name, _)| name.clone()).collect() };
    let (before, after) = (names(before), names(after));
    let same_items = before.len() == after.len() && before.iter().all(|name| after.contains(name));
    if same_items && before != after {
        // The first environment and the first plan are the default ones.
        found.push(Change { field: format!("{at} (order)"), from: before.into(), to: after.into() });
    }
}

/// The items of a list by what names them; `None` if something in it has no name. Nothing is an empty list.
fn named(list: &Value) -> Option<Vec<(String, &Value)>> {
    let Some(list) = list.as_array() else { return Some(Vec::new()) };
    list.iter().map(|item| Some((name_of(item)?, item))).collect()
}

fn name_of(item: &Value) -> Option<String> {
    let text = |field: &str| item.get(field).and_then(Value::as_str);
    if let Some(name) = text("name").or_else(|| text("tier")) {
        return Some(name.to_owned());
    }
    let path = text("path")?;
    let parts = [text("method"), text("host"), Some(path)];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}
