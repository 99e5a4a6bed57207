//! Who pays for a request, as values; and the slot that the index keeps beside each payer for a back end that counts in memory.

use std::{any::Any, borrow::Cow, fmt};

use crate::domain::{id::KeyId, time::Timestamp};

/// A key, an owner or a workspace whose use is counted: all that a back end has to know of it, wherever it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payer<'a> {
    /// A key by itself.
    Key(KeyId),
    /// All keys of an owner in a workspace and environment: `ws_…/live/ann`. Keys without an owner share the owner without a name.
    Owner(&'a str),
    /// All keys of a workspace in an environment, `ws_…/live`; or the workspace itself, `ws_…`, for what its changes write.
    Workspace(&'a str),
}

impl<'a> Payer<'a> {
    /// The payer whose counts are stored under this text.
    #[must_use]
    pub fn stored_under(text: &'a str) -> Self {
        match KeyId::parse(text) {
            Ok(key) => Self::Key(key),
            // Neither the id of a workspace nor the name of an environment has a slash in it.
            Err(_) if text.matches('/').count() > 1 => Self::Owner(text),
            Err(_) => Self::Workspace(text),
        }
    }

    /// What its counts are stored under.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self {
            Self::Key(key) => Cow::Owned(key.to_text()),
            Self::Owner(text) | Self::Workspace(text) => Cow::Borrowed(text),
        }
    }
}

impl fmt::Display for Payer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

/// What a back end keeps in the slot of a payer, so that it looks nothing up. An index makes a slot for each payer
/// and never looks inside.
pub trait AccountSlot: Any + Send + Sync {
    /// The slot of a payer that exists since this time.
    fn new(since: Timestamp) -> Self
    where
        Self: Sized;
}

/// For back ends that keep nothing beside a payer.
impl AccountSlot for () {
    fn new(_: Timestamp) -> Self {}
}

/// A slot as the index keeps it: the back end that it belongs to knows its type.
pub type AnySlot = dyn Any + Send + Sync;

/// A payer in the index, with its slot.
pub trait Slotted: Send + Sync {
    /// Who it is.
    fn payer(&self) -> Payer<'_>;

    /// What the back end keeps of it.
    fn slot(&self) -> &AnySlot;

    /// The same, to be kept for longer than a bill.
    fn keep(&self) -> Box<dyn Slotted>;
}

/// What a limit of a bill is charged to: a payer, and its slot for a back end that has use for it.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// Who it is.
    pub payer: Payer<'a>,
    /// The slot. Where the back end's type is not in it, the index was made for another back end.
    pub slot: &'a dyn Slotted,
}

impl<'a> Account<'a> {
    /// The account of a payer in the index.
    #[must_use]
    pub fn of(slotted: &'a dyn Slotted) -> Self {
        Self { payer: slotted.payer(), slot: slotted }
    }
}

impl fmt::Debug for Account<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Account").field(&self.payer).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_is_told_from_what_its_counts_are_stored_under() {
        // L13, L14
        let (key, workspace) = (format!("key_{:026}", 1), format!("ws_{:026}", 1));
        let id = KeyId::parse(&key).unwrap();
        let (live, ann) = (format!("{workspace}/live"), format!("{workspace}/live/ann/of/sales"));
        let nobody = format!("{live}/");
        for (text, payer) in [
            (&key, Payer::Key(id)),
            (&workspace, Payer::Workspace(&workspace)),
            (&live, Payer::Workspace(&live)),
            (&ann, Payer::Owner(&ann)),
            (&nobody, Payer::Owner(&nobody)),
        ] {
            assert_eq!(Payer::stored_under(text), payer);
            assert_eq!(payer.text(), text.as_str());
        }
        assert!(Payer::Key(id) < Payer::Owner(&ann) && Payer::Owner(&ann) < Payer::Workspace(&live));
    }
}
