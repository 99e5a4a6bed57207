//! A review of any number of keys: told while it goes on, so that no deadline cuts it off, and sorted once for all pages.

use std::cmp::Reverse;

use super::review::{AT_ONCE, Judged, Rank, ReviewPage, ReviewQuery, ReviewTotals, Reviewed};
use crate::{
    changes::{Changes, support::audience::Audience},
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
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
        let (mut ranks, mut totals) = (Vec::<Rank>::new(), ReviewTotals::default());
        for ids in ids.chunks(AT_ONCE) {
            for (place, key) in self.review_some(&permit, ids, &query.terms, start.time).await? {
                totals.add(&key.findings);
                if !key.findings.is_empty() && !start.is_behind(place) {
                    ranks.push(place);
                }
            }
            telling.tell(ReviewNews::Looked(totals.reviewed)).await?;
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
        let token = self.review_token(&list, &start, ranks.last().filter(|_| is_cut));
        telling.tell(ReviewNews::Done(totals.page(Vec::new(), token), query.within)).await
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
