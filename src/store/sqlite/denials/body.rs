//! What a sheet of denials is in bytes: each word once, and then numbers.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::super::blocks::{BlockReader, NoBlock, put_length, put_number, put_text};
use crate::{
    domain::{
        denial_sums::{
            Busiest, DenialLabel, DenialNames, DenialTotals, DeniedCredential, DeniedName, MOST_NAMES,
            TimesSeen,
        },
        id::{KeyId, WorkspaceId},
    },
    ports::{DenialSums, SheetKind},
};

/// The first byte of each body.
const FORM: u8 = 1;

/// A kind of names, in bytes.
trait StoredName: Sized + Eq + Hash {
    fn put(&self, out: &mut Vec<u8>);
    fn take(body: &mut BlockReader<'_>) -> Result<Self, NoBlock>;
}

/// What `sums` are as bytes.
pub(super) fn write(sums: &DenialSums) -> Vec<u8> {
    let mut words = WordTable::default();
    let mut rest = Vec::new();
    match sums {
        DenialSums::Totals(totals) => {
            put_length(&mut rest, totals.len());
            for (label, count) in totals {
                words.put_label(&mut rest, label);
                put_number(&mut rest, *count);
            }
        }
        DenialSums::Names(names) => {
            words.put_busiest(&mut rest, &names.sources);
            words.put_busiest(&mut rest, &names.credentials);
            words.put_busiest(&mut rest, &names.workspaces);
        }
    }
    let mut out = vec![FORM];
    put_length(&mut out, words.all.len());
    for word in words.all {
        put_text(&mut out, word);
    }
    out.extend_from_slice(&rest);
    out
}

/// What bytes say that were written of this kind.
pub(super) fn read(kind: SheetKind, body: &[u8]) -> Result<DenialSums, NoBlock> {
    let mut body = BlockReader::new(body);
    if body.byte()? != FORM {
        return Err(NoBlock);
    }
    let mut words = Vec::new();
    for _ in 0..body.number()? {
        words.push(body.text()?.to_owned());
    }
    let sums = match kind {
        SheetKind::MinuteTotals | SheetKind::HourTotals => {
            DenialSums::Totals(take_totals(&mut body, &words)?)
        }
        SheetKind::HourNames | SheetKind::DayNames => DenialSums::Names(Box::new(DenialNames {
            sources: take_busiest(&mut body, &words)?,
            credentials: take_busiest(&mut body, &words)?,
            workspaces: take_busiest(&mut body, &words)?,
        })),
    };
    if body.is_empty() { Ok(sums) } else { Err(NoBlock) }
}

/// The words of a body, each with its place.
#[derive(Default)]
struct WordTable<'s> {
    all: Vec<&'s str>,
    places: HashMap<&'s str, usize>,
}

impl<'s> WordTable<'s> {
    fn put(&mut self, out: &mut Vec<u8>, word: &'s str) {
        let next = self.all.len();
        let place = *self.places.entry(word).or_insert(next);
        if place == next {
            self.all.push(word);
        }
        put_length(out, place);
    }

    fn put_label(&mut self, out: &mut Vec<u8>, label: &'s DenialLabel) {
        let DenialLabel { door, call, reason } = label;
        for word in [door, call, reason] {
            self.put(out, word);
        }
    }

    fn put_busiest<N: StoredName>(&mut self, out: &mut Vec<u8>, busiest: &'s Busiest<DeniedName<N>>) {
        put_number(out, busiest.floor());
        put_number(out, busiest.sum());
        put_length(out, busiest.named().len());
        for (DeniedName { label, workspace, name }, seen) in busiest.named() {
            self.put_label(out, label);
            match workspace {
                None => out.push(0),
                Some(workspace) => {
                    out.push(1);
                    out.extend_from_slice(&workspace.to_bytes());
                }
            }
            name.put(out);
            put_number(out, seen.count);
            put_number(out, seen.missed);
        }
    }
}

fn take_label(body: &mut BlockReader<'_>, words: &[String]) -> Result<DenialLabel, NoBlock> {
    let mut word = || {
        let place = usize::try_from(body.number()?).ok().ok_or(NoBlock)?;
        words.get(place).map(|word| Cow::Owned(word.clone())).ok_or(NoBlock)
    };
    Ok(DenialLabel { door: word()?, call: word()?, reason: word()? })
}

fn take_totals(body: &mut BlockReader<'_>, words: &[String]) -> Result<DenialTotals, NoBlock> {
    let mut totals = BTreeMap::new();
    for _ in 0..body.number()? {
        let label = take_label(body, words)?;
        totals.insert(label, body.number()?);
    }
    Ok(totals)
}

fn take_busiest<N: StoredName>(
    body: &mut BlockReader<'_>,
    words: &[String],
) -> Result<Busiest<DeniedName<N>>, NoBlock> {
    let (floor, sum, count) = (body.number()?, body.number()?, body.number()?);
    let mut named = Vec::new();
    for _ in 0..count {
        let label = take_label(body, words)?;
        let workspace = match body.byte()? {
            0 => None,
            1 => Some(WorkspaceId::from_bytes(body.array()?)),
            _ => return Err(NoBlock),
        };
        let name = N::take(body)?;
        let seen = TimesSeen { count: body.number()?, missed: body.number()? };
        named.push((DeniedName { label, workspace, name }, seen));
    }
    Ok(Busiest::stored(MOST_NAMES, (floor, sum), named))
}

/// Of IPv6 the network of 64 bits is what counts, but for an address that stands for itself.
impl StoredName for Option<IpAddr> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(IpAddr::V4(address)) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                let octets = address.octets();
                let (network, rest) = octets.split_at(8);
                let is_network = rest.iter().all(|byte| *byte == 0);
                out.push(if is_network { 6 } else { 16 });
                out.extend_from_slice(if is_network { network } else { &octets });
            }
        }
    }

    fn take(body: &mut BlockReader<'_>) -> Result<Self, NoBlock> {
        Ok(match body.byte()? {
            0 => None,
            4 => Some(IpAddr::V4(Ipv4Addr::from(body.array::<4>()?))),
            6 => {
                let network = u64::from_be_bytes(body.array()?);
                Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from(network) << 64)))
            }
            16 => Some(IpAddr::V6(Ipv6Addr::from(body.array::<16>()?))),
            _ => return Err(NoBlock),
        })
    }
}

impl StoredName for DeniedCredential {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unnamed => out.push(0),
            Self::Key(id) => {
                out.push(1);
                out.extend_from_slice(&id.to_bytes());
            }
            Self::Hint(hint) => {
                out.push(2);
                put_text(out, hint);
            }
        }
    }

    fn take(body: &mut BlockReader<'_>) -> Result<Self, NoBlock> {
        Ok(match body.byte()? {
            0 => Self::Unnamed,
            1 => Self::Key(KeyId::from_bytes(body.array()?)),
            2 => Self::Hint(body.text()?.into()),
            _ => return Err(NoBlock),
        })
    }
}

impl StoredName for () {
    fn put(&self, _out: &mut Vec<u8>) {}

    fn take(_body: &mut BlockReader<'_>) -> Result<Self, NoBlock> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::denial_sums::DenialSeen;

    fn seen(reason: &'static str, source: Option<&str>, credential: DeniedCredential) -> DenialSeen {
        let label = DenialLabel { door: "grpc".into(), call: "".into(), reason: reason.into() };
        let workspace =
            matches!(credential, DeniedCredential::Key(_)).then(|| WorkspaceId::from_bytes([7; 16]));
        DenialSeen { label, workspace, source: source.map(|text| text.parse().unwrap()), credential }
    }

    #[test]
    fn sums_read_back_as_they_were_written_and_nothing_cut_does() {
        // A4
        let mut names = DenialNames::of(MOST_NAMES);
        for source in [None, Some("192.0.2.1"), Some("2001:db8:1:2::"), Some("::1")] {
            names.count(seen("KEY_UNKNOWN", source, DeniedCredential::Hint("kw_live_…3xYz".into())));
            names.count(seen("KEY_REVOKED", source, DeniedCredential::Key(KeyId::from_bytes([9; 16]))));
            names.count(seen("CREDENTIALS_MISSING", source, DeniedCredential::Unnamed));
        }
        let label =
            |door: &'static str| DenialLabel { door: door.into(), call: "Issue".into(), reason: "X".into() };
        let totals = DenialTotals::from([(label("admin"), u64::MAX), (label("grpc"), 1)]);
        for (kind, sums) in [
            (SheetKind::HourNames, DenialSums::Names(Box::new(names))),
            (SheetKind::MinuteTotals, DenialSums::Totals(totals)),
        ] {
            let written = write(&sums);
            assert_eq!(read(kind, &written), Ok(sums));
            for end in 0..written.len() {
                assert!(read(kind, &written[..end]).is_err(), "{end}");
            }
            assert!(read(kind, &[written.as_slice(), &[0]].concat()).is_err());
        }
    }
}
