//! What holds under each of the examples alike.

use keyward::wire::v1::{self, DenialReason};
use tonic::Code;

use crate::{
    platform::{PLATFORMS, Platform, apply, example, name, only, resource_of, text},
    support::{
        reason,
        verbs::{assert_field, refusal},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn an_example_is_applied_whole_and_says_the_same_when_it_is_read() {
    for platform in PLATFORMS {
        let Platform { keyward, document, applied } = Platform::start(platform).await;
        let version = applied.version.unwrap();
        assert_eq!((version.version, version.comment.as_str()), (2, "an example"), "{platform}");
        assert!(applied.effect.unwrap().change_count > 0);

        let shown = keyward.in_force().await;
        assert_eq!(shown.version.unwrap(), version);
        let count = |list: &str| document.get(list).map_or(0, |list| list.as_array().unwrap().len());
        let policy = shown.policy.unwrap();
        assert_eq!(
            (policy.scopes.len(), policy.tiers.len(), policy.plans.len(), policy.routes.len()),
            (count("scopes"), count("tiers"), count("plans"), count("routes")),
            "{platform}"
        );
        for toml in [shown.toml, example(platform)] {
            let again = apply(&keyward, &toml).await.unwrap().into_inner();
            assert_eq!(again.effect.unwrap(), v1::PolicyEffect::default(), "{platform}");
            assert_eq!(again.version.unwrap(), version, "a document that changes nothing makes no version");
        }
        keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_declared_scope_can_be_granted_and_opens_its_own_row_only() {
    // S1, S2
    for name in PLATFORMS {
        let platform = Platform::start(name).await;
        for scope in platform.scopes() {
            let made = platform.issue(&[&scope]).await;
            assert_eq!(
                (&made.key.effective_scopes, made.key.inert_scopes.len()),
                (&only(&[&scope]), 0),
                "{name}"
            );
            assert_eq!(platform.opened_by(&made.api_key).await, [scope], "{name}");
        }
        platform.keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_scope_is_neither_granted_nor_passed() {
    // S1, S2
    for name in PLATFORMS {
        let platform = Platform::start(name).await;
        let declared = platform.scopes();
        let resource = resource_of(&declared[0]);
        let undeclared = [
            format!("{resource}:undeclared"),
            format!("{resource}s:read"),
            format!("{}all", declared[0]),
            "undeclared:read".to_owned(),
        ];
        for scope in &undeclared {
            assert_field(platform.try_issue(platform.key(&[&declared[0], scope])).await, "scopes");
        }
        assert_field(platform.try_issue(platform.key(&["undeclared:*"])).await, "scopes");

        let everything: Vec<&str> = declared.iter().map(String::as_str).collect();
        let made = platform.issue(&everything).await;
        for scope in &undeclared {
            let answer = platform.keyward.check(&made.api_key, &[scope]).await;
            assert_eq!(reason(&answer), Some(DenialReason::ScopeInsufficient), "{name}: {scope}");
            assert_eq!(answer.denial.unwrap().missing_scopes, only(&[scope]));
        }
        platform.keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_opens_its_resource_but_never_a_marked_scope() {
    // S4
    for name in PLATFORMS {
        let platform = Platform::start(name).await;
        let (declared, marked) = (platform.scopes(), platform.marked());
        assert!(!marked.is_empty(), "{name} marks nothing");
        let mut resources: Vec<&str> = declared.iter().map(|scope| resource_of(scope)).collect();
        resources.dedup();
        for resource in resources {
            let reached: Vec<String> = declared
                .iter()
                .filter(|scope| resource_of(scope) == resource && !marked.contains(scope))
                .cloned()
                .collect();
            let request = platform.key(&[&format!("{resource}:*")]);
            if reached.is_empty() {
                assert_field(platform.try_issue(request).await, "scopes");
                continue;
            }
            let made = platform.keyward.issue(request).await;
            let mut spelled_out = reached.clone();
            spelled_out.sort();
            assert_eq!(made.key.effective_scopes, spelled_out, "{name}");
            assert_eq!(platform.opened_by(&made.api_key).await, reached, "{name}");
        }
        platform.keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_has_the_prefix_that_is_declared() {
    // K4
    for platform_name in PLATFORMS {
        let platform = Platform::start(platform_name).await;
        let scope = platform.scopes().remove(0);
        let first = platform.issue(&[&scope]).await;
        let environments: Vec<_> = platform.entries("environments").collect();
        assert_eq!(first.key.environment, name(environments[0]), "the first one is the default");
        for environment in environments {
            let (declared, prefix) = (name(environment), text(environment, "prefix"));
            let request = v1::IssueRequest { environment: declared.to_owned(), ..platform.key(&[&scope]) };
            let made = platform.keyward.issue(request).await;
            assert!(made.api_key.starts_with(prefix) && made.key.hint.starts_with(prefix), "{prefix}");
            let answer = platform.keyward.check(&made.api_key, &[&scope]).await;
            assert_eq!(answer.key.unwrap().environment, declared);
        }
        let elsewhere = v1::IssueRequest { environment: "staging".to_owned(), ..platform.key(&[&scope]) };
        assert_field(platform.try_issue(elsewhere).await, "environment");
        platform.keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_on_a_declared_plan_the_first_unless_told() {
    // T1, T2
    for platform_name in PLATFORMS {
        let platform = Platform::start(platform_name).await;
        let scope = platform.scopes().remove(0);
        let made = platform.register("", &[&scope]).await.unwrap().into_inner();
        assert_eq!(made.workspace.as_ref().unwrap().plan, "starter", "{platform_name}");
        assert_field(platform.register("platinum", &[&scope]).await, "plan");

        let plans = platform.entries("plans").map(name).filter(|plan| *plan != "free");
        for plan in plans {
            let answer = platform.register(plan, &[&scope]).await.unwrap().into_inner();
            let workspace = answer.workspace.clone().unwrap();
            assert_eq!(workspace.plan, plan);
            let checked = platform.keyward.check(&answer.api_key, &[&scope]).await.key.unwrap();
            assert_eq!((checked.workspace_id, checked.plan.as_str()), (workspace.id, plan));
        }
        platform.keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_document_is_named_with_its_line_and_nothing_is_changed() {
    let platform = Platform::start("messaging-platform").await;
    let before = platform.keyward.in_force().await;
    let good = example("messaging-platform");
    let bad = good.replace("name = \"storage:read\"", "name = \"Storage:read\"").replace(
        "calendar = \"hour\" }]\n\n[[tiers]]\nname = \"permissions-check\"",
        "calendar = \"fortnight\" }]\n\n[[tiers]]\nname = \"permissions-check\"",
    );
    for refused in
        [platform.keyward.judge(&bad).await.map(|_| ()), apply(&platform.keyward, &bad).await.map(|_| ())]
    {
        let status = refused.unwrap_err();
        let violations = tonic_types::StatusExt::get_details_bad_request(&status).unwrap().field_violations;
        let line_of = |needle: &str| bad.lines().position(|line| line.contains(needle)).unwrap() + 1;
        for (field, line) in [
            ("policy.scopes[2].name", line_of("Storage:read")),
            ("policy.tiers[0].limits[0].calendar", line_of("fortnight")),
        ] {
            let named = violations.iter().find(|violation| violation.field == field);
            let named = named.unwrap_or_else(|| panic!("{field}: {violations:?}"));
            assert!(named.description.contains(&format!("line {line}")), "{named:?}");
        }
    }
    let unknown = platform.keyward.judge(&format!("colour = 1\n{good}")).await;
    let status = refusal(unknown, Code::InvalidArgument, "FIELD_INVALID");
    let violations = tonic_types::StatusExt::get_details_bad_request(&status).unwrap().field_violations;
    assert!(violations[0].description.contains("colour"), "{violations:?}");
    assert_eq!(platform.keyward.in_force().await, before);
    platform.keyward.stop().await;
}
