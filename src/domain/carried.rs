//! The one credential that a request carries in its headers (H1, X2).
//!
//! There are two places for it, `Bearer <key>` (RFC 6750 section 2.1) and a header of its own. Nothing is trimmed, joined
//! or chosen: a text that can be read in two ways is denied, because the service behind might read it in the other way.

use super::decision::Denial;

const BEARER: &[u8] = b"bearer";

/// Finds the credential among all values of the bearer header and of the key header.
///
/// # Errors
/// None was presented; or more than one; or one that is no token of visible ASCII characters.
pub fn credential<'a>(
    bearer: impl IntoIterator<Item = &'a [u8]>,
    key: impl IntoIterator<Item = &'a [u8]>,
) -> Result<&'a str, Denial> {
    let bearer = only(bearer)?.map(token).transpose()?.flatten();
    let key = only(key)?;
    let presented = match (bearer, key) {
        (None, None) => return Err(Denial::CredentialsMissing),
        (Some(one), Some(other)) if one != other => return Err(Denial::CredentialsAmbiguous),
        (Some(one), _) | (None, Some(one)) => one,
    };
    if presented.contains(&b',') {
        return Err(Denial::CredentialsAmbiguous);
    }
    if !presented.iter().all(u8::is_ascii_graphic) {
        return Err(Denial::CredentialsMalformed);
    }
    std::str::from_utf8(presented).map_err(|_not_ascii| Denial::CredentialsMalformed)
}

/// Whether a value of the bearer header is a Bearer, well-formed or not.
#[must_use]
pub fn is_bearer(value: &[u8]) -> bool {
    let (scheme, _) = split_scheme(value);
    scheme.eq_ignore_ascii_case(BEARER)
}

/// The one value that is not empty.
fn only<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Denial> {
    let mut values = values.into_iter().filter(|value| !value.is_empty());
    let one = values.next();
    if values.next().is_some() { Err(Denial::CredentialsAmbiguous) } else { Ok(one) }
}

/// What stands behind `Bearer `; nothing if the value is of another scheme.
fn token(value: &[u8]) -> Result<Option<&[u8]>, Denial> {
    let (scheme, rest) = split_scheme(value);
    if scheme.is_empty() {
        return Err(Denial::CredentialsMalformed);
    }
    if !scheme.eq_ignore_ascii_case(BEARER) {
        // Other schemes may have commas of their own; a Bearer behind one was joined to it.
        let joined = value.split(|byte| *byte == b',').skip(1).any(|part| is_bearer(part.trim_ascii_start()));
        return if joined { Err(Denial::CredentialsAmbiguous) } else { Ok(None) };
    }
    match rest.strip_prefix(b" ") {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        Some(_) | None if rest.contains(&b',') => Err(Denial::CredentialsAmbiguous),
        Some(_) | None => Err(Denial::CredentialsMalformed),
    }
}

/// The scheme, which ends where RFC 9110 ends a `token`, and the rest.
fn split_scheme(value: &[u8]) -> (&[u8], &[u8]) {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = value.iter().position(|byte| !in_token(byte)).unwrap_or(value.len());
    value.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Values<'a> = &'a [&'a [u8]];

    fn found(bearer: Values<'_>, key: Values<'_>) -> Result<String, Denial> {
        credential(bearer.iter().copied(), key.iter().copied()).map(ToOwned::to_owned)
    }

    #[test]
    fn either_place_and_both_with_the_same_key_are_one_credential() {
        // H1
        let rows: [(Values<'_>, Values<'_>); 12] = [
            (&[b"Bearer k"], &[]),
            (&[b"bearer k"], &[]),
            (&[b"BEARER k"], &[]),
            (&[], &[b"k"]),
            (&[b"Bearer k"], &[b"k"]),
            (&[b"Basic dTpw"], &[b"k"]),
            (&[b"Digest a=\"b\", c=d"], &[b"k"]),
            (&[b"Basic"], &[b"k"]),
            (&[b"Negotiate \xff"], &[b"k"]),
            (&[b""], &[b"k"]),
            (&[b"Bearer k"], &[b""]),
            (&[b"", b"Bearer k"], &[b"", b""]),
        ];
        for (bearer, key) in rows {
            assert_eq!(found(bearer, key), Ok("k".to_owned()), "{bearer:?} {key:?}");
        }
    }

    #[test]
    fn nothing_presented_is_missing() {
        let rows: [(Values<'_>, Values<'_>); 5] =
            [(&[], &[]), (&[b""], &[b""]), (&[b"Basic dTpw"], &[]), (&[b"k"], &[]), (&[b"Bearerk"], &[])];
        for (bearer, key) in rows {
            assert_eq!(found(bearer, key), Err(Denial::CredentialsMissing), "{bearer:?} {key:?}");
        }
    }

    #[test]
    fn more_than_one_credential_is_none() {
        // X2
        let rows: [(Values<'_>, Values<'_>); 16] = [
            (&[b"Bearer k"], &[b"o"]),
            (&[b"Bearer k"], &[b"K"]),
            (&[b"Bearer k", b"Bearer k"], &[]),
            (&[b"Bearer k", b"Basic dTpw"], &[]),
            (&[b"Basic dTpw", b"Basic dTpw"], &[b"k"]),
            (&[], &[b"k", b"k"]),
            (&[], &[b"k,o"]),
            (&[], &[b"k, o"]),
            (&[], &[b"k,"]),
            (&[], &[b","]),
            (&[b"Bearer k,o"], &[]),
            (&[b"Bearer k, Bearer o"], &[]),
            (&[b"Bearer,k"], &[]),
            (&[b"Basic dTpw, Bearer k"], &[b"o"]),
            (&[b"Basic dTpw,bearer\tk"], &[]),
            (&[b"Bearer k "], &[b"k"]),
        ];
        for (bearer, key) in rows {
            assert_eq!(found(bearer, key), Err(Denial::CredentialsAmbiguous), "{bearer:?} {key:?}");
        }
    }

    #[test]
    fn a_credential_is_one_token_of_visible_ascii() {
        // X2
        let rows: [(Values<'_>, Values<'_>); 16] = [
            (&[b"Bearer"], &[]),
            (&[b"Bearer "], &[b"k"]),
            (&[b"Bearer  k"], &[]),
            (&[b"Bearer k "], &[]),
            (&[b"Bearer k o"], &[]),
            (&[b"Bearer\tk"], &[]),
            (&[b"Bearer: k"], &[]),
            (&[b" Bearer k"], &[b"k"]),
            (&[b"\"Bearer k"], &[]),
            (&[b"Bearer k\0"], &[]),
            (&[], &[b" k"]),
            (&[], &[b"k "]),
            (&[], &[b"k\x7f"]),
            (&[], &[b"k\r\nx: y"]),
            (&[], &["kä".as_bytes()]),
            (&[], &[b"\xff\xfe"]),
        ];
        for (bearer, key) in rows {
            assert_eq!(found(bearer, key), Err(Denial::CredentialsMalformed), "{bearer:?} {key:?}");
        }
    }
}
