//! What a long look tells while it goes on, to one who may go away.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{error::OperationError, ports::StoreError};

/// How long the listener may take for one thing that is told. One who takes longer has no use of the work, which holds a place.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Where a long look tells what it finds.
#[derive(Debug)]
pub struct Audience<T>(mpsc::Sender<T>);

// Derived, it would ask that what is told be `Clone`.
impl<T> Clone for Audience<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send> Audience<T> {
    /// Tells whoever reads this channel.
    #[must_use]
    pub const fn new(listener: mpsc::Sender<T>) -> Self {
        Self(listener)
    }

    /// Tells this, as soon as what was told before has been taken.
    ///
    /// # Errors
    /// Nobody listens any more: the work is to end.
    pub async fn tell(&self, news: T) -> Result<(), OperationError> {
        let told = tokio::time::timeout(TAKEN_WITHIN, self.0.send(news)).await;
        if matches!(told, Ok(Ok(()))) { Ok(()) } else { Err(gone().into()) }
    }

    /// Tells this if there is room for it at once, from a thread that must not wait; says whether anybody still listens.
    #[must_use]
    pub fn mention(&self, news: T) -> bool {
        !matches!(self.0.try_send(news), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// Waits until nobody listens any more.
    pub async fn is_unheard(&self) {
        self.0.closed().await;
    }
}

/// What ends a look that nobody waits for.
fn gone() -> StoreError {
    StoreError::Unavailable("nobody takes the answer any more".to_owned())
}
