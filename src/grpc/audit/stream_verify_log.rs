//! `StreamVerifyLog`: whether the log is whole, told while it is read.

use crate::{
    changes::{Changes, log::VerifyNews, support::audience::Audience},
    domain::admin::ReadAudit,
    error::OperationError,
    grpc::{convert, rpc::Global, streaming::StreamRpc},
    wire::v1::{self, stream_verify_log_response::News},
};

impl StreamRpc for v1::StreamVerifyLogRequest {
    type News = VerifyNews;
    type Message = v1::StreamVerifyLogResponse;
    type Permit = Global<ReadAudit>;

    const CALL: &'static str = "StreamVerifyLog";

    async fn tell(
        changes: &Changes,
        permit: Self::Permit,
        _asked: Self,
        telling: Audience<Self::News>,
    ) -> Result<(), OperationError> {
        changes.verify_log_telling(permit.0, telling).await
    }

    fn message(news: VerifyNews) -> Self::Message {
        let news = match news {
            VerifyNews::Read(records) => News::RecordsRead(records),
            VerifyNews::Found(found) => News::Result(convert::audit::verification(found)),
        };
        v1::StreamVerifyLogResponse { news: Some(news) }
    }
}
