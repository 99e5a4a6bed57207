//! The thread that reads for the follower of the log. It has a connection of its own, so that memory, and with it the
//! acknowledgement of a change, never waits behind a long query.

use std::{sync::Arc, thread};

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::domain::root::KeysInForce;

/// How many reads may wait; one follower asks for one at a time.
const MAX_WAITING: usize = 64;

/// A read, which answers by itself.
pub(super) type ReadJob = Box<dyn FnOnce(&mut Connection, &KeysInForce) + Send>;

/// Starts the thread, which ends when its channel is closed.
pub(super) fn spawn(
    mut connection: Connection,
    keys: Arc<KeysInForce>,
) -> std::io::Result<(mpsc::Sender<ReadJob>, thread::JoinHandle<()>)> {
    let (reads, mut receiver) = mpsc::channel::<ReadJob>(MAX_WAITING);
    let thread = thread::Builder::new().name("store-follower".to_owned()).spawn(move || {
        while let Some(read) = receiver.blocking_recv() {
            read(&mut connection, &keys);
        }
    })?;
    Ok((reads, thread))
}
