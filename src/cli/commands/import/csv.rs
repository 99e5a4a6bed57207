//! One line of CSV (RFC 4180), strictly: what could be read in two ways is refused.
//!
//! No field of a key may hold a line break: where a row goes over several lines is found by [`super::quotes`], and none of
//! them comes here.

/// The fields of a line.
///
/// # Errors
/// A quote that is not closed, or that stands in the middle of a field: the place of the field.
pub(super) fn fields(line: &str) -> Result<Vec<String>, (usize, &'static str)> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted),
            None => plain_field(rest),
        }
        .map_err(|why| (fields.len(), why))?;
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field, and what stands behind its comma, if there is one.
type CsvField<'a> = (String, Option<&'a str>);

fn plain_field(text: &str) -> Result<CsvField<'_>, &'static str> {
    let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
    if field.contains('"') {
        Err("a quote stands in a field that does not begin with one")
    } else {
        Ok((field.to_owned(), after))
    }
}

fn quoted_field(text: &str) -> Result<CsvField<'_>, &'static str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed on its line")?;
        field.push_str(part);
        // Two quotes are one.
        if let Some(more) = after.strip_prefix('"') {
            field.push('"');
            rest = more;
        } else if after.is_empty() {
            return Ok((field, None));
        } else {
            let after = after.strip_prefix(',').ok_or("something stands behind a closed quote")?;
            return Ok((field, Some(after)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_in_one_way_or_refused() {
        for (line, expected) in [
            ("", &[""][..]),
            ("a", &["a"]),
            ("a,b,", &["a", "b", ""]),
            (" a , b", &[" a ", " b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"a\"\"\",\"\"", &["say \"a\"", ""]),
        ] {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
        for bad in ["\"a", "a\"b", "\"a\"b", "a,\"b", "\"a\" ,b", "\"\"\""] {
            assert!(fields(bad).is_err(), "{bad}");
        }
    }
}
