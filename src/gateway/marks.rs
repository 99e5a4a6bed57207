//! Whether a browser sent a request (H8), by headers that no page can set or hide.

use super::request::GatewayRequest;

/// Forbidden request-headers of the Fetch standard. `Sec-Fetch-Mode` is not one of the marks: the `fetch` of Node.js sends
/// it too, and no browser sends it alone.
const MARKS: [&str; 4] = ["origin", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"];

/// Whether a request bears the marks of a browser.
pub(super) fn of_browser(request: &impl GatewayRequest) -> bool {
    MARKS.iter().any(|mark| request.values(mark).any(|value| !value.is_empty()))
}
