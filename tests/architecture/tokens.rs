//! The code of a file, without what is none.

/// A word, a `::` or one other character of code.
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// The code of `text`, without comments, strings, characters, lifetimes and space.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let skipped = not_code(rest);
        let length = if skipped == 0 { token_length(rest) } else { skipped };
        let (token, after) = rest.split_at(length);
        if skipped == 0 {
            found.push(Token { line, text: token });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

fn token_length(rest: &str) -> usize {
    let word = rest.find(|letter| !is_word_part(letter)).unwrap_or(rest.len());
    if word > 0 {
        word
    } else if rest.starts_with("::") {
        2
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    }
}

/// How many bytes at the front of `rest` are no code; 0 where a token begins.
fn not_code(rest: &str) -> usize {
    let up_to = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with(char::is_whitespace) {
        return rest.len() - rest.trim_start().len();
    }
    if rest.starts_with("//") {
        return up_to("\n");
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(quoted) = rest.strip_prefix('\'') {
        return 1 + character_or_lifetime(quoted);
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| is_string(rest, prefix));
    let Some(prefix) = prefix else { return 0 };
    let (_, quoted) = rest.split_at(prefix.len());
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    let (_, body) = quoted.split_at(hashes + 1);
    let length = if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else {
        up_to_unescaped(body, '"')
    };
    prefix.len() + hashes + 1 + length
}

/// Whether a string with this prefix begins here; only a raw one (`r`) may have `#` before its quote.
fn is_string(rest: &str, prefix: &str) -> bool {
    rest.strip_prefix(prefix).is_some_and(|after| {
        let quote = if prefix.ends_with('r') { after.trim_start_matches('#') } else { after };
        quote.starts_with('"')
    })
}

/// The length of a block comment, with those nested in it.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut after = rest;
    while let Some(end) = after.find("*/") {
        let begin = after.find("/*").filter(|begin| *begin < end);
        depth = if begin.is_some() { depth + 1 } else { depth - 1 };
        after = after.split_at(begin.unwrap_or(end) + 2).1;
        if depth == 0 {
            return rest.len() - after.len();
        }
    }
    rest.len()
}

/// The length of `a'`, `\n'` or, for a lifetime, of its name.
fn character_or_lifetime(quoted: &str) -> usize {
    let mut letters = quoted.char_indices();
    let first = letters.next().map(|(_, letter)| letter);
    let second = letters.next();
    match (first, second) {
        (Some('\\'), _) => up_to_unescaped(quoted, '\''),
        (_, Some((at, '\''))) => at + 1,
        _ => quoted.find(|letter| !is_word_part(letter)).unwrap_or(quoted.len()),
    }
}

fn up_to_unescaped(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == end && !escaped {
            return at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(is_word_part)
}

fn is_word_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
