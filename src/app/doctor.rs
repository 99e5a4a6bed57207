//! `keyward doctor`: what a data directory, its anchor and this machine's clock say of each other, and the repair of a false
//! mark and of a restored database.

use super::{
    begin::{is_begun, runtime, store_of},
    error::AppError,
};
use crate::{
    changes::support::clock_mark,
    config::{self, args::DoctorArgs, zoneinfo},
    domain::{
        revision::Revision,
        time::{Clock as _, Timestamp},
        zones,
    },
    ports::{KeyStore as _, Lifecycle as _, StoredMark},
    store::{
        data_dir::DataDir,
        sqlite::{AnchorReport, KeptRoom, SqliteStore, examine_offline},
    },
    system::{SystemClock, SystemEntropy},
    telemetry,
};

/// Says what it finds. With `--reset-clock` or `--accept-rollback` it repairs instead; no other process may then have
/// the store open.
///
/// # Errors
/// There is no store, it cannot be opened, or, for the repair, it is in use.
pub fn doctor(args: &DoctorArgs) -> Result<String, AppError> {
    zoneinfo::use_directory(args.zoneinfo.as_deref())?;
    let _logging = telemetry::start(&config::log_filter(), false)?;
    if !is_begun(&args.data_dir) {
        return Err(AppError::NotInitialized(args.data_dir.clone()));
    }
    if args.reset_clock || args.accept_rollback.is_some() { repair(args) } else { examine(args) }
}

fn examine(args: &DoctorArgs) -> Result<String, AppError> {
    let found = examine_offline(
        &args.data_dir,
        &store_of(args.anchor.as_deref(), &args.roots, args.accept_rollback),
    )?;
    let wall = SystemClock.wall();
    Ok(format!(
        "store       {}: it opens, and its log ends at revision {}\nanchor      {}\nkept room   {}\nclock mark  {}\nwall clock  {wall}: {}\ntime zones  {}\n",
        args.data_dir.display(),
        found.head,
        anchored(&found.anchor, found.head),
        roomy(found.room),
        shown(found.mark),
        compared(found.mark, wall),
        zones::in_force(),
    ))
}

/// Takes an older database in, sets the clock's mark, or both.
fn repair(args: &DoctorArgs) -> Result<String, AppError> {
    let dir = DataDir::open(&args.data_dir)?;
    let now = SystemClock.wall();
    let (store, _keys) = SqliteStore::open_with(
        &dir,
        &store_of(args.anchor.as_deref(), &args.roots, args.accept_rollback),
        &SystemEntropy::default(),
        now,
    )?;
    if !store.is_initialized() {
        return Err(AppError::NotInitialized(args.data_dir.clone()));
    }
    let head = *store.revisions().borrow();
    let from = store.clock_mark();
    let reset = args.reset_clock;
    let revision = runtime()?.block_on(async {
        let revision = if reset { store.commit(clock_mark::reset(from, now)).await? } else { head };
        store.close().await.map(|()| revision)
    })?;
    let accepted = args.accept_rollback.filter(|accepted| *accepted < head.0);
    let accepted = accepted.map(|accepted| {
        format!(
            "anchor      made anew; the log went on from revision {accepted} with {head}, which says so\n"
        )
    });
    let reset =
        reset.then(|| format!("clock mark  {} → {now}: revision {revision} of the log\n", shown(from)));
    Ok([accepted, reset].into_iter().flatten().collect())
}

/// Whether what takes rights away has its room, should the disk be full.
fn roomy(room: KeptRoom) -> String {
    let KeptRoom { there, kept } = room;
    if there >= kept {
        format!(
            "{there} bytes of keyward.db-wal are given for good, of which {kept} are for revocations on a full disk"
        )
    } else {
        format!(
            "{there} bytes of keyward.db-wal are given for good, and revocations on a full disk want {kept}: the next start takes them, \
             where the disk has so many"
        )
    }
}

/// How the anchor stands to a log that ends at `head`.
fn anchored(anchor: &AnchorReport, head: Revision) -> String {
    let place = anchor.path.display();
    match (&anchor.doubt, anchor.known) {
        (Some(doubt), _) => format!(
            "{place}: no server starts, because {doubt}. Put back the newest database, with its -wal, and its anchor; or, if \
             this very database is meant, run `keyward doctor --accept-rollback {head}`"
        ),
        (None, None) => format!("{place}: none yet; the next start makes it"),
        (None, Some(known)) if known < head => format!(
            "{place}: revision {known}, behind the log, as a crash of the machine leaves it, or a disk that could not be \
             written; the next start brings it up"
        ),
        (None, Some(known)) => format!("{place}: revision {known}, as it must be"),
    }
}

fn shown(mark: StoredMark) -> String {
    match mark {
        StoredMark::Missing => "none".to_owned(),
        StoredMark::At(time) => time.to_string(),
        StoredMark::Edited => "edited".to_owned(),
    }
}

/// What the wall clock is to a mark.
fn compared(mark: StoredMark, wall: Timestamp) -> String {
    match mark {
        StoredMark::Missing => "nothing to compare it with".to_owned(),
        StoredMark::At(mark) if mark <= wall => format!("{} after the mark", span(mark, wall)),
        StoredMark::At(mark) => format!(
            "{} behind the mark, where time stands until the clock has passed it; set the clock right, or, if the mark \
             is the false one, run `keyward doctor --reset-clock`",
            span(wall, mark)
        ),
        StoredMark::Edited => {
            "nothing to compare it with, and no server starts; if it is right, run `keyward doctor --reset-clock`"
                .to_owned()
        }
    }
}

/// From one time to another, in words.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.saturating_since(from).as_secs();
    format!("{:#}", jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}
