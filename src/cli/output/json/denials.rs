//! What was denied, as JSON.

use serde_json::{Value, json};

use crate::{
    cli::output::time,
    wire::{json::list, v1},
};

pub(in crate::cli) fn page(page: &v1::QueryDenialsResponse) -> Value {
    json!({ "denials": list(&page.denials, sum), "next_page_token": page.next_page_token })
}

pub(in crate::cli) fn sum(sum: &v1::DenialSum) -> Value {
    json!({
        "start_time": sum.start_time.as_ref().map(time::rfc3339),
        "duration": sum.duration.as_ref().map(time::duration_seconds),
        "door": sum.door,
        "call": sum.call,
        "reason": sum.reason,
        "workspace_id": sum.workspace_id,
        "source": sum.source,
        "key_id": sum.key_id,
        "hint": sum.hint,
        "others": sum.others,
        "count": sum.count,
        "max_count": sum.max_count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::json::assert_shows_every_field;

    #[test]
    fn every_field_of_the_wire_is_shown() {
        assert_shows_every_field("QueryDenialsResponse", &page(&v1::QueryDenialsResponse::default()));
        assert_shows_every_field("DenialSum", &sum(&v1::DenialSum::default()));
    }
}
