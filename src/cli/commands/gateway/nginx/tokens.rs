//! The words of a configuration of nginx, as nginx itself reads them (`ngx_conf_read_token`).

use std::{iter::Peekable, str::Chars};

/// The comment that says of a line that what it passes requests on to is not Keyward's.
const UNGUARDED: &str = "keyward: unguarded";

/// What a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// The comment that exempts its line.
    Unguarded,
}

/// A token and the line on which it begins.
pub(super) type Placed = (usize, Token);

struct Reader<'a> {
    text: Peekable<Chars<'a>>,
    line: usize,
}

/// The tokens of a file.
///
/// # Errors
/// In words, with the line, where a quote does not end, or something follows it without a space.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text: text.chars().peekable(), line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = reader.text.peek().copied() {
        let line = reader.line;
        let token = match first {
            ' ' | '\t' | '\r' | '\n' => {
                reader.next();
                continue;
            }
            '#' => {
                if !reader.comment().contains(UNGUARDED) {
                    continue;
                }
                Token::Unguarded
            }
            ';' => reader.single(Token::End),
            '{' => reader.single(Token::Open),
            '}' => reader.single(Token::Close),
            '"' | '\'' => Token::Word(reader.quoted(first)?),
            _ => Token::Word(reader.bare()),
        };
        let opens_lua = token == Token::Open
            && matches!(tokens.last(), Some((_, Token::Word(name))) if name.ends_with("_by_lua_block"));
        tokens.push((line, token));
        if opens_lua {
            reader.skip_block();
        }
    }
    Ok(tokens)
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.text.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn single(&mut self, token: Token) -> Token {
        self.next();
        token
    }

    fn comment(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.text.next_if(|next| *next != '\n') {
            text.push(next);
        }
        text
    }

    /// Up to the same quote; a space or the end of the directive must follow.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let began = self.line;
        self.next();
        let mut word = String::new();
        loop {
            match self.next() {
                None => return Err(format!("line {began}: the quote does not end")),
                Some('\\') => self.escaped(&mut word),
                Some(end) if end == quote => break,
                Some(other) => word.push(other),
            }
        }
        match self.text.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => Ok(word),
            Some(other) => Err(format!("line {}: a space is missing before {other:?}", self.line)),
        }
    }

    /// Up to a space, the end of the directive or a block; `${` opens none.
    fn bare(&mut self) -> String {
        let mut word = String::new();
        let mut after_dollar = false;
        while let Some(next) = self.text.peek().copied() {
            if matches!(next, ' ' | '\t' | '\r' | '\n' | ';') || next == '{' && !after_dollar {
                break;
            }
            self.next();
            if next == '\\' {
                self.escaped(&mut word);
            } else {
                word.push(next);
            }
            after_dollar = next == '$';
        }
        word
    }

    fn escaped(&mut self, word: &mut String) {
        match self.next() {
            Some(literal @ ('"' | '\'' | '\\')) => word.push(literal),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(other) => word.extend(['\\', other]),
            None => word.push('\\'),
        }
    }

    /// The text of another language within its braces, up to the last of them.
    fn skip_block(&mut self) {
        let mut depth = 1_usize;
        while let Some(next) = self.text.peek().copied() {
            match next {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let each = tokens(text).unwrap().into_iter().map(|(line, token)| match token {
            Token::Word(word) => format!("{line}<{word}>"),
            Token::End => ";".to_owned(),
            Token::Open => "{".to_owned(),
            Token::Close => "}".to_owned(),
            Token::Unguarded => "!".to_owned(),
        });
        each.collect()
    }

    #[test]
    fn words_are_read_as_nginx_reads_them() {
        // H13
        for (text, expected) in [
            ("a b;\nc  d ;", "1<a>1<b>;2<c>2<d>;"),
            ("a { b; }", "1<a>{1<b>;}"),
            ("location /a{b c;}", "1<location>1</a>{1<b>1<c>;}"),
            ("a # b; c\nd;", "1<a>2<d>;"),
            ("a b#c;", "1<a>1<b#c>;"),
            ("a \"b; {c} #d\" 'e\nf';", "1<a>1<b; {c} #d>1<e\nf>;"),
            ("a\n'b' c;", "1<a>2<b>2<c>;"),
            (r#"a "b\"c" 'd\'e' f\;g h\ i \$j;"#, r#"1<a>1<b"c>1<d'e>1<f\;g>1<h\ i>1<\$j>;"#),
            ("a ${b}c {", "1<a>1<${b}c>{"),
            ("a x}y;", "1<a>1<x}y>;"),
            ("return 200 \"{\";", "1<return>1<200>1<{>;"),
            ("a b; # keyward: unguarded, it is a page", "1<a>1<b>;!"),
            ("content_by_lua_block { if x then { } end } b;", "1<content_by_lua_block>{}1<b>;"),
            ("\u{feff}a;", "1<a>;"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in ["a 'b", "a \"b\n;", "a 'b'c;"] {
            assert!(tokens(text).unwrap_err().starts_with("line 1: "), "{text}");
        }
    }
}
