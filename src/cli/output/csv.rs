//! Answers as CSV for spreadsheets: RFC 4180, UTF-8, lines ended by CR LF.

use super::text::printable;
use crate::cli::failure::Failure;

/// Rows of cells on their way to standard output.
pub(in crate::cli) struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    /// Begins with a line of names.
    pub(in crate::cli) fn with_header(names: &[&str]) -> Result<Self, Failure> {
        let mut csv = Self(writer());
        csv.0.write_record(names).map_err(|error| broken(&error))?;
        Ok(csv)
    }

    /// Adds a row, of as many cells as there are names.
    pub(in crate::cli) fn row(&mut self, cells: &[String]) -> Result<(), Failure> {
        self.0.write_record(cells.iter().map(|cell| inert(cell))).map_err(|error| broken(&error))
    }

    /// What was added since the last time.
    pub(in crate::cli) fn take(&mut self) -> Result<String, Failure> {
        self.0.flush().map_err(Failure::Output)?;
        let bytes = std::mem::replace(&mut self.0, writer()).into_inner();
        let bytes = bytes.map_err(|error| Failure::Output(std::io::Error::other(error.to_string())))?;
        String::from_utf8(bytes).map_err(|error| Failure::Output(std::io::Error::other(error)))
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new())
}

fn broken(error: &csv::Error) -> Failure {
    Failure::Output(std::io::Error::other(error.to_string()))
}

/// A cell that no terminal takes for a command, and no spreadsheet for a formula: what begins like one gets a `'` in
/// front, as OWASP advises.
fn inert(cell: &str) -> String {
    let cell = printable(cell);
    let formula = cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n']);
    if formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_cell_is_a_formula() {
        let mut csv = Csv::with_header(&["name", "owner"]).ok().unwrap();
        csv.row(&["a, \"b\"\u{1b}c".to_owned(), "=1+1".to_owned()]).ok().unwrap();
        csv.row(&["@x".to_owned(), String::new()]).ok().unwrap();
        assert_eq!(csv.take().ok().unwrap(), "name,owner\r\n\"a, \"\"b\"\"\\u{1b}c\",'=1+1\r\n'@x,\r\n");
        csv.row(&["second page".to_owned(), "-1".to_owned()]).ok().unwrap();
        csv.row(&["＝1".to_owned(), "1=1".to_owned()]).ok().unwrap();
        assert_eq!(csv.take().ok().unwrap(), "second page,'-1\r\n'＝1,1=1\r\n");
    }
}
