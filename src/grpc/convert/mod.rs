//! Messages to domain values and back, and nowhere else. What does not fit is refused with the field's path.

pub(super) mod audit;
pub(super) mod bulk;
pub(super) mod check;
pub(super) mod check_bytes;
pub(super) mod denials;
pub(super) mod effective;
pub(super) mod ext_authz;
mod fields;
pub(super) mod key;
pub(super) mod key_import;
pub(super) mod least_privilege;
pub(super) mod member;
pub(super) mod new_key;
pub(super) mod policy;
pub(super) mod review;
mod rights;
pub(super) mod rotation;
pub(super) mod route;
pub(super) mod select;
pub(super) mod store_status;
mod time;
pub(super) mod update;
pub(super) mod usage;
pub(super) mod workspace;

pub(super) use self::time::{grace, required_grace};

use crate::{
    domain::{
        caller_id::CallerId,
        id::{KeyId, WorkspaceId},
        network::{AllowedNetworks, parse_network},
        parse::ParseError,
        text::{Comment, Metadata, Owner, RequestId},
    },
    error::OperationError,
};

const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

/// Names the field of a value that does not fit.
pub(super) fn within<T>(field: &str, parsed: Result<T, ParseError>) -> Result<T, OperationError> {
    parsed.map_err(|why| OperationError::invalid(field, why))
}

/// A required id.
pub(super) fn key_id(field: &str, text: &str) -> Result<KeyId, OperationError> {
    within(field, KeyId::parse(text))
}

/// An id that may be left out.
pub(super) fn optional_key_id(field: &str, text: &str) -> Result<Option<KeyId>, OperationError> {
    unless_empty(text, |text| key_id(field, text))
}

/// The id of a key or an actor that may be left out.
pub(super) fn optional_caller_id(field: &str, text: &str) -> Result<Option<CallerId>, OperationError> {
    unless_empty(text, |text| within(field, CallerId::parse(text)))
}

/// Passes where no key is named by its id: it is named by one of its secrets.
pub(super) fn absent_key_id(text: &str) -> Result<(), OperationError> {
    let why = ParseError::new("empty where `api_key` is given");
    if text.is_empty() { Ok(()) } else { Err(OperationError::invalid("key_id", why)) }
}

/// A workspace that may be left out.
pub(super) fn workspace_id(field: &str, text: &str) -> Result<Option<WorkspaceId>, OperationError> {
    unless_empty(text, |text| within(field, WorkspaceId::parse(text)))
}

/// The operator's own words.
pub(super) fn comment(text: &str) -> Result<Comment, OperationError> {
    within("comment", Comment::parse(text))
}

/// How many items a page holds.
pub(super) fn page_size(asked: i32) -> Result<usize, OperationError> {
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_PAGE),
        Ok(size) if size <= MAX_PAGE => Ok(size),
        Ok(_) | Err(_) => {
            Err(OperationError::invalid("page_size", ParseError::new("0 (which means 50) to 1,000")))
        }
    }
}

fn owner(field: &str, text: &str) -> Result<Option<Owner>, OperationError> {
    unless_empty(text, |text| within(field, Owner::parse(text)))
}

/// A request id that may be left out.
pub(super) fn request_id(field: &str, text: &str) -> Result<Option<RequestId>, OperationError> {
    unless_empty(text, |text| within(field, RequestId::parse(text)))
}

fn networks(field: &str, texts: &[String]) -> Result<AllowedNetworks, OperationError> {
    let each = |(place, text): (usize, &String)| within(&format!("{field}[{place}]"), parse_network(text));
    let networks = texts.iter().enumerate().take(MAX_PAGE).map(each).collect::<Result<_, _>>()?;
    within(field, AllowedNetworks::new(networks))
}

fn metadata(
    field: &str,
    pairs: std::collections::BTreeMap<String, String>,
) -> Result<Metadata, OperationError> {
    within(field, Metadata::parse(pairs))
}

fn unless_empty<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, OperationError>,
) -> Result<Option<T>, OperationError> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}
