//! Aligned columns for eyes. Every cell is made printable here, so that no caller can forget it.

use std::iter;

use super::text::{printable, width};

/// Between two columns.
pub(super) const GAP: usize = 2;

/// Rows of cells, two spaces apart.
pub(in crate::cli) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a heading for each column. An empty cell is shown as `-`, so that each row has as many words.
    pub(in crate::cli) fn with_header(names: &[&str]) -> Self {
        Self { rows: vec![names.iter().map(|name| (*name).to_owned()).collect()] }
    }

    /// A table of names and values.
    pub(in crate::cli) fn of_facts() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(in crate::cli) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { printable(&cell) };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Adds a name and its value, unless the value is empty.
    pub(in crate::cli) fn fact(&mut self, name: &str, value: impl AsRef<str>) {
        if !value.as_ref().is_empty() {
            self.rows.push(vec![name.to_owned(), printable(value.as_ref())]);
        }
    }

    /// The table as lines, each ended by a line break. The last column is not padded.
    pub(in crate::cli) fn render(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let last = row.len().saturating_sub(1);
            for (at, (cell, widest)) in row.iter().zip(&widths).enumerate() {
                text.push_str(cell);
                if at < last {
                    text.extend(iter::repeat_n(' ', widest.saturating_sub(width(cell)) + GAP));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| width(cell)).max().unwrap_or(0)
        };
        (0..columns).map(widest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_cells_are_marked() {
        let mut table = Table::with_header(&["ID", "NAME", "OWNER"]);
        table.row(["key_1".into(), "ünï".into(), String::new()]);
        table.row(["key_23".into(), String::new(), "u\u{1b}[1m".into()]);
        table.row(["key_4".into(), "鍵".into(), "bob".into()]);
        assert_eq!(
            table.render(),
            "ID      NAME  OWNER\nkey_1   ünï   -\nkey_23  -     u\\u{1b}[1m\nkey_4   鍵    bob\n"
        );
    }

    #[test]
    fn facts_without_a_value_are_left_out() {
        let mut table = Table::of_facts();
        table.fact("id", "key_1");
        table.fact("owner", "");
        table.fact("environment", "live");
        assert_eq!(table.render(), "id           key_1\nenvironment  live\n");
    }
}
