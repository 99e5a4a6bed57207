//! The statuses that an answer can have which lets nothing through.

/// The status of an answer that lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopStatus {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 429.
    TooManyRequests,
    /// 503.
    Unavailable,
}

impl StopStatus {
    /// The status as HTTP counts it.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::TooManyRequests => 429,
            Self::Unavailable => 503,
        }
    }

    /// The status as gRPC counts it.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::BadRequest => 3,
            Self::Unauthorized => 16,
            Self::Forbidden => 7,
            Self::TooManyRequests => 8,
            Self::Unavailable => 14,
        }
    }

    /// The status as RFC 9110 and RFC 6585 name it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::TooManyRequests => "Too Many Requests",
            Self::Unavailable => "Service Unavailable",
        }
    }
}
