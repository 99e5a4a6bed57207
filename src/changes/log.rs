//! Reads the log, and verifies it.

use std::sync::Arc;

use crate::{
    changes::{
        Changes,
        support::{audience::Audience, cursor, look::PageLook},
    },
    domain::{
        admin::{AdminPermit, ReadAudit},
        id::WorkspaceId,
        revision::Revision,
    },
    error::OperationError,
    ports::{LogFilter, LogRecord, LogRows, Verification},
};

/// A page ends when it has so many bytes of entries.
const MOST_BYTES: usize = 1 << 20;

/// A page of the log.
#[derive(Debug)]
pub struct LogAnswer {
    /// The records, newest first.
    pub records: Vec<LogRecord>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

/// What a verification tells.
#[derive(Debug)]
pub enum VerifyNews {
    /// So many records are read.
    Read(u64),
    /// What was found; the last that is told.
    Found(Verification),
}

impl Changes {
    /// The records that match, newest first; to a bound caller those of its workspace only. A page can be short, and not be the
    /// last: a call looks at no more than so many entries, and shows no more than so many bytes.
    ///
    /// # Errors
    /// The workspace is out of reach; the page token is not one of this list. The store.
    pub async fn query_log(
        &self,
        permit: AdminPermit<ReadAudit>,
        filter: LogFilter,
        page_token: &str,
        page_size: usize,
    ) -> Result<LogAnswer, OperationError> {
        // A caller cannot filter by an actor that it may not know of.
        if filter.actor_key.is_some_and(|actor| !self.index.is_caller_seen(permit.sight(), actor)) {
            return Ok(LogAnswer { records: Vec::new(), next_page_token: String::new() });
        }
        let list = format!("log {:?} {filter:?}", permit.bound_to());
        let mut before = self.place(&list, page_token)?;
        let (mut look, mut records, mut bytes) = (PageLook::begin(&self.clock), Vec::new(), 0_usize);
        let more = loop {
            let room = page_size.saturating_sub(records.len());
            let found = self.store.query_log(filter.clone(), before, room).await?;
            let LogRows { records: some, more, looked_at } = found;
            bytes = some.iter().fold(bytes, |bytes, record| bytes.saturating_add(record.bytes.len()));
            records.extend(some);
            let is_full = records.len() >= page_size || bytes >= MOST_BYTES;
            if look.is_enough_with(looked_at) || is_full || more.is_none() {
                break more;
            }
            before = more;
        };
        let next_page_token = more
            .map(|more| cursor::seal(&self.keys.now().cursors, &list, &more.to_string()))
            .unwrap_or_default();
        records.retain(|record| self.may_read(&permit, record));
        Ok(LogAnswer { records, next_page_token })
    }

    /// Whether a caller may know of the key that a record is about: a global administration key is not shown to one who
    /// is bound to a workspace, nor is what was done to it (T1).
    fn may_read(&self, permit: &AdminPermit<ReadAudit>, record: &LogRecord) -> bool {
        record.key().is_none_or(|id| self.index.is_seen(permit.sight(), id))
    }

    /// The workspace whose records a request means: the one named, the caller's own, or all (`None`).
    ///
    /// # Errors
    /// It does not exist, or is out of reach.
    pub fn log_workspace(
        &self,
        permit: &AdminPermit<ReadAudit>,
        named: Option<WorkspaceId>,
    ) -> Result<Option<WorkspaceId>, OperationError> {
        match named.or(permit.bound_to()) {
            None => Ok(None),
            some => self.workspace(permit, some).map(Some),
        }
    }

    /// Reads the whole log and says whether its chain holds.
    ///
    /// # Errors
    /// The caller is bound to one workspace. The store.
    pub async fn verify_log(&self, permit: AdminPermit<ReadAudit>) -> Result<Verification, OperationError> {
        permit.require_global()?;
        Ok(self.store.verify_log().await?)
    }

    /// The same, telling how many records are read, and in the end what was found.
    ///
    /// # Errors
    /// As there; nobody listens any more.
    pub async fn verify_log_telling(
        &self,
        permit: AdminPermit<ReadAudit>,
        telling: Audience<VerifyNews>,
    ) -> Result<(), OperationError> {
        permit.require_global()?;
        telling.tell(VerifyNews::Read(0)).await?;
        let to = telling.clone();
        let listening = Arc::new(move |records| to.mention(VerifyNews::Read(records)));
        let found = self.store.verify_log_for(listening).await?;
        telling.tell(VerifyNews::Found(found)).await
    }

    fn place(&self, list: &str, token: &str) -> Result<Option<Revision>, OperationError> {
        cursor::begin(&self.keys.now().cursors, list, token, |text| text.parse().ok().map(Revision))
    }
}
