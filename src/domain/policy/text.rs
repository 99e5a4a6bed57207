//! The TOML form, and where in it a field stands.

use toml::{Spanned, de::DeTable};

use super::{Document, Fault, Policy};

/// The longest document in TOML, in bytes.
pub const MAX_TOML: usize = 256 << 10;

/// The document of a store that was given no other.
const DEFAULT: &str = include_str!("default.toml");

impl Policy {
    /// Reads a document in TOML and looks at it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its field and line.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Fault>> {
        if text.len() > MAX_TOML {
            return Err(vec![Fault::new("", "must be at most 256 KiB")]);
        }
        let document: Document = toml::from_str(text).map_err(|error| vec![malformed(text, &error)])?;
        Self::new(document).map_err(|faults| {
            let lines = DocumentLines::of(text);
            faults.into_iter().map(|fault| Fault { line: lines.find(&fault.field), ..fault }).collect()
        })
    }

    /// What Keyward begins with.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn default_document() -> Result<Self, Vec<Fault>> {
        Self::from_toml(DEFAULT)
    }

    /// The document as TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Strings, numbers and lists: nothing that TOML cannot say.
        toml::to_string(self.document()).unwrap_or_default()
    }
}

fn malformed(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map(|span| line_at(text, span.start));
    Fault { field: String::new(), line, why: error.message().to_owned() }
}

fn line_at(text: &str, place: usize) -> usize {
    text.get(..place).unwrap_or_default().matches('\n').count().saturating_add(1)
}

/// The places of a document's fields.
struct DocumentLines<'a> {
    text: &'a str,
    root: Option<Spanned<DeTable<'a>>>,
}

impl<'a> DocumentLines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, root: DeTable::parse(text).ok() }
    }

    /// The line of a field, or of the nearest thing around it that is there.
    fn find(&self, field: &str) -> Option<usize> {
        let mut table = self.root.as_ref().map(Spanned::get_ref);
        let mut place = None;
        for step in field.split('.') {
            let (name, items) = step.split_once('[').unwrap_or((step, ""));
            let Some((key, value)) =
                table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name))
            else {
                break;
            };
            place = Some(key.span().start);
            let index = items.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            let item = index.and_then(|index| value.get_ref().as_array()?.get(index));
            place = item.map(|item| item.span().start).or(place);
            table = item.map_or(value.get_ref(), Spanned::get_ref).as_table();
        }
        place.map(|place| line_at(self.text, place))
    }
}
