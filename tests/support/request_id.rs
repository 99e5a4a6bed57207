//! The id of a request, which is another one each time: taken out of what is compared.
#![allow(dead_code, reason = "each test binary uses a part of this")]

/// The header that has it.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The JSON of an answer without the id of its request; where it has one, that must be the one of the header. What has no such
/// header stays as it is: the description of what is served speaks of the field, too.
#[track_caller]
pub(crate) fn without_request_id(json: &str, id: Option<&str>) -> String {
    let Some(id) = id.filter(|_| json.contains(r#""request_id":"#)) else { return json.to_owned() };
    let said = format!(r#","request_id":"{id}""#);
    assert_eq!(json.matches(&said).count(), 1, "not the id of the header, {id}: {json}");
    json.replace(&said, "")
}
