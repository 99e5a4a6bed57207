//! Work on all cores: the same in several connections that see the same revision.

use std::thread;

use rusqlite::Connection;

use crate::store::{
    chain::LogHead,
    rows::to_stored,
    sqlite::{log, readers::ReadingConnection},
};

/// Does `work` with this connection, and beside it with each of `others` that sees the log end at `head`; answers what each did.
pub(super) fn on_all_cores<T: Send, E: From<rusqlite::Error> + Send>(
    connection: &Connection,
    head: LogHead,
    others: &mut [ReadingConnection],
    work: impl Fn(&Connection) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let beside = |reader: &mut ReadingConnection| {
        let snapshot = reader.transaction()?;
        // A change may have been written meanwhile: then the others do everything.
        let sees_the_same =
            log::position(&snapshot)? == Some((to_stored(head.revision), head.chain.0.to_vec()));
        sees_the_same.then(|| work(&snapshot)).transpose()
    };
    thread::scope(|threads| {
        let beside: Vec<_> = others.iter_mut().map(|reader| threads.spawn(|| beside(reader))).collect();
        let own = work(connection);
        let ended = beside
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let done: Vec<_> = ended.filter_map(Result::transpose).collect();
        std::iter::once(own).chain(done).collect()
    })
}
