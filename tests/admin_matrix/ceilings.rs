//! A ceiling's wildcard, and every way to hand out what the policy keeps from wildcards.

use keyward::domain::policy::{Document, Policy, RoleEntry};

use super::*;

/// Kept from wildcards by the policy.
const KEPT: &str = "permissions:manage";

/// Roles beside the default ones: one that has what is kept, one that has a wildcard, and one below both.
fn document() -> Document {
    let mut document = policy().document().clone();
    for (name, scope) in [("keeper", KEPT), ("wide", "permissions:*"), ("checker", "permissions:check")] {
        let (name, scopes) = (name.to_owned(), strings(&[scope]));
        document.roles.push(RoleEntry { name, scopes, ..RoleEntry::default() });
    }
    document
}

async fn start() -> Keyward {
    Keyward::start_with(true, Policy::new(document()).unwrap()).await
}

/// Everything that hands out rights, under a ceiling of these scopes.
fn under(scopes: &[&str], global: bool) -> v1::AdminRights {
    let ceiling = v1::Ceiling {
        any_grant: false,
        scopes: strings(scopes),
        ..admin_rights(&[], false).ceiling.unwrap()
    };
    let may = [
        "keys:issue",
        "keys:import",
        "keys:update",
        "keys:rotate",
        "keys:revoke",
        "workspaces:manage",
        "admin:grant",
    ];
    v1::AdminRights { ceiling: Some(ceiling), ..admin_rights(&may, global) }
}

struct Tenant {
    keyward: Keyward,
    workspace: String,
    /// Under a ceiling of `permissions:*`.
    wildcard: String,
    /// Under one that names what is kept, beside it.
    named: String,
}

impl Tenant {
    async fn start() -> Self {
        let keyward = start().await;
        let workspace = keyward.register("mine").await.0.id;
        let wildcard = keyward.issue_admin(&workspace, under(&["permissions:*"], false)).await.api_key;
        let named = keyward.issue_admin(&workspace, under(&["permissions:*", KEPT], false)).await.api_key;
        Self { keyward, workspace, wildcard, named }
    }

    fn holder(&self, scopes: &[&str]) -> v1::IssueRequest {
        v1::IssueRequest { workspace_id: self.workspace.clone(), ..holder_key(scopes) }
    }

    async fn add(
        &self,
        caller: &str,
        subject: &str,
        role: &str,
    ) -> Result<Response<v1::AddMemberResponse>, Status> {
        let (workspace_id, subject, role) = (self.workspace.clone(), subject.to_owned(), role.to_owned());
        let request = v1::AddMemberRequest { workspace_id, subject, role, expected_gains: None };
        self.keyward.workspaces().add_member(signed(caller, request)).await
    }

    async fn change(
        &self,
        caller: &str,
        subject: &str,
        role: &str,
    ) -> Result<Response<v1::UpdateMemberResponse>, Status> {
        let (workspace_id, subject, role) = (self.workspace.clone(), subject.to_owned(), role.to_owned());
        let request = v1::UpdateMemberRequest { workspace_id, subject, role, expected_gains: None };
        self.keyward.workspaces().update_member(signed(caller, request)).await
    }

    async fn remove(&self, subject: &str) {
        let (workspace_id, subject) = (self.workspace.clone(), subject.to_owned());
        let request = v1::RemoveMemberRequest { workspace_id, subject, ..v1::RemoveMemberRequest::default() };
        self.keyward.workspaces().remove_member(self.keyward.as_root(request)).await.unwrap();
    }

    /// The reason why a row is refused; empty where it is not.
    async fn import(&self, caller: &str, scope: &str) -> String {
        let row = v1::ImportRow {
            line: 1,
            name: "moved".to_owned(),
            scopes: strings(&[scope]),
            secret_bits: 160,
            hash: Some(v1::import_row::Hash::Sha256(vec![7; 32])),
            ..v1::ImportRow::default()
        };
        let workspace_id = self.workspace.clone();
        let request = v1::ImportKeysRequest {
            workspace_id,
            rows: vec![row],
            dry_run: true,
            ..v1::ImportKeysRequest::default()
        };
        let answer = self.keyward.keys().import_keys(signed(caller, request)).await.unwrap().into_inner();
        answer.results[0].error.as_ref().map_or(String::new(), |error| error.reason.clone())
    }

    /// A change of every key of an owner.
    async fn enable_all(
        &self,
        caller: &str,
        owner: &str,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        let request = v1::ChangeKeysRequest {
            workspace_id: self.workspace.clone(),
            owner: owner.to_owned(),
            action: Some(Action::Enable(v1::EnableKeys {})),
            expected_count: 1,
            ..v1::ChangeKeysRequest::default()
        };
        self.keyward.keys().change_keys(signed(caller, request)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceilings_wildcard_hands_out_no_scope_that_the_policy_keeps_from_wildcards() {
    // S4, S6, X9
    let tenant = Tenant::start().await;
    let (keyward, wildcard) = (&tenant.keyward, &tenant.wildcard);
    for fine in [
        tenant.holder(&["permissions:*"]),
        tenant.holder(&["permissions:check"]),
        v1::IssueRequest { grants: vec![bound("permissions:*", &["team/a"])], ..tenant.holder(&[]) },
    ] {
        keyward.try_issue(wildcard, fine).await.unwrap();
    }
    let before = keyward.revision().await;
    for scopes in [&[KEPT][..], &["permissions:*", KEPT], &["permissions:undeclared"]] {
        beyond(keyward.try_issue(wildcard, tenant.holder(scopes)).await, "grants");
    }
    let bound_one = v1::IssueRequest { grants: vec![bound(KEPT, &["team/a"])], ..tenant.holder(&[]) };
    beyond(keyward.try_issue(wildcard, bound_one).await, "grants");
    assert_eq!(tenant.import(wildcard, KEPT).await, "CEILING_EXCEEDED");
    assert_eq!(tenant.import(wildcard, "permissions:check").await, "");
    let admin = |scope: &str| v1::IssueRequest {
        name: "child".to_owned(),
        admin: Some(under(&[scope], false)),
        ..v1::IssueRequest::default()
    };
    for scope in [KEPT, "permissions:undeclared"] {
        beyond(keyward.try_issue(wildcard, admin(scope)).await, "ceiling");
    }
    assert_eq!(keyward.revision().await, before, "nothing was handed out");
    keyward.try_issue(wildcard, admin("permissions:*")).await.unwrap();
    keyward.try_issue(wildcard, admin("permissions:check")).await.unwrap();

    keyward.try_issue(&tenant.named, tenant.holder(&[KEPT])).await.unwrap();
    keyward.try_issue(&tenant.named, admin(KEPT)).await.unwrap();
    assert_eq!(tenant.import(&tenant.named, KEPT).await, "");
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceilings_wildcard_puts_nobody_into_a_role_that_has_such_a_scope() {
    // S4, S5, S6, X9
    let tenant = Tenant::start().await;
    let (keyward, wildcard) = (&tenant.keyward, &tenant.wildcard);
    tenant.add(wildcard, "ann", "checker").await.unwrap();
    tenant.change(wildcard, "ann", "wide").await.unwrap();
    for role in ["keeper", "owner"] {
        beyond(tenant.change(wildcard, "ann", role).await, "role");
        beyond(tenant.add(wildcard, "bob", role).await, "role");
    }
    // A key that follows such a role, alone or with the scope among its own.
    tenant.add(&keyward.root, "eve", "keeper").await.unwrap();
    let follower = |scopes: &[&str]| v1::IssueRequest {
        owner: "eve".to_owned(),
        follows_owner_role: true,
        ..tenant.holder(scopes)
    };
    beyond(keyward.try_issue(wildcard, follower(&[])).await, "role");
    beyond(keyward.try_issue(wildcard, follower(&[KEPT])).await, "grants");
    // One that was issued by somebody else comes back to life with its owner.
    keyward.issue(follower(&[KEPT])).await;
    tenant.remove("eve").await;
    beyond(tenant.add(wildcard, "eve", "checker").await, "grants");
    beyond(tenant.add(wildcard, "eve", "keeper").await, "role");
    tenant.add(&tenant.named, "eve", "keeper").await.unwrap();
    // On behalf of somebody whose role has the wildcard.
    let on_behalf =
        v1::IssueRequest { on_behalf_of: "ann".to_owned(), ..tenant.holder(&["permissions:check"]) };
    let narrow =
        keyward.try_issue(wildcard, on_behalf.clone()).await.unwrap().into_inner().key.clone().unwrap();
    let kept = v1::IssueRequest { scopes: strings(&[KEPT]), ..on_behalf };
    refusal(keyward.try_issue(&keyward.root, kept).await, Code::PermissionDenied, "ROLE_EXCEEDED");
    let widened = v1::Key { id: narrow.id.clone(), scopes: strings(&[KEPT]), ..v1::Key::default() };
    let widening = signed(&keyward.root, update(widened, &["scopes"]));
    refusal(keyward.keys().update_key(widening).await, Code::PermissionDenied, "ROLE_EXCEEDED");
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceilings_wildcard_gives_no_new_life_to_a_key_that_has_such_a_scope() {
    // S4, S6, X9
    let tenant = Tenant::start().await;
    let (keyward, wildcard) = (&tenant.keyward, &tenant.wildcard);
    let kept =
        keyward.issue(v1::IssueRequest { owner: "zoe".to_owned(), ..tenant.holder(&[KEPT]) }).await.key;
    let plain = keyward.try_issue(wildcard, tenant.holder(&["permissions:check"])).await.unwrap();
    let plain = plain.into_inner().key.clone().unwrap();
    let admin = keyward.issue_admin(&tenant.workspace, under(&[KEPT], false)).await.key;
    let mut keys = keyward.keys();
    let widened = v1::Key { id: plain.id, scopes: strings(&[KEPT]), ..v1::Key::default() };
    beyond(keys.update_key(signed(wildcard, update(widened, &["scopes"]))).await, "grants");
    let metadata = [("tier".to_owned(), "gold".to_owned())].into();
    let open = v1::Key { id: kept.id.clone(), metadata, ..v1::Key::default() };
    beyond(keys.update_key(signed(wildcard, update(open, &["metadata"]))).await, "grants");
    beyond(keys.rotate(signed(wildcard, rotation(&kept.id, Some(HOUR)))).await, "grants");
    beyond(keys.rotate(signed(wildcard, rotation(&admin.id, Some(HOUR)))).await, "ceiling");
    beyond(keys.revoke(signed(wildcard, by_id(&admin.id))).await, "ceiling");
    beyond(keys.disable_key(signed(wildcard, disabling(&admin.id))).await, "ceiling");
    beyond(keys.update_key(signed(wildcard, renaming(&admin.id, "after"))).await, "ceiling");
    keyward.rotate(&kept.id, Some(HOUR)).await;
    let grace = |grace: Duration| v1::UpdateGraceRequest {
        key_id: kept.id.clone(),
        generation: None,
        grace: Some(support::verbs::wire(grace)),
    };
    beyond(keys.update_grace(signed(wildcard, grace(DAY))).await, "grants");
    keys.update_grace(signed(wildcard, grace(Duration::ZERO))).await.unwrap();
    keys.disable_key(signed(wildcard, disabling(&kept.id))).await.unwrap();
    beyond(keys.enable_key(signed(wildcard, enabling(&kept.id))).await, "grants");
    beyond(tenant.enable_all(wildcard, "zoe").await, "grants");
    tenant.enable_all(&tenant.named, "zoe").await.unwrap();
    keys.rotate(signed(&tenant.named, rotation(&kept.id, None))).await.unwrap();
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceilings_wildcard_registers_no_workspace_with_such_a_scope() {
    // S4, S6, X9, T2
    let keyward = start().await;
    let caller = keyward.issue_admin("", under(&["permissions:*"], true)).await.api_key;
    let register = |role: &str, scopes: &[&str]| v1::RegisterWorkspaceRequest {
        name: "new".to_owned(),
        owner: "ann".to_owned(),
        owner_role: role.to_owned(),
        key: Some(holder_key(scopes)),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let ask = async |request| keyward.workspaces().register_workspace(signed(&caller, request)).await;
    beyond(ask(register("checker", &[KEPT])).await, "grants");
    beyond(ask(register("keeper", &["permissions:check"])).await, "role");
    let mut following = register("keeper", &[]);
    let key = following.key.as_mut().unwrap();
    (key.follows_owner_role, key.owner) = (true, "ann".to_owned());
    beyond(ask(following).await, "role");
    ask(register("wide", &["permissions:*"])).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_is_judged_by_the_policy_of_the_moment() {
    // S4, S6, X9
    let tenant = Tenant::start().await;
    let (keyward, wildcard) = (&tenant.keyward, &tenant.wildcard);
    let marked = |kept: bool| {
        let mut document = document();
        let scope = document.scopes.iter_mut().find(|scope| scope.name == KEPT).unwrap();
        scope.not_by_wildcard = kept;
        document
    };
    beyond(keyward.try_issue(wildcard, tenant.holder(&[KEPT])).await, "grants");
    keyward.apply(&marked(false)).await;
    let issued = keyward.try_issue(wildcard, tenant.holder(&[KEPT])).await.unwrap().into_inner();
    let id = issued.key.clone().unwrap().id;
    keyward.keys().rotate(signed(wildcard, rotation(&id, None))).await.unwrap();
    keyward.apply(&marked(true)).await;
    beyond(keyward.try_issue(wildcard, tenant.holder(&[KEPT])).await, "grants");
    beyond(keyward.keys().rotate(signed(wildcard, rotation(&id, None))).await, "grants");
    // One that is declared no more, while the wildcard still reaches another.
    let mut without = marked(false);
    without.scopes.retain(|scope| scope.name != "permissions:check");
    without.tiers.retain(|tier| !tier.scopes.contains(&"permissions:check".to_owned()));
    without.plans.iter_mut().for_each(|plan| plan.tiers.retain(|tier| tier.tier != "permissions-check"));
    without.roles.iter_mut().for_each(|role| role.scopes.retain(|scope| scope != "permissions:check"));
    without.roles.retain(|role| role.all_scopes || !role.scopes.is_empty());
    let inert = keyward.try_issue(wildcard, tenant.holder(&["permissions:check"])).await.unwrap();
    let inert = inert.into_inner().key.clone().unwrap().id;
    keyward.apply(&without).await;
    // What it will be when it is declared again, nobody knows.
    beyond(keyward.keys().rotate(signed(wildcard, rotation(&inert, None))).await, "grants");
    tenant.keyward.stop().await;
}
