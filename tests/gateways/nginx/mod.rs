//! nginx, whose files are more than an example: what a change of them drops, and what `keyward gateway check` says of it;
//! what else than plain requests goes through it; what it does where Keyward or the service is away.

mod accepted;
mod browsers;
mod connections;
mod leaks;
mod readme;
mod rpc;
mod streams;
mod variations;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    config::{Behind, Changes},
    gateway::{NGINX, Running},
    support::skip,
};

/// What stands once in the files, and what is to stand there.
pub(super) fn replacing(changes: &[(&str, &str)]) -> Changes {
    let replaced = changes.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
    Changes { replaced: replaced.collect(), ..Changes::default() }
}

/// An nginx in front of these, with these changes; nothing, said loudly, where there is none.
pub(super) async fn nginx(behind: Behind, changes: &Changes) -> Option<Running> {
    let program = skip::tool(NGINX.program)?;
    Some(Running::start(&NGINX, &program, behind, changes).await)
}

/// Stands in front of a server, and counts the connections to it.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    near.set_nodelay(true).unwrap();
                    far.set_nodelay(true).unwrap();
                    let _ended = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { address, connections }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
