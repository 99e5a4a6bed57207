//! How import schemes are written down: JSON, version 1. The other system's secret stands there under seal only.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use super::body::VERSION;
use crate::domain::{revision::Revision, scheme::ImportScheme, seal::Sealed, text::Label, time::Timestamp};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemeBody {
    v: u8,
    /// Of AES-256-GCM, in base 64.
    nonce: String,
    /// In base 64.
    sealed: String,
    created_ms: i64,
}

/// The body of a scheme's row.
pub(in crate::store) fn scheme_body(scheme: &ImportScheme) -> Result<String, serde_json::Error> {
    serde_json::to_string(&SchemeBody {
        v: VERSION,
        nonce: BASE64_STANDARD_NO_PAD.encode(scheme.sealed.nonce),
        sealed: BASE64_STANDARD_NO_PAD.encode(&scheme.sealed.bytes),
        created_ms: scheme.created.as_ms(),
    })
}

/// A scheme from its row's body. `None` if it cannot be read.
pub(in crate::store) fn read_scheme(name: Label, revision: Revision, body: &str) -> Option<ImportScheme> {
    let body: SchemeBody = serde_json::from_str(body).ok()?;
    (body.v == VERSION).then_some(())?;
    let nonce = BASE64_STANDARD_NO_PAD.decode(body.nonce).ok()?.try_into().ok()?;
    let bytes = BASE64_STANDARD_NO_PAD.decode(body.sealed).ok()?;
    let created = Timestamp::from_ms(body.created_ms).ok()?;
    Some(ImportScheme { name, sealed: Sealed { nonce, bytes }, created, revision })
}
