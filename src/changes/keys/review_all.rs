//! A review of any number of keys: told while it goes on, so that no deadline cuts it off, and sorted once for all pages.

use std::{cmp::Reverse, collections::BTreeMap};

use super::review::{AT_ONCE, Judged, Rank, ReviewPage, ReviewQuery, Reviewed};
use crate::{
    changes::{
        Changes,
        support::{audience::Audience, cursor},
    },
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
        review::Kind,
        workspace::Within,
    },
    error::OperationError,
};

/// What a review tells.
#[derive(Debug)]
pub enum ReviewNews {
    /// So many keys are looked at.
    Looked(u64),
    /// Keys that need attention, those with the highest score first.
    Keys(Vec<Reviewed>),
    /// All of them are told: the totals, and the workspaces that were looked at; the last that is told.
    Done(ReviewPage, Within),
}

impl Changes {
    /// Tells the keys that need attention, at most so many, from the place of a token on.
    ///
    /// Their places are sorted in memory, some 24 bytes each; what is wrong with a key is found out again when it is told, so that
    /// no more than a few hundred are held.
    ///
    /// # Errors
    /// The page token is not one of this review. The store. Nobody listens any more.
    pub async fn review_all(
        &self,
        permit: AdminPermit<ReadKeys>,
        query: ReviewQuery,
        (page_token, most): (&str, Option<usize>),
        telling: Audience<ReviewNews>,
    ) -> Result<(), OperationError> {
        let list = format!("review {:?} {query:?}", permit.bound_to());
        let start = self.review_start(&list, page_token)?;
        telling.tell(ReviewNews::Looked(0)).await?;
        self.flush_usage().await?;
        let ids = self.all_of(&permit, query.within).await;
        let (mut ranks, mut totals, mut reviewed) = (Vec::<Rank>::new(), BTreeMap::<Kind, u64>::new(), 0_u64);
        for ids in ids.chunks(AT_ONCE) {
            for (place, key) in self.review_some(&permit, ids, &query.terms, start.time).await? {
                reviewed = reviewed.saturating_add(1);
                for finding in &key.findings {
                    let total = totals.entry(finding.kind).or_default();
                    *total = total.saturating_add(1);
                }
                if !key.findings.is_empty() && start.after.is_none_or(|after| place > after) {
                    ranks.push(place);
                }
            }
            telling.tell(ReviewNews::Looked(reviewed)).await?;
        }
        drop(ids);
        ranks.sort_unstable();
        let most = most.unwrap_or(ranks.len());
        let is_cut = ranks.len() > most;
        ranks.truncate(most);
        for ranks in ranks.chunks(AT_ONCE) {
            let ids: Vec<KeyId> = ranks.iter().map(|(_, id)| *id).collect();
            let mut judged = self.review_some(&permit, &ids, &query.terms, start.time).await?;
            judged.retain(|(_, judged)| !judged.findings.is_empty());
            telling.tell(ReviewNews::Keys(self.with_texts(judged).await?)).await?;
        }
        let place = ranks.last().filter(|_| is_cut);
        let place = place.map(|(Reverse(score), id)| format!("{},{score},{id}", start.time.as_ms()));
        let next_page_token = place.map(|place| cursor::seal(&self.keys.cursors, &list, &place));
        let page = ReviewPage {
            keys: Vec::new(),
            totals: totals.into_iter().collect(),
            reviewed,
            next_page_token: next_page_token.unwrap_or_default(),
        };
        telling.tell(ReviewNews::Done(page, query.within)).await
    }

    /// What is shown of keys beside what was found.
    pub(super) async fn with_texts(
        &self,
        judged: Vec<(Rank, Judged)>,
    ) -> Result<Vec<Reviewed>, OperationError> {
        let mut whole = self.whole_keys(judged.iter().map(|((_, id), _)| *id).collect()).await?;
        let shown = judged.into_iter().filter_map(|((Reverse(score), id), judged)| {
            let Judged { breadth, last_use, findings } = judged;
            Some(Reviewed { key: whole.remove(&id)?, breadth, last_use, findings, score })
        });
        Ok(shown.collect())
    }
}
