//! What looks on at standard output: a terminal so many columns wide, or something that reads every byte.

use anstyle::Style;
use jiff::Timestamp;

use super::text::{printable, shortened};
use crate::cli::console::Terminal;

/// How a word strikes the eye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// Like text.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Caution,
    /// Over, refused or dangerous.
    Bad,
    /// The name of what stands below.
    Heading,
}

impl Tone {
    fn style(self) -> Style {
        use anstyle::AnsiColor::{Green, Red, Yellow};
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Good => Green.on_default(),
            Self::Caution => Yellow.on_default(),
            Self::Bad => Red.on_default(),
        }
    }
}

/// How lists are shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Onlooker {
    /// The columns that a line has to fit into, and the time that others are told from; none where all is shown whole.
    pub(super) fitted: Option<(usize, Timestamp)>,
    /// Whether there are colours.
    pub(super) colours: bool,
}

impl Onlooker {
    /// Every column, ids and times whole, no colours: for what reads standard output in place of a person.
    pub(in crate::cli) const WHOLE: Self = Self { fitted: None, colours: false };

    /// For a person at a terminal, whose time is `now`; `wide` asks for everything, whatever it looks like.
    pub(in crate::cli) const fn at(terminal: Terminal, wide: bool, now: Timestamp) -> Self {
        let fitted = if wide { None } else { Some((terminal.columns, now)) };
        Self { fitted, colours: terminal.takes_colours }
    }

    /// A text that begins so many columns to the right, printable, and cut off where the line ends.
    pub(in crate::cli) fn line(&self, text: &str, indented: usize) -> String {
        let text = printable(text);
        match self.fitted {
            Some((columns, _)) => shortened(&text, columns.saturating_sub(indented)),
            None => text,
        }
    }

    /// The text in a tone, where there are colours.
    pub(in crate::cli) fn toned(&self, text: &str, tone: Tone) -> String {
        let style = tone.style();
        if self.colours && !style.is_plain() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Whether lines are kept short.
    pub(in crate::cli) const fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }
}
