//! The service behind: a constant answer to whatever comes, on one thread.

use std::{
    io::{self, Read as _, Write as _},
    process, thread,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

/// Answers requests without a body with so many bytes, until standard input ends.
pub(crate) fn serve(answer_bytes: usize) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        thread::spawn(|| {
            drop(io::stdin().read_to_end(&mut Vec::new()));
            process::exit(0);
        });
        let body = "a".repeat(answer_bytes);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {answer_bytes}\r\n\r\n{body}");
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(answer_all(socket, answer.clone()));
        }
    })
}

async fn answer_all(mut socket: TcpStream, answer: String) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = Vec::with_capacity(4_096);
    while socket.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            socket.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}
