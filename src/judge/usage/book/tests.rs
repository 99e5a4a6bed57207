//! Tests of what is counted in memory.

use std::{
    sync::atomic::AtomicBool,
    thread::{scope, spawn},
};

use super::*;
use crate::domain::{
    policy::{Policy, TierEntry},
    revision::Revision,
    text::Comment,
    time::{Entropy, EntropyUnavailable},
    usage::ALLOWED,
};

struct Same(usize);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        let number = self.0.to_be_bytes();
        bytes.chunks_mut(number.len()).for_each(|chunk| chunk.copy_from_slice(&number));
        Ok(())
    }
}

pub(crate) fn key(number: usize) -> KeyId {
    KeyId::generate(&Same(number)).unwrap()
}

impl UsageBook {
    /// Counts a Check of which no scope is known.
    pub(crate) fn note(
        &self,
        policy: &Arc<PolicyVersion>,
        key: KeyId,
        now: Timestamp,
        tiers: TierSet,
        outcome: &'static str,
        cost: u64,
    ) {
        self.count(policy, key, now, &CheckOutcome { tiers, word: outcome, cost }, |_none| ());
    }
}

/// A policy with these tiers, in this order.
pub(crate) fn policy(version: u64, tiers: &[&str]) -> Arc<PolicyVersion> {
    let mut document = Policy::default_document().unwrap().document().clone();
    let limits = document.tiers[0].limits.clone();
    let declared: Vec<_> = document.scopes.iter().map(|scope| scope.name.clone()).collect();
    let tier = |(place, name): (usize, &&str)| TierEntry {
        name: (*name).to_owned(),
        scopes: if *name == "default" { Vec::new() } else { vec![declared[place].clone()] },
        limits: limits.clone(),
        ..TierEntry::default()
    };
    document.tiers = tiers.iter().enumerate().map(tier).collect();
    document.plans.iter_mut().for_each(|plan| plan.tiers.clear());
    Arc::new(PolicyVersion {
        version,
        policy: Policy::new(document).unwrap(),
        applied: Timestamp::EPOCH,
        applied_by: None,
        applied_by_owner: None,
        comment: Comment::parse("").unwrap(),
        revision: Revision::ZERO,
    })
}

fn place(policy: &PolicyVersion, tier: &str) -> TierSet {
    TierSet::only(policy.policy.tiers().iter().position(|known| known.name.as_str() == tier).unwrap())
}

#[test]
fn room_that_was_needed_once_is_given_back_after_a_time_without_checks() {
    // D7
    let (book, policy) = (UsageBook::default(), policy(1, &["default"]));
    for number in 0..1_000 {
        book.note(&policy, key(number), Timestamp::EPOCH, TierSet::default(), ALLOWED, 1);
    }
    let room = || {
        book.shards
            .iter()
            .flat_map(|shard| shard.lock().by_policy.iter().map(|of| of.slots.capacity()).collect::<Vec<_>>())
            .sum::<usize>()
    };
    assert_eq!(drained(&book).len(), 1_000);
    assert!(room() >= 1_000, "as many are expected in the next second");
    assert_eq!(drained(&book).len(), 0);
    assert_eq!(room(), 0);
}

fn drained(book: &UsageBook) -> Vec<(String, u32, &'static str, u64, u64)> {
    let mut lines = UsageLines::default();
    assert_eq!(book.drain(&mut lines, usize::MAX), 0);
    let row = |(line, tally): (UsageLine, UsageTally)| {
        (line.tier.to_string(), line.hour, line.outcome, tally.checks, tally.cost)
    };
    lines.usage.into_iter().map(row).collect()
}

pub(crate) fn hour(number: i64) -> Timestamp {
    Timestamp::from_ms(number * 3_600_000).unwrap()
}

#[test]
fn a_tier_keeps_its_name_when_a_new_policy_shifts_its_place() {
    // L7, A4
    let book = UsageBook::default();
    let (old, new) = (policy(1, &["default", "a", "b"]), policy(2, &["default", "z", "b", "a"]));
    assert_ne!(place(&old, "a"), place(&new, "a"));
    for (policy, cost) in [(&old, 1), (&new, 10), (&old, 100)] {
        book.note(policy, key(1), hour(5), place(policy, "a"), ALLOWED, cost);
        book.note(policy, key(1), hour(5), place(policy, "a").and(place(policy, "b")), ALLOWED, cost);
    }
    book.note(&new, key(1), hour(5), TierSet::default(), "KEY_EXPIRED", 0);
    let rows = [
        (String::new(), 5, "KEY_EXPIRED", 1, 0),
        ("a".to_owned(), 5, ALLOWED, 6, 222),
        ("b".to_owned(), 5, ALLOWED, 3, 111),
    ];
    assert_eq!(drained(&book), rows);
    assert!(book.is_empty());
    book.note(&old, key(1), hour(6), place(&old, "b"), ALLOWED, u64::MAX);
    book.note(&old, key(1), hour(6), place(&old, "b"), ALLOWED, 1);
    assert_eq!(drained(&book), [("b".to_owned(), 6, ALLOWED, 2, u64::MAX)]);
}

#[test]
fn threads_that_count_while_the_book_is_emptied_add_up() {
    // A4, L7
    const EACH: u64 = 20_000;
    let (book, policy) = (UsageBook::default(), policy(1, &["default", "a"]));
    let tiers = place(&policy, "a");
    let counting = AtomicBool::new(true);
    let mut lines = UsageLines::default();
    scope(|threads| {
        let emptying = threads.spawn(|| {
            let mut lines = UsageLines::default();
            while counting.load(Ordering::SeqCst) {
                assert_eq!(book.drain(&mut lines, usize::MAX), 0);
            }
            lines
        });
        let counters: Vec<_> = (0..8)
            .map(|_| {
                threads.spawn(|| {
                    for check in 0..EACH {
                        let number = usize::try_from(check % 50).unwrap();
                        book.note(&policy, key(number), hour(1), tiers, ALLOWED, 3);
                    }
                })
            })
            .collect();
        for counter in counters {
            counter.join().unwrap();
        }
        counting.store(false, Ordering::SeqCst);
        lines = emptying.join().unwrap();
    });
    book.drain(&mut lines, usize::MAX);
    assert_eq!(lines.len(), 50);
    let each = 8 * EACH / 50;
    let lines = lines.usage;
    assert!(lines.values().all(|tally| *tally == UsageTally { checks: each, cost: 3 * each }), "{lines:?}");
}

#[test]
fn what_a_full_shard_cannot_count_is_told_and_what_it_knows_goes_on() {
    // D7
    let (book, policy) = (UsageBook::default(), policy(1, &["default"]));
    let note = |number| book.note(&policy, key(number), hour(1), TierSet::only(0), ALLOWED, 1);
    (0..MOST_IN_SHARD + 7).for_each(note);
    note(0);
    let mut lines = UsageLines::default();
    assert_eq!(book.drain(&mut lines, 0), 0, "there is no room for any");
    assert_eq!(book.drain(&mut lines, 1), 7);
    assert_eq!(lines.len(), MOST_IN_SHARD);
    assert_eq!(lines.usage.first_key_value().unwrap().1.checks, 2);
    note(0);
    assert_eq!(drained(&book).len(), 1);
}

#[test]
fn a_thread_of_its_own_counts_in_a_shard_of_its_own() {
    let mine = SHARD.with(|shard| *shard);
    assert_eq!(SHARD.with(|shard| *shard), mine);
    let others = [0; 3].map(|_| spawn(|| SHARD.with(|shard| *shard)).join().unwrap());
    assert!(!others.contains(&mine), "{mine} {others:?}");
}

#[test]
fn a_scope_that_is_used_all_the_time_is_told_once_an_hour() {
    let book = UsageBook::default();
    let policy = policy(1, &["default"]);
    let name = policy.policy.scope_at(1).unwrap().to_owned();
    let count = |at, word| {
        let outcome = CheckOutcome { tiers: TierSet::only(0), word, cost: 1 };
        book.count(&policy, key(1), hour(at), &outcome, |scopes| scopes.insert(1));
    };
    let told = |lines: &mut UsageLines| {
        book.drain(lines, usize::MAX);
        let told = std::mem::take(&mut lines.scopes);
        lines.remember(&told);
        told.into_iter()
            .map(|(line, hours)| (line.scope.to_string(), line.used, hours.last))
            .collect::<Vec<_>>()
    };
    let mut lines = UsageLines::default();
    count(5, ALLOWED);
    count(5, ALLOWED);
    count(5, "SCOPE_INSUFFICIENT");
    assert_eq!(told(&mut lines), [(name.clone(), false, 5), (name.clone(), true, 5)]);
    count(5, ALLOWED);
    assert_eq!(told(&mut lines), [], "it is written");
    count(6, ALLOWED);
    count(5, ALLOWED);
    assert_eq!(told(&mut lines), [(name.clone(), true, 6)], "the last hour");
    count(6, ALLOWED);
    count(6, "SCOPE_INSUFFICIENT");
    assert_eq!(told(&mut lines), [(name, false, 6)]);
}
