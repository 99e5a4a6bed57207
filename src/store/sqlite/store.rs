//! The store itself: its threads and connections, and how it is closed.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    blocks::{Bounds, Pile},
    connection, follower, log,
    open::{OpenError, Opened, database},
    readers::{self, Readers},
    reserve::HeldIndex,
    rewriting::Rewriting,
    sums::RunningSum,
    writer::{
        DiskRoom, FileIdentity, ForeignWrites, ReplyTo, Telling, WRITTEN_BY_OTHERS, Writer, WriterCounts,
        WriterWork,
    },
};
use crate::{
    domain::{revision::Revision, root::KeysInForce, time::Timestamp},
    ports::{Lifecycle, Pending, StoreError, StoreFigures, StoredMark, Taking, Until, WriterState},
    store::data_dir::DataDir,
};

/// Why a store that was closed takes nothing.
pub(super) const CLOSED: &str = "it is closed";

/// How many changes may wait for the writing thread (D7).
const MAX_WAITING: usize = 4096;

/// How many reads can be long: pages of the log, of keys and of usage. What is asked of one key finds a reader.
pub(super) const LONG_READS: usize = 2;

/// How many reads may run or wait, besides the follower's.
pub(super) const MAX_READS: usize = 64;

/// A store in a SQLite database.
pub struct SqliteStore {
    works: mpsc::Sender<WriterWork>,
    counts: Arc<WriterCounts>,
    pub(super) readers: Readers,
    pub(super) keys: Arc<KeysInForce>,
    pub(super) revisions: watch::Receiver<Revision>,
    pub(super) state: watch::Receiver<WriterState>,
    /// Whether it is sealed because another process has written.
    written_by_others: Arc<AtomicBool>,
    pub(super) taking: watch::Receiver<Taking>,
    pub(super) directory: PathBuf,
    /// What follows the log reads here, never behind the others.
    pub(super) follower: mpsc::Sender<follower::ReadJob>,
    /// Taken when the store goes.
    follower_thread: Option<JoinHandle<()>>,
    pub(super) reads: Arc<Semaphore>,
    pub(super) long_reads: Arc<Semaphore>,
    /// A reading of the whole log is long: one at a time.
    pub(super) verifying: Arc<Semaphore>,
    /// Taken by the first caller that joins it.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// When it was opened.
    pub(super) opened: Timestamp,
    /// As it was found.
    mark: StoredMark,
    ended_in_order: bool,
    /// The last field, so that it goes when every connection is closed.
    #[expect(dead_code, reason = "held, never read")]
    held_index: Option<HeldIndex>,
}

impl SqliteStore {
    pub(super) fn start(dir: &DataDir, opened: Opened) -> Result<Self, OpenError> {
        let Opened { connection, index, held, keys, draws, time, mark, ended_in_order, anchor } = opened;
        let path = dir.database();
        let head = log::head(&connection, &keys)?;
        let sum = RunningSum::at(&connection, &keys, head).map_err(database(&path))?;
        let (works, receiver) = mpsc::channel(MAX_WAITING);
        let (revision_sender, revisions) = watch::channel(head.revision);
        let (state_sender, state) = watch::channel(WriterState::Working);
        let foreign = ForeignWrites::from_now(&connection).map_err(database(&path))?;
        let written_by_others = foreign.seen();
        let (taking_sender, taking) = watch::channel(Taking::Everything);
        let room = DiskRoom::of(&connection, dir)?;
        let pile = Pile::of(&connection, Bounds::default()).map_err(database(&path))?;
        let counts = Arc::<WriterCounts>::default();
        let in_force = Arc::new(KeysInForce::new(Arc::clone(&keys)));
        let mut writer = Writer {
            counts: Arc::clone(&counts),
            connection,
            pile,
            foreign,
            keys,
            in_force: Arc::clone(&in_force),
            draws,
            head,
            sum,
            file: FileIdentity::of(path.clone()).map_err(database(&path))?,
            anchor,
            works: receiver,
            revisions: revision_sender,
            state: state_sender,
            taking: taking_sender,
            wal_pages: 0,
            room,
            rewriting: Rewriting::default(),
            sealing: Telling::default(),
            held_index: held.clone(),
            lock: dir.lock(),
        };
        writer.look_for_room();
        let readers = readers::open(path.clone(), index).map_err(database(&path))?;
        let thread = Mutex::new(Some(writer.spawn().map_err(database(&path))?));
        let following = connection::open_reader(&path, index).map_err(database(&path))?;
        let (follower, follower_thread) =
            follower::spawn(following, Arc::clone(&in_force)).map_err(database(&path))?;
        Ok(Self {
            works,
            counts,
            readers,
            follower,
            follower_thread: Some(follower_thread),
            reads: Arc::new(Semaphore::new(MAX_READS)),
            long_reads: Arc::new(Semaphore::new(LONG_READS)),
            verifying: Arc::new(Semaphore::new(1)),
            keys: in_force,
            revisions,
            state,
            written_by_others,
            taking,
            directory: dir.path().to_owned(),
            thread,
            opened: time,
            mark,
            ended_in_order,
            held_index: held,
        })
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the store had panicked");
        }
    }

    /// Lets rows under older roots be written anew, a step at a time; whether the writer is there for it.
    pub(super) fn begin_rewriting(&self) -> bool {
        self.works.try_send(WriterWork::Rewrite).is_ok()
    }

    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(ReplyTo<T>) -> WriterWork + Send + 'static,
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

    /// An error of a change as who asked must hear it: where a restart alone opens the store, no retry helps.
    pub(in crate::store::sqlite) fn of_change(&self, error: StoreError) -> StoreError {
        match (&error, &*self.state.borrow()) {
            (StoreError::Unavailable(_), WriterState::Sealed { until: Until::Restart, .. })
                if self.written_by_others.load(Ordering::Acquire) =>
            {
                WRITTEN_BY_OTHERS
            }
            (StoreError::Unavailable(_), WriterState::Sealed { why, until: Until::Restart }) => {
                StoreError::Sealed(why.clone())
            }
            _ => error,
        }
    }
}

impl Lifecycle for SqliteStore {
    fn is_initialized(&self) -> bool {
        *self.revisions.borrow() > Revision::ZERO
    }

    fn clock_mark(&self) -> StoredMark {
        self.mark
    }

    fn ended_in_order(&self) -> bool {
        self.ended_in_order
    }

    fn writer_state(&self) -> watch::Receiver<WriterState> {
        self.state.clone()
    }

    fn figures(&self) -> StoreFigures {
        let capacity = self.works.max_capacity();
        self.counts.figures(capacity.saturating_sub(self.works.capacity()), capacity)
    }

    /// Empties the WAL too, and gives the data directory back.
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let (answer, closed) = oneshot::channel();
            let sent = self.works.send(WriterWork::Close(answer)).await;
            let closed = match sent {
                Ok(()) => closed.await.unwrap_or_else(|_| Err(StoreError::Unavailable(CLOSED.to_owned()))),
                // Another caller has closed it.
                Err(_) => Ok(()),
            };
            self.join();
            closed
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The thread ends when its channel is closed: after what waits, which is at most a few groups.
        self.works = mpsc::channel(1).0;
        self.join();
        self.follower = mpsc::channel(1).0;
        if self.follower_thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that follows the store had panicked");
        }
    }
}
