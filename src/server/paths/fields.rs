//! Header fields as HPACK writes them (RFC 7541 §5 and §6), however their bytes are cut.

use super::{
    huffman::{self, Code},
    names::{Name, Names, NoSuchEntry, PATH},
};

/// What begins a fragment.
const MARK: u8 = b'#';
/// What stands in its place. Its Huffman code is the mark's with the last bit set.
const INSTEAD: u8 = b'>';

/// The longest number is one of four bytes behind the first.
const MAX_SHIFT: u32 = 21;

/// The fields of a connection's header blocks.
#[derive(Debug, Default)]
pub(super) struct HeaderFields {
    next: Next,
    field: ReadField,
    names: Names,
}

/// What the next byte is.
#[derive(Debug, Default, Clone, Copy)]
enum Next {
    /// The first of a field.
    #[default]
    Field,
    /// One more of a number.
    Number { so_far: u32, shift: u32, of: Number },
    /// The first of a string's length.
    Length,
    /// One of so many of a string.
    Text { left: usize },
    /// The same, Huffman coded.
    Huffman { left: usize, code: Code },
}

/// What is numbered.
#[derive(Debug, Clone, Copy)]
enum Number {
    /// A field that a table has whole.
    Index,
    /// The name of a field, which may be kept.
    Name {
        is_kept: bool,
    },
    TableSize,
    Length {
        is_huffman: bool,
    },
}

/// The field that is being read.
#[derive(Debug, Default, Clone, Copy)]
struct ReadField {
    is_kept: bool,
    /// What is known of the name.
    name: Name,
    /// Whether the name is whole.
    has_name: bool,
    value_bytes: u32,
}

impl HeaderFields {
    /// Looks at what comes next, and changes each mark in a path.
    pub(super) fn pass(&mut self, mut fragment: &mut [u8]) -> Result<(), NoSuchEntry> {
        while let Some((first, _)) = fragment.split_first() {
            let first = *first;
            let length = match self.next {
                Next::Text { left } | Next::Huffman { left, .. } => left.min(fragment.len()),
                Next::Field | Next::Number { .. } | Next::Length => 1,
            };
            let (now, rest) = std::mem::take(&mut fragment).split_at_mut(length);
            match self.next {
                Next::Field => self.begin_field(first)?,
                Next::Number { so_far, shift, of } => self.go_on_counting(first, so_far, shift, of)?,
                Next::Length => self.begin_length(first)?,
                Next::Text { left } => self.pass_text(now, left),
                Next::Huffman { left, code } => self.pass_huffman(now, left, code),
            }
            fragment = rest;
        }
        Ok(())
    }

    fn begin_field(&mut self, first: u8) -> Result<(), NoSuchEntry> {
        let (prefix, of) = match first {
            0x80.. => (7, Number::Index),
            0x40.. => (6, Number::Name { is_kept: true }),
            0x20.. => (5, Number::TableSize),
            _ => (4, Number::Name { is_kept: false }),
        };
        self.begin_number(first, prefix, of)
    }

    fn begin_length(&mut self, first: u8) -> Result<(), NoSuchEntry> {
        self.begin_number(first, 7, Number::Length { is_huffman: first >= 0x80 })
    }

    fn begin_number(&mut self, first: u8, prefix: u32, of: Number) -> Result<(), NoSuchEntry> {
        let mask = u8::MAX >> (8 - prefix);
        let number = u32::from(first & mask);
        if first & mask < mask {
            return self.end_number(number, of);
        }
        self.next = Next::Number { so_far: number, shift: 0, of };
        Ok(())
    }

    fn go_on_counting(&mut self, byte: u8, so_far: u32, shift: u32, of: Number) -> Result<(), NoSuchEntry> {
        let number = so_far.saturating_add(u32::from(byte & 0x7f) << shift);
        if byte < 0x80 {
            return self.end_number(number, of);
        }
        self.next = Next::Number { so_far: number, shift: shift + 7, of };
        if shift < MAX_SHIFT { Ok(()) } else { Err(NoSuchEntry) }
    }

    fn end_number(&mut self, number: u32, of: Number) -> Result<(), NoSuchEntry> {
        self.next = match of {
            Number::Index => self.names.get(number).map(|_| Next::Field)?,
            Number::TableSize => self.names.resize(number).map(|()| Next::Field)?,
            Number::Name { is_kept } => {
                let known = if number == 0 { None } else { Some(self.names.get(number)?) };
                self.field = ReadField::new(is_kept, known);
                Next::Length
            }
            Number::Length { is_huffman } => match usize::try_from(number).unwrap_or(usize::MAX) {
                0 => self.end_text(),
                left if is_huffman => Next::Huffman { left, code: Code::default() },
                left => Next::Text { left },
            },
        };
        Ok(())
    }

    /// Passes over what there is of a string, and changes each mark in it.
    fn pass_text(&mut self, text: &mut [u8], left: usize) {
        let behind = left.saturating_sub(text.len());
        if self.field.is_looked_at() {
            for byte in text {
                if self.field.take(*byte) {
                    *byte = INSTEAD;
                }
            }
        }
        self.next = if behind > 0 { Next::Text { left: behind } } else { self.end_text() };
    }

    /// The same of a Huffman coded one: a mark is changed where it ends.
    fn pass_huffman(&mut self, text: &mut [u8], left: usize, mut code: Code) {
        let behind = left.saturating_sub(text.len());
        let is_whole = code.is_fresh() && behind == 0;
        let has_none = is_whole && self.field.is_path_alone() && !huffman::may_have_mark(text);
        if self.field.is_looked_at() && !has_none {
            for byte in text {
                code.read(*byte, |character, last| {
                    if self.field.take(character) {
                        *byte |= last;
                    }
                });
            }
        }
        self.next = if behind > 0 { Next::Huffman { left: behind, code } } else { self.end_text() };
    }

    fn end_text(&mut self) -> Next {
        if !self.field.has_name {
            self.field.end_name();
            return Next::Length;
        }
        if self.field.is_kept {
            self.names.keep(self.field.name, self.field.value_bytes);
        }
        Next::Field
    }
}

impl ReadField {
    fn new(is_kept: bool, known: Option<Name>) -> Self {
        // A name that is spelt out is a path's until it differs.
        let name = known.unwrap_or(Name { bytes: 0, is_path: true });
        Self { is_kept, name, has_name: known.is_some(), value_bytes: 0 }
    }

    /// Whether the characters of its string, or their number, say anything here.
    const fn is_looked_at(&self) -> bool {
        self.is_kept || !self.has_name || self.name.is_path
    }

    /// Whether nothing but marks counts in what comes: the value of a path that is not kept.
    const fn is_path_alone(&self) -> bool {
        self.has_name && self.name.is_path && !self.is_kept
    }

    /// Notes a character, and says whether it is a mark in a path.
    fn take(&mut self, character: u8) -> bool {
        if self.has_name {
            self.value_bytes = self.value_bytes.saturating_add(1);
            return self.name.is_path && character == MARK;
        }
        let at = usize::try_from(self.name.bytes).unwrap_or(usize::MAX);
        self.name.is_path &= PATH.as_bytes().get(at) == Some(&character);
        self.name.bytes = self.name.bytes.saturating_add(1);
        false
    }

    fn end_name(&mut self) {
        self.name.is_path &= self.name.bytes == Name::from(PATH).bytes;
        self.has_name = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes a block, cut into pieces of so many bytes, behind others.
    fn passed(before: &[&[u8]], block: &[u8], step: usize) -> Vec<u8> {
        let mut fields = HeaderFields::default();
        for block in before {
            fields.pass(&mut block.to_vec()).unwrap();
        }
        let mut block = block.to_vec();
        for piece in block.chunks_mut(step) {
            fields.pass(piece).unwrap();
        }
        assert!(matches!(fields.next, Next::Field), "the end is not reached");
        block
    }

    /// A field of this name, by a number or spelt out, and a value.
    fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
        [name, &[u8::try_from(value.len()).unwrap()], value].concat()
    }

    /// The mark in each way that a path can be written, and what it is changed to.
    fn marked() -> Vec<(Vec<u8>, Vec<u8>)> {
        let plain: [&[u8]; 7] = [
            b"\x04",
            b"\x05",
            b"\x14",
            b"\x44",
            b"\x00\x05:path",
            b"\x40\x84\xb9\x58\xd3\x3f",
            b"\x10\x05:path",
        ];
        let mut all: Vec<_> =
            plain.iter().map(|name| (field(name, b"/a#b#"), field(name, b"/a>b>"))).collect();
        // `/##a` and `/>>a`: 011000 111111111010 111111111010 00011 1111111.
        all.push((b"\x04\x85\x63\xfe\xbf\xe8\x7f".to_vec(), b"\x04\x85\x63\xfe\xff\xec\x7f".to_vec()));
        all
    }

    #[test]
    fn a_mark_in_a_path_is_changed_however_it_is_written_and_cut() {
        for (block, expected) in marked() {
            for step in 1..=block.len() {
                let around = |block: &[u8]| [&b"\x83\x86"[..], block, &field(b"\x01", b"a#b")].concat();
                assert_eq!(passed(&[], &around(&block), step), around(&expected), "{block:x?}, {step}");
            }
        }
    }

    #[test]
    fn nothing_else_is_changed() {
        let names: [&[u8]; 7] = [
            b"\x01",
            b"\x0f\x10",
            b"\x50",
            b"\x00\x04:pat",
            b"\x00\x06:paths",
            b"\x00\x05:parh",
            b"\x40\x05xpath",
        ];
        for name in names {
            for value in [&b"/a#b"[..], b"#", b"", b"/###"] {
                let block = field(name, value);
                assert_eq!(passed(&[], &block, 1), block);
            }
        }
        let coded = b"\x01\x85\x63\xfe\xbf\xe8\x7f";
        assert_eq!(passed(&[], coded, 1), coded);
        let sizes = b"\x20\x3f\xe1\x1f\x82\x84";
        assert_eq!(passed(&[], sizes, 1), sizes);
    }

    #[test]
    fn a_name_that_was_kept_is_known_again() {
        let path = field(b"\x44", b"/a");
        let other = field(b"\x40\x01x", b"y");
        let [newest, older] = [[62 - 15], [63 - 15]].map(|index| [&[0x0f][..], &index].concat());
        let marked = |name: &[u8]| field(name, b"/#");
        let mended = |name: &[u8]| field(name, b"/>");
        assert_eq!(passed(&[&path], &marked(&newest), 1), mended(&newest));
        assert_eq!(passed(&[&path, &other], &marked(&newest), 1), marked(&newest));
        assert_eq!(passed(&[&path, &other], &marked(&older), 1), mended(&older));
        // 39 bytes are those of one path, and 34 those of the other field.
        let shrunk: [&[u8]; 3] = [&path, &other, b"\x3f\x03"];
        assert_eq!(passed(&shrunk, &marked(&newest), 1), marked(&newest));
        let mut fields = HeaderFields::default();
        for block in shrunk {
            fields.pass(&mut block.to_vec()).unwrap();
        }
        assert_eq!(fields.pass(&mut marked(&older)), Err(NoSuchEntry));
    }

    #[test]
    fn what_the_library_does_not_read_is_not_read() {
        for block in [&b"\x80"[..], b"\xbe", b"\x0f\x30", b"\x3f\xe2\x1f", b"\x04\x7f\x80\x80\x80\x80"] {
            assert_eq!(HeaderFields::default().pass(&mut block.to_vec()), Err(NoSuchEntry), "{block:x?}");
        }
    }
}
