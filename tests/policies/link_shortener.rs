//! The link shortener: 500 requests a calendar day on the first plan.

use keyward::wire::v1::PolicyCalendar;

use crate::platform::{Platform, limits_of, only};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_plan_has_500_requests_a_calendar_day_and_the_others_have_more() {
    // L3, L5, as they are declared
    let platform = Platform::start("link-shortener").await;
    let policy = platform.keyward.in_force().await.policy.unwrap();
    assert_eq!(policy.plans[0].name, "starter");
    let day = ("day".to_owned(), 500, PolicyCalendar::Day);
    assert_eq!(limits_of(&policy, "starter", "default"), [day]);
    for plan in ["pro", "enterprise"] {
        let limits = limits_of(&policy, plan, "default");
        let day = limits.iter().find(|(_, _, calendar)| *calendar == PolicyCalendar::Day).unwrap();
        assert!(day.1 > 500, "{plan}");
        assert!(limits.len() > 1, "several windows at once (L4)");
    }
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_links_may_neither_delete_them_nor_manage_domains() {
    // S1, S4
    let platform = Platform::start("link-shortener").await;
    let writer = platform.issue(&["links:read", "links:write"]).await;
    assert_eq!(platform.opened_by(&writer.api_key).await, only(&["links:read", "links:write"]));
    let wide = platform.issue(&["links:*", "domains:*"]).await;
    assert_eq!(
        platform.opened_by(&wide.api_key).await,
        only(&["links:read", "links:write", "links:delete", "domains:read"])
    );
    platform.keyward.stop().await;
}
