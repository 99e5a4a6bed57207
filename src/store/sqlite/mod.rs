//! The embedded back end: one SQLite database, one thread that writes, a few connections that read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread::JoinHandle,
    time::Duration,
};

use r2d2_sqlite::SqliteConnectionManager;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

pub use self::{
    open::{
        Examination, OpenError,
        anchored::{AnchorReport, Doubt},
        examine_offline, verify_offline,
    },
    reserve::KeptRoom,
    writer::{Until, WriterState},
};
use self::{
    open::{Opened, database},
    reserve::HeldIndex,
    writer::{
        FileIdentity, Writer,
        foreign::ForeignWrites,
        group::{Answer, Work},
        room::{self, Room},
        telling::Telling,
    },
};
use super::data_dir::DataDir;
use crate::{
    domain::{audit::Revision, id::KeyId, root::DerivedKeys, time::Timestamp},
    ports::{
        KeyFilter, KeyPosition, KeyStore, LastUse, LogFilter, LogRows, Mutation, Note, Pending,
        PolicyVersion, RequestMark, ScopeUse, StoreError, StoredCount, StoredMark, Taking, Usage,
        UsageFilter, UsagePosition, Verification, View,
    },
};

mod connection;
mod damage;
mod entrance;
mod failure;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod faults;
mod follower;
mod groups;
mod log;
mod notes;
mod open;
mod policies;
mod read;
mod reading;
mod reserve;
mod rows;
mod schema;
mod schemes;
mod scope_uses;
mod usage;
mod uses;
mod writer;

/// How many changes may wait for the writing thread (D7).
const MAX_WAITING: usize = 4096;

/// How many reads run at once.
const READERS: u32 = 4;

/// How many of them can be long: pages of the log, of keys and of usage. What is asked of one key finds a reader.
const LONG_READS: usize = 2;

/// How many reads may run or wait, besides the follower's.
const MAX_READS: usize = 64;

/// How long a read waits for its turn.
const READER_WAIT: Duration = Duration::from_secs(5);

/// A store in a SQLite database.
pub struct SqliteStore {
    works: mpsc::Sender<Work>,
    readers: r2d2::Pool<SqliteConnectionManager>,
    keys: Arc<DerivedKeys>,
    revisions: watch::Receiver<Revision>,
    state: watch::Receiver<WriterState>,
    /// Whether it is sealed because another process has written.
    written_by_others: Arc<AtomicBool>,
    taking: watch::Receiver<Taking>,
    directory: PathBuf,
    /// What follows the log reads here, never behind the others.
    follower: mpsc::Sender<follower::Read>,
    /// Taken when the store goes.
    follower_thread: Option<JoinHandle<()>>,
    reads: Arc<Semaphore>,
    long_reads: Arc<Semaphore>,
    /// A reading of the whole log is long: one at a time.
    verifying: Arc<Semaphore>,
    /// Taken by whoever joins it first.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// As it was found.
    mark: StoredMark,
    ended_in_order: bool,
    /// The last field, so that it goes when every connection is closed.
    #[expect(dead_code, reason = "held, never read")]
    held_index: Option<HeldIndex>,
}

impl SqliteStore {
    fn start(dir: &DataDir, opened: Opened) -> Result<Self, OpenError> {
        let Opened { connection, index, held, keys, mark, ended_in_order, anchor } = opened;
        let path = dir.database();
        let head = log::head(&connection, &keys)?;
        let (works, receiver) = mpsc::channel(MAX_WAITING);
        let (revision_sender, revisions) = watch::channel(head.revision);
        let (state_sender, state) = watch::channel(WriterState::Working);
        let foreign = ForeignWrites::from_now(&connection).map_err(database(&path))?;
        let written_by_others = foreign.seen();
        let (taking_sender, taking) = watch::channel(Taking::Everything);
        let room = Room::of(&connection, dir)?;
        let mut writer = Writer {
            connection,
            foreign,
            keys: Arc::clone(&keys),
            head,
            file: FileIdentity::of(path.clone()).map_err(database(&path))?,
            anchor,
            works: receiver,
            revisions: revision_sender,
            state: state_sender,
            taking: taking_sender,
            wal_pages: 0,
            room,
            sealing: Telling::default(),
            held_index: held.clone(),
            lock: dir.lock(),
        };
        writer.look_for_room();
        let manager = SqliteConnectionManager::file(index.name(&path))
            .with_flags(index.reader_flags())
            .with_init(|connection| connection::prepare_reader(connection));
        let readers = r2d2::Pool::builder()
            .max_size(READERS)
            .connection_timeout(READER_WAIT)
            .test_on_check_out(false)
            .build(manager)
            .map_err(database(&path))?;
        let thread = Mutex::new(Some(writer.spawn().map_err(database(&path))?));
        let following = connection::open_reader(&path, index).map_err(database(&path))?;
        let (follower, follower_thread) =
            follower::spawn(following, Arc::clone(&keys)).map_err(database(&path))?;
        Ok(Self {
            works,
            readers,
            follower,
            follower_thread: Some(follower_thread),
            reads: Arc::new(Semaphore::new(MAX_READS)),
            long_reads: Arc::new(Semaphore::new(LONG_READS)),
            verifying: Arc::new(Semaphore::new(1)),
            keys,
            revisions,
            state,
            written_by_others,
            taking,
            directory: dir.path().to_owned(),
            thread,
            mark,
            ended_in_order,
            held_index: held,
        })
    }

    /// Whether the log holds an entry.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        *self.revisions.borrow() > Revision::ZERO
    }

    /// The clock's mark, as it was when the store was opened.
    #[must_use]
    pub const fn clock_mark(&self) -> StoredMark {
        self.mark
    }

    /// Whether the last process that served from this store ended in order, when it was opened.
    #[must_use]
    pub const fn ended_in_order(&self) -> bool {
        self.ended_in_order
    }

    /// How the writing thread is; whoever serves from this store watches it.
    #[must_use]
    pub fn writer_state(&self) -> watch::Receiver<WriterState> {
        self.state.clone()
    }

    /// Takes no change any more, writes those that wait, empties the WAL, and gives the data directory back.
    ///
    /// # Errors
    /// The store was sealed, or the WAL could not be emptied; the next start reads it.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (answer, closed) = oneshot::channel();
        let sent = self.works.send(Work::Close(answer)).await;
        let closed = match sent {
            Ok(()) => closed.await.unwrap_or_else(|_| Err(StoreError::Unavailable(CLOSED.to_owned()))),
            // Somebody else has closed it.
            Err(_) => Ok(()),
        };
        self.join();
        closed
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the store had panicked");
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(Answer<T>) -> Work + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.works.try_send(work(answer)).map_err(|error| {
                StoreError::Unavailable(match error {
                    mpsc::error::TrySendError::Full(_) => format!("{MAX_WAITING} changes wait already"),
                    mpsc::error::TrySendError::Closed(_) => CLOSED.to_owned(),
                })
            })?;
            let died = |_| Err(StoreError::OutcomeUnknown("the thread that writes has ended".to_owned()));
            answered.await.unwrap_or_else(died)
        })
    }
}

const CLOSED: &str = "it is closed";

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it any more: after what waits, which is at most a few groups.
        self.works = mpsc::channel(1).0;
        self.join();
        self.follower = mpsc::channel(1).0;
        if self.follower_thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that follows the store had panicked");
        }
    }
}

impl KeyStore for SqliteStore {
    fn open_anew(&self) -> Pending<'_, ()> {
        self.ask(Work::OpenAnew)
    }

    fn why(&self) -> Option<String> {
        match (&*self.state.borrow(), *self.taking.borrow()) {
            (WriterState::Sealed { why, until }, _) => Some(until.because(why)),
            (WriterState::Ended, _) => Some(CLOSED.to_owned()),
            (WriterState::Working, Taking::Everything) => None,
            (WriterState::Working, Taking::Ends | Taking::Nothing) => Some(room::full(&self.directory)),
        }
    }

    fn taking(&self) -> watch::Receiver<Taking> {
        self.taking.clone()
    }

    fn commit_all(&self, mutations: Vec<Mutation>) -> Pending<'_, Revision> {
        let committed = self.ask(|answer| Work::Commit(mutations, answer));
        Box::pin(async move { committed.await.map_err(|error| self.of_change(error)) })
    }

    fn require_unused(&self, request: RequestMark) -> Pending<'_, ()> {
        self.read(move |connection, _| match rows::check_request(connection, &request) {
            Ok(()) => Ok(()),
            Err(rows::Refusal::Store(error)) => Err(error),
            Err(rows::Refusal::Driver(error)) => Err(failure::of_reading(&error)),
        })
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.clone()
    }

    fn load(&self) -> Pending<'_, View> {
        self.follow(read::load)
    }

    fn changes_after(&self, after: Revision) -> Pending<'_, View> {
        self.follow(move |connection, keys| read::changes(connection, keys, after))
    }

    fn list_keys(
        &self,
        filter: KeyFilter,
        after: Option<KeyPosition>,
        limit: usize,
    ) -> Pending<'_, Vec<KeyPosition>> {
        self.read_long(move |connection, _| {
            read::list(connection, &filter, after, limit).map_err(|error| failure::of_reading(&error))
        })
    }

    fn policy_versions(&self, before: Option<u64>, limit: usize) -> Pending<'_, Vec<PolicyVersion>> {
        self.read_long(move |connection, keys| policies::versions(connection, keys, before, limit))
    }

    fn last_uses(&self, keys: Vec<KeyId>) -> Pending<'_, Vec<LastUse>> {
        self.read(move |connection, _| {
            uses::read(connection, &keys).map_err(|error| failure::of_reading(&error))
        })
    }

    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        let written = self.ask(|answer| Work::Notes(notes, answer));
        Box::pin(async move { written.await.map_err(|error| self.of_change(error)) })
    }

    fn usage(
        &self,
        filter: UsageFilter,
        after: Option<UsagePosition>,
        limit: usize,
    ) -> Pending<'_, Vec<Usage>> {
        self.read_long(move |connection, _| {
            let rows = usage::read(connection, &filter, after.as_ref(), limit);
            rows.map_err(|error| failure::of_reading(&error))
        })
    }

    fn scope_uses(&self, keys: Vec<KeyId>) -> Pending<'_, (Vec<ScopeUse>, Option<Timestamp>)> {
        self.read_long(move |connection, _| {
            scope_uses::read(connection, &keys).map_err(|error| failure::of_reading(&error))
        })
    }

    fn counts(&self) -> Pending<'_, (Vec<StoredCount>, bool)> {
        self.read(|connection, _| notes::counts(connection).map_err(|error| failure::of_reading(&error)))
    }

    fn query_log(&self, filter: LogFilter, before: Option<Revision>, limit: usize) -> Pending<'_, LogRows> {
        self.read_long(move |connection, keys| log::query(connection, keys, &filter, before, limit))
    }

    fn verify_log(&self) -> Pending<'_, Verification> {
        Box::pin(async move {
            let permit = Arc::clone(&self.verifying).acquire_owned().await;
            let permit = permit.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.read_with(permit, log::verify).await
        })
    }
}
