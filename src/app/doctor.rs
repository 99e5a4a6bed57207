//! `keyward doctor`: what a data directory and this machine's clock say of each other, and the repair of a false mark.

use super::{error::AppError, is_begun, runtime};
use crate::{
    config::{self, args::DoctorArgs},
    domain::time::{Clock as _, Timestamp},
    operations::clock_mark,
    ports::{KeyStore as _, StoredMark},
    store::{
        data_dir::DataDir,
        sqlite::{SqliteStore, examine_offline},
    },
    system::{SystemClock, SystemEntropy},
    telemetry,
};

/// Says what it finds; with `--reset-clock` it sets the clock's mark first, and nobody else may have the store open.
///
/// # Errors
/// There is no store, it cannot be opened, or, for the repair, it is in use.
pub fn doctor(args: &DoctorArgs) -> Result<String, AppError> {
    let _logging = telemetry::start(&config::log_filter(), false)?;
    if !is_begun(&args.data_dir)? {
        return Err(AppError::NotInitialized(args.data_dir.clone()));
    }
    if args.reset_clock { reset_clock(args) } else { examine(args) }
}

fn examine(args: &DoctorArgs) -> Result<String, AppError> {
    let found = examine_offline(&args.data_dir)?;
    let wall = SystemClock.wall();
    Ok(format!(
        "store       {}: it opens, and its log ends at revision {}\nclock mark  {}\nwall clock  {wall}: {}\n",
        args.data_dir.display(),
        found.head,
        shown(found.mark),
        compared(found.mark, wall),
    ))
}

fn reset_clock(args: &DoctorArgs) -> Result<String, AppError> {
    let dir = DataDir::open(&args.data_dir)?;
    let now = SystemClock.wall();
    let (store, _keys) = SqliteStore::open(&dir, &SystemEntropy::default(), now)?;
    if !store.is_initialized() {
        return Err(AppError::NotInitialized(args.data_dir.clone()));
    }
    let from = store.clock_mark();
    let revision = runtime()?.block_on(async {
        let revision = store.commit(clock_mark::reset(from, now)).await?;
        store.close().await.map(|()| revision)
    })?;
    Ok(format!("clock mark  {} → {now}: revision {revision} of the log\n", shown(from)))
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
