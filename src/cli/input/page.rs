//! How long lists are read: one page, or all of them, one after the other.

use clap::Args;
use jiff::Timestamp;

/// Which part of a list to show.
#[derive(Args, Debug)]
pub(in crate::cli) struct PageArgs {
    /// How many to show at once, at most 1000. Left out: 50
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=1000))]
    page_size: Option<i32>,
    /// Where to go on, as the page before said
    #[arg(long, allow_hyphen_values = true, value_name = "TOKEN", conflicts_with = "all")]
    page_token: Option<String>,
    /// Shows every page; with --json as JSON Lines, one entry a line
    #[arg(long)]
    all: bool,
    /// Shows every column, ids and times whole, as it goes to a pipe; else lines fit the terminal
    #[arg(long, conflicts_with = "json")]
    wide: bool,
}

/// With `--all` nobody waits for a page to be full, so pages are as large as they may be.
const LARGEST: i32 = 1000;

impl PageArgs {
    pub(in crate::cli) fn size(&self) -> i32 {
        self.page_size.unwrap_or(if self.all { LARGEST } else { 0 })
    }

    /// The token for the server: without the time that [`dated`] put before it.
    pub(in crate::cli) fn first_token(&self) -> String {
        let token = self.page_token.clone().unwrap_or_default();
        split(&token).map_or_else(|| token.clone(), |(_, token)| token.to_owned())
    }

    /// For a page that goes on, what durations went back from for the first one: with another time the server would be asked for
    /// another list.
    pub(in crate::cli) fn first_time(&self) -> Option<Timestamp> {
        let (ms, _) = self.page_token.as_deref().and_then(split)?;
        Timestamp::from_millisecond(ms).ok()
    }

    pub(in crate::cli) const fn is_wide(&self) -> bool {
        self.wide
    }

    pub(in crate::cli) fn is_all(&self) -> bool {
        self.all
    }
}

/// A token that remembers the time that durations went back from; empty after the last page.
pub(in crate::cli) fn dated(token: &str, time: Timestamp) -> String {
    if token.is_empty() { String::new() } else { format!("{}.{token}", time.as_millisecond()) }
}

/// The time of a dated token, and the token. The server's own have no dot.
fn split(token: &str) -> Option<(i64, &str)> {
    let (time, token) = token.split_once('.')?;
    Some((time.parse().ok()?, token))
}

/// What to say when there is more.
pub(in crate::cli) fn more(next_page_token: &str) -> String {
    let token = crate::cli::output::text::printable(next_page_token);
    format!("\nThere is more: --page-token {token} goes on, --all shows everything.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_token_takes_its_time_to_the_next_page() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let page = |token: &str| PageArgs {
            page_size: None,
            page_token: Some(token.to_owned()),
            all: false,
            wide: false,
        };
        assert_eq!(dated("", at(5)), "");
        let going_on = page(&dated("AbC-_", at(1_795_000_000_123)));
        assert_eq!(going_on.first_token(), "AbC-_");
        assert_eq!(going_on.first_time(), Some(at(1_795_000_000_123)));
        for token in ["AbC-_", "", "x.AbC", "."] {
            assert_eq!(page(token).first_token(), token);
            assert_eq!(page(token).first_time(), None, "{token}");
        }
        let beyond = page("9223372036854775807.AbC");
        assert_eq!((beyond.first_token().as_str(), beyond.first_time()), ("AbC", None));
    }
}
