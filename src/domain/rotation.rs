//! How far a rotation has come: whether a retiring secret can be ended before its grace is over.

use std::{fmt, time::Duration};

use super::{time::Timestamp, usage::minute_of};

/// A secret that was not used for so long is no longer needed, unless the request states another period.
pub const QUIET_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of the use of a retiring secret and of the current one, exact to the minute.
#[derive(Debug, Clone, Copy)]
pub struct Uses<'a> {
    /// When the retiring one was replaced.
    pub replaced: Timestamp,
    /// The last use by each of its users.
    pub retiring: &'a [Timestamp],
    /// The last use of the current one.
    pub current: Option<Timestamp>,
}

/// Whether a retiring secret can be ended now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet: it is still used.
    StillUsed {
        /// How many callers and addresses.
        users: usize,
        /// The newest use.
        last: Timestamp,
    },
    /// Not yet: no holder has used the new one.
    CurrentNeverUsed,
    /// Not yet: the key rests altogether, so that silence says nothing.
    CurrentQuiet(Timestamp),
    /// It can: it was not used since it was replaced, and the current one is used.
    NeverUsedSince(Timestamp),
    /// It can: its last use is long ago, and the current one is used.
    Quiet(Timestamp),
}

impl Readiness {
    /// Judges what is known. A use in the minute of the rotation counts as one after it.
    #[must_use]
    pub fn new(uses: Uses<'_>, quiet: Duration, now: Timestamp) -> Self {
        let recent = |time: Timestamp| now.saturating_since(time) < quiet;
        let since =
            || uses.retiring.iter().copied().filter(|time| minute_of(*time) >= minute_of(uses.replaced));
        let last = since().max();
        let Some(current) = uses.current else { return Self::CurrentNeverUsed };
        match last {
            Some(last) if recent(last) => {
                Self::StillUsed { users: since().filter(|time| recent(*time)).count(), last }
            }
            Some(_) | None if !recent(current) => Self::CurrentQuiet(current),
            Some(last) => Self::Quiet(last),
            None => Self::NeverUsedSince(uses.replaced),
        }
    }

    /// Whether it can be ended.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        match self {
            Self::NeverUsedSince(_) | Self::Quiet(_) => true,
            Self::StillUsed { .. } | Self::CurrentNeverUsed | Self::CurrentQuiet(_) => false,
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StillUsed { users: 1, last } => write!(formatter, "still used by 1 caller, last at {last}"),
            Self::StillUsed { users, last } => {
                write!(formatter, "still used by {users} callers, last at {last}")
            }
            Self::CurrentNeverUsed => {
                formatter.write_str("the current secret was never used, so its holders may not have it")
            }
            Self::CurrentQuiet(last) => {
                write!(formatter, "the current secret was last used at {last}, so silence says nothing")
            }
            Self::NeverUsedSince(replaced) => {
                write!(formatter, "never used since it was replaced at {replaced}, and the current one is")
            }
            Self::Quiet(last) => write!(formatter, "last used at {last}, and the current one since"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::tests::at;

    const HOUR: i64 = 3_600_000;

    fn ready(retiring: &[i64], current: Option<i64>) -> Readiness {
        let retiring: Vec<_> = retiring.iter().map(|hour| at(hour * HOUR)).collect();
        let uses =
            Uses { replaced: at(10 * HOUR), retiring: &retiring, current: current.map(|it| at(it * HOUR)) };
        Readiness::new(uses, QUIET_PERIOD, at(100 * HOUR))
    }

    #[test]
    fn a_secret_is_safe_to_end_once_nobody_uses_it_and_the_new_one_is_used() {
        // R5
        for (retiring, current, expected) in [
            (&[][..], None, Readiness::CurrentNeverUsed),
            (&[99], None, Readiness::CurrentNeverUsed),
            (&[], Some(99), Readiness::NeverUsedSince(at(10 * HOUR))),
            (&[9], Some(99), Readiness::NeverUsedSince(at(10 * HOUR))),
            (&[10], Some(99), Readiness::Quiet(at(10 * HOUR))),
            (&[75, 76], Some(99), Readiness::Quiet(at(76 * HOUR))),
            (&[75, 77, 99], Some(99), Readiness::StillUsed { users: 2, last: at(99 * HOUR) }),
            (&[99], Some(20), Readiness::StillUsed { users: 1, last: at(99 * HOUR) }),
            (&[30], Some(40), Readiness::CurrentQuiet(at(40 * HOUR))),
            (&[], Some(40), Readiness::CurrentQuiet(at(40 * HOUR))),
        ] {
            let ready = ready(retiring, current);
            assert_eq!(ready, expected, "{retiring:?} {current:?}");
            let safe = matches!(expected, Readiness::Quiet(_) | Readiness::NeverUsedSince(_));
            assert_eq!(ready.is_safe(), safe, "{ready}");
        }
    }
}
