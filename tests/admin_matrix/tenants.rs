//! Two workspaces × every method × every field that names something: what belongs to the other looks like what does not
//! exist, and stays as it was.

use keyward::domain::id::{KeyId, WorkspaceId};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, Value};

use super::*;

/// Where a field stands: the fields that lead to it, and itself.
type Path = Vec<FieldDescriptor>;

/// Every text that names a key or a workspace, whether or not a request sets it.
fn id_fields(message: &MessageDescriptor, above: &Path, found: &mut Vec<Path>) {
    for field in message.fields() {
        let path = [above.as_slice(), std::slice::from_ref(&field)].concat();
        if field.kind() == FieldKind::String && names_something(&field) {
            found.push(path);
        } else if let FieldKind::Message(inner) = field.kind()
            && inner.package_name() == "keyward.v1"
            && above.len() < 4
        {
            id_fields(&inner, &path, found);
        }
    }
}

fn names_something(field: &FieldDescriptor) -> bool {
    let of_the_caller = ["request_id", "group_id"].contains(&field.name());
    (field.name() == "id" || field.name().ends_with("_id") || field.name() == "revoked_by") && !of_the_caller
}

/// Puts a text there; a list gets one element, if it has none.
fn put(message: &mut DynamicMessage, path: &[FieldDescriptor], text: &str) {
    let (field, below) = path.split_first().unwrap();
    let FieldKind::Message(inner) = field.kind() else {
        let text = Value::String(text.to_owned());
        return message.set_field(field, if field.is_list() { Value::List(vec![text]) } else { text });
    };
    let found = message.get_field_mut(field);
    if let Value::List(list) = found {
        if list.is_empty() {
            list.push(Value::Message(DynamicMessage::new(inner)));
        }
        put(list[0].as_message_mut().unwrap(), below, text);
    } else {
        put(found.as_message_mut().unwrap(), below, text);
    }
}

/// What a caller hears, less the id that it sent itself.
fn heard(answer: Result<Response<Vec<u8>>, Status>, sent: &str) -> Result<Vec<u8>, (Code, String, String)> {
    answer
        .map(Response::into_inner)
        .map_err(|status| (status.code(), error_reason(&status), status.message().replace(sent, "it")))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_of_another_workspace_can_be_told_from_one_that_does_not_exist() {
    // T1, X9
    let world = World::new(true).await;
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).unwrap();
    let entropy = SeededEntropy::new(0x7E4A);
    let request = v1::IssueRequest { workspace_id: world.other.clone(), ..holder_key(&["a:b"]) };
    let theirs =
        world.keyward.issue(v1::IssueRequest { name: "a name of theirs".to_owned(), ..request }).await;
    let before = world.keyward.show(&theirs.key.id).await;
    let admin = world.keyward.issue_admin(&world.workspace, admin_rights(&ADMIN_SCOPES, false)).await;
    let caller = Caller::bearer("all, here", Kind::Bound, &admin.api_key);
    let mut tried = BTreeSet::new();
    for place in 0..rows(&world.place().await).len() {
        let good = rows(&world.place().await).swap_remove(place);
        let (service, method) = good.method.split_once('/').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        let input = service.methods().find(|found| found.name() == method).unwrap().input();
        let mut paths = Vec::new();
        id_fields(&input, &Vec::new(), &mut paths);
        for path in paths {
            let last = path.last().unwrap();
            let of_workspace = last.name() == "workspace_id" || last.parent_message().name() == "Workspace";
            let (other, nobody) = if of_workspace {
                (world.other.clone(), WorkspaceId::generate(&entropy).unwrap().to_string())
            } else {
                (theirs.key.id.clone(), KeyId::generate(&entropy).unwrap().to_string())
            };
            let ask = async |id: &str| {
                let row = rows(&world.place().await).swap_remove(place);
                let mut message = DynamicMessage::decode(input.clone(), row.good.as_slice()).unwrap();
                put(&mut message, &path, id);
                heard(world.call(&row, &caller, &message.encode_to_vec()).await, id)
            };
            let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
            let it = format!("{} {}", good.method, names.join("."));
            match (ask(&other).await, ask(&nobody).await) {
                (Err(of_theirs), Err(of_nobody)) => assert_eq!(of_theirs, of_nobody, "{it}"),
                // A field that means nothing in a request, or a filter that finds nothing.
                (Ok(answer), Ok(_)) => {
                    for text in [&theirs.key.id, "a name of theirs", "theirs"] {
                        assert!(!holds(&answer, text), "{it} tells {text}");
                    }
                }
                (of_theirs, of_nobody) => panic!("{it}: {of_theirs:?}, and {of_nobody:?} for nobody's"),
            }
            tried.insert(it);
        }
    }
    assert!(tried.contains("keyward.v1.KeyService/UpdateKey key.id"), "{tried:?}");
    assert!(tried.contains("keyward.v1.AuditService/QueryLog actor_key_id"), "{tried:?}");
    assert_eq!(world.keyward.show(&theirs.key.id).await, before, "theirs is as it was");
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_a_tenant_names_an_operator() {
    // T1: whatever the method, whoever of the operators touched what it is about
    let world = World::new(true).await;
    let request = v1::IssueRequest {
        name: "operator".to_owned(),
        owner: "somebody.of.the.platform".to_owned(),
        admin: Some(admin_rights(&ADMIN_SCOPES, true)),
        ..v1::IssueRequest::default()
    };
    let operator = world.keyward.issue(request).await;
    let admin = world.keyward.issue_admin(&world.workspace, admin_rights(&ADMIN_SCOPES, false)).await;
    let caller = Caller::bearer("all, here", Kind::Bound, &admin.api_key);
    let mut answered = 0;
    for place in 0..rows(&world.place().await).len() {
        let about = world.place().await;
        let question = signed(&operator.api_key, check(&about.key.api_key, &["a:b"]));
        assert!(world.keyward.keys().check(question).await.unwrap().into_inner().allowed);
        let renamed = renaming(&about.key.key.id, "seen to");
        world.keyward.keys().update_key(signed(&operator.api_key, renamed)).await.unwrap();
        let row = rows(&about).swap_remove(place);
        let Ok(answer) = world.call(&row, &caller, &row.good).await else { continue };
        for text in [&operator.key.id, "somebody.of.the.platform", &world.keyward.root_id().await] {
            assert!(!holds(answer.get_ref(), text), "{} tells {text}", row.method);
        }
        answered += 1;
        if row.method == ADD_MEMBER {
            world.remove_bob().await;
        }
    }
    assert!(answered > 30, "{answered}");
    world.keyward.stop().await;
}
