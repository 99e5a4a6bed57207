//! Key review: the keys of a workspace, or of all, with something wrong, in order of risk (K7).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    changes::{Changes, support::cursor},
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
        key::{Key, KeyView},
        parse::ParseError,
        review::{Breadth, Finding, Kind, KnownUse, Terms, findings, score},
        rights::Rights,
        time::Timestamp,
        usage::hour_of,
        workspace::Within,
    },
    error::{Blocked, OperationError},
    ports::{LastUse, ScopeUse},
    yielding::Yielding,
};

/// Keys that are looked at together: what is known of their use is read at once, and forgotten before the next.
pub(super) const AT_ONCE: usize = 512;

/// How many keys a review looks at that tells nothing meanwhile.
const MOST: usize = 20_000;

/// Which keys to review, and what counts as long.
#[derive(Debug)]
pub struct ReviewQuery {
    /// Of these workspaces.
    pub within: Within,
    /// What counts as long.
    pub terms: Terms,
}

/// A key with something wrong.
#[derive(Debug)]
pub struct Reviewed {
    /// The key.
    pub key: Key,
    /// How broad it is.
    pub breadth: Breadth,
    /// Its last use.
    pub last_use: Option<Timestamp>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// The score of these findings.
    pub score: u32,
}

/// A page of a review.
#[derive(Debug)]
pub struct ReviewPage {
    /// The keys, those with the highest score first.
    pub keys: Vec<Reviewed>,
    /// How many keys, of all that were looked at, have each kind of finding.
    pub totals: Vec<(Kind, u64)>,
    /// How many keys were looked at.
    pub reviewed: u64,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

/// What a key came to.
pub(super) struct Judged {
    pub(super) breadth: Breadth,
    pub(super) last_use: Option<Timestamp>,
    pub(super) findings: Vec<Finding>,
}

/// A place in a review: the highest score first, and for the same score by id.
pub(super) type Rank = (Reverse<u32>, KeyId);

/// Where a page begins, and the time that all pages of one review go by.
pub(super) struct Start {
    pub(super) time: Timestamp,
    pub(super) after: Option<Rank>,
}

/// What is found of all keys that were looked at.
#[derive(Default)]
pub(super) struct ReviewTotals {
    pub(super) reviewed: u64,
    of: BTreeMap<Kind, u64>,
}

impl ReviewTotals {
    /// Counts a key.
    pub(super) fn add(&mut self, findings: &[Finding]) {
        self.reviewed = self.reviewed.saturating_add(1);
        for finding in findings {
            let total = self.of.entry(finding.kind).or_default();
            *total = total.saturating_add(1);
        }
    }

    /// A page with these totals.
    pub(super) fn page(self, keys: Vec<Reviewed>, next_page_token: String) -> ReviewPage {
        ReviewPage { keys, totals: self.of.into_iter().collect(), reviewed: self.reviewed, next_page_token }
    }
}

impl Start {
    /// Whether a place was shown on a page before this one.
    pub(super) fn is_behind(&self, place: Rank) -> bool {
        self.after.is_some_and(|after| place <= after)
    }
}

impl Changes {
    /// A page of the keys that need attention.
    ///
    /// # Errors
    /// There are more keys than [`MOST`]: [`Changes::review_all`] looks at any number. The page token is not one of this review. The
    /// store.
    pub async fn review(
        &self,
        permit: AdminPermit<ReadKeys>,
        query: ReviewQuery,
        page_token: &str,
        page_size: usize,
    ) -> Result<ReviewPage, OperationError> {
        let list = format!("review {:?} {query:?}", permit.bound_to());
        let start = self.review_start(&list, page_token)?;
        let ids = self.all_of(&permit, query.within).await;
        if ids.len() > MOST {
            return Err(Blocked::TooManyToReview { count: ids.len(), most: MOST }.into());
        }
        self.flush_usage().await?;
        let mut page: BTreeMap<Rank, Judged> = BTreeMap::new();
        let (mut totals, mut more) = (ReviewTotals::default(), false);
        for ids in ids.chunks(AT_ONCE) {
            for (place, key) in self.review_some(&permit, ids, &query.terms, start.time).await? {
                totals.add(&key.findings);
                if key.findings.is_empty() || start.is_behind(place) {
                    continue;
                }
                page.insert(place, key);
                if page.len() > page_size {
                    page.pop_last();
                    more = true;
                }
            }
        }
        let behind = page.last_key_value().filter(|_| more).map(|(place, _)| place);
        let token = self.review_token(&list, &start, behind);
        Ok(totals.page(self.with_texts(page.into_iter().collect()).await?, token))
    }

    /// The token of the page behind this place; empty where there is none.
    pub(super) fn review_token(&self, list: &str, start: &Start, behind: Option<&Rank>) -> String {
        let place = behind.map(|(Reverse(score), id)| format!("{},{score},{id}", start.time.as_ms()));
        place.map(|place| cursor::seal(&self.keys.now().cursors, list, &place)).unwrap_or_default()
    }

    /// Every key of these workspaces that the caller may know of.
    pub(super) async fn all_of(&self, permit: &AdminPermit<ReadKeys>, within: Within) -> Vec<KeyId> {
        let _turn = self.locks.to_look_within(within).await;
        let (mut ids, mut yielding) = (Vec::new(), Yielding::with_pauses());
        self.index.each_within(within, |key, _rights| {
            yielding.step();
            if permit.reaches(key) {
                ids.push(key.id);
            }
        });
        ids
    }

    /// Looks at some keys; what is gone meanwhile is left out.
    pub(super) async fn review_some(
        &self,
        permit: &AdminPermit<ReadKeys>,
        ids: &[KeyId],
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Vec<(Rank, Judged)>, OperationError> {
        let uses = self.last_uses(ids.to_vec()).await?;
        let (scopes, watched) = self.store.scope_uses(ids.to_vec()).await?;
        let scopes = Scopes::new(scopes, watched, terms, now);
        let look = |id: &KeyId| {
            let found = self.index.by_id(*id)?;
            let (key, rights) = (&found.key(), found.rights());
            let uses = uses.get(id).map(Vec::as_slice).unwrap_or_default();
            let known = KnownUse {
                unused_scopes: scopes.unused(key, rights),
                earlier_import: self.judge.earlier_of_current(permit, key),
                ..known_use(uses)
            };
            let breadth = Breadth::new(key, rights.scopes().count(), rights.unbound().count());
            let findings = findings(key, breadth, &known, terms, now);
            let score = score(&findings);
            Some(((Reverse(score), *id), Judged { breadth, last_use: known.last, findings }))
        };
        Ok(ids.iter().filter_map(look).collect())
    }

    pub(super) fn review_start(&self, list: &str, token: &str) -> Result<Start, OperationError> {
        if token.is_empty() {
            return Ok(Start { time: self.clock.now(), after: None });
        }
        let read = || {
            let text = cursor::open(&self.keys.now().cursors, list, token)?;
            let mut parts = text.split(',');
            let time = Timestamp::from_ms(parts.next()?.parse().ok()?).ok()?;
            let score = parts.next()?.parse().ok()?;
            Some(Start { time, after: Some((Reverse(score), KeyId::parse(parts.next()?).ok()?)) })
        };
        let foreign =
            ParseError::new("empty, or the next_page_token of the page before, with the same terms");
        read().ok_or(OperationError::invalid("page_token", foreign))
    }
}

/// The newest use comes first.
fn known_use(uses: &[LastUse]) -> KnownUse {
    let mut secrets: HashMap<u32, Timestamp> = HashMap::new();
    for last in uses {
        secrets.entry(last.generation).or_insert(last.time);
    }
    let last = uses.first().map(|newest| newest.time);
    KnownUse { last, secrets: secrets.into_iter().collect(), ..KnownUse::default() }
}

/// Which scopes keys used within the time that counts as long.
struct Scopes {
    used: HashMap<KeyId, HashSet<Arc<str>>>,
    /// When that time began, if scopes were watched all along.
    since: Option<Timestamp>,
}

impl Scopes {
    fn new(rows: Vec<ScopeUse>, watched: Option<Timestamp>, terms: &Terms, now: Timestamp) -> Self {
        let ago = |time: Timestamp| now.saturating_since(time) >= terms.unused_for;
        let since_ms = i64::try_from(terms.unused_for.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp::from_ms(now.as_ms().saturating_sub(since_ms)).ok();
        let since = since.filter(|_| watched.is_some_and(ago));
        let mut used: HashMap<KeyId, HashSet<Arc<str>>> = HashMap::new();
        let recent = |row: &ScopeUse| since.is_some_and(|since| row.used && row.last_hour >= hour_of(since));
        for row in rows.into_iter().filter(recent) {
            used.entry(row.key).or_default().insert(row.scope);
        }
        Self { used, since }
    }

    fn unused(&self, key: &KeyView<'_>, rights: &Rights) -> usize {
        if self.since.is_none_or(|since| key.created > since) {
            return 0;
        }
        let used = self.used.get(&key.id);
        rights.scopes().filter(|scope| !used.is_some_and(|used| used.contains(*scope))).count()
    }
}
