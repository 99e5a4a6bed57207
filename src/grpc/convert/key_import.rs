//! Keys of other systems: what a row says, and what became of it.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{new_key::new_key, time, within};
use crate::{
    changes::import::{ImportRow, Imported, NewImport, scheme::SchemeUse},
    domain::{
        environment::Environments,
        parse::ParseError,
        scheme::{ForeignHash, Hashing},
        secret::{Hint, HintError},
        text::Label,
    },
    error::OperationError,
    grpc::status,
    wire::v1::{self, import_row::Hash},
};

const MAX_BITS: u32 = 4_096;
const BASE64: [GeneralPurpose; 2] = {
    let either = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [GeneralPurpose::new(&alphabet::STANDARD, either), GeneralPurpose::new(&alphabet::URL_SAFE, either)]
};

/// A row, or what is wrong with it.
pub(in crate::grpc) fn row(asked: v1::ImportRow, environments: &Environments) -> ImportRow {
    ImportRow { line: asked.line, new: new_import(asked, environments) }
}

fn new_import(asked: v1::ImportRow, environments: &Environments) -> Result<NewImport, OperationError> {
    let refuse = |field, why| Err(OperationError::invalid(field, ParseError::new(why)));
    let hash = hash(asked.hash.as_ref())?;
    if !(1..=MAX_BITS).contains(&asked.secret_bits) {
        return refuse("secret_bits", "1 to 4,096: how many random bits the secret has");
    }
    let hint = Hint::imported(&asked.prefix, &asked.last_four).map_err(|error| {
        let (field, why) = match error {
            HintError::Prefix => ("prefix", "at most 16 characters of a-z A-Z 0-9 - . _ ~ + /"),
            HintError::LastFour => ("last_four", "empty, or 4 characters of a-z A-Z 0-9 - . _ ~ + / ="),
        };
        OperationError::invalid(field, ParseError::new(why))
    })?;
    // A token has them at its end only (RFC 6750 section 2.1).
    if asked.last_four.trim_end_matches('=').contains('=') {
        return refuse("last_four", "with `=` at its end only: no token has it elsewhere");
    }
    let key = v1::IssueRequest {
        name: asked.name,
        description: asked.description,
        owner: asked.owner,
        environment: asked.environment,
        scopes: asked.scopes,
        grants: asked.grants,
        expire_time: asked.expire_time,
        lifetime: asked.lifetime,
        allowed_cidrs: asked.allowed_cidrs,
        metadata: asked.metadata,
        ..v1::IssueRequest::default()
    };
    Ok(NewImport { key: new_key("", key, environments, None)?, hash, hint, bits: asked.secret_bits })
}

fn hash(asked: Option<&Hash>) -> Result<ForeignHash, OperationError> {
    let hash = given_hash(asked)?;
    // An empty column of the other system, hashed: no holder can present it.
    if hash.is_of_nothing() {
        return Err(OperationError::invalid(
            "hash",
            ParseError::new("that of a token, not of an empty text"),
        ));
    }
    Ok(hash)
}

fn given_hash(asked: Option<&Hash>) -> Result<ForeignHash, OperationError> {
    match asked {
        None => Err(OperationError::invalid("hash", ParseError::new("given"))),
        Some(Hash::Sha256(bytes)) => Ok(ForeignHash::Sha256(fixed("sha256", bytes, "32 bytes")?)),
        Some(Hash::Sha512(bytes)) => Ok(ForeignHash::Sha512(fixed("sha512", bytes, "64 bytes")?)),
        Some(Hash::Sha256Text(text)) => {
            let bytes = hex(text).or_else(|| BASE64.iter().find_map(|engine| engine.decode(text).ok()));
            let allowed = "32 bytes as 64 hexadecimal digits, or in base 64";
            Ok(ForeignHash::Sha256(fixed("sha256_text", &bytes.unwrap_or_default(), allowed)?))
        }
        Some(Hash::HmacSha256(asked)) => {
            let name = within("hmac_sha256.scheme", Label::parse(&asked.scheme))?;
            Ok(ForeignHash::HmacSha256(name, fixed("hmac_sha256.hash", &asked.hash, "32 bytes")?))
        }
    }
}

fn fixed<const N: usize>(
    field: &str,
    bytes: &[u8],
    allowed: &'static str,
) -> Result<[u8; N], OperationError> {
    bytes.try_into().map_err(|_other_length| OperationError::invalid(field, ParseError::new(allowed)))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

/// What became of the rows of these lines.
pub(in crate::grpc) fn response(lines: &[u64], imported: Imported) -> v1::ImportKeysResponse {
    let good = imported.rows.iter().filter(|row| row.is_ok()).count();
    let results = lines.iter().zip(imported.rows).map(|(line, row)| match row {
        Ok(key) => v1::ImportResult {
            line: *line,
            key_id: key.map(|key| key.to_string()).unwrap_or_default(),
            error: None,
        },
        Err(error) => {
            v1::ImportResult { line: *line, key_id: String::new(), error: Some(status::of_row(error)) }
        }
    });
    v1::ImportKeysResponse {
        results: results.collect(),
        good: u32::try_from(good).unwrap_or(u32::MAX),
        revision: imported.revision.map_or(0, |revision| revision.0),
    }
}

/// A scheme, without its secret.
pub(in crate::grpc) fn scheme_to_wire(found: &SchemeUse) -> v1::ImportScheme {
    v1::ImportScheme {
        scheme: found.hashing.to_string(),
        live_secrets: found.live_secrets,
        create_time: found.created.map(time::to_wire),
    }
}

/// A scheme just added.
pub(in crate::grpc) fn added(scheme: crate::domain::scheme::ImportScheme) -> v1::ImportScheme {
    let hashing = Hashing::HmacSha256(scheme.name);
    scheme_to_wire(&SchemeUse { hashing, created: Some(scheme.created), live_secrets: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_as_text_is_hex_or_base_64_and_nothing_else() {
        let read = |text: &str| hash(Some(&Hash::Sha256Text(text.to_owned()))).is_ok();
        for good in [
            "ab".repeat(32),
            "AB".repeat(32),
            format!("{}=", "A".repeat(43)),
            "A".repeat(43),
            format!("{}_-A=", "/".repeat(40)).replace('/', "-"),
            format!("{}A=", "+/".repeat(21)),
        ] {
            assert!(read(&good), "{good}");
        }
        for bad in [
            String::new(),
            "ab".repeat(31),
            "ab".repeat(33),
            "xy".repeat(32),
            "A".repeat(42),
            "A".repeat(44),
            format!(" {}", "A".repeat(43)),
            format!("{}\n", "ab".repeat(32)),
            format!("0x{}", "ab".repeat(31)),
        ] {
            assert!(!read(&bad), "{bad}");
        }
    }
}
