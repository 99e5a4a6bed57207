//! Every document of the repository, found where it lies, so that a new one is held too.

use std::{fs, path::Path};

use super::root;

/// What a line of its own begins with: a row of a table, an item of a list, a heading.
const BEGINS: [&str; 4] = ["|", "- ", "* ", "#"];

/// A document: its place in the repository, and what it says.
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All Markdown files but those of dependencies, tools and builds.
pub(crate) fn all() -> Vec<Document> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let is_ours =
                    !name.starts_with('.') && !["target", "node_modules", "proto"].contains(&&*name);
                folders.extend(is_ours.then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(Document {
                    path: relative(&path).to_owned(),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 15, "{}", found.len());
    found
}

pub(crate) fn named(path: &str) -> Document {
    Document { path: path.to_owned(), text: fs::read_to_string(root().join(path)).expect(path) }
}

fn relative(path: &Path) -> &str {
    path.strip_prefix(root()).unwrap().to_str().unwrap()
}

impl Document {
    /// The lines, from 1, each with whether it stands in a block of code.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let mut fence: Option<&str> = None;
        (1..).zip(self.text.lines()).map(move |(number, line)| {
            let text = line.trim();
            let ticks = text.split_at(text.len() - text.trim_start_matches('`').len()).0;
            let was_code = fence.is_some();
            match fence {
                Some(open) if text == open => fence = None,
                None if ticks.len() >= 3 => fence = Some(ticks),
                Some(_) | None => {}
            }
            (number, line, was_code || fence.is_some())
        })
    }

    /// All that is code: the lines of blocks, and what stands between backticks elsewhere, each with its line.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let blocks = self.lines().filter(|(_, _, is_code)| *is_code);
        let blocks = blocks.map(|(number, line, _)| (number, line.to_owned()));
        let spans = self.paragraphs().into_iter().flat_map(|(number, text)| {
            text.split('`').skip(1).step_by(2).map(|span| (number, span.to_owned())).collect::<Vec<_>>()
        });
        blocks.chain(spans).collect()
    }

    /// What a reader of the rendered page sees as prose: neither code nor what stands between backticks.
    pub(crate) fn prose(&self) -> Vec<(usize, String)> {
        let words = |text: &str| text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        self.paragraphs().into_iter().map(|(number, text)| (number, words(&text))).collect()
    }

    /// Paragraphs, rows of tables, items of lists and headings, each as one line, with the line that it begins in.
    fn paragraphs(&self) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut goes_on = false;
        for (number, line, is_code) in self.lines() {
            let begins = BEGINS.iter().any(|start| line.trim_start().starts_with(start)) || !goes_on;
            goes_on = !is_code && !line.trim().is_empty();
            match found.last_mut() {
                Some((_, paragraph)) if goes_on && !begins => {
                    paragraph.push(' ');
                    paragraph.push_str(line.trim());
                }
                _ if goes_on => found.push((number, line.trim().to_owned())),
                _ => {}
            }
        }
        found
    }

    /// The anchors of the headings, as they are made for links.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.lines().filter(|(_, line, is_code)| !is_code && line.starts_with('#'));
        headings.map(|(_, line, _)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// Where links lead to, each with its line.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines().filter(|(_, _, is_code)| !is_code);
        lines.flat_map(|(number, line, _)| {
            line.split("](").skip(1).filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
        })
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect()
}
