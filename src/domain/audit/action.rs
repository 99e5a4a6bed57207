//! What was done: every kind of change, and its name in the log.

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The action as the log spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// The store was made, with the default workspace and the first administration key.
    StoreInitialize = "store.initialize",
    /// A new administration key was made on the machine.
    AdminRecover = "admin.recover",
    /// A workspace was registered, with its first key.
    WorkspaceRegister = "workspace.register",
    /// A workspace's fields were changed.
    WorkspaceUpdate = "workspace.update",
    /// A workspace was suspended: its keys are denied.
    WorkspaceSuspend = "workspace.suspend",
    /// A suspended workspace was resumed.
    WorkspaceResume = "workspace.resume",
    /// A workspace was closed, for good.
    WorkspaceClose = "workspace.close",
    /// A member was added to a workspace.
    MemberAdd = "member.add",
    /// A member was given another role.
    MemberUpdate = "member.update",
    /// A member was removed from a workspace.
    MemberRemove = "member.remove",
    /// A key was issued.
    KeyIssue = "key.issue",
    /// A key was given a new secret.
    KeyRotate = "key.rotate",
    /// A key was revoked.
    KeyRevoke = "key.revoke",
    /// A retiring secret was ended by presenting it.
    SecretEnd = "secret.end",
    /// The grace of retiring secrets was ended early, or extended.
    SecretGrace = "secret.grace",
    /// A key's fields were changed.
    KeyUpdate = "key.update",
    /// A key was switched off.
    KeyDisable = "key.disable",
    /// A key was switched on.
    KeyEnable = "key.enable",
    /// A policy document was put in force.
    PolicyApply = "policy.apply",
    /// The clock's mark was set to the wall clock's time on the machine.
    ClockReset = "clock.reset",
    /// A database that was older than its anchor, or without one, was taken in as it was.
    RollbackAccept = "rollback.accept",
    /// What is stored was not what was written: rows that cannot be trusted are named, and denied from then on.
    DamageFind = "damage.find",
    /// A new root was laid over the store.
    RootAdd = "root.add",
    /// A root that nothing needs any more was taken away.
    RootDestroy = "root.destroy",
    /// A key of another system was taken over by the hash of its secret.
    KeyImport = "key.import",
    /// The secret by which another system hashes its keys was taken in.
    SchemeAdd = "scheme.add",
}
