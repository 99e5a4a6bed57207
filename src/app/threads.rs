//! Which threads there are beside those that serve Checks, and what each is for.

use std::io;

use super::background::{
    Background,
    CoreShare::{Quarter, Tenth, Whole},
};
use crate::grpc::lanes::Runtimes;

/// The threads of administration. What Checks and revocations stand on is not done here but on the runtime of the service: the
/// log is followed there, and counts, uses and usage are written. They end with this.
pub(super) struct Threads {
    revocations: Background,
    administration: Background,
    changes: Background,
    looks: Background,
    tenants: Background,
    tenants_scans: Background,
    following: Background,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        Ok(Self {
            revocations: Background::start("revocations", 1, Whole)?,
            administration: Background::start("administration", 2, Whole)?,
            changes: Background::start("changes", 1, Tenth)?,
            looks: Background::start("looks", 1, Tenth)?,
            tenants: Background::start("tenants", 1, Quarter)?,
            tenants_scans: Background::start("tenants-scans", 1, Tenth)?,
            following: Background::start("following", 1, Quarter)?,
        })
    }

    /// Where administrative calls are carried out.
    pub(super) fn runtimes(&self) -> Runtimes {
        Runtimes {
            revocations: self.revocations.handle().clone(),
            administration: self.administration.handle().clone(),
            changes: self.changes.handle().clone(),
            looks: self.looks.handle().clone(),
            tenants: self.tenants.handle().clone(),
            tenants_scans: self.tenants_scans.handle().clone(),
        }
    }

    /// Where a change of very many keys is taken over into memory: every later change waits for that, and so nothing else is
    /// done there.
    pub(super) const fn following(&self) -> &tokio::runtime::Handle {
        self.following.handle()
    }
}
