//! An upper bound of what a message takes once it is decoded, from its bytes and its schema, without decoding it: five bytes
//! that ask a question become some hundred, and two that say nothing become an element of a list.
//!
//! The schema is the one that reflection serves. What it does not know is skipped, here and by the decoder.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// A list grows by doubling, and for a moment the shorter one is there beside the longer.
const LIST_FACTOR: u64 = 3;
/// A text, a list or a map as it stands in its message.
const POINTER_BYTES: u64 = 24;
/// A number as it stands in its message, with the note that it is there.
const NUMBER_BYTES: u64 = 16;
/// What an allocation costs beside its bytes.
const ALLOCATION_BYTES: u64 = 32;
/// Messages within messages that are looked into; the decoder refuses those beyond 100, and ours have less than ten.
const MAX_DEPTH: u32 = 16;

/// What decoding the messages of all methods costs.
#[derive(Debug)]
pub(super) struct Costs {
    /// The place of a method's request, by its path.
    methods: HashMap<String, usize>,
    messages: Vec<MessageShape>,
}

/// A message: its size, and those of its fields that can cost more.
#[derive(Debug, Default)]
struct MessageShape {
    size: u64,
    fields: Vec<(u32, FieldKind, bool)>,
}

/// What a field holds; a list of it or one is told beside it.
#[derive(Debug, Clone, Copy)]
enum FieldKind {
    Text,
    Number,
    Message(usize),
}

impl Costs {
    /// Of the methods in this encoded set of descriptors.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(set: &[u8]) -> Result<Self, prost::DecodeError> {
        let set = FileDescriptorSet::decode(set)?;
        let mut found = Vec::new();
        for file in &set.file {
            let package = format!(".{}", file.package());
            file.message_type.iter().for_each(|message| collect(&package, message, &mut found));
        }
        let places: HashMap<&str, usize> =
            found.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
        let mut messages: Vec<_> = found.iter().map(|(_, message)| shape(message, &places)).collect();
        for place in 0..messages.len() {
            let size = size(&found, &places, place, 0);
            if let Some(shape) = messages.get_mut(place) {
                shape.size = size;
            }
        }
        let mut methods = HashMap::new();
        for (file, service) in set.file.iter().flat_map(|file| file.service.iter().map(move |it| (file, it)))
        {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                methods.extend(places.get(method.input_type()).map(|place| (path, *place)));
            }
        }
        Ok(Self { methods, messages })
    }

    /// What the message of a call of this path takes once it is decoded.
    pub(super) fn of(&self, path: &str, message: &[u8]) -> u64 {
        let shape = self.methods.get(path).and_then(|place| self.messages.get(*place));
        shape.map_or(0, |shape| shape.size.saturating_add(self.within(shape, message, 0)))
    }

    /// What stands in a message beside its own struct. What is malformed ends it: the decoder stops there too.
    fn within(&self, shape: &MessageShape, mut message: &[u8], depth: u32) -> u64 {
        let mut cost = 0_u64;
        while let Some((number, content)) = next_field(&mut message) {
            let Some((_, kind, is_list)) = shape.fields.iter().find(|(known, ..)| *known == number) else {
                continue;
            };
            let length = content.map_or(0, |content| u64::try_from(content.len()).unwrap_or(u64::MAX));
            let listed = |size: u64| if *is_list { size.saturating_mul(LIST_FACTOR) } else { 0 };
            let own = match (kind, content) {
                (FieldKind::Text, _) => {
                    listed(POINTER_BYTES).saturating_add(ALLOCATION_BYTES).saturating_add(length)
                }
                // A list of numbers can stand in one field.
                (FieldKind::Number, Some(_)) => length.saturating_mul(8 * LIST_FACTOR),
                (FieldKind::Number, None) => listed(8),
                (FieldKind::Message(place), content) => {
                    let (Some(shape), Some(content)) = (self.messages.get(*place), content) else { continue };
                    let inner = if depth < MAX_DEPTH {
                        self.within(shape, content, depth.saturating_add(1))
                    } else {
                        0
                    };
                    listed(shape.size).saturating_add(inner)
                }
            };
            cost = cost.saturating_add(own);
        }
        cost
    }
}

/// How often a message has the field of this number.
pub(super) fn fields(mut message: &[u8], number: u32) -> usize {
    std::iter::from_fn(|| next_field(&mut message)).filter(|(found, _)| *found == number).count()
}

/// Finds a message and those that are declared within it, by their full names.
fn collect<'a>(outer: &str, message: &'a DescriptorProto, found: &mut Vec<(String, &'a DescriptorProto)>) {
    let name = format!("{outer}.{}", message.name());
    message.nested_type.iter().for_each(|nested| collect(&name, nested, found));
    found.push((name, message));
}

fn shape(message: &DescriptorProto, places: &HashMap<&str, usize>) -> MessageShape {
    let field = |field: &FieldDescriptorProto| {
        let kind = kind(field, places);
        let number = u32::try_from(field.number()).ok()?;
        Some((number, kind, field.label() == Label::Repeated))
    };
    MessageShape { size: 0, fields: message.field.iter().filter_map(field).collect() }
}

fn kind(field: &FieldDescriptorProto, places: &HashMap<&str, usize>) -> FieldKind {
    match field.r#type() {
        Type::String | Type::Bytes => FieldKind::Text,
        Type::Message | Type::Group => {
            places.get(field.type_name()).map_or(FieldKind::Text, |at| FieldKind::Message(*at))
        }
        Type::Double
        | Type::Float
        | Type::Int64
        | Type::Uint64
        | Type::Int32
        | Type::Fixed64
        | Type::Fixed32
        | Type::Bool
        | Type::Uint32
        | Type::Enum
        | Type::Sfixed32
        | Type::Sfixed64
        | Type::Sint32
        | Type::Sint64 => FieldKind::Number,
    }
}

/// What a message's struct takes: one that stands in another is a part of it.
fn size(
    found: &[(String, &DescriptorProto)],
    places: &HashMap<&str, usize>,
    place: usize,
    depth: u32,
) -> u64 {
    let Some((_, message)) = found.get(place) else { return POINTER_BYTES };
    let of_field = |field: &FieldDescriptorProto| match kind(field, places) {
        FieldKind::Message(inner) if field.label() != Label::Repeated && depth < MAX_DEPTH => {
            size(found, places, inner, depth.saturating_add(1)).saturating_add(8)
        }
        FieldKind::Message(_) | FieldKind::Text => POINTER_BYTES,
        FieldKind::Number if field.label() == Label::Repeated => POINTER_BYTES,
        FieldKind::Number => NUMBER_BYTES,
    };
    message.field.iter().map(of_field).fold(0, u64::saturating_add)
}

/// The next field of a message, and what it holds where that has a length.
fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let tag = varint(message)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let content = match tag & 7 {
        0 => varint(message).map(|_number| None)?,
        1 => skip(message, 8).map(|_number| None)?,
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            Some(skip(message, length)?)
        }
        5 => skip(message, 4).map(|_number| None)?,
        // Groups, which none of our messages has: the decoder skips them.
        3 | 4 => None,
        _ => return None,
    };
    Some((number, content))
}

fn skip<'a>(message: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (skipped, rest) = message.split_at_checked(bytes)?;
    *message = rest;
    Some(skipped)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, v1};

    const BATCH: &str = "/keyward.v1.KeyService/BatchCheck";

    fn costs() -> Costs {
        Costs::read(wire::DESCRIPTOR_SET).unwrap()
    }

    fn of_batch(questions: Vec<v1::CheckRequest>) -> u64 {
        let batch = v1::BatchCheckRequest { requests: questions, ..v1::BatchCheckRequest::default() };
        costs().of(BATCH, &batch.encode_to_vec())
    }

    #[test]
    fn no_message_takes_more_than_was_said() {
        // X5
        let size = u64::try_from(size_of::<v1::CheckRequest>()).unwrap();
        let cost = of_batch(vec![v1::CheckRequest::default(); 1_000]);
        assert!(cost >= 2 * 1_000 * size, "two bytes each: {cost}");
        assert!(cost < 2 << 20, "a thousand usual questions: {cost}");
        let scopes = vec![String::new(); 1_000];
        let question = v1::CheckRequest { scopes, ..v1::CheckRequest::default() };
        assert!(of_batch(vec![question]) >= 1_000 * 48);
        let grants = vec![v1::Grant::default(); 1_000];
        let issue = v1::IssueRequest { grants, ..v1::IssueRequest::default() }.encode_to_vec();
        let size = u64::try_from(size_of::<v1::Grant>()).unwrap();
        assert!(costs().of("/keyward.v1.KeyService/Issue", &issue) >= 2_000 * size);
    }

    #[test]
    fn structs_are_no_larger_than_the_schema_says() {
        // X5
        let (costs, at) = (costs(), |path: &str| format!("/keyward.v1.{path}"));
        for (path, size) in [
            ("KeyService/Check", size_of::<v1::CheckRequest>()),
            ("KeyService/BatchCheck", size_of::<v1::BatchCheckRequest>()),
            ("KeyService/Issue", size_of::<v1::IssueRequest>()),
            ("KeyService/ImportKeys", size_of::<v1::ImportKeysRequest>()),
            ("KeyService/UpdateKey", size_of::<v1::UpdateKeyRequest>()),
            ("PolicyService/ApplyPolicy", size_of::<v1::ApplyPolicyRequest>()),
            ("AuditService/QueryLog", size_of::<v1::QueryLogRequest>()),
        ] {
            let said = costs.of(&at(path), &[]);
            assert!(said >= u64::try_from(size).unwrap(), "{path}: {said} of {size}");
        }
        let row = costs.of(&at("KeyService/ImportKeys"), &[0x12, 0]);
        assert!(row >= 2 * u64::try_from(size_of::<v1::ImportRow>()).unwrap(), "{row}");
        let envoy = "/envoy.service.auth.v3.Authorization/Check";
        assert!(costs.methods.contains_key(envoy));
    }

    #[test]
    fn what_is_no_message_costs_what_stands_before_the_fault() {
        let costs = costs();
        let none = costs.of(BATCH, &[]);
        for malformed in [&[0xff; 20][..], &[0x0a, 9], &[0x0a], &[0x0f], &[0x80; 9]] {
            assert_eq!(costs.of(BATCH, malformed), none, "{malformed:?}");
        }
        assert!(costs.of(BATCH, &[0x0a, 0, 0x0a, 9]) > none);
        assert_eq!(costs.of("/no.Service/Method", &[0x0a, 0]), 0);
    }
}
