//! What a line of a file says of a key: as JSON, or as CSV, which is made the same.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, error::Category, json};

use crate::{
    cli::{parse, time},
    wire::v1::{HmacSha256Hash, ImportRow, import_row::Hash},
};

/// The columns, less those that begin with `metadata.`.
pub(super) const COLUMNS: [&str; 15] = [
    "name",
    "description",
    "owner",
    "environment",
    "scopes",
    "grants",
    "expire_time",
    "allowed_cidrs",
    "sha256",
    "sha512",
    "hmac_sha256",
    "scheme",
    "prefix",
    "last_four",
    "secret_bits",
];
const LISTS: [&str; 3] = ["scopes", "grants", "allowed_cidrs"];
const LABEL: &str = "metadata.";

/// How serde begins to say that a field stands twice.
const TWICE: &str = "duplicate field `";

/// What a line says; what it leaves out is as in the defaults.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Record {
    name: String,
    description: String,
    owner: String,
    environment: String,
    scopes: Vec<String>,
    grants: Vec<String>,
    expire_time: String,
    allowed_cidrs: Vec<String>,
    #[serde(deserialize_with = "super::labels::deserialize")]
    metadata: BTreeMap<String, String>,
    sha256: String,
    sha512: String,
    hmac_sha256: String,
    scheme: String,
    prefix: String,
    last_four: String,
    secret_bits: u32,
}

/// What is wrong with a line: a field, or none, and why.
pub(super) type Fault = (String, String);

/// The columns that a header names.
///
/// # Errors
/// The header is no CSV, or names a column twice or one that there is not.
pub(super) fn columns(header: &str) -> Result<Vec<String>, String> {
    let names = super::csv::fields(header.trim_start_matches('\u{feff}'))?;
    for (place, name) in names.iter().enumerate() {
        let is_label = name.strip_prefix(LABEL).is_some_and(|label| !label.is_empty());
        if !is_label && !COLUMNS.contains(&name.as_str()) {
            return Err(format!(
                "there is no column `{name}`; the columns are {}, and metadata.NAME",
                COLUMNS.join(", ")
            ));
        }
        if names.iter().take(place).any(|before| before == name) {
            return Err(format!("the column `{name}` stands twice"));
        }
    }
    Ok(names)
}

/// The row of a line of CSV under these columns.
pub(super) fn of_csv(columns: &[String], line: &str, defaults: &ImportRow) -> Result<ImportRow, Fault> {
    let fields = super::csv::fields(line).map_err(|why| (String::new(), why.to_owned()))?;
    if fields.len() != columns.len() {
        let why = format!("{} fields, and the header has {}", fields.len(), columns.len());
        return Err((String::new(), why));
    }
    let (mut record, mut labels) = (Map::new(), Map::new());
    for (column, text) in columns.iter().zip(fields).filter(|(_, text)| !text.is_empty()) {
        if let Some(label) = column.strip_prefix(LABEL) {
            labels.insert(label.to_owned(), Value::from(text));
        } else if LISTS.contains(&column.as_str()) {
            record.insert(column.clone(), text.split_whitespace().collect());
        } else if column == "secret_bits" {
            let bits: u32 =
                text.parse().map_err(|_no_number| (column.clone(), "must be a number".to_owned()))?;
            record.insert(column.clone(), json!(bits));
        } else {
            record.insert(column.clone(), Value::from(text));
        }
    }
    record.insert("metadata".to_owned(), Value::Object(labels));
    let record = serde_json::from_value(Value::Object(record)).map_err(|error| told(&error))?;
    row(record, defaults)
}

/// The row of a line of JSON.
pub(super) fn of_json(line: &str, defaults: &ImportRow) -> Result<ImportRow, Fault> {
    let line = line.trim_start_matches('\u{feff}');
    if !line.trim_start().starts_with('{') {
        return Err((String::new(), "no JSON object".to_owned()));
    }
    row(serde_json::from_str(line).map_err(|error| told(&error))?, defaults)
}

fn row(record: Record, defaults: &ImportRow) -> Result<ImportRow, Fault> {
    let or = |text: String, default: &String| if text.is_empty() { default.clone() } else { text };
    let or_list =
        |list: Vec<String>, default: &Vec<String>| if list.is_empty() { default.clone() } else { list };
    let grants = record.grants.iter().map(|text| parse::grant(text));
    let grants: Vec<_> = grants.collect::<Result<_, _>>().map_err(|why| ("grants".to_owned(), why))?;
    let expires = match record.expire_time.as_str() {
        "" => defaults.expire_time,
        text => Some(time::to_wire(parse::instant(text).map_err(|why| ("expire_time".to_owned(), why))?)),
    };
    // Whose row names scopes or grants has no others.
    let own_rights = !record.scopes.is_empty() || !grants.is_empty();
    Ok(ImportRow {
        line: 0,
        hash: Some(hash(&record, defaults)?),
        name: record.name,
        description: or(record.description, &defaults.description),
        owner: or(record.owner, &defaults.owner),
        environment: or(record.environment, &defaults.environment),
        scopes: if own_rights { record.scopes } else { defaults.scopes.clone() },
        grants: if own_rights { grants } else { defaults.grants.clone() },
        expire_time: expires,
        allowed_cidrs: or_list(record.allowed_cidrs, &defaults.allowed_cidrs),
        metadata: record.metadata,
        prefix: or(record.prefix, &defaults.prefix),
        last_four: record.last_four,
        secret_bits: if record.secret_bits == 0 { defaults.secret_bits } else { record.secret_bits },
    })
}

/// The one hash of a record; the scheme of an HMAC is its own, or the defaults'.
fn hash(record: &Record, defaults: &ImportRow) -> Result<Hash, Fault> {
    match (record.sha256.as_str(), record.sha512.as_str(), record.hmac_sha256.as_str()) {
        (text, "", "") if !text.is_empty() => Ok(Hash::Sha256Text(text.to_owned())),
        ("", text, "") if !text.is_empty() => Ok(Hash::Sha512(bytes("sha512", text)?)),
        ("", "", text) if !text.is_empty() => {
            let default = match &defaults.hash {
                Some(Hash::HmacSha256(default)) => default.scheme.as_str(),
                Some(Hash::Sha256(_) | Hash::Sha256Text(_) | Hash::Sha512(_)) | None => "",
            };
            let scheme = if record.scheme.is_empty() { default } else { &record.scheme };
            let hash = bytes("hmac_sha256", text)?;
            Ok(Hash::HmacSha256(HmacSha256Hash { scheme: scheme.to_owned(), hash }))
        }
        _ => Err(("hash".to_owned(), "must be one of sha256, sha512 and hmac_sha256".to_owned())),
    }
}

/// The column of the hash of a row.
pub(super) fn hash_column(row: &ImportRow) -> &'static str {
    match &row.hash {
        Some(Hash::Sha256(_) | Hash::Sha256Text(_)) => "sha256",
        Some(Hash::Sha512(_)) => "sha512",
        Some(Hash::HmacSha256(_)) => "hmac_sha256",
        None => "hash",
    }
}

/// A field of a row on the wire, as the file has it.
pub(super) fn column(field: String, hash_column: &str) -> String {
    match field.as_str() {
        "hash" | "sha256_text" | "hmac_sha256.hash" => hash_column.to_owned(),
        "hmac_sha256.scheme" => "scheme".to_owned(),
        _ => field,
    }
}

/// Hexadecimal digits, or base 64.
fn bytes(field: &str, text: &str) -> Result<Vec<u8>, Fault> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let hex = || -> Option<Vec<u8>> {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
    };
    let read = hex().or_else(|| BASE64_STANDARD.decode(text).ok());
    read.ok_or_else(|| (field.to_owned(), "must be hexadecimal digits, or base 64".to_owned()))
}

/// What serde says, unless it repeats a value: that might be a hash. Its own line number is that of one line alone.
fn told(error: &serde_json::Error) -> Fault {
    if error.classify() != Category::Data {
        return (String::new(), format!("no JSON: column {}", error.column()));
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _place)| text);
    if let Some(field) = text.strip_prefix(TWICE).and_then(|rest| rest.strip_suffix('`')) {
        return (field.to_owned(), "stands twice".to_owned());
    }
    let names_a_field = text.starts_with("unknown field");
    let why = if names_a_field { text } else { "a field is of another type than it takes" };
    (String::new(), why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::Grant;

    fn defaults() -> ImportRow {
        ImportRow {
            scopes: vec!["d:d".into()],
            environment: "test".into(),
            secret_bits: 128,
            ..ImportRow::default()
        }
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let header = "name,scopes,grants,metadata.team,sha256,secret_bits,expire_time";
        let line = "\"a, b\",x:y z:z,u:v@s/1,blue,ab==,256,2030-01-01T00:00:00Z";
        let of_csv = of_csv(&columns(header).unwrap(), line, &defaults()).unwrap();
        let line = json!({
            "name": "a, b", "scopes": ["x:y", "z:z"], "grants": ["u:v@s/1"], "metadata": { "team": "blue" },
            "sha256": "ab==", "secret_bits": 256, "expire_time": "2030-01-01T00:00:00Z",
        });
        let of_json = of_json(&line.to_string(), &defaults()).unwrap();
        assert!(of_csv == of_json);
        assert_eq!((of_csv.name.as_str(), of_csv.environment.as_str()), ("a, b", "test"));
        assert_eq!(of_csv.grants, [Grant { scope: "u:v".into(), resources: vec!["s/1".into()] }]);
    }

    #[test]
    fn what_a_line_leaves_out_is_as_in_the_defaults() {
        let row = of_json("{\"name\":\"a\",\"sha256\":\"x\"}", &defaults()).unwrap();
        assert_eq!((row.scopes, row.secret_bits), (vec!["d:d".to_owned()], 128));
    }

    #[test]
    fn a_field_that_stands_twice_is_named() {
        for (line, field) in [
            (r#"{"name":"a","sha256":"x","name":"b"}"#, "name"),
            (r#"{"name":"a","n\u0061me":"a"}"#, "name"),
            (r#"{"sha256":"hidden!","sha256":"hidden!"}"#, "sha256"),
            (r#"{"metadata":{"team":"a","team":"b"},"name":"a","sha256":"x"}"#, "metadata.team"),
        ] {
            let fault = of_json(line, &defaults()).err().unwrap();
            assert_eq!(fault, (field.to_owned(), "stands twice".to_owned()), "{line}");
        }
    }

    #[test]
    fn a_bad_line_says_why_and_repeats_no_value() {
        let columns = columns("name,sha256,secret_bits").unwrap();
        for (line, field) in
            [("a", ""), ("a,b,c,d", ""), ("a,\"b,1", ""), ("a,b,many", "secret_bits"), ("a,,1", "hash")]
        {
            assert_eq!(of_csv(&columns, line, &defaults()).err().unwrap().0, field, "{line}");
        }
        for line in [
            "",
            "{",
            "[]",
            "{\"name\":7}",
            "{\"nam\":\"x\"}",
            "{\"sha512\":\"hidden!\"}",
            "{\"secret_bits\":\"hidden!\"}",
        ] {
            let (_, why) = of_json(line, &defaults()).err().unwrap();
            assert!(!why.contains("hidden!"), "{why}");
        }
        for header in ["nam", "name,name", "metadata.", "\"name"] {
            assert!(super::columns(header).is_err(), "{header}");
        }
    }
}
