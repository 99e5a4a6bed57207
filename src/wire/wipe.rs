//! Messages that carry an `api_key`, the headers it came in, or what other systems keep of theirs, are wiped
//! when they are dropped, however a call ends.
//!
//! What lies below is out of reach: the buffers that a message was read from or written to are freed unwiped.

use zeroize::Zeroize;

use super::{
    envoy::service::auth::v3::CheckRequest,
    v1::{
        AddImportSchemeRequest, HmacSha256Hash, IssueResponse, RegisterWorkspaceResponse, RotateResponse,
        check_request::Subject, get_key_request::Presented, import_row::Hash, revoke_request::Target,
    },
};

impl Drop for Subject {
    fn drop(&mut self) {
        match self {
            Self::ApiKey(text) => text.zeroize(),
            Self::KeyId(_) => {}
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        match self {
            Self::ApiKey(text) => text.zeroize(),
            Self::KeyId(_) => {}
        }
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        let Self::ApiKey(text) = self;
        text.zeroize();
    }
}

impl Drop for IssueResponse {
    fn drop(&mut self) {
        self.api_key.zeroize();
    }
}

impl Drop for RotateResponse {
    fn drop(&mut self) {
        self.api_key.zeroize();
    }
}

impl Drop for RegisterWorkspaceResponse {
    fn drop(&mut self) {
        self.api_key.zeroize();
    }
}

impl Drop for AddImportSchemeRequest {
    fn drop(&mut self) {
        self.hmac_sha256_secret.zeroize();
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        match self {
            Self::Sha256(hash) | Self::Sha512(hash) => hash.zeroize(),
            Self::Sha256Text(hash) => hash.zeroize(),
            Self::HmacSha256(_) => {}
        }
    }
}

impl Drop for HmacSha256Hash {
    fn drop(&mut self) {
        self.hash.zeroize();
    }
}

impl Drop for CheckRequest {
    fn drop(&mut self) {
        let request = self.attributes.as_mut().and_then(|attributes| attributes.request.as_mut());
        let Some(http) = request.and_then(|request| request.http.as_mut()) else { return };
        http.headers.values_mut().for_each(Zeroize::zeroize);
        for header in http.header_map.iter_mut().flat_map(|map| &mut map.headers) {
            header.value.zeroize();
            header.raw_value.zeroize();
        }
    }
}
