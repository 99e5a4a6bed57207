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

    /// The same, to be kept for longer than a bill.
    #[must_use]
    pub fn keep(&self) -> KeptPayer {
        match *self {
            Self::Key(key) => KeptPayer::Key(key),
            Self::Owner(text) => KeptPayer::Owner(text.into()),
            Self::Workspace(text) => KeptPayer::Workspace(text.into()),
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

/// A [`Payer`] that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptPayer {
    /// A key.
    Key(KeyId),
    /// All keys of an owner.
    Owner(Box<str>),
    /// All keys of a workspace, or the workspace itself.
    Workspace(Box<str>),
}

impl KeptPayer {
    /// Who it is.
    #[must_use]
    pub fn payer(&self) -> Payer<'_> {
        match self {
            Self::Key(key) => Payer::Key(*key),
            Self::Owner(text) => Payer::Owner(text),
            Self::Workspace(text) => Payer::Workspace(text),
        }
    }
}

impl fmt::Display for Payer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

/// What a back end keeps in the slot of a payer, so that it looks nothing up. An index makes an empty slot for each payer
/// and never looks inside.
pub trait AccountSlot: Any + Default + Send + Sync {}

/// For back ends that keep nothing beside a payer.
impl AccountSlot for () {}

/// A slot as the index keeps it: the back end that it belongs to knows its type.
pub type AnySlot = dyn Any + Send + Sync;

/// A payer in the index, with its slot.
pub trait Slotted: Send + Sync {
    /// Who it is.
    fn payer(&self) -> Payer<'_>;

    /// What the back end keeps of it.
    fn slot(&self) -> &AnySlot;
}

/// What a limit of a bill is charged to: a payer, and its slot for a back end that has use for it.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// Who it is.
    pub payer: Payer<'a>,
    /// When the payer came to be: it has no counts from before then.
    pub since: Timestamp,
    /// The slot. Where the back end's type is not in it, the index was made for another back end.
    pub slot: &'a AnySlot,
}

impl<'a> Account<'a> {
    /// The account of a payer in the index that may have been there always, as owners and workspaces are.
    #[must_use]
    pub fn of(slotted: &'a dyn Slotted) -> Self {
        Self { payer: slotted.payer(), since: Timestamp::EPOCH, slot: slotted.slot() }
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
            assert_eq!((Payer::stored_under(text), payer.keep().payer()), (payer, payer));
            assert_eq!(payer.text(), text.as_str());
        }
        assert!(Payer::Key(id) < Payer::Owner(&ann) && Payer::Owner(&ann) < Payer::Workspace(&live));
    }
}
