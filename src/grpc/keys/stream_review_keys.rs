//! `StreamReviewKeys`: the keys that need attention, of however many, told while they are looked at.

use crate::{
    changes::{Changes, keys::review_all::ReviewNews, support::audience::Audience},
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, streaming::StreamRpc},
    wire::v1::{self, stream_review_keys_response::News},
};

impl StreamRpc for v1::StreamReviewKeysRequest {
    type News = ReviewNews;
    type Message = v1::StreamReviewKeysResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "StreamReviewKeys";

    async fn tell(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
        telling: Audience<Self::News>,
    ) -> Result<(), OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let within = changes.within(&permit, named, asked.all_workspaces)?;
        let terms = v1::ReviewKeysRequest {
            unused_for: asked.unused_for,
            older_than: asked.older_than,
            expiring_within: asked.expiring_within,
            ..v1::ReviewKeysRequest::default()
        };
        let query = convert::review::query(within, &terms)?;
        let most = usize::try_from(asked.max_keys).ok().filter(|most| *most > 0);
        changes.review_all(permit, query, (&asked.page_token, most), telling).await
    }

    fn message(news: ReviewNews) -> Self::Message {
        let news = match news {
            ReviewNews::Looked(keys) => News::Reviewed(keys),
            ReviewNews::Keys(keys) => News::Keys(convert::review::keys(&keys)),
            ReviewNews::Done(page, within) => News::Result(convert::review::response(page, within)),
        };
        v1::StreamReviewKeysResponse { news: Some(news) }
    }
}
