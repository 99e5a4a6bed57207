//! Numbers for what limits are counted under, so that a count is small: each is its text's own for as long as a limit or a
//! count has it, and another's after that.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A number for what a limit is counted under: its tier, its name, its window and who shares the count. Its size is not
/// part of that: so a changed limit goes on with what was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitId(u32);

/// Every [`LimitId`] of this process, with the text that it is stored under.
#[derive(Debug, Default)]
pub struct LimitIds(Mutex<KnownId>);

#[derive(Debug, Default)]
struct KnownId {
    ids: HashMap<Arc<str>, LimitId>,
    /// By number; `None` where the number is free.
    texts: Vec<Option<NamedLimit>>,
    free: Vec<LimitId>,
}

#[derive(Debug)]
struct NamedLimit {
    text: Arc<str>,
    /// Whether it was handed out since [`LimitIds::idle`] was last asked.
    handed_out: bool,
}

/// References to a text that are this list's own: one of each of its parts.
const OURS: usize = 2;

impl LimitIds {
    /// The number of what is stored under this text, and the text: while that is referenced, no other text gets the number.
    pub fn named(&self, text: &str) -> (LimitId, Arc<str>) {
        let mut known = self.lock();
        if let Some(id) = known.ids.get(text).copied()
            && let Some(Some(named)) = known.texts.get_mut(id.place())
        {
            named.handed_out = true;
            return (id, Arc::clone(&named.text));
        }
        let text: Arc<str> = text.into();
        let named = Some(NamedLimit { text: Arc::clone(&text), handed_out: true });
        // Four thousand million limits do not fit into memory.
        let new = || LimitId(u32::try_from(known.texts.len()).unwrap_or(u32::MAX));
        let id = known.free.last().copied().unwrap_or_else(new);
        if known.free.pop().is_none() {
            known.texts.push(named);
        } else if let Some(place) = known.texts.get_mut(id.place()) {
            *place = named;
        }
        known.ids.insert(Arc::clone(&text), id);
        (id, text)
    }

    /// The number of what is stored under this text.
    pub fn id(&self, text: &str) -> LimitId {
        self.named(text).0
    }

    /// The same, if it has one.
    #[must_use]
    pub fn known(&self, text: &str) -> Option<LimitId> {
        self.lock().ids.get(text).copied()
    }

    /// What a limit is stored under.
    #[must_use]
    pub fn text(&self, id: LimitId) -> Option<Arc<str>> {
        self.lock().texts.get(id.place())?.as_ref().map(|named| Arc::clone(&named.text))
    }

    /// Numbers that no limit has now. Those that have no count either can be freed.
    #[must_use]
    pub fn idle(&self) -> HashSet<LimitId> {
        let mut known = self.lock();
        let ids: Vec<_> = known.ids.values().copied().collect();
        let mut idle = HashSet::new();
        for id in ids {
            let Some(Some(named)) = known.texts.get_mut(id.place()) else { continue };
            named.handed_out = false;
            if Arc::strong_count(&named.text) == OURS {
                idle.insert(id);
            }
        }
        idle
    }

    /// Frees numbers that have no count, unless they were handed out since they were idle: a caller who got one may have
    /// begun a count with it.
    pub fn free(&self, unused: HashSet<LimitId>) {
        let mut known = self.lock();
        for id in unused {
            let Some(place) = known.texts.get_mut(id.place()) else { continue };
            let idle = |named: &NamedLimit| !named.handed_out && Arc::strong_count(&named.text) == OURS;
            let Some(named) = place.take_if(|named| idle(named)) else { continue };
            known.ids.remove(&named.text);
            known.free.push(id);
        }
        known.ids.shrink_to(1024);
    }

    /// How many numbers are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().ids.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, KnownId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimitId {
    /// The one of this number.
    pub(super) const fn numbered(number: u32) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> u32 {
        self.0
    }

    fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_another_texts_once_nobody_has_it() {
        // D7
        let ids = LimitIds::default();
        let (kept, text) = ids.named("default/hour/key/hour");
        for round in 0..1_000 {
            let id = ids.id(&format!("default/made-up-{round}/key/hour"));
            assert_ne!(id, kept);
            let idle = ids.idle();
            assert!(idle.contains(&id) && !idle.contains(&kept));
            ids.free(idle);
        }
        assert_eq!(ids.len(), 1);
        assert_eq!(ids.text(kept).as_deref(), Some("default/hour/key/hour"));
        drop(text);
        ids.free(ids.idle());
        assert!(ids.is_empty());
        assert_eq!((ids.text(kept), ids.known("default/hour/key/hour")), (None, None));
    }

    #[test]
    fn a_number_that_was_handed_out_meanwhile_or_is_counted_under_stays() {
        // L6: a caller who got it may have begun a count with it, and ended the limit since
        let ids = LimitIds::default();
        let (first, second) = (ids.id("a/a/key/day"), ids.id("b/b/key/day"));
        let mut idle = ids.idle();
        assert_eq!(ids.id("a/a/key/day"), first);
        idle.remove(&second);
        ids.free(idle);
        assert_eq!((ids.known("a/a/key/day"), ids.known("b/b/key/day")), (Some(first), Some(second)));
    }
}
