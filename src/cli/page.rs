//! How long lists are read: one page, or all of them, one after the other.

use clap::Args;

/// Which part of a list to show.
#[derive(Args, Debug)]
pub(super) struct PageArgs {
    /// How many to show at once, at most 1000. Left out: 50
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=1000))]
    page_size: Option<i32>,
    /// Where to go on, as the page before said
    #[arg(long, allow_hyphen_values = true, value_name = "TOKEN", conflicts_with = "all")]
    page_token: Option<String>,
    /// Shows every page; with --json as JSON Lines, one entry a line
    #[arg(long)]
    all: bool,
}

/// With `--all` nobody waits for a page to be full, so pages are as large as they may be.
const LARGEST: i32 = 1000;

impl PageArgs {
    pub(super) fn size(&self) -> i32 {
        self.page_size.unwrap_or(if self.all { LARGEST } else { 0 })
    }

    pub(super) fn first_token(&self) -> String {
        self.page_token.clone().unwrap_or_default()
    }

    pub(super) fn is_all(&self) -> bool {
        self.all
    }
}

/// What to say when there is more.
pub(super) fn more(next_page_token: &str) -> String {
    let token = super::text::printable(next_page_token);
    format!("\nThere is more: --page-token {token} goes on, --all shows everything.\n")
}
