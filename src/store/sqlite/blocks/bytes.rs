//! The numbers and texts that blocks are made of.

/// Bytes that are no block of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) struct NoBlock;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sqlite) struct BlockReader<'b>(&'b [u8]);

impl<'b> BlockReader<'b> {
    pub(in crate::store::sqlite) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(in crate::store::sqlite) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are not read yet.
    pub(in crate::store::sqlite) const fn left(&self) -> usize {
        self.0.len()
    }

    pub(in crate::store::sqlite) fn byte(&mut self) -> Result<u8, NoBlock> {
        let (first, rest) = self.0.split_first().ok_or(NoBlock)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(in crate::store::sqlite) fn bytes(&mut self, count: u64) -> Result<&'b [u8], NoBlock> {
        let count = usize::try_from(count).ok().ok_or(NoBlock)?;
        let (first, rest) = self.0.split_at_checked(count).ok_or(NoBlock)?;
        self.0 = rest;
        Ok(first)
    }

    pub(in crate::store::sqlite) fn array<const N: usize>(&mut self) -> Result<[u8; N], NoBlock> {
        let (first, rest) = self.0.split_first_chunk().ok_or(NoBlock)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Seven bits a byte, the least significant first.
    pub(in crate::store::sqlite) fn number(&mut self) -> Result<u64, NoBlock> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift).ok_or(NoBlock)?;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(NoBlock)
    }

    pub(in crate::store::sqlite) fn small(&mut self) -> Result<u32, NoBlock> {
        u32::try_from(self.number()?).ok().ok_or(NoBlock)
    }

    /// A text behind its length.
    pub(in crate::store::sqlite) fn text(&mut self) -> Result<&'b str, NoBlock> {
        let length = self.number()?;
        str::from_utf8(self.bytes(length)?).ok().ok_or(NoBlock)
    }
}

/// Writes what [`BlockReader::number`] reads.
pub(in crate::store::sqlite) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Writes how many there are.
pub(in crate::store::sqlite) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_number(out, u64::try_from(length).unwrap_or(u64::MAX));
}

/// Writes what [`BlockReader::text`] reads.
pub(in crate::store::sqlite) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_read_back_as_they_were_written() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut out = Vec::new();
        for number in numbers {
            put_number(&mut out, number);
        }
        put_text(&mut out, "");
        put_text(&mut out, "default/day");
        let mut reader = BlockReader::new(&out);
        assert_eq!(numbers.map(|_| reader.number().unwrap()), numbers);
        assert_eq!((reader.text(), reader.text()), (Ok(""), Ok("default/day")));
        assert!(reader.is_empty());
        for end in 0..out.len() {
            let mut reader = BlockReader::new(&out[..end]);
            let read = numbers.iter().try_for_each(|_| reader.number().map(drop));
            assert!(read.and_then(|()| reader.text()).and_then(|_| reader.text()).is_err(), "{end}");
        }
        assert_eq!(BlockReader::new(&[0x80; 11]).number(), Err(NoBlock));
        assert_eq!(BlockReader::new(&[1, 0xFF]).text(), Err(NoBlock));
    }
}
