//! Errors of requests that something stands in the way of.

use super::listed::listed;
use crate::domain::{
    group::{MAX_GROUP, MAX_WORKSPACES},
    id::KeyId,
    key::TransitionError,
    text::{Label, Plan},
    time::Timestamp,
};

/// Something stands in the way: the caller changes that first, or asks for less.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The key's state does not allow it.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// The key used nothing of what it has since then.
    #[error("nothing of what the key has was used since {0}; disable it, or revoke it")]
    NothingUsed(Timestamp),
    /// This key is the last that can make administration keys.
    #[error(
        "it is the last usable global key with `admin:grant`; issue another first, or, if its secret is known to others, rotate it with a \
         grace of 0, which ends that secret at once"
    )]
    LastRoot,
    /// The last such key could not be used from where this call comes from.
    #[error(
        "it is the last usable global key with `admin:grant`, and this call comes from none of the networks that it would be bound to: \
         from here nobody could administer any more; call from one of these networks, or issue another such key first"
    )]
    RootUnreachable,
    /// Another number of keys would change than was confirmed.
    #[error("{changed} keys would change, and {expected} were confirmed; look at the preview again")]
    CountChanged {
        /// How many would change.
        changed: usize,
        /// How many were confirmed.
        expected: u64,
    },
    /// Other keys would gain rights than were expected to.
    #[error("{}", gains_message(*.gaining, *.expected, .first, .scopes))]
    GainsUnexpected {
        /// How many would gain.
        gaining: usize,
        /// How many were expected to.
        expected: u64,
        /// The first of them, by id.
        first: Vec<KeyId>,
        /// What they would gain, together.
        scopes: Vec<String>,
    },
    /// More keys would change than one change takes.
    #[error(
        "{0} keys would change, and one change takes at most {MAX_GROUP}; split it by when they were issued"
    )]
    TooManyKeys(usize),
    /// More keys would be reviewed than one call without progress looks at.
    #[error(
        "there are {count} keys to review, and ReviewKeys looks at no more than {most}: StreamReviewKeys looks at any number, and tells how \
         far it has come"
    )]
    TooManyToReview {
        /// How many keys there are.
        count: usize,
        /// How many it looks at.
        most: usize,
    },
    /// A change would be in more workspaces than one change takes.
    #[error(
        "{0} workspaces would have a part in it, and one change takes at most {MAX_WORKSPACES}; nothing was changed: name them one by \
         one, or split the change"
    )]
    TooManyWorkspaces(usize),
    /// The workspace's plan may not issue keys.
    #[error("the policy bars the plan `{0}` from issuing keys")]
    PlanMayNotIssue(Plan),
    /// The policy bars the role from having keys that follow it, or are issued on its behalf.
    #[error("the policy lets no key be issued that follows the role `{0}`, or on its behalf")]
    RoleMayNotIssue(Label),
    /// There is no import scheme of this name.
    #[error("there is no import scheme `{0}`")]
    SchemeNotFound(Label),
    /// An imported secret can be found by trying.
    #[error(
        "a secret of {0} bits can be found by trying; fewer than 112 are taken in for 90 days at most, if allowed"
    )]
    WeakSecret(u32),
    /// The workspace is suspended, and gets neither keys nor members.
    #[error("the workspace is suspended, and gets no new keys or members until it is resumed")]
    WorkspaceSuspended,
    /// The workspace is closed, for good.
    #[error(
        "the workspace is closed, and nothing in it changes any more but that keys are revoked or disabled"
    )]
    WorkspaceClosed,
}

/// Which keys would gain what, and how many were expected to.
fn gains_message(gaining: usize, expected: u64, first: &[KeyId], scopes: &[String]) -> String {
    let keys: Vec<_> = first.iter().map(ToString::to_string).collect();
    let named = match gaining.saturating_sub(keys.len()) {
        _ if keys.is_empty() => String::new(),
        0 => format!(" ({})", keys.join(", ")),
        more => format!(" ({} and {more} more)", keys.join(", ")),
    };
    let what = if scopes.is_empty() { String::new() } else { format!(": {}", listed(scopes)) };
    format!(
        "{gaining} keys would gain rights{named}{what}; {expected} were expected, and nothing was changed"
    )
}
