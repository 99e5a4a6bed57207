//! A key that was just changed.

use crate::{
    changes::Changes,
    domain::{admin::Sight, key::Key},
    grpc::convert,
    wire::v1,
};

/// A key that was just changed, for the wire.
pub(super) async fn changed(changes: &Changes, sight: Sight, key: Key) -> v1::Key {
    let shown = changes.with_use(key).await;
    convert::key::shown_to_wire(&shown, &changes.moment(sight))
}
