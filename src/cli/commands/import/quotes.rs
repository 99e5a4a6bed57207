//! Where the rows of a CSV file end (RFC 4180): a line break within quotes does not end one. So a text with line
//! breaks in it is never taken for several rows.

use std::io::{self, BufRead};

use super::lines::{self, FileLine};

/// The most lines of one row: a quote that is never closed is found before the whole file is behind it.
const MOST_LINES: u64 = 1_000;

/// A row of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileRow {
    /// One line.
    Line(FileLine),
    /// So many lines; where the first quote opens that a line break stands in.
    Lines(u64, QuoteStart),
    /// Lines whose quotes do not fit, where the quote opens that does not, and why not: where the next row begins cannot be
    /// known.
    Unfit(QuoteStart, &'static str),
}

/// Where a quote opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuoteStart {
    /// In which line of the row, from 0.
    pub(super) line: u64,
    /// In which field.
    pub(super) field: usize,
}

/// Reads the next row; `None` at the end.
pub(super) fn next(input: &mut dyn BufRead) -> io::Result<Option<FileRow>> {
    let mut quotes =
        Quotes { at: At::Beginning, field: 0, line: 0, opened: QuoteStart { line: 0, field: 0 } };
    let Some(line) = lines::next(input, |bytes| quotes.read(bytes))? else { return Ok(None) };
    let first = match quotes.at {
        At::Beginning | At::Plain | At::Closed | At::Ending => return Ok(Some(FileRow::Line(line))),
        At::Wrong => return Ok(Some(FileRow::Unfit(quotes.opened, BEHIND))),
        At::Quoted => quotes.opened,
    };
    while quotes.line + 1 < MOST_LINES {
        quotes.line += 1;
        if lines::next(input, |bytes| quotes.read(bytes))?.is_none() {
            return Ok(Some(FileRow::Unfit(quotes.opened, "is not closed up to the end of the file")));
        }
        match quotes.at {
            At::Beginning | At::Plain | At::Closed | At::Ending => {
                return Ok(Some(FileRow::Lines(quotes.line + 1, first)));
            }
            At::Wrong => return Ok(Some(FileRow::Unfit(quotes.opened, BEHIND))),
            At::Quoted => {}
        }
    }
    Ok(Some(FileRow::Unfit(quotes.opened, "is not closed within 1,000 lines")))
}

const BEHIND: &str = "has something behind its end";

/// What was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nothing of a field.
    Beginning,
    /// Some of a field without quotes.
    Plain,
    /// Some of a field within quotes.
    Quoted,
    /// A quote within quotes: their end, or the first of two that are one.
    Closed,
    /// The end of quotes and a carriage return: the line must end.
    Ending,
    /// Something behind the end of quotes.
    Wrong,
}

/// Follows the quotes of a row, byte by byte.
struct Quotes {
    at: At,
    field: usize,
    line: u64,
    /// Where the last quote opens.
    opened: QuoteStart,
}

impl Quotes {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.at = match (self.at, byte) {
                (At::Beginning, b'"') => {
                    self.opened = QuoteStart { line: self.line, field: self.field };
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Closed,
                (At::Closed, b'"') | (At::Quoted, _) => At::Quoted,
                (At::Beginning | At::Plain | At::Closed, b',') => {
                    self.field += 1;
                    At::Beginning
                }
                (At::Beginning | At::Plain, _) => At::Plain,
                (At::Closed, b'\r') => At::Ending,
                (At::Closed | At::Ending | At::Wrong, _) => At::Wrong,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(input: &str) -> Vec<FileRow> {
        // Buffers of three bytes, so that rows span them.
        let mut input = BufReader::with_capacity(3, input.as_bytes());
        std::iter::from_fn(|| next(&mut input).unwrap()).collect()
    }

    fn line(text: &str) -> FileRow {
        FileRow::Line(FileLine::Text(text.to_owned()))
    }

    const fn place(line: u64, field: usize) -> QuoteStart {
        QuoteStart { line, field }
    }

    #[test]
    fn a_line_break_within_quotes_ends_no_row() {
        // K1, S5
        assert_eq!(all("a,b\n\"c\",d\r\n"), [line("a,b"), line("\"c\",d")]);
        assert_eq!(all("a,\"b\nc,d\"\ne"), [FileRow::Lines(2, place(0, 1)), line("e")]);
        assert_eq!(all("\"a\r\n\r\nb\",\"c\nd\"\r\ne"), [FileRow::Lines(4, place(0, 0)), line("e")]);
        assert_eq!(all("\"a \"\"b\"\"\nc\"\ne"), [FileRow::Lines(2, place(0, 0)), line("e")]);
        assert_eq!(
            all("a\"b,c\nd"),
            [line("a\"b,c"), line("d")],
            "a quote in a field without any opens none"
        );
    }

    #[test]
    fn quotes_that_do_not_fit_are_told_where_they_open() {
        for (text, opens) in [
            ("a,\"b", place(0, 1)),
            ("a,\"b\nc\nd\n", place(0, 1)),
            ("\"a\"b\n", place(0, 0)),
            ("a,\"b\"\rc\n", place(0, 1)),
            ("\"a\nb\",\"c\nd\n", place(1, 1)),
            ("\"a\n\"b\nc", place(0, 0)),
        ] {
            let last = all(text).into_iter().find(|row| matches!(row, FileRow::Unfit(..)));
            let Some(FileRow::Unfit(found, _)) = last else { panic!("{text:?}") };
            assert_eq!(found, opens, "{text:?}");
        }
        let endless = format!("a\n\"{}", "b\n".repeat(2_000));
        assert_eq!(
            all(&endless)[..2],
            [line("a"), FileRow::Unfit(place(0, 0), "is not closed within 1,000 lines")]
        );
    }
}
