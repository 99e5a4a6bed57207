//! The description of what is served, read as JSON Schema reads it: enough of that for `openapi/keyward.json`, and a rule
//! of another kind fails.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use crate::client::Reply;

/// The description.
pub(crate) static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi/keyward.json")).unwrap());

/// What of the description an answer has shown: `/verify 200`, `/verify 200 x-keyward-owner`, `#/components/schemas/Denial`.
pub(crate) type Shown = BTreeSet<String>;

/// Passes if the description says that this is what may be answered; returns what of it was shown.
#[track_caller]
pub(crate) fn assert_described(method: &str, target: &str, reply: &Reply) -> Shown {
    let mut shown = Shown::new();
    let faults = faults(method, target, reply, &mut shown);
    assert!(faults.is_empty(), "{method} {target}: {faults:?}\n{reply:?}");
    shown
}

/// What speaks against it.
fn faults(method: &str, target: &str, reply: &Reply, shown: &mut Shown) -> Vec<String> {
    let path = target.split(['?', '#']).next().unwrap();
    let has_body = method != "HEAD";
    let Some(operation) = operation(method, path) else { return undescribed(reply, has_body, shown) };
    let at = format!("{path} {}", reply.status);
    let Some(response) = operation["responses"].get(reply.status.to_string()) else {
        return vec![format!("{at} is not described")];
    };
    shown.insert(at.clone());
    let mut faults = Vec::new();
    let headers = response["headers"].as_object();
    for (name, value) in reply.headers.iter().filter(|(name, _)| *name != "content-type") {
        let Some(header) = headers.and_then(|headers| headers.get(name)) else {
            faults.push(format!("{name} is not described"));
            continue;
        };
        shown.insert(format!("{at} {name}"));
        check(&Value::from(value.as_str()), &resolved(header)["schema"], name, &mut faults, shown);
    }
    for (name, header) in headers.into_iter().flatten() {
        let is_missing = !reply.headers.contains_key(name);
        if is_missing && resolved(header)["required"] == true {
            faults.push(format!("{name} is missing"));
        }
    }
    match response["content"].get(reply.header("content-type")) {
        Some(content) => {
            shown.insert(format!("{at} {}", reply.header("content-type")));
            if has_body {
                check_body(reply, &content["schema"], &mut faults, shown);
            }
        }
        None if response.get("content").is_some() => faults.push("the content type".to_owned()),
        None if !reply.body.is_empty() => faults.push("a body".to_owned()),
        None => {}
    }
    faults
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let method = match (path, method) {
        ("/verify", _) | ("/openapi.json", "GET" | "HEAD") => "get",
        ("/v1/check", "POST") => "post",
        _ => return None,
    };
    DESCRIPTION["paths"][path].get(method)
}

/// What is no operation is said to be none.
fn undescribed(reply: &Reply, has_body: bool, shown: &mut Shown) -> Vec<String> {
    let mut faults = Vec::new();
    match reply.status {
        404 | 405 => {}
        status => faults.push(format!("{status} where there is nothing")),
    }
    if (reply.status == 405) != reply.headers.contains_key("allow") {
        faults.push("Allow".to_owned());
    }
    if has_body {
        let error = serde_json::json!({ "$ref": "#/components/schemas/Error" });
        check_body(reply, &error, &mut faults, shown);
    }
    faults
}

fn check_body(reply: &Reply, schema: &Value, faults: &mut Vec<String>, shown: &mut Shown) {
    let in_header = reply.header("x-keyward-body");
    if !in_header.is_empty() && !reply.body.is_empty() {
        faults.push("a body beside that in the header".to_owned());
    }
    let body = if in_header.is_empty() { &reply.body } else { in_header };
    match serde_json::from_str(body) {
        Ok(body) => check(&body, schema, "body", faults, shown),
        Err(error) => faults.push(format!("the body is no JSON: {error}")),
    }
}

/// Everything that an answer, or a question, can show.
pub(crate) fn everything() -> Shown {
    let mut all = Shown::new();
    let paths = DESCRIPTION["paths"].as_object().unwrap().iter();
    for (path, operation) in
        paths.flat_map(|(path, of)| of.as_object().unwrap().values().map(move |o| (path, o)))
    {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let at = format!("{path} {status}");
            let parts = ["headers", "content"].into_iter().filter_map(|part| response[part].as_object());
            all.extend(parts.flat_map(|part| part.keys().map(|name| format!("{at} {name}"))));
            all.insert(at);
        }
    }
    let schemas = DESCRIPTION["components"]["schemas"].as_object().unwrap().keys();
    all.extend(schemas.map(|name| format!("#/components/schemas/{name}")));
    all
}

/// What speaks against a question.
pub(crate) fn question_faults(question: &Value, shown: &mut Shown) -> Vec<String> {
    let mut faults = Vec::new();
    let body = &DESCRIPTION["paths"]["/v1/check"]["post"]["requestBody"];
    check(question, &body["content"]["application/json"]["schema"], "question", &mut faults, shown);
    faults
}

fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => at(reference),
        None => value,
    }
}

#[track_caller]
fn at(reference: &str) -> &'static Value {
    let pointer = reference.strip_prefix('#').unwrap();
    DESCRIPTION.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Holds a value against a schema (JSON Schema 2020-12, section by section of its vocabulary).
fn check(value: &Value, schema: &Value, place: &str, faults: &mut Vec<String>, shown: &mut Shown) {
    let mut require = |holds: bool, rule: &str, says: &Value| {
        if !holds {
            faults.push(format!("{place} is {value}, against {rule}: {says}"));
        }
    };
    let rules = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
    for (rule, says) in rules {
        match rule.as_str() {
            "type" => require(is_of_type(value, says.as_str().unwrap()), rule, says),
            "const" => require(value == says, rule, says),
            "enum" => require(says.as_array().unwrap().contains(value), rule, says),
            "pattern" => {
                let pattern = Regex::new(says.as_str().unwrap()).unwrap();
                require(value.as_str().is_none_or(|text| pattern.is_match(text)), rule, says);
            }
            "format" => require(is_date_time(value, says), rule, says),
            "minimum" => require(number(value) >= number(says), rule, says),
            "maximum" => require(number(value) <= number(says), rule, says),
            "minItems" => require(length(value) >= number(says), rule, says),
            "maxItems" => require(length(value) <= number(says), rule, says),
            "required" => {
                let mut names = says.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                require(
                    value.as_object().is_none_or(|value| names.all(|name| value.contains_key(name))),
                    rule,
                    says,
                );
            }
            "anyOf" => {
                let holds = says.as_array().unwrap().iter().any(|schema| {
                    let (mut faults, mut tried) = (Vec::new(), Shown::new());
                    check(value, schema, place, &mut faults, &mut tried);
                    if faults.is_empty() {
                        shown.append(&mut tried);
                    }
                    faults.is_empty()
                });
                require(holds, rule, says);
            }
            // Below, because they need the faults themselves; the others say something to people only.
            "$ref"
            | "allOf"
            | "properties"
            | "additionalProperties"
            | "items"
            | "description"
            | "example"
            | "contentMediaType" => {}
            _ => panic!("{rule} is not understood here"),
        }
    }
    check_parts(value, schema, place, faults, shown);
}

/// The rules that hold parts of a value against schemas of their own.
fn check_parts(value: &Value, schema: &Value, place: &str, faults: &mut Vec<String>, shown: &mut Shown) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        shown.insert(reference.to_owned());
        check(value, at(reference), place, faults, shown);
    }
    for schema in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        check(value, schema, place, faults, shown);
    }
    if let Some(items) = schema.get("items") {
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            check(item, items, &format!("{place}[{number}]"), faults, shown);
        }
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema.get("properties").and_then(|known| known.get(name)), schema.get("additionalProperties"))
        {
            (Some(schema), _) => check(part, schema, &place, faults, shown),
            (None, Some(Value::Bool(false))) => faults.push(format!("{place} is not described")),
            (None, Some(schema)) if schema.is_object() => check(part, schema, &place, faults, shown),
            (None, _) => {}
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{name} is not understood here"),
    }
}

fn is_date_time(value: &Value, format: &Value) -> bool {
    assert_eq!(format, "date-time");
    value.as_str().is_none_or(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok())
}

/// Of what is a number, as all are that have bounds here.
fn number(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or(value.as_u64().map(i128::from))
}

fn length(value: &Value) -> Option<i128> {
    value.as_array().map(|items| i128::try_from(items.len()).unwrap())
}

#[test]
fn what_the_description_does_not_allow_is_noticed() {
    let reply = |status, headers: &[(&str, &str)], body: &str| Reply {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned(),
    };
    let noticed = |method: &str, target: &str, reply: &Reply| {
        !faults(method, target, reply, &mut Shown::new()).is_empty()
    };
    let latency = ("x-ratelimit-latency", "0");
    let unavailable = r#"{"success":false,"error":{"code":"UNAVAILABLE","message":"m"}}"#;
    let headers =
        [("content-type", "application/json"), ("cache-control", "no-store"), ("retry-after", "1"), latency];
    assert!(!noticed("GET", "/verify", &reply(200, &[latency], "")));
    assert!(!noticed("POST", "/verify?a=b", &reply(503, &headers, unavailable)));
    for wrong in [
        reply(200, &[], ""),
        reply(200, &[("x-ratelimit-latency", "1 ms")], ""),
        reply(200, &[latency, ("set-cookie", "a")], ""),
        reply(200, &[latency], "a body"),
        reply(500, &headers, unavailable),
        reply(503, &headers[1..], unavailable),
        reply(503, &headers[..3], unavailable),
        reply(503, &headers, &unavailable.replace("UNAVAILABLE", "INTERNAL")),
        reply(503, &headers, &unavailable.replace("false", "true")),
        reply(503, &headers, &unavailable.replace("\"message\"", "\"text\"")),
        reply(503, &headers, &unavailable.replace("\"m\"", "1")),
        reply(503, &headers, &unavailable.replace("\"m\"", "\"m\",\"more\":1")),
    ] {
        assert!(noticed("GET", "/verify", &wrong), "{wrong:?}");
    }
    assert!(noticed("GET", "/elsewhere", &reply(200, &[latency], "")));
}
