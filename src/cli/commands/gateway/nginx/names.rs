//! Names by pattern, as `glob(3)` finds them for nginx's `include`: `*`, `?` and `[…]` within a name, hidden files left out.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// The files of a pattern, by name; none is no error.
///
/// # Errors
/// In words, where a folder is there and cannot be read.
pub(super) fn matches(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        let is_pattern = matches!(part, Component::Normal(_)) && name.contains(['*', '?', '[']);
        let mut next = Vec::new();
        for folder in found {
            if is_pattern {
                next.extend(within(&folder, &name)?);
            } else {
                next.push(folder.join(part));
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

fn within(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let mut found = Vec::new();
    let unreadable = |error| format!("cannot read the folder {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let letters: Vec<char> = name.to_string_lossy().chars().collect();
        let is_hidden = letters.first() == Some(&'.') && pattern.first() != Some(&'.');
        if !is_hidden && is_match(&pattern, &letters) {
            found.push(folder.join(name));
        }
    }
    Ok(found)
}

fn is_match(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            is_match(rest, name) || name.split_first().is_some_and(|(_, left)| is_match(pattern, left))
        }
        (['?', rest @ ..], [_, left @ ..]) => is_match(rest, left),
        (['[', rest @ ..], [letter, left @ ..]) => match class(rest, *letter) {
            Some((holds, after)) => holds && is_match(after, left),
            None => *letter == '[' && is_match(rest, left),
        },
        ([literal, rest @ ..], [letter, left @ ..]) => literal == letter && is_match(rest, left),
        _ => false,
    }
}

/// Whether a class holds a letter, and what follows it; `None` if it does not end.
fn class(pattern: &[char], letter: char) -> Option<(bool, &[char])> {
    let (negated, pattern) = match pattern {
        ['!' | '^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    // A bracket that comes first is one of its letters.
    let end = pattern.iter().skip(1).position(|c| *c == ']')?.checked_add(1)?;
    let (mut letters, after) = pattern.split_at_checked(end)?;
    let mut holds = false;
    while let [from, rest @ ..] = letters {
        (holds, letters) = match rest {
            ['-', to, rest @ ..] => (holds || (*from..=*to).contains(&letter), rest),
            _ => (holds || *from == letter, rest),
        };
    }
    Some((holds != negated, after.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_the_shell_matches_them() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.old", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[0-9][0-9]-*", "10-site", true),
            ("[!a]*", "b", true),
            ("[^a]*", "a", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("**b*", "aab", true),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(is_match(&letters(pattern), &letters(name)), expected, "{pattern} {name}");
        }
    }
}
