//! A count as bytes: its kind, and its numbers.

/// Added to a kind whose numbers are as short as they can be; without it each has eight bytes, as it was up to schema 8.
const SHORT: u8 = 16;

/// A kind and its numbers, seven bits a byte, the least significant first: there are many counts, and most numbers are small.
pub(super) fn bytes(kind: u8, words: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    bytes.push(kind | SHORT);
    for word in words {
        let mut rest = *word;
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7F).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap_or_default());
    }
    bytes
}

/// The kind and the numbers; `None` where the bytes are not ours.
pub(super) fn words(bytes: &[u8]) -> Option<(u8, Vec<u64>)> {
    let (kind, rest) = bytes.split_first()?;
    if kind & SHORT != 0 {
        return Some((kind & !SHORT, short_words(rest)?));
    }
    let (words, rest) = rest.as_chunks::<8>();
    rest.is_empty().then(|| (*kind, words.iter().map(|word| u64::from_le_bytes(*word)).collect()))
}

fn short_words(bytes: &[u8]) -> Option<Vec<u64>> {
    let (mut words, mut word, mut shift) = (Vec::with_capacity(4), 0_u64, 0_u32);
    for byte in bytes {
        word |= u64::from(byte & 0x7F).checked_shl(shift)?;
        shift = shift.saturating_add(7);
        if *byte < 0x80 {
            words.push(std::mem::take(&mut word));
            shift = 0;
        }
    }
    (shift == 0).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALENDAR: u8 = 1;

    #[test]
    fn numbers_of_a_count_read_back_whichever_way_they_were_written() {
        // D8: counts of schema 8 have eight bytes a number
        let numbers = [0, 1, 127, 128, 1_767_225_600_000, (-1_i64).cast_unsigned(), u64::MAX];
        let long = numbers.iter().flat_map(|number| number.to_le_bytes());
        let long: Vec<_> = std::iter::once(CALENDAR).chain(long).collect();
        let short = bytes(CALENDAR, &numbers);
        assert!(short.len() < long.len());
        for written in [long, short] {
            assert_eq!(words(&written), Some((CALENDAR, numbers.to_vec())));
            assert_eq!(words(&written[..written.len() - 1]), None);
        }
        assert_eq!(words(&[CALENDAR | SHORT, 0xFF]), None);
        assert_eq!(words(&[&[CALENDAR | SHORT][..], &[0xFF; 12], &[1]].concat()), None, "too long a number");
    }
}
