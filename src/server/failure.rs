//! Why a call is not answered by its handler.

/// Why a call that was taken is not answered by its handler, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// The deadline has passed.
    DeadlineExceeded,
    /// The handler panicked.
    Panicked,
    /// The request ended before it was whole; the client is hardly ever there to hear it.
    RequestBroken,
    /// The memory for calls in flight is spent.
    OverBudget,
    /// Too many streams of answers are open.
    TooManyStreams,
}
