//! How much of a request is gathered before its handler gets it.

/// What of a request is gathered before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// Nothing: it is a stream.
    Nothing,
    /// The whole, if it is no longer than these bytes; what is longer, or says that it will be, is served as far as it has
    /// come.
    UpTo(usize),
    /// One message of gRPC of these bytes at most. What says that it is longer, or has something behind it, is served as far as
    /// it has come.
    Message(usize),
}

/// Before a message of gRPC: one byte that says whether it is compressed, four that say how long it is.
const PREFIX_BYTES: usize = 5;

impl Gather {
    /// The most that is gathered before it has to be looked at.
    pub(super) const fn most_bytes(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::UpTo(bytes) => bytes,
            Self::Message(bytes) => bytes.saturating_add(PREFIX_BYTES),
        }
    }

    /// Whether a body is too long of which this much is still to come. A message of gRPC says so itself.
    pub(super) fn is_exceeded_by(self, declared: u64) -> bool {
        match self {
            Self::Nothing | Self::Message(_) => false,
            Self::UpTo(bytes) => usize::try_from(declared).is_ok_and(|declared| declared > bytes),
        }
    }

    /// Whether these bytes are more than are gathered, or the beginning of more.
    pub(super) fn is_too_much(self, gathered: &[u8]) -> bool {
        if gathered.len() > self.most_bytes() {
            return true;
        }
        let Self::Message(bytes) = self else { return false };
        let Some(([_flag, length @ ..], message)) = gathered.split_first_chunk::<PREFIX_BYTES>() else {
            return false;
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        length > bytes || message.len() > length
    }
}
