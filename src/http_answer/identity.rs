//! Who asks: headers for the service behind (H6), and what the holder of a replaced secret is told (R4).

use super::header::Header;
use crate::judge::answer::CheckedKey;

/// The most bytes of scopes that the service behind is told.
const MAX_SCOPES_BYTES: usize = 4_096;

/// The names of the headers that tell who asks.
const IDENTITY_HEADERS: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-owner",
    "x-keyward-environment",
    "x-keyward-scopes",
    "x-keyward-plan",
];

/// Each of these headers with its value, if it has one.
pub type Identity = [(&'static str, Option<String>); 6];

/// The headers by which the service behind learns who asks (H6). Those without a value are to be removed from the
/// request: what a client put there must never look like ours.
#[must_use]
pub fn identity(checked: &CheckedKey) -> Identity {
    let key = checked.found.key();
    let scopes = cut(checked.found.rights().unbound());
    let plan = checked.found.workspace().map(|workspace| workspace.plan.as_str().to_owned());
    let [id, workspace, owner, environment, scope_list, of_plan] = IDENTITY_HEADERS;
    [
        (id, Some(key.id.to_text())),
        (workspace, Some(key.workspace.to_text())),
        (owner, key.owner.as_ref().map(|owner| owner.as_str().to_owned())),
        (environment, Some(key.environment.as_str().to_owned())),
        (scope_list, scopes),
        (of_plan, plan),
    ]
    .map(|(name, value)| (name, value.filter(|value| is_header_value(value))))
}

/// The headers that tell the holder of a secret that was replaced which one it is, and when it ends (R4).
#[must_use]
pub fn retiring(checked: &CheckedKey) -> Vec<Header> {
    let Some((generation, Some(end))) = checked.secret else { return Vec::new() };
    vec![
        ("x-keyward-secret-generation", generation.to_string()),
        ("x-keyward-secret-retiring-at", end.to_string()),
    ]
}

/// An identity without values, where no key was needed: what a client put into these headers is removed.
#[must_use]
pub fn nobody() -> Identity {
    IDENTITY_HEADERS.map(|name| (name, None))
}

/// As many scopes as there is room for, whole ones.
fn cut<'a>(scopes: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut text = String::new();
    for scope in scopes {
        let gap = usize::from(!text.is_empty());
        if text.len() + gap + scope.len() > MAX_SCOPES_BYTES {
            break;
        }
        if gap > 0 {
            text.push(' ');
        }
        text.push_str(scope);
    }
    (!text.is_empty()).then_some(text)
}

fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_cut_between_two() {
        // H6
        assert_eq!(cut([].into_iter()), None);
        assert_eq!(cut(["a:b", "c:d"].into_iter()).as_deref(), Some("a:b c:d"));
        let long = "a".repeat(MAX_SCOPES_BYTES - 3);
        let cut_to = |next: &str| cut([long.as_str(), next].into_iter()).unwrap().len();
        assert_eq!(cut_to("ab"), MAX_SCOPES_BYTES);
        assert_eq!(cut_to("abc"), MAX_SCOPES_BYTES - 3);
        let over = "a".repeat(MAX_SCOPES_BYTES + 1);
        assert_eq!(cut([over.as_str()].into_iter()), None);
    }

    #[test]
    fn a_header_value_is_visible_ascii() {
        // H6 X2
        assert!(is_header_value("a:b c:d"));
        for bad in ["", "a\r\nb: c", "a\0", "a\tb", "\u{e4}", "a\u{7f}"] {
            assert!(!is_header_value(bad), "{bad:?}");
        }
    }
}
