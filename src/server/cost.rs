//! What the head of a request costs in memory, which is a multiple of what was sent: a field of three bytes is an entry of
//! a hundred, and a field that the sender's table knows is one byte.

use http::{HeaderMap, Request};

/// A call beside its head: its task, its stream, and the frames of its answer while the client does not take them. Measured.
const CALL_BYTES: usize = 4 << 10;
/// A place for a field: the entry (104 bytes) and its share of the index.
const PLACE_BYTES: usize = 112;
/// A further field of the same name, in a list that grows by doubling.
const REPEATED_BYTES: usize = 2 * 72;
/// What its name and value cost beside their bytes, where each has an allocation of its own.
const FIELD_BYTES: usize = 64;

/// The bytes of all names and values, unpacked.
pub(super) fn of_texts(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum()
}

/// What a call costs from its head on, whose names and values are so many bytes.
pub(super) fn of_call<B>(request: &Request<B>, texts: usize) -> u64 {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let bytes = CALL_BYTES.saturating_add(path).saturating_add(authority);
    u64::try_from(bytes.saturating_add(of_fields(request.headers(), texts))).unwrap_or(u64::MAX)
}

/// What a call costs that keeps these fields only.
pub(super) fn of_waiting_call(path_bytes: usize, fields: &HeaderMap) -> u64 {
    let bytes = CALL_BYTES.saturating_add(path_bytes).saturating_add(of_fields(fields, of_texts(fields)));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// An upper bound of what a map of fields takes.
fn of_fields(fields: &HeaderMap, texts: usize) -> usize {
    let repeated = fields.len().saturating_sub(fields.keys_len());
    fields
        .capacity()
        .saturating_mul(PLACE_BYTES)
        .saturating_add(repeated.saturating_mul(REPEATED_BYTES))
        .saturating_add(fields.len().saturating_mul(FIELD_BYTES))
        .saturating_add(texts)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of(count: usize, name: impl Fn(usize) -> String) -> u64 {
        let mut request = Request::new(());
        for number in 0..count {
            let name = HeaderName::try_from(name(number)).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static(""));
        }
        of_call(&request, of_texts(request.headers()))
    }

    #[test]
    fn many_short_fields_cost_what_they_take_and_not_what_they_say() {
        // X5
        let usual = of(8, |number| format!("x-header-{number}"));
        assert!((5_000..8_000).contains(&usual), "{usual}");
        // The most that 16 KiB by RFC 9113 can be.
        assert!(of(480, |number| format!("a{number}")) > 80 << 10);
        assert!(of(480, |_| "a".to_owned()) > 480 * (72 + 64));
    }
}
