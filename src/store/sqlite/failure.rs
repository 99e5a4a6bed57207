//! What a failure means to who asked: mostly one of the driver.

use rusqlite::{Error, ErrorCode, ffi};

use super::damage;
use crate::{domain::zones, ports::StoreError};

/// A failure while reading.
pub(super) fn of_reading(error: &Error) -> StoreError {
    if is_corruption(error) {
        StoreError::Corrupt(damage::of_failure(&error.to_string()))
    } else {
        StoreError::Unavailable(error.to_string())
    }
}

/// Whether the database is not what SQLite left there.
pub(super) fn is_corruption(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether an expression could not be computed: JSON that is none.
pub(super) fn is_nonsense(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_ERROR)
}

/// Whether the failure passes by itself and leaves the file as it was: the disk is full, or the lock is held elsewhere.
///
/// `SQLITE_FULL` at a commit: the frame that would have made it one was not written.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether a statement was refused for what it would have stored, and only this statement was undone.
pub(super) fn is_constraint(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation))
}

/// Whether there is no room on the disk.
pub(super) fn is_full(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
}

/// Whether the system refused a write, for a quota too.
pub(super) fn is_unwritten(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Whether the index of a WAL could not be made in a file: for want of room, as far as SQLite says.
pub(super) fn is_without_index(error: &Error) -> bool {
    const FOR_WANT_OF_ROOM: [i32; 4] =
        [ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_IOERR_SHMOPEN, ffi::SQLITE_FULL];
    error.sqlite_error().is_some_and(|error| FOR_WANT_OF_ROOM.contains(&error.extended_code))
}

/// That something stored cannot be read for want of a time zone.
pub(super) fn zone_missing(whose: String, zone: String) -> StoreError {
    StoreError::ZoneMissing { whose, zone, in_force: zones::in_force() }
}
