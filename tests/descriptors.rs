//! Reflection shows the comments of `proto/` to whoever runs grpcurl: nothing of `keyward.v1` is without one.
#![allow(clippy::unwrap_used, reason = "tests")]

use keyward::wire;
use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};

const PACKAGE: &str = "keyward.v1";

#[test]
fn everything_that_reflection_shows_has_a_comment() {
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).unwrap();
    let silent: Vec<String> = files(&pool).flat_map(|file| undocumented(&file)).collect();
    assert!(silent.is_empty(), "without a comment in proto/:\n{}", silent.join("\n"));
}

#[test]
fn the_services_are_in_the_set() {
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).unwrap();
    for service in ["AuditService", "KeyService", "WorkspaceService"] {
        assert!(pool.get_service_by_name(&format!("{PACKAGE}.{service}")).is_some(), "{service}");
    }
    assert!(pool.get_service_by_name("envoy.service.auth.v3.Authorization").is_some());
}

fn files(pool: &DescriptorPool) -> impl Iterator<Item = FileDescriptor> {
    pool.files().filter(|file| file.package_name() == PACKAGE)
}

/// The full names of what the file declares without a comment before or beside it.
fn undocumented(file: &FileDescriptor) -> Vec<String> {
    let mut declared = Vec::new();
    for message in file.messages() {
        declare_message(&message, &mut declared);
    }
    for declaration in file.enums() {
        declare_enum(&declaration, &mut declared);
    }
    for service in file.services() {
        declared.push((service.full_name().to_owned(), service.path().to_vec()));
        declared.extend(service.methods().map(|it| (it.full_name().to_owned(), it.path().to_vec())));
    }
    declared.retain(|(_, path)| !has_comment(file, path));
    declared.into_iter().map(|(name, _)| name).collect()
}

/// A full name, and the place of what it names in the file's descriptor.
type Declared = Vec<(String, Vec<i32>)>;

fn declare_message(message: &MessageDescriptor, declared: &mut Declared) {
    if message.is_map_entry() {
        return;
    }
    declared.push((message.full_name().to_owned(), message.path().to_vec()));
    declared.extend(message.fields().map(|it| (it.full_name().to_owned(), it.path().to_vec())));
    let written = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    declared.extend(written.map(|it| (it.full_name().to_owned(), it.path().to_vec())));
    for inner in message.child_messages() {
        declare_message(&inner, declared);
    }
    for inner in message.child_enums() {
        declare_enum(&inner, declared);
    }
}

fn declare_enum(declaration: &prost_reflect::EnumDescriptor, declared: &mut Declared) {
    declared.push((declaration.full_name().to_owned(), declaration.path().to_vec()));
    declared.extend(declaration.values().map(|it| (it.full_name().to_owned(), it.path().to_vec())));
}

fn has_comment(file: &FileDescriptor, path: &[i32]) -> bool {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut places = info.iter().flat_map(|info| &info.location).filter(|place| place.path == path);
    places.any(|place| {
        let comments = [place.leading_comments(), place.trailing_comments()];
        comments.iter().any(|comment| !comment.trim().is_empty())
    })
}

mod the_check_itself {
    use prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
        FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
        SourceCodeInfo, source_code_info::Location,
    };

    use super::*;

    fn one_of_each() -> FileDescriptorProto {
        let name = |name: &str| Some(name.to_owned());
        FileDescriptorProto {
            name: name("a.proto"),
            package: name(PACKAGE),
            syntax: name("proto3"),
            message_type: vec![DescriptorProto {
                name: name("M"),
                field: vec![FieldDescriptorProto {
                    name: name("f"),
                    number: Some(1),
                    label: Some(1),
                    r#type: Some(9),
                    ..Default::default()
                }],
                nested_type: vec![DescriptorProto { name: name("Inner"), ..Default::default() }],
                ..Default::default()
            }],
            enum_type: vec![EnumDescriptorProto {
                name: name("E"),
                value: vec![EnumValueDescriptorProto {
                    name: name("ZERO"),
                    number: Some(0),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            service: vec![ServiceDescriptorProto {
                name: name("S"),
                method: vec![MethodDescriptorProto {
                    name: name("Do"),
                    input_type: name(".keyward.v1.M"),
                    output_type: name(".keyward.v1.M"),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn silent(file: FileDescriptorProto) -> Vec<String> {
        let set = FileDescriptorSet { file: vec![file] };
        let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
        files(&pool).flat_map(|file| undocumented(&file)).collect()
    }

    #[test]
    fn it_names_whatever_has_no_comment() {
        let all = ["M", "M.f", "M.Inner", "E", "ZERO", "S", "S.Do"].map(|name| format!("{PACKAGE}.{name}"));
        assert_eq!(silent(one_of_each()), all);
    }

    #[test]
    fn it_counts_a_comment_with_words_and_no_other() {
        let comment = |path: &[i32], text: &str| Location {
            path: path.to_vec(),
            leading_comments: Some(text.to_owned()),
            ..Default::default()
        };
        let location = vec![comment(&[4, 0], " A message."), comment(&[4, 0, 2, 0], " ")];
        let file =
            FileDescriptorProto { source_code_info: Some(SourceCodeInfo { location }), ..one_of_each() };
        assert_eq!(silent(file).first().map(String::as_str), Some("keyward.v1.M.f"));
    }
}
