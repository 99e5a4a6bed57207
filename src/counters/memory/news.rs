//! Who was charged since their counts were last written as they are: what a stop has to write, and no more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ports::KeptPayer;

const PARTS: usize = 64;

/// Payers whose counts are news, each once.
pub(super) struct News(Box<[NewsPart]>);

/// A part with cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct NewsPart(Mutex<Vec<KeptPayer>>);

impl Default for News {
    fn default() -> Self {
        Self((0..PARTS).map(|_| NewsPart::default()).collect())
    }
}

impl News {
    /// Takes note of a payer whose counts were none before.
    pub(super) fn add(&self, payer: KeptPayer) {
        let number = match &payer {
            KeptPayer::Key(key) => {
                let [.., last] = key.to_bytes();
                usize::from(last)
            }
            KeptPayer::Owner(text) | KeptPayer::Workspace(text) => text.len(),
        };
        if let Some(part) = self.0.get(number % PARTS) {
            part.lock().push(payer);
        }
    }

    /// Takes out who is there.
    pub(super) fn take(&self) -> Vec<KeptPayer> {
        self.0.iter().flat_map(|part| std::mem::take(&mut *part.lock())).collect()
    }
}

impl NewsPart {
    fn lock(&self) -> MutexGuard<'_, Vec<KeptPayer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
