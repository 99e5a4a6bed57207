//! Which workspaces a command looks at: one, or with `--workspace all` every one; and what it says of that.

use crate::cli::{output::text::printable, session::Session};

/// The word for all of them. No workspace can be called so: their ids begin with `ws_`.
const ALL: &str = "all";

/// What `--workspace` says.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct WorkspaceArg(Option<String>);

impl WorkspaceArg {
    /// What was written behind the flag, if it was.
    pub(in crate::cli) const fn new(flag: Option<String>) -> Self {
        Self(flag)
    }

    /// The workspace that is named; empty where none is, or all are meant.
    pub(in crate::cli) fn id(&self) -> String {
        self.0.clone().filter(|_| !self.all()).unwrap_or_default()
    }

    /// Whether all are meant.
    pub(in crate::cli) fn all(&self) -> bool {
        self.0.as_deref() == Some(ALL)
    }

    /// Says on standard error which workspace the answer is about, unless a script has it as a field, or the command named it.
    pub(in crate::cli) fn say(&self, looked_at: &str, session: &mut Session<'_, '_>) {
        if let Some(said) = self.said(looked_at)
            && !session.json
        {
            session.console.note(&said);
        }
    }

    /// The words for it; none where the command named it.
    fn said(&self, looked_at: &str) -> Option<String> {
        match (self.0.as_deref(), looked_at) {
            (Some(ALL), "") => Some("Looked at: all workspaces\n".to_owned()),
            // Named; or by a server that is older and does not say it.
            (Some(_), _) | (None, "") => None,
            (None, id) => {
                Some(format!("Looked at: workspace {} (--workspace all is every one)\n", printable(id)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_said_where_it_was_not_named() {
        let asked = |flag: Option<&str>| WorkspaceArg::new(flag.map(str::to_owned));
        for (flag, id, all) in [
            (None, "", false),
            (Some("ws_1"), "ws_1", false),
            (Some("all"), "", true),
            (Some("ALL"), "ALL", false),
        ] {
            assert_eq!((asked(flag).id().as_str(), asked(flag).all()), (id, all), "{flag:?}");
        }
        assert!(asked(None).said("ws_1").is_some_and(|said| said.starts_with("Looked at: workspace ws_1 (")));
        assert_eq!(asked(Some("all")).said("").as_deref(), Some("Looked at: all workspaces\n"));
        assert_eq!(asked(Some("ws_1")).said("ws_1"), None);
        assert_eq!(asked(None).said(""), None, "an older server does not say it");
    }
}
