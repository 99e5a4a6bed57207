//! Room that is kept for what takes rights away, so that a full disk takes no revocation away.
//!
//! Two files grow by a commit: the WAL, and the index beside it that SQLite keeps in shared memory. Both are made long enough
//! before anything ordinary is written, in blocks that the file system has given for good, so that a commit writes over
//! what is there already and needs no free block. The last part of the WAL is for changes that end something, and of that a
//! part for operators alone. It stays where it is when the store is closed: no other file takes the room between two starts.
//!
//! The database itself grows only when the WAL is copied into it; where it cannot, the WAL stays as it is, and goes on at its
//! end. This does not hold where the file system writes to new blocks what is written over (btrfs, ZFS, a thin volume that
//! has run out).

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

/// How many pages the WAL may have at all: 512 MiB (D7). Only a very long read makes it grow so far.
pub(super) const WAL_MAX: i64 = 131_072;

/// Frames of the WAL that only what takes rights away may use. One revocation alone takes a dozen of them, many at once fewer
/// each, and they come back whenever the WAL can be copied into the database.
pub(super) const KEPT: u64 = 4_096;

/// How many of these are for operators alone.
pub(super) const OPERATORS: u64 = 2_048;

/// Frames for what is ordinary that must be there before it is begun: more than one group has of pages, but for the largest
/// changes of many keys.
const AHEAD: u64 = 1_024;

/// What one change of one key takes at the most, and each more beside it; how many keys of a change of many stand on one page.
const ONE_CHANGE: u64 = 24;
const ONE_MORE: u64 = 12;
const KEYS_ON_A_PAGE: u64 = 156;

/// Bytes of a frame beside its page, and of the head of the WAL.
const FRAME_HEAD: u64 = 24;
const WAL_HEAD: u64 = 32;

/// The index of a WAL: a region for so many frames, each of so many bytes. The first has place for 34 fewer.
const REGION_FRAMES: u64 = 4_096;
const REGION_BYTES: u64 = 32 * 1024;

/// How much room is asked for at once: what is given stays, where not all is to be had.
const STEP: u64 = 1 << 20;

/// The room that is there.
pub(super) struct Reserve {
    wal: File,
    frame: u64,
    /// Bytes of the WAL that have blocks.
    there: u64,
}

/// The index of the WAL, as long as it can ever get. Held open as long as SQLite has it: to close it would take the locks away
/// that SQLite has on it.
pub(super) type HeldIndex = Arc<File>;

/// What so many changes take of the WAL at the most, which name so many keys together with others.
pub(super) fn frames_of(changes: usize, keys: usize) -> u64 {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let more = count(changes.saturating_sub(1)).saturating_mul(ONE_MORE);
    ONE_CHANGE.saturating_add(more).saturating_add(count(keys).div_euclid(KEYS_ON_A_PAGE))
}

/// The file beside a database that has this at its end.
fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.to_owned().into_os_string();
    path.push(end);
    path.into()
}

/// Makes the index of the WAL as long as it can ever get, so that no commit has to. SQLite must have it open, and makes it
/// itself; `None` where it keeps none in a file.
pub(super) fn extend_index(database: &Path) -> io::Result<Option<HeldIndex>> {
    let file = match OpenOptions::new().read(true).write(true).open(beside(database, "-shm")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => Arc::new(file?),
    };
    let frames = u64::try_from(WAL_MAX).unwrap_or_default().saturating_add(REGION_FRAMES);
    let bytes = frames.div_ceil(REGION_FRAMES).saturating_mul(REGION_BYTES);
    // Held also where there is no room: it is open now.
    allocate(&file, 0, bytes).map(|()| Some(file))
}

impl Reserve {
    /// Takes the WAL of a database, with what room it has.
    pub(super) fn open(database: &Path, page_size: u64) -> io::Result<Self> {
        let path = beside(database, "-wal");
        let wal =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let metadata = wal.metadata()?;
        // A copy may have holes.
        let there = metadata.len().min(metadata.blocks().saturating_mul(512));
        Ok(Self { wal, frame: page_size.saturating_add(FRAME_HEAD), there })
    }

    /// Frames that are there behind the first `used`.
    pub(super) fn left(&self, used: i64) -> u64 {
        let frames = self.there.saturating_sub(WAL_HEAD).checked_div(self.frame).unwrap_or_default();
        frames.saturating_sub(u64::try_from(used).unwrap_or_default())
    }

    /// Whether there is room for something ordinary behind the first `used` frames, with all that is kept behind it; asks for
    /// what is missing.
    pub(super) fn has_room(&mut self, used: i64) -> io::Result<()> {
        let used = u64::try_from(used).unwrap_or_default();
        let frames = used.saturating_add(KEPT).saturating_add(AHEAD);
        let wanted = frames.saturating_mul(self.frame).saturating_add(WAL_HEAD);
        // SQLite cuts a WAL off that was much longer than it need be, and so may others.
        self.there = self.there.min(self.wal.metadata()?.len());
        while self.there < wanted {
            // Over what is there too, where that has holes.
            let from = if self.there < self.wal.metadata()?.len() { 0 } else { self.there };
            let until = self.there.saturating_add(STEP).min(wanted);
            allocate(&self.wal, from, until)?;
            self.there = until;
        }
        Ok(())
    }

    /// Takes away what tells SQLite that the WAL holds something; its room stays. Only for one of which every page is in the
    /// database.
    pub(super) fn blank(&self) -> io::Result<()> {
        if self.wal.metadata()?.len() == 0 {
            return Ok(());
        }
        self.wal.write_all_at(&[0; 32], 0)?;
        self.wal.sync_data()
    }
}

/// Room in the WAL of a database: how many bytes have blocks of their own, and how many of them what takes rights away may
/// need while the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptRoom {
    /// So many have.
    pub there: u64,
    /// So many are kept.
    pub kept: u64,
}

/// Looks at the room of a database, and changes nothing.
pub(super) fn look(database: &Path, page_size: u64) -> KeptRoom {
    let there = std::fs::metadata(beside(database, "-wal"))
        .map_or(0, |wal| wal.len().min(wal.blocks().saturating_mul(512)));
    KeptRoom { there, kept: KEPT.saturating_mul(page_size.saturating_add(FRAME_HEAD)) }
}

/// Whether the WAL of a database holds nothing: there is none, or nothing but room.
pub(super) fn is_blank(database: &Path) -> bool {
    let Ok(mut wal) = File::open(beside(database, "-wal")) else { return true };
    let mut first = [0; 4];
    // One that is shorter holds nothing either.
    wal.read_exact(&mut first).is_err() || first == [0; 4]
}

/// Gives a file blocks from here to there, without a change of what it holds.
fn allocate(file: &File, from: u64, until: u64) -> io::Result<()> {
    let bytes = until.saturating_sub(from);
    match fallocate(file, FallocateFlags::empty(), from, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(file, until),
        Err(error) => Err(error.into()),
    }
}

/// The same where the file system cannot do it by itself: writes zeros behind the end.
fn fill(file: &File, until: u64) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut at = file.metadata()?.len();
    while at < until {
        let missing = usize::try_from(until.saturating_sub(at)).unwrap_or(ZEROS.len());
        let some = ZEROS.get(..missing.min(ZEROS.len())).unwrap_or(&ZEROS);
        file.write_all_at(some, at)?;
        at = at.saturating_add(u64::try_from(some.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
