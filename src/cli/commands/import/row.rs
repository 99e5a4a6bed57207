//! What a line of a file says of a key: as JSON, or as CSV, which is made the same.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    json::Node,
    record::{BITS, COLUMNS, ImportRecord, LABEL, LISTS, LineFault, NUMBER, fault},
};
use crate::{
    cli::{input::parse, output::time},
    wire::v1::{HmacSha256Hash, ImportRow, import_row::Hash},
};

/// The columns that a header names.
///
/// # Errors
/// The header is no CSV, is divided by something else than commas, or names a column twice or one that there is not.
pub(super) fn columns(header: &str) -> Result<Vec<String>, String> {
    let header = header.trim_start_matches('\u{feff}');
    let names = super::csv::fields(header).map_err(|(_, why)| why)?;
    for (place, name) in names.iter().enumerate() {
        let is_label = name.strip_prefix(LABEL).is_some_and(|label| !label.is_empty());
        if !is_label && !COLUMNS.contains(&name.as_str()) {
            return Err(no_column(name));
        }
        if names.iter().take(place).any(|before| before == name) {
            return Err(format!("the column `{name}` stands twice"));
        }
    }
    Ok(names)
}

/// Why a name is that of no column.
fn no_column(name: &str) -> String {
    let dividers = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
    if let Some((_, what)) = dividers.into_iter().find(|(divider, _)| name.contains(*divider)) {
        return format!("the columns are divided by {what}: divide them by commas, here and in the rows");
    }
    if name.contains('\r') {
        return "the lines end with a carriage return alone: end them with a line feed".to_owned();
    }
    if name.is_empty() {
        return "a column has no name: there is a comma too many, or the line is empty".to_owned();
    }
    format!("there is no column `{name}`; the columns are {}, and metadata.NAME", COLUMNS.join(", "))
}

/// The row of a line of CSV under these columns.
pub(super) fn of_csv(columns: &[String], line: &str, defaults: &ImportRow) -> Result<ImportRow, LineFault> {
    let fields = super::csv::fields(line).or_else(|(place, why)| fault(column_at(columns, place), why))?;
    if fields.len() != columns.len() {
        let why = format!("{} fields, and the header has {}", fields.len(), columns.len());
        // The first that is missing, or the last before those that are too many.
        return fault(column_at(columns, fields.len()), why);
    }
    let mut record = ImportRecord::default();
    for (column, text) in columns.iter().zip(fields).filter(|(_, text)| !text.is_empty()) {
        if let Some(label) = column.strip_prefix(LABEL) {
            record.metadata.insert(label.to_owned(), text);
            continue;
        }
        let node = if LISTS.contains(&column.as_str()) {
            Node::List(text.split_whitespace().map(|word| Node::Text(word.to_owned())).collect())
        } else if column == BITS {
            Node::Number(text.parse().or_else(|_no_number| fault(column, NUMBER))?)
        } else {
            Node::Text(text)
        };
        record.set(column, node)?;
    }
    row(record, defaults)
}

/// The column at a place, or the last one.
pub(super) fn column_at(columns: &[String], place: usize) -> &str {
    columns.get(place).or(columns.last()).map_or("", String::as_str)
}

/// The row of a line of JSON.
pub(super) fn of_json(line: &str, defaults: &ImportRow) -> Result<ImportRow, LineFault> {
    let line = line.trim_start_matches('\u{feff}');
    let parsed = serde_json::from_str(line);
    // What serde says could repeat a value, and that might be a hash.
    let Node::Object(entries) =
        parsed.or_else(|error| fault("", format!("no JSON: column {}", error.column())))?
    else {
        return fault("", "no JSON object");
    };
    let (mut record, mut seen) = (ImportRecord::default(), BTreeSet::new());
    for (name, node) in entries {
        if !seen.insert(name.clone()) {
            return fault(&name, "stands twice");
        }
        record.set(&name, node)?;
    }
    row(record, defaults)
}

fn row(record: ImportRecord, defaults: &ImportRow) -> Result<ImportRow, LineFault> {
    let or = |text: String, default: &String| if text.is_empty() { default.clone() } else { text };
    let or_list =
        |list: Vec<String>, default: &Vec<String>| if list.is_empty() { default.clone() } else { list };
    let grants = record.grants.iter().map(|text| parse::grant(text));
    let grants: Vec<_> = grants.collect::<Result<_, _>>().or_else(|why| fault("grants", why))?;
    let (expire_time, lifetime) = ending(&record, defaults)?;
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
        expire_time,
        lifetime,
        allowed_cidrs: or_list(record.allowed_cidrs, &defaults.allowed_cidrs),
        metadata: record.metadata,
        prefix: or(record.prefix, &defaults.prefix),
        last_four: record.last_four,
        secret_bits: if record.secret_bits == 0 { defaults.secret_bits } else { record.secret_bits },
    })
}

/// When the key ends: as the record says in one of its two ways, or as the defaults do.
fn ending(
    record: &ImportRecord,
    defaults: &ImportRow,
) -> Result<(Option<prost_types::Timestamp>, Option<prost_types::Duration>), LineFault> {
    match (record.expire_time.as_str(), record.lifetime.as_str()) {
        ("", "") => Ok((defaults.expire_time, defaults.lifetime)),
        (text, "") => Ok((Some(parse::instant(text).or_else(|why| fault("expire_time", why))?), None)),
        ("", text) => {
            let length = parse::duration(text).or_else(|why| fault("lifetime", why))?;
            Ok((None, Some(time::duration_to_wire(length))))
        }
        (_, _) => {
            fault("lifetime", "must be absent where `expire_time` is given: both say when the key ends")
        }
    }
}

/// The one hash of a record; the scheme of an HMAC is its own, or the defaults'.
fn hash(record: &ImportRecord, defaults: &ImportRow) -> Result<Hash, LineFault> {
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
fn bytes(field: &str, text: &str) -> Result<Vec<u8>, LineFault> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let hex = || -> Option<Vec<u8>> {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
    };
    let read = hex().or_else(|| BASE64_STANDARD.decode(text).ok());
    read.ok_or_else(|| (field.to_owned(), "must be hexadecimal digits, or base 64".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn a_row_says_its_end_in_one_of_two_ways_or_as_the_defaults_do() {
        // K11
        let defaults =
            ImportRow { lifetime: Some(prost_types::Duration { seconds: 60, nanos: 0 }), ..defaults() };
        let read = |ending: &str| {
            let line = format!(r#"{{"name":"a","sha256":"x"{ending}}}"#);
            of_json(&line, &defaults).map(|row| (row.expire_time, row.lifetime.map(|length| length.seconds)))
        };
        let at = Some(prost_types::Timestamp { seconds: 1_893_456_000, nanos: 0 });
        assert_eq!(read(""), Ok((None, Some(60))));
        assert_eq!(read(r#","lifetime":"90d""#), Ok((None, Some(90 * 86_400))));
        assert_eq!(read(r#","expire_time":"2030-01-01T00:00:00Z""#), Ok((at, None)));
        let both = read(r#","lifetime":"90d","expire_time":"2030-01-01T00:00:00Z""#).unwrap_err();
        assert!(both.0 == "lifetime" && both.1.contains("expire_time"), "{both:?}");
        assert_eq!(read(r#","lifetime":"soon""#).unwrap_err().0, "lifetime");
    }

    #[test]
    fn null_is_absent() {
        let all = COLUMNS.map(|column| format!("\"{column}\":null"));
        let all = all.iter().filter(|field| !field.contains("\"sha256\"") && !field.contains("\"name\""));
        let all = all.cloned().collect::<Vec<_>>().join(",");
        let line = format!(r#"{{"name":"a","sha256":"x","metadata":{{"team":null}},{all}}}"#);
        let absent = of_json(r#"{"name":"a","sha256":"x"}"#, &defaults()).unwrap();
        assert!(of_json(&line, &defaults()).unwrap() == absent);
        let none = r#"{"name":"a","sha256":"x","metadata":null}"#;
        assert!(of_json(none, &defaults()).unwrap() == absent);
        assert_eq!(of_json(r#"{"nobody":null}"#, &defaults()).err().unwrap().0, "nobody");
    }

    #[test]
    fn what_divides_the_columns_is_named() {
        for (header, words) in [
            ("name;sha256;prefix", "divided by semicolons"),
            ("name\tsha256", "divided by tabs"),
            ("name|sha256", "divided by bars"),
            ("name,sha256,", "a comma too many"),
            ("", "the line is empty"),
            ("name,sha256\rone,x", "carriage return"),
            ("\u{feff}name,name", "`name` stands twice"),
            ("Name", "there is no column `Name`"),
        ] {
            let why = columns(header).unwrap_err();
            assert!(why.contains(words), "{header:?}: {why}");
        }
        assert_eq!(columns("\u{feff}name,sha256").unwrap(), ["name", "sha256"]);
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
        for (line, field) in [
            ("a", "sha256"),
            ("a,b,c,d", "secret_bits"),
            ("a,b\"c,1", "sha256"),
            ("a,b,many", "secret_bits"),
            ("a,,1", "hash"),
        ] {
            assert_eq!(of_csv(&columns, line, &defaults()).err().unwrap().0, field, "{line}");
        }
        for (line, field) in [
            ("", ""),
            ("{", ""),
            ("[]", ""),
            (r#"{"name":7}"#, "name"),
            (r#"{"nam":"x"}"#, "nam"),
            (r#"{"sha512":"hidden!"}"#, "sha512"),
            (r#"{"secret_bits":"hidden!"}"#, "secret_bits"),
            (r#"{"secret_bits":-1}"#, "secret_bits"),
            (r#"{"secret_bits":4294967296}"#, "secret_bits"),
            (r#"{"scopes":"hidden!"}"#, "scopes"),
            (r#"{"scopes":["a:b",null]}"#, "scopes"),
            (r#"{"grants":["hidden!"]}"#, "grants"),
            (r#"{"metadata":["hidden!"]}"#, "metadata"),
            (r#"{"metadata":{"team":7}}"#, "metadata.team"),
            (r#"{"expire_time":"hidden!"}"#, "expire_time"),
        ] {
            let (named, why) = of_json(line, &defaults()).err().unwrap();
            assert_eq!(named, field, "{line}: {why}");
            assert!(!why.contains("hidden!"), "{why}");
        }
        for header in ["nam", "name,name", "metadata.", "\"name"] {
            assert!(super::columns(header).is_err(), "{header}");
        }
    }
}
