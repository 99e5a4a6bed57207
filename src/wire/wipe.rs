//! Messages that carry an `api_key` are wiped when they are dropped, whichever way a call ends.
//!
//! What lies below is out of reach: the buffers that a message was read from or written to are freed unwiped.

use zeroize::Zeroize as _;

use super::v1::{
    IssueResponse, RegisterWorkspaceResponse, RotateResponse, check_request::Subject, revoke_request::Target,
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
