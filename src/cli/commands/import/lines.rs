//! A file line by line, with lines of any length and any bytes: what is no good is one bad line.

use std::io::{self, BufRead};

/// The longest line that is taken, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileLine {
    Text(String),
    TooLong,
    NotUtf8,
}

/// Reads the next line; `None` at the end. Never holds more of it than [`LONGEST`]. `each` is told every byte of it, also
/// of what is no good.
pub(super) fn next(input: &mut dyn BufRead, mut each: impl FnMut(&[u8])) -> io::Result<Option<FileLine>> {
    let mut line = Vec::new();
    let (mut any, mut too_long) = (false, false);
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (text, _) = buffer.split_at_checked(end.unwrap_or(buffer.len())).unwrap_or((buffer, &[]));
        each(text);
        too_long |= line.len().saturating_add(text.len()) > LONGEST;
        if !too_long {
            line.extend_from_slice(text);
        }
        let taken = text.len().saturating_add(usize::from(end.is_some()));
        input.consume(taken);
        if end.is_some() {
            break;
        }
    }
    if !any {
        return Ok(None);
    }
    if too_long {
        return Ok(Some(FileLine::TooLong));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8(line).map_or(FileLine::NotUtf8, FileLine::Text)))
}

/// How many lines there are, for a bar to measure itself by.
pub(super) fn count(input: &mut dyn BufRead) -> io::Result<u64> {
    let (mut lines, mut open) = (0_u64, false);
    loop {
        let buffer = input.fill_buf()?;
        let Some(last) = buffer.last() else { return Ok(lines.saturating_add(u64::from(open))) };
        open = *last != b'\n';
        let ends = buffer.split(|byte| *byte == b'\n').count().saturating_sub(1);
        lines = lines.saturating_add(u64::try_from(ends).unwrap_or(u64::MAX));
        let taken = buffer.len();
        input.consume(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(input: &[u8]) -> Vec<FileLine> {
        // Buffers of three bytes, so that lines span them.
        let mut input = BufReader::with_capacity(3, input);
        std::iter::from_fn(|| next(&mut input, |_| {}).unwrap()).collect()
    }

    #[test]
    fn each_line_is_one_whatever_it_holds() {
        let text = |text: &str| FileLine::Text(text.to_owned());
        assert_eq!(all(b""), []);
        assert_eq!(all(b"a\n\nbcd\r\ne"), [text("a"), text(""), text("bcd"), text("e")]);
        assert_eq!(all(b"a\xff\nb\n"), [FileLine::NotUtf8, text("b")]);
        let long = [vec![b'x'; LONGEST + 1], b"\nb\n".to_vec()].concat();
        assert_eq!(all(&long), [FileLine::TooLong, text("b")]);
        assert_eq!(all(&long[1..]), [text(&"x".repeat(LONGEST)), text("b")]);
    }

    #[test]
    fn lines_are_counted_as_they_are_read() {
        for input in [&b""[..], b"a", b"a\n", b"a\nb", b"\n\n", b"a\xff\nb\n"] {
            let counted = count(&mut BufReader::with_capacity(2, input)).unwrap();
            assert_eq!(counted, u64::try_from(all(input).len()).unwrap(), "{input:?}");
        }
    }
}
