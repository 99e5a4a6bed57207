//! Text for a terminal: what a server sent cannot steer the terminal or reorder what is read.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns of a terminal this takes.
pub(in crate::cli) fn width(text: &str) -> usize {
    text.width()
}

/// The text within so many columns, `…` in place of what is cut off.
pub(in crate::cli) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |c: &char| {
        let left = room.checked_sub(c.width().unwrap_or(0));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// The text with control and bidirectional formatting characters spelled out, for example `\u{202e}`.
pub(in crate::cli) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Serialized JSON with the same characters as JSON escapes; the line breaks between its values stay.
pub(in crate::cli) fn printable_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut shown, c| {
        if c != '\n' && is_unprintable(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
        shown
    })
}

/// TOML with the same characters as TOML escapes, which mean the same within its basic strings; its line breaks and tabs stay.
pub(in crate::cli) fn printable_toml(toml: &str) -> String {
    toml.chars().fold(String::with_capacity(toml.len()), |mut shown, c| {
        if !matches!(c, '\n' | '\t') && is_unprintable(c) {
            let _infallible = write!(shown, "\\U{:08x}", u32::from(c));
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Whether a terminal acts on this character, or shows the text around it in another order, or not at all.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_off_by_the_columns_it_takes() {
        for (text, columns, shown) in [
            ("deploy", 6, "deploy"),
            ("deploy bot", 8, "deploy…"),
            ("deploy bot", 9, "deploy b…"),
            ("鍵鍵鍵", 6, "鍵鍵鍵"),
            ("鍵鍵鍵", 5, "鍵鍵…"),
            ("鍵鍵鍵", 4, "鍵…"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(shortened(text, columns), shown);
        }
    }

    #[test]
    fn what_could_steer_a_terminal_is_spelled_out() {
        for (text, shown) in [
            ("plain, ünïcödé, 鍵", "plain, ünïcödé, 鍵"),
            ("two\nlines", "two\\nlines"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn toml_keeps_its_meaning_when_it_is_made_printable() {
        let toml = "# tab:\t\nadmin_prefix = \"a\u{9b}b\u{202e}c\u{e0041}d\"\n";
        let shown = printable_toml(toml);
        assert!(shown.chars().all(|c| matches!(c, '\n' | '\t') || !is_unprintable(c)), "{shown}");
        assert_eq!(
            toml::from_str::<toml::Table>(&shown).unwrap(),
            toml::from_str::<toml::Table>(toml).unwrap()
        );
    }

    #[test]
    fn json_keeps_its_meaning_when_it_is_made_printable() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{202e}c\u{e0041}d\n" });
        let shown = printable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(shown.chars().all(|c| c == '\n' || !is_unprintable(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
